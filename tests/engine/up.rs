//! `up` again: what is right is left alone, what changed is replaced, and nothing else.

use std::fs;
use std::path::PathBuf;

use super::docker::{container, docker, id_of, inspect, until};
use super::rig::Rig;

/// The folder of a project's log volume on this machine.
pub(crate) fn log_folder(rig: &Rig) -> PathBuf {
    let volume = inspect("volume", &format!("{}_mcp-logs", rig.project)).expect("a volume");
    volume["Mountpoint"].as_str().expect("a folder").into()
}

#[test]
fn a_second_up_does_nothing() {
    let rig = Rig::new("second");
    rig.up();
    let (id, started) = (id_of(&rig.bridge()), container(&rig.bridge())["State"]["StartedAt"].clone());
    let again = rig.up();
    assert!(again.out.starts_with("nothing to do"), "{}", again.all());
    let now = container(&rig.bridge());
    assert_eq!((now["Id"].as_str(), &now["State"]["StartedAt"]), (Some(&*id), &started));
    let plan = rig.run(&["up", "--dry-run"]).ok();
    assert_eq!(plan.out, "nothing to do\n");
}

#[test]
fn a_dry_run_touches_nothing() {
    let rig = Rig::new("dry");
    let plan = rig.run(&["up", "--dry-run"]).ok();
    assert!(
        plan.out.contains(&format!("+ create container {} (it does not exist)", rig.bridge())),
        "{}",
        plan.out
    );
    assert_eq!(rig.what_there_is(), Vec::<String>::new());
    rig.up();
    let before = rig.what_there_is();
    let plan = rig.run(&["down", "--dry-run"]).ok();
    assert!(plan.out.contains("- remove container"), "{}", plan.out);
    assert_eq!(rig.what_there_is(), before);
}

#[test]
fn a_changed_setting_replaces_only_what_it_touches() {
    let rig = Rig::new("changed");
    rig.up();
    let network = format!("{}_mcp", rig.project);
    let network_id = inspect("network", &network).expect("a network")["Id"].clone();
    let old = id_of(&rig.bridge());
    fs::write(log_folder(&rig).join("kept.log"), "kept").expect("an engine on this machine");

    rig.write("mcpo.yaml", "hardening:\n  memory: 256m\n");
    rig.up();
    let bridge = container(&rig.bridge());
    assert_ne!(bridge["Id"], old.as_str());
    assert_eq!(bridge["HostConfig"]["Memory"], 256 << 20);
    assert_eq!(bridge["HostConfig"]["MemorySwap"], 256 << 20);
    assert_eq!(inspect("network", &network).expect("a network")["Id"], network_id);
    assert_eq!(fs::read_to_string(log_folder(&rig).join("kept.log")).expect("a file"), "kept");

    // A variable is part of what a container is created from, though no field shows it.
    let old = id_of(&rig.bridge());
    rig.write("mcpo.yaml", "hardening:\n  memory: 256m\norchestrator:\n  environment: {LANG: C}\n");
    rig.up();
    assert_ne!(id_of(&rig.bridge()), old);
    assert!(super::docker::variables(&rig.bridge()).contains(&"LANG=C".to_owned()));
}

#[test]
fn an_app_that_changes_leaves_the_bridge_alone() {
    let rig = Rig::new("app");
    let app = rig
        .image("app", "FROM scratch\nCOPY contained-fixture /app\nENTRYPOINT [\"/app\"]\nCMD [\"idle\"]\n");
    rig.write("mcpo.yaml", &format!("app:\n  image: {app}\n"));
    rig.run(&["up", "full-stack"]).ok();
    let name = rig.named("app-1");
    let (bridge, first) = (id_of(&rig.bridge()), id_of(&name));
    let inspected = container(&name);
    super::hardening::assert_hardened(&inspected);
    assert_eq!(inspected["Config"]["User"], "65532:65532");
    assert_eq!(inspected["HostConfig"]["Init"], true);
    assert!(
        super::docker::variables(&name).contains(&"MCP_ORCHESTRATOR_URL=ws://mcp-bridge:8765".to_owned())
    );

    rig.write("mcpo.yaml", &format!("app:\n  image: {app}\n  command: [say, hello]\n"));
    rig.run(&["up", "full-stack"]).ok();
    assert_eq!(id_of(&rig.bridge()), bridge);
    assert_ne!(id_of(&name), first);
    // The profile without the application leaves it as it is, and says so.
    let up = rig.up();
    assert!(up.err.contains(&format!("{name} belongs to this project too")), "{}", up.err);
    assert_eq!(container(&name)["State"]["Running"], true);
}

#[test]
fn an_app_that_needs_the_bridge_at_its_start_comes_up_at_the_first_try() {
    let rig = Rig::new("needs");
    let app = rig.image("app", "FROM scratch\nCOPY contained-fixture /app\nENTRYPOINT [\"/app\"]\n");
    let describe = |environment: &str| {
        let text =
            format!("app:\n  image: {app}\n  command: [needs-bridge]\n  environment: {{{environment}}}\n");
        rig.write("mcpo.yaml", &text);
    };
    let name = rig.named("app-1");
    let came_up = || {
        let app = container(&name);
        assert_eq!((&app["State"]["Running"], &app["RestartCount"]), (&true.into(), &0.into()));
    };
    describe("");
    let shown = rig.run(&["up", "full-stack", "--dry-run"]).ok();
    assert!(shown.out.contains(&format!("await container {}", rig.bridge())), "{}", shown.all());
    rig.run(&["up", "full-stack"]).ok();
    came_up();
    // Nor is it started before a bridge that was down.
    docker(&["stop", "--time", "5", &rig.bridge()]).ok();
    describe("A: b");
    rig.run(&["up", "full-stack"]).ok();
    came_up();
}

