//! Servers of other people's: they are hardened and proved like ours.

use serde_json::{Value, json};

use super::docker::{container, inspect};
use super::hardening::assert_hardened;
use super::rig::Rig;

fn outcome(report: &Value, id: &str) -> (String, String) {
    let checks = report["checks"].as_array().expect("checks");
    let check = checks.iter().find(|check| check["id"] == id).unwrap_or_else(|| panic!("no {id}"));
    let text = |key: &str| check[key].as_str().unwrap_or_default().to_owned();
    (text("outcome"), text("evidence"))
}

/// A deployment of the fixture in a dialect, with further lines of its Dockerfile.
fn of_dialect(name: &str, dialect: &str, further: &str) -> Rig {
    let mut rig = Rig::new(name);
    let dockerfile = format!(
        "FROM scratch\nCOPY stdio-fixture /server\nCOPY contained-fixture /other\nCOPY passwd /etc/passwd\n\
         {further}ENTRYPOINT [\"/server\"]\nCMD [\"{dialect}\"]\n"
    );
    let image = rig.image("server", &dockerfile);
    rig.use_image(&image, "status");
    rig
}

#[test]
fn a_server_that_only_speaks_mcp_is_proved() {
    let rig = of_dialect("legacy", "legacy", "");
    rig.up();
    let report = rig.run(&["verify", "--format", "json"]).ok().json();
    for wire in ["stdio", "websocket", "rest"] {
        let (outcome, evidence) = outcome(&report, wire);
        assert_eq!(outcome, "pass", "{wire}: {evidence}");
        assert!(evidence.contains("status active"), "{wire}: {evidence}");
    }
    assert_eq!(rig.rest_status("status")["status"], "active");
}

#[test]
fn a_bridge_with_room_for_one_client_is_proved_over_both_wires() {
    let mut rig = of_dialect("narrow", "legacy", "");
    rig.set("MCPO_BRIDGE_MAX_CONNECTIONS", "1");
    rig.up();
    let report = rig.run(&["verify", "--format", "json"]).ok().json();
    for wire in ["websocket", "rest"] {
        assert_eq!(outcome(&report, wire).0, "pass", "{wire}");
    }
}

#[test]
fn a_server_that_only_speaks_the_bare_dialect_is_proved() {
    let rig = of_dialect("bare", "bare", "");
    rig.up();
    let report = rig.run(&["verify", "--format", "json"]).ok().json();
    for wire in ["stdio", "websocket", "rest"] {
        let (outcome, evidence) = outcome(&report, wire);
        assert_eq!(outcome, "pass", "{wire}: {evidence}");
    }
}

#[test]
fn a_server_without_a_status_tool_is_proved_by_the_tools_that_it_lists() {
    let mut rig = of_dialect("toolless", "legacy", "");
    rig.set("MCPO_ORCHESTRATOR_STATUS_TOOL", "get_orchestrator_status");
    rig.up();
    let through = [None, Some(format!("tcp://127.0.0.1:{}", super::remote::proxy()))];
    for engine in through {
        if let Some(engine) = &engine {
            rig.set("DOCKER_HOST", engine);
        }
        let report = rig.run(&["verify", "--format", "json"]).ok().json();
        for wire in ["stdio", "websocket"] {
            let (outcome, evidence) = outcome(&report, wire);
            let shown = outcome == "pass" && evidence.contains("tools listed, none named as status tool");
            assert!(shown, "{wire} through {engine:?}: {evidence}");
        }
        assert_eq!(outcome(&report, "rest").0, "skip", "through {engine:?}");
    }
}

#[test]
fn a_server_that_ends_over_a_dialect_that_it_does_not_know_is_proved() {
    let rig = of_dialect("fussy", "fussy", "");
    rig.up();
    assert_eq!(rig.rest_status("status")["status"], "active");
    assert_eq!(rig.probes(), Vec::<String>::new());
}

