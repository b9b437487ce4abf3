//! `verify` notices what was changed behind our back.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::docker::{Ran, docker, id_of, until};
use super::interruption::signal;
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

/// The ids of the checks that were skipped, each of which says why.
fn skipped(rig: &Rig) -> Vec<String> {
    let report: Value = rig.run(&["verify", "--format", "json"]).ended(1).json();
    let checks = report["checks"].as_array().expect("checks");
    let skipped = checks.iter().filter(|check| check["outcome"] == "skip");
    skipped
        .map(|check| {
            assert!(check["evidence"].as_str().is_some_and(|why| why.contains(&rig.project)), "{check}");
            check["id"].as_str().expect("an id").to_owned()
        })
        .collect()
}

#[test]
fn a_bridge_that_is_paused_or_hangs_is_told_within_seconds() {
    let rig = Rig::new("paused");
    rig.up();
    docker(&["kill", "--signal", "STOP", &rig.bridge()]).ok();
    let begun = Instant::now();
    let failures = failed(&rig, 1);
    let told = rig.run(&["verify"]).ended(1).all();
    let took = begun.elapsed();
    docker(&["kill", "--signal", "CONT", &rig.bridge()]).ok();
    assert_eq!(failures, ["websocket", "rest"], "{told}");
    assert!(took < Duration::from_secs(40), "{took:?}");

    docker(&["pause", &rig.bridge()]).ok();
    let begun = Instant::now();
    let (failures, skips) = (failed(&rig, 1), skipped(&rig));
    let took = begun.elapsed();
    docker(&["unpause", &rig.bridge()]).ok();
    assert_eq!(
        (failures, skips),
        (vec!["running".to_owned()], vec!["websocket".to_owned(), "rest".to_owned()])
    );
    // Each wire alone was waited for a minute.
    assert!(took < Duration::from_secs(40), "{took:?}");
}

#[test]
fn limits_that_were_changed_behind_our_back_fail_the_verification_and_up_mends_them() {
    let rig = Rig::new("tampered");
    rig.up();
    let id = id_of(&rig.bridge());
    docker(&["update", "--memory", "512m", "--memory-swap", "1g", "--restart", "no", &id]).ok();
    assert_eq!(failed(&rig, 1), ["memory", "swap", "lifecycle"]);
    let up = rig.up();
    assert!(up.out.contains("0 failed"), "{}", up.all());
    assert_ne!(id_of(&rig.bridge()), id);
    assert_eq!(failed(&rig, 0), Vec::<String>::new());
}