#[test]
fn two_folders_live_side_by_side() {
    let (one, two) = (Rig::new("one"), Rig::new("two"));
    std::thread::scope(|scope| {
        scope.spawn(|| one.up());
        scope.spawn(|| two.up());
    });
    let first = id_of(&one.bridge());
    assert_eq!(two.rest_status("get_orchestrator_status")["status"], "active");
    two.run(&["down"]).ok();
    let left = container(&one.bridge());
    assert_eq!((left["Id"].as_str(), &left["State"]["Running"]), (Some(&*first), &true.into()));
    assert_eq!(one.rest_status("get_orchestrator_status")["status"], "active");
    one.run(&["verify"]).ok();
}

#[test]
fn two_ups_of_one_project_at_once_leave_one_deployment() {
    let rig = Rig::new("twice");
    std::thread::scope(|scope| {
        for run in [(); 3].map(|()| scope.spawn(|| rig.run(&["up"]))) {
            run.join().expect("a run");
        }
    });
    // Whoever came too late may have failed; what is there in the end is right.
    rig.up();
    let only = [rig.bridge(), format!("{}_mcp", rig.project), format!("{}_mcp-logs", rig.project)];
    assert_eq!(rig.what_there_is(), only);
    rig.run(&["verify"]).ok();
}

#[test]
fn networks_of_the_same_name_that_an_old_engine_allows_are_all_removed() {
    let rig = Rig::new("networks");
    let name = format!("{}_mcp", rig.project);
    let create = || {
        // The CLI asks the engine to refuse a second one; the API does not.
        let body =
            format!(r#"{{"Name": "{name}", "Labels": {{"io.mcpo-deploy.project": "{}"}}}}"#, rig.project);
        let mut curl = std::process::Command::new("curl");
        curl.args(["-sS", "--unix-socket", "/var/run/docker.sock", "-H", "Content-Type: application/json"]);
        super::docker::run(curl.args(["-d", &body, "http://docker/v1.41/networks/create"]), "").ok();
    };
    create();
    create();
    rig.run(&["down"]).ok();
    assert_eq!(rig.what_there_is(), Vec::<String>::new());
}

#[test]
fn a_container_that_was_stopped_is_started_and_not_replaced() {
    let rig = Rig::new("stopped");
    rig.up();
    let id = id_of(&rig.bridge());
    docker(&["stop", &id]).ok();
    rig.up();
    let bridge = container(&rig.bridge());
    assert_eq!((bridge["Id"].as_str(), &bridge["State"]["Running"]), (Some(&*id), &true.into()));
}

#[test]
fn a_service_that_crashed_once_and_came_back_is_fine() {
    let rig = Rig::new("crashed");
    rig.up();
    let id = id_of(&rig.bridge());
    let pid = container(&id)["State"]["Pid"].as_i64().expect("a process");
    let killed = std::process::Command::new("kill").args(["-KILL", &pid.to_string()]).status();
    assert!(killed.expect("kill").success());
    until("the engine started it again", || {
        let bridge = container(&id);
        bridge["RestartCount"] == 1 && bridge["State"]["Running"] == true
    });
    let again = rig.up();
    assert!(again.out.starts_with("nothing to do"), "{}", again.all());
    assert_eq!(id_of(&rig.bridge()), id);
    rig.run(&["verify"]).ok();
}

#[test]
fn logs_in_another_place_of_the_container_belong_to_the_user_who_writes() {
    let mut rig = Rig::new("mount");
    let image = rig
        .image("server", "FROM scratch\nCOPY stdio-fixture /server\nENTRYPOINT [\"/server\", \"legacy\"]\n");
    rig.use_image(&image, "status");
    rig.up();
    rig.run(&["down", "--volumes"]).ok();
    rig.write("mcpo.yaml", "logs:\n  mount: /var/log/server\n");
    rig.up();
    let report = rig.run(&["verify", "--format", "json"]).ok().json();
    let checks = report["checks"].as_array().expect("checks");
    let owner = checks.iter().find(|check| check["id"] == "log-owner").expect("a check");
    assert_eq!(owner["outcome"], "pass", "{owner}");
}

#[test]
fn builds_of_one_image_at_the_same_time_do_not_hurt_each_other() {
    let (one, two) = (Rig::new("builds-one"), Rig::new("builds-two"));
    let image = one.named("both:latest");
    one.owns_image(&image);
    for rig in [&one, &two] {
        super::contexts::server(rig);
    }
    let settings = ["--set", "orchestrator.build.context=server", "--set"];
    let named = format!("orchestrator.image={image}");
    let bridge = format!("bridge.image={}", one.named("both-bridge:latest"));
    one.owns_image(&one.named("both-bridge:latest"));
    let tool = ["--set", "orchestrator.status_tool=status", "--set", &bridge];
    let args = [&["up"], &settings[..], &[&named], &tool].concat();
    std::thread::scope(|scope| {
        let both = [&one, &two].map(|rig| scope.spawn(|| rig.run(&args)));
        for ran in both {
            ran.join().expect("a run").ok();
        }
    });
    // Whoever was first, both are content with what is there in the end.
    for rig in [&one, &two] {
        rig.run(&args).ok();
        assert_eq!(rig.rest_status("status")["status"], "active");
    }
}