#[test]
fn an_image_that_would_run_as_root_runs_as_nobody_in_particular() {
    for (name, user) in [("no-user", ""), ("root", "USER root\n"), ("zero", "USER 0:0\n")] {
        let rig = of_dialect(name, "legacy", user);
        rig.up();
        let bridge = container(&rig.bridge());
        assert_hardened(&bridge);
        assert_eq!(bridge["Config"]["User"], "65532:65532", "{name}");
        // The volume is as writable as ours.
        let report = rig.run(&["verify", "--format", "json"]).ok().json();
        assert_eq!(outcome(&report, "log-owner").0, "pass");
    }
}

/// Seconds since 1970 and a fraction, as the engine takes it.
fn now() -> String {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a time");
    format!("{}.{:09}", since.as_secs(), since.subsec_nanos())
}

#[test]
fn a_user_that_an_image_names_is_kept_by_its_number() {
    let rig = of_dialect("named", "legacy", "USER app\n");
    // What only looks says that it does not know the number yet, and creates nothing to find out.
    let since = now();
    for args in [&["up", "--dry-run"][..], &["status"], &["build", "--dry-run"]] {
        let looked = rig.run(args).ok();
        assert!(looked.err.contains("runs as \"app\", whose number is not known"), "{}", looked.all());
    }
    let image = format!("image={}", rig.named("server:latest"));
    let created =
        ["events", "--since", &since, "--until", &now(), "--filter", "event=create", "--filter", &image];
    assert_eq!(super::docker::docker(&created).ok().out, "");
    rig.up();
    let again = rig.run(&["up", "--dry-run"]).ok();
    assert_eq!((again.out.as_str(), again.err.contains("is not known")), ("nothing to do\n", false));
    let bridge = container(&rig.bridge());
    assert_eq!(bridge["Config"]["User"], "1001:1002");
    assert_eq!(bridge["Mounts"][0]["Name"], format!("{}_mcp-logs-1001", rig.project));
    let report = rig.run(&["verify", "--format", "json"]).ok().json();
    assert_eq!(outcome(&report, "log-owner").0, "pass");
    assert!(outcome(&report, "user").1.contains("1001:1002"));
    // Looking into the image for the name left no container behind.
    let looks = super::docker::docker(&[
        "ps",
        "-aq",
        "--filter",
        "name=mcpo-deploy-look-",
        "--filter",
        &format!("ancestor={}", rig.named("server:latest")),
    ]);
    assert_eq!(looks.ok().out, "");
}

#[test]
fn what_an_image_brings_for_itself_is_reset_in_the_bridge_s() {
    let further = "HEALTHCHECK --interval=1s CMD [\"/other\", \"die\", \"1\", \"unwell\"]\nWORKDIR /etc\n";
    let rig = of_dialect("brings", "legacy", further);
    rig.up();
    let bridge = inspect("image", &rig.named("mcp-bridge:latest")).expect("an image");
    let config = &bridge["Config"];
    assert_eq!(config["Healthcheck"]["Test"], json!(["CMD", "/mcp-bridge", "probe"]));
    assert_eq!(config["Entrypoint"], json!(["/mcp-bridge"]));
    assert!(config["Cmd"].as_array().is_none_or(Vec::is_empty), "{}", config["Cmd"]);
    assert_eq!(config["User"], "65532:65532");
    // It still runs where it was made to run.
    assert_eq!(config["WorkingDir"], "/etc");
    assert_eq!(rig.rest_status("status")["status"], "active");
}

#[test]
fn a_command_of_the_user_s_is_what_the_bridge_spawns() {
    let rig = of_dialect("command", "fussy", "");
    rig.write("mcpo.yaml", "orchestrator:\n  command: [legacy]\n");
    rig.up();
    let report = rig.run(&["verify", "--format", "json"]).ok().json();
    for wire in ["stdio", "websocket"] {
        let (outcome, evidence) = outcome(&report, wire);
        assert!(outcome == "pass" && evidence.contains("handshake"), "{wire}: {evidence}");
    }
}