#[test]
fn a_container_that_is_stopped_or_gone_fails_the_verification() {
    let rig = Rig::new("halted");
    rig.up();
    docker(&["stop", &rig.bridge()]).ok();
    assert_eq!(failed(&rig, 1), ["running"]);
    // The folder's owner can be asked for all the same.
    assert_eq!(skipped(&rig), ["websocket", "rest"]);
    docker(&["rm", &rig.bridge()]).ok();
    assert_eq!(failed(&rig, 1), ["running"]);
    assert_eq!(skipped(&rig), ["websocket", "rest", "log-owner"]);
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

/// Runs the bridge again as `inspect` shows it, labels and all, with further options.
fn again(rig: &Rig, further: &[&str], command: &[&str]) -> String {
    let bridge = super::docker::container(&rig.bridge());
    let (config, host) = (&bridge["Config"], &bridge["HostConfig"]);
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let mut args: Vec<String> =
        ["run", "-d", "--read-only", "--cap-drop", "ALL", "--name"].map(str::to_owned).into();
    args.push(rig.bridge());
    let mut add = |name: &str, value: String| args.extend([name.to_owned(), value]);
    for (key, value) in config["Labels"].as_object().expect("labels") {
        add("--label", format!("{key}={}", text(value)));
    }
    for variable in config["Env"].as_array().expect("variables") {
        add("--env", text(variable));
    }
    for (path, options) in host["Tmpfs"].as_object().expect("folders") {
        add("--tmpfs", format!("{path}:{}", text(options)));
    }
    for option in host["SecurityOpt"].as_array().expect("options") {
        add("--security-opt", text(option));
    }
    for mount in host["Binds"].as_array().expect("mounts") {
        add("--volume", text(mount));
    }
    for (key, value) in host["LogConfig"]["Config"].as_object().expect("limits") {
        add("--log-opt", format!("{key}={}", text(value)));
    }
    add("--user", text(&config["User"]));
    add("--network", text(&host["NetworkMode"]));
    add("--network-alias", "mcp-bridge".to_owned());
    add("--restart", text(&host["RestartPolicy"]["Name"]));
    add("--memory", host["Memory"].to_string());
    add("--memory-swap", host["MemorySwap"].to_string());
    add("--cpus", (host["NanoCpus"].as_f64().expect("a limit") / 1e9).to_string());
    add("--pids-limit", host["PidsLimit"].to_string());
    add("--publish", format!("127.0.0.1:{}:8765", rig.websocket));
    add("--publish", format!("127.0.0.1:{}:5000", rig.rest));
    args.extend(further.iter().map(|&word| word.to_owned()));
    args.push(text(&bridge["Image"]));
    args.extend(command.iter().map(|&word| word.to_owned()));
    docker(&["rm", "-f", &rig.bridge()]).ok();
    docker(&args.iter().map(String::as_str).collect::<Vec<_>>()).ok();
    until("the copy answers", || docker(&["exec", &rig.bridge(), "/mcp-bridge", "probe"]).code == Some(0));
    id_of(&rig.bridge())
}

#[test]
fn a_weakened_copy_of_a_container_is_told_from_it_and_replaced() {
    let rig = Rig::new("copied");
    rig.up();
    let copy = again(&rig, &[], &[]);
    assert_eq!(failed(&rig, 0), Vec::<String>::new());
    rig.up();
    assert_eq!(id_of(&rig.bridge()), copy, "a faithful one is left alone");

    let weaker = [
        &["--group-add", "0", "--device-cgroup-rule", "a *:* rwm"][..],
        &["--security-opt", "systempaths=unconfined", "--security-opt", "apparmor=unconfined"],
        &["--mount", "type=tmpfs,target=/evil,tmpfs-mode=1777", "--sysctl", "net.ipv4.ip_forward=1"],
        &["--env", "LD_PRELOAD=/evil/x.so", "--env", "MCP_BRIDGE_ALLOW_ORIGIN=https://evil.example"],
    ];
    let copy = again(&rig, &weaker.concat(), &[]);
    let ids = ["environment", "groups", "security-options", "system-paths", "sysctls", "tmpfs", "devices"];
    assert_eq!(failed(&rig, 1), ids);
    let told = rig.run(&["verify"]).ended(1).all();
    assert!(told.contains("LD_PRELOAD (added)") && !told.contains("evil.example"), "{told}");
    rig.up();
    assert_ne!(id_of(&rig.bridge()), copy);
    assert_eq!(failed(&rig, 0), Vec::<String>::new());
}

#[test]
fn a_copy_that_runs_something_else_or_elsewhere_is_told_from_the_original() {
    let rig = Rig::new("commanded");
    rig.up();
    for (further, command) in [(&[][..], &["--max-connections", "1"][..]), (&["--workdir", "/tmp"], &[])] {
        again(&rig, further, command);
        assert_eq!(failed(&rig, 1), ["command"], "{further:?} {command:?}");
        rig.up();
    }
    let guest = rig.named("guest");
    rig.owns_container(&guest);
    let image = super::docker::container(&rig.bridge())["Image"].as_str().expect("an image").to_owned();
    docker(&["run", "-d", "--name", &guest, &image]).ok();
    again(&rig, &["--pid", &format!("container:{guest}")], &[]);
    assert_eq!(failed(&rig, 1), ["host-namespaces"]);
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

#[test]
fn up_fails_again_for_as_long_as_what_runs_does_not_pass() {
    let rig = Rig::new("unwritable");
    let folder = rig.folder().join("logs");
    fs::create_dir(&folder).expect("a folder");
    rig.write("mcpo.yaml", "logs:\n  folder: ./logs\n");
    let id = |ran: &Ran| (ran.out.contains("log-owner"), id_of(&rig.bridge()));
    let first = id(&rig.run(&["up"]).ended(1));
    // Nothing is changed by it, and it is not called right for that.
    let again = rig.run(&["up"]).ended(1);
    assert_eq!((first.0, &id(&again)), (true, &first), "{}", again.all());
    assert!(again.out.contains("1 failed") && !again.out.contains("nothing to do"), "{}", again.out);
    let report = rig.run(&["up", "--format", "json"]).ended(1).json();
    assert_eq!((&report["changed"], &report["verification"]["passed"]), (&json!(false), &json!(false)));

    fs::set_permissions(&folder, Permissions::from_mode(0o777)).expect("our folder");
    let mended = rig.up();
    assert!(mended.out.starts_with("nothing to do"), "{}", mended.out);
    let report = rig.run(&["up", "--format", "json"]).ok().json();
    assert_eq!((&report["changed"], &report["verification"]["passed"]), (&json!(false), &json!(true)));
    let checks = report["verification"]["checks"].as_array().expect("checks");
    let skipped: Vec<&str> = checks
        .iter()
        .filter(|check| check["outcome"] == "skip")
        .filter_map(|check| check["id"].as_str())
        .collect();
    assert_eq!(skipped, ["stdio"]);
    assert_eq!(rig.probes(), Vec::<String>::new());
}

#[test]
fn a_log_folder_that_is_not_there_is_made_for_who_writes_into_it() {
    let rig = Rig::new("folder");
    let folder = rig.folder().join("var/logs");
    rig.write("mcpo.yaml", "logs: {folder: ./var/logs}\n");
    if fs::metadata(rig.folder()).expect("our folder").uid() != 0 {
        let refused = rig.run(&["up"]).ended(1);
        assert!(refused.err.contains("sudo install -d"), "{}", refused.all());
        assert_eq!(rig.what_there_is(), Vec::<String>::new());
        return;
    }
    rig.up();
    let made = fs::metadata(&folder).expect("the folder");
    assert_eq!((made.uid(), made.mode() & 0o7777), (65532, 0o750));
    assert!(fs::read_dir(&folder).expect("the folder").next().is_some(), "nothing was written");
    assert_eq!(failed(&rig, 0), Vec::<String>::new());
    assert!(rig.up().out.starts_with("nothing to do"));
    rig.run(&["down", "--volumes"]).ok();
    assert!(folder.exists());
}

#[test]
fn an_up_that_was_killed_before_its_proof_is_proved_by_the_next() {
    let mut rig = Rig::new("unproved");
    let dockerfile = "FROM scratch\nCOPY stdio-fixture /server\nENTRYPOINT [\"/server\", \"legacy\"]\n";
    let image = rig.image("server", dockerfile);
    rig.use_image(&image, "no-such-tool");
    let mut up = rig.start(&["up"]);
    until("a container of the verification's", || !rig.probes().is_empty());
    signal(&up, "KILL");
    up.wait().expect("an end");
    for _ in 0..2 {
        let next = rig.run(&["up"]).ended(1);
        assert!(next.out.contains("the server has no tool no-such-tool"), "{}", next.all());
    }
    let report = rig.run(&["up", "--format", "json"]).ended(1).json();
    assert_eq!(report["changed"], false);
}
