//! `verify` notices what was changed behind our back.

use serde_json::Value;

use super::docker::{docker, id_of};
use super::rig::Rig;

/// The ids of the checks that failed.
fn failed(rig: &Rig, code: i32) -> Vec<String> {
    let report: Value = rig.run(&["verify", "--format", "json"]).ended(code).json();
    let checks = report["checks"].as_array().expect("checks");
    let failed = checks.iter().filter(|check| check["outcome"] == "fail");
    failed
        .map(|check| {
            assert!(check["fix"].as_str().is_some_and(|fix| !fix.is_empty()), "{check}");
            check["id"].as_str().expect("an id").to_owned()
        })
        .collect()
}

#[test]
fn limits_that_were_changed_behind_our_back_fail_the_verification_and_up_mends_them() {
    let rig = Rig::new("tampered");
    rig.up();
    let id = id_of(&rig.bridge());
    docker(&["update", "--memory", "512m", "--memory-swap", "1g", "--restart", "no", &id]).ok();
    assert_eq!(failed(&rig, 1), ["memory", "swap", "lifecycle"]);
    let up = rig.up();
    assert!(up.all().contains("25 passed") || up.out.contains("0 failed"), "{}", up.all());
    assert_ne!(id_of(&rig.bridge()), id);
    assert_eq!(failed(&rig, 0), Vec::<String>::new());
}

#[test]
fn a_container_that_is_stopped_or_gone_fails_the_verification() {
    let rig = Rig::new("halted");
    rig.up();
    docker(&["stop", &rig.bridge()]).ok();
    assert_eq!(failed(&rig, 1), ["running"]);
    docker(&["rm", &rig.bridge()]).ok();
    assert_eq!(failed(&rig, 1), ["running"]);
    assert_eq!(rig.probes(), Vec::<String>::new());
}

#[test]
fn a_container_that_another_made_in_ours_place_is_seen_through() {
    let rig = Rig::new("replaced");
    rig.up();
    let volume = format!("{}_mcp-logs:/app/logs", rig.project);
    let network = format!("{}_mcp", rig.project);
    let label = format!("io.mcpo-deploy.project={}", rig.project);
    let image = super::docker::container(&rig.bridge())["Image"].as_str().expect("an image").to_owned();
    docker(&["rm", "-f", &rig.bridge()]).ok();
    let ports = [format!("127.0.0.1:{}:8765", rig.websocket), format!("127.0.0.1:{}:5000", rig.rest)];
    docker(&[
        "run",
        "-d",
        "--name",
        &rig.bridge(),
        "--label",
        &label,
        "--label",
        "io.mcpo-deploy.role=service",
        "--label",
        "com.docker.compose.service=mcp-bridge",
        "-v",
        &volume,
        "-v",
        "/:/host:ro",
        "--network",
        &network,
        "-p",
        &ports[0],
        "-p",
        &ports[1],
        "--user",
        "0:0",
        "--cap-add",
        "SYS_ADMIN",
        "--pid",
        "host",
        "--security-opt",
        "seccomp=unconfined",
        &image,
    ])
    .ok();
    let found = failed(&rig, 1);
    for id in [
        "user",
        "cap-drop",
        "cap-add",
        "no-new-privileges",
        "seccomp",
        "read-only",
        "tmpfs",
        "memory",
        "swap",
        "cpus",
        "pids",
        "mounts",
        "host-namespaces",
        "lifecycle",
    ] {
        assert!(found.iter().any(|failed| failed == id), "{id} is not among {found:?}");
    }
    rig.up();
    assert_eq!(failed(&rig, 0), Vec::<String>::new());
}

#[test]
fn a_container_on_a_further_network_fails_the_verification() {
    let rig = Rig::new("network");
    rig.up();
    let network = rig.named("other");
    docker(&["network", "create", &network]).ok();
    docker(&["network", "connect", &network, &rig.bridge()]).ok();
    let found = failed(&rig, 1);
    docker(&["network", "disconnect", &network, &rig.bridge()]).ok();
    docker(&["network", "rm", &network]).ok();
    assert_eq!(found, ["networks"]);
}

#[test]
fn an_image_of_the_same_name_that_is_another_fails_the_verification() {
    let mut rig = Rig::new("image");
    let dockerfile = "FROM scratch\nCOPY stdio-fixture /server\nENTRYPOINT [\"/server\", \"legacy\"]\n";
    let image = rig.image("server", dockerfile);
    rig.use_image(&image, "status");
    rig.up();
    rig.image("server", &format!("{dockerfile}LABEL changed=yes\n"));
    let plan = rig.run(&["status", "--format", "json"]).ok().json();
    assert_eq!(plan["pending_images"], serde_json::json!([rig.named("mcp-bridge:latest")]));
    rig.up();
    assert_eq!(failed(&rig, 0), Vec::<String>::new());
}

#[test]
fn a_verification_of_what_is_not_up_says_so_and_leaves_nothing_behind() {
    let rig = Rig::new("unverified");
    let verified = rig.run(&["verify"]).ended(1);
    assert!(verified.err.contains("cannot be verified"), "{}", verified.all());
    let volumes = docker(&["volume", "ls", "--quiet", "--filter", &format!("name={}", rig.project)]).ok();
    assert_eq!(volumes.out, "");
    rig.up();
}
