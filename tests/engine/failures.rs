//! Services that do not come up, and engines that do not answer: the reader learns why.

use super::docker::{container, docker, id_of, inspect};
use super::rig::Rig;

/// A program with a home, as a Python image has one.
const FIXTURE: &str =
    "FROM scratch\nCOPY passwd /home/app/\nCOPY contained-fixture /app\nENTRYPOINT [\"/app\"]\n";

#[test]
fn an_application_that_dies_at_its_start_is_told_with_its_last_lines() {
    let rig = Rig::new("dies");
    let app = rig.image("app", FIXTURE);
    rig.write("mcpo.yaml", &format!("app:\n  image: {app}\n  command: [die, '3', 'the database is gone']\n"));
    let failed = rig.run(&["up", "full-stack"]).ended(1);
    assert!(failed.err.contains(&rig.named("app-1")), "{}", failed.err);
    assert!(
        failed.err.contains("its last lines:") && failed.err.contains("the database is gone"),
        "{}",
        failed.err
    );

    // Mended, a rerun continues.
    let bridge = id_of(&rig.bridge());
    rig.write("mcpo.yaml", &format!("app:\n  image: {app}\n  command: [idle]\n"));
    rig.run(&["up", "full-stack"]).ok();
    assert_eq!(id_of(&rig.bridge()), bridge);
    assert_eq!(container(&rig.named("app-1"))["State"]["Running"], true);
}

#[test]
fn an_application_that_writes_where_it_may_not_is_told_the_tmpfs_that_mends_it() {
    let rig = Rig::new("readonly");
    let app = rig.image("app", FIXTURE);
    let describe = |tmpfs: &str| {
        rig.write(
            "mcpo.yaml",
            &format!("app:\n  image: {app}\n  command: [config, /home/app/.config]\n{tmpfs}"),
        );
    };
    describe("");
    let failed = rig.run(&["up", "full-stack"]).ended(1);
    assert!(failed.err.contains("it writes to /home/app/.config"), "{}", failed.err);
    let fix =
        "hardening: {tmpfs: {/tmp: \"size=64m,mode=1777\", /home/app: \"size=64m,uid=65532,gid=65532\"}}";
    assert!(failed.err.contains(fix), "{}", failed.err);
    // The advice works as it stands.
    describe(&format!("{fix}\n"));
    rig.run(&["up", "full-stack"]).ok();
    assert_eq!(container(&rig.named("app-1"))["State"]["Running"], true);
}

#[test]
fn a_server_that_dies_at_its_start_fails_the_verification_with_its_words() {
    let mut rig = Rig::new("server-dies");
    let server = rig.image(
        "server",
        "FROM scratch\nCOPY passwd /home/app/\nCOPY contained-fixture /server\nENTRYPOINT [\"/server\", \"config\", \"/home/app/.config\"]\n",
    );
    rig.use_image(&server, "status");
    let failed = rig.run(&["up", "--format", "json"]).ended(1).json();
    let checks = failed["verification"]["checks"].as_array().expect("checks");
    let stdio = checks.iter().find(|check| check["id"] == "stdio").expect("a check");
    assert_eq!(stdio["outcome"], "fail");
    assert!(stdio["evidence"].as_str().expect("evidence").contains("Read-only file system"), "{stdio}");
    assert!(stdio["fix"].as_str().expect("a fix").contains("/home/app"), "{stdio}");
    assert_eq!(rig.probes(), Vec::<String>::new());
}

#[test]
fn a_program_that_is_not_in_the_image_is_told() {
    let mut rig = Rig::new("no-program");
    let server =
        rig.image("server", "FROM scratch\nCOPY contained-fixture /server\nENTRYPOINT [\"/not-there\"]\n");
    rig.use_image(&server, "status");
    let failed = rig.run(&["up"]);
    assert_eq!(failed.code, Some(1), "{}", failed.all());
    assert!(failed.all().contains("not-there"), "{}", failed.all());
    assert_eq!(rig.probes(), Vec::<String>::new());
}

#[test]
fn an_engine_that_is_not_there_is_told_from_one_that_does_not_speak() {
    let rig = Rig::new("engines");
    let at = |host: &str| {
        let mut command = rig.command(&["up"]);
        super::docker::run(command.env("DOCKER_HOST", host), "").ended(69).err
    };
    let gone = at("unix:///nowhere/docker.sock");
    assert!(gone.contains("unix:///nowhere/docker.sock") && gone.contains("it is not running"), "{gone}");
    let refused = at(&format!("tcp://127.0.0.1:{}", super::rig::free_port()));
    assert!(refused.contains("it is not running"), "{refused}");
}

#[test]
fn a_rerun_continues_where_a_container_was_created_and_not_started() {
    let rig = Rig::new("created");
    rig.up();
    docker(&["rm", "-f", &rig.bridge()]).ok();
    // As a failure between create and start leaves it: a taken port fails the start alone.
    let taken = std::net::TcpListener::bind(("127.0.0.1", rig.rest)).expect("a port");
    drop(taken);
    let mut up = rig.start(&["up"]);
    super::interruption::interrupt_after(&mut up, "create container");
    let left = inspect("container", &rig.bridge()).expect("a container");
    let rerun = rig.up();
    let bridge = container(&rig.bridge());
    assert_eq!(bridge["State"]["Running"], true, "{}", rerun.all());
    assert_eq!(bridge["Id"], left["Id"]);
}

#[test]
fn a_rerun_continues_where_an_image_is_missing() {
    let mut rig = Rig::new("no-image");
    let server = rig
        .image("server", "FROM scratch\nCOPY stdio-fixture /server\nENTRYPOINT [\"/server\", \"legacy\"]\n");
    rig.use_image(&server, "status");
    rig.up();
    rig.run(&["down"]).ok();
    docker(&["rmi", "-f", &rig.named("mcp-bridge:latest")]).ok();
    rig.up();
    assert_eq!(container(&rig.bridge())["State"]["Running"], true);
    assert_eq!(rig.rest_status("status")["status"], "active");
}

#[test]
fn a_container_that_somebody_paused_is_told_at_once() {
    let rig = Rig::new("paused");
    rig.up();
    docker(&["pause", &rig.bridge()]).ok();
    let failed = rig.run(&["up"]).ended(1);
    assert!(failed.err.contains("probably somebody paused it"), "{}", failed.err);
    assert!(failed.err.contains("`docker unpause`"), "{}", failed.err);
    docker(&["unpause", &rig.bridge()]).ok();
    assert_eq!(rig.rest_status("get_orchestrator_status")["status"], "active");
}
