//! What is somebody else's is told and never touched.

use std::net::TcpListener;

use super::docker::{container, docker, id_of, inspect};
use super::rig::Rig;

#[test]
fn a_port_that_another_project_holds_is_told_with_its_name_and_a_free_one() {
    let (first, mut second) = (Rig::new("holder"), Rig::new("comer"));
    first.up();
    second.set("MCPO_BRIDGE_WEBSOCKET_PORT", &first.websocket.to_string());
    let refused = second.run(&["up"]).ended(1);
    let told = format!(
        "port {} is taken by container {} of project {}",
        first.websocket,
        first.bridge(),
        first.project
    );
    assert!(refused.err.contains(&told), "{}", refused.err);
    assert_eq!(second.what_there_is(), Vec::<String>::new());

    // What is proposed works as it stands.
    let hint = refused.err.split("--set ").nth(1).expect("a proposal");
    let proposed = hint.split_whitespace().next().expect("a setting");
    assert!(proposed.starts_with("bridge.websocket_port="), "{proposed}");
    second.run(&["up", "--set", proposed]).ok();
    first.run(&["verify"]).ok();
}

#[test]
fn a_port_that_a_process_holds_is_told_with_the_process() {
    let mut rig = Rig::new("process");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    rig.set("MCPO_BRIDGE_REST_PORT", &port.to_string());
    let refused = rig.run(&["up"]).ended(1);
    assert!(refused.err.contains(&format!("(pid {})", std::process::id())), "{}", refused.err);
    assert!(refused.err.contains("bridge.rest_port="), "{}", refused.err);
    assert_eq!(rig.what_there_is(), Vec::<String>::new());
}

#[test]
fn a_container_of_that_name_that_is_not_ours_is_never_touched() {
    let rig = Rig::new("foreign");
    let image = rig.image("other", "FROM scratch\nCOPY contained-fixture /app\nENTRYPOINT [\"/app\"]\n");
    rig.owns_container(&rig.bridge());
    docker(&["run", "-d", "--init", "--name", &rig.bridge(), &image, "idle"]).ok();
    let before = container(&rig.bridge());
    let refused = rig.run(&["up"]).ended(1);
    let told = format!("the container {} exists and is not mcpo-deploy's; it was left alone", rig.bridge());
    assert!(refused.err.contains(&told), "{}", refused.err);
    assert_eq!(rig.what_there_is(), Vec::<String>::new());
    rig.run(&["down", "--volumes"]).ok();
    assert_eq!(container(&rig.bridge()), before);
}

#[test]
fn a_network_or_volume_of_that_name_that_is_not_ours_is_never_touched() {
    let rig = Rig::new("names");
    let (network, volume) = (format!("{}_mcp", rig.project), format!("{}_mcp-logs", rig.project));
    docker(&["network", "create", &network]).ok();
    docker(&["volume", "create", &volume]).ok();
    let refused = rig.run(&["up"]);
    let down = rig.run(&["down", "--volumes"]);
    let left = (inspect("network", &network).is_some(), inspect("volume", &volume).is_some());
    docker(&["network", "rm", &network]).ok();
    docker(&["volume", "rm", &volume]).ok();
    let refused = refused.ended(1);
    for told in [format!("the network {network} exists"), format!("the volume {volume} exists")] {
        assert!(refused.err.contains(&told), "{}", refused.err);
    }
    down.ok();
    assert_eq!(left, (true, true));
}

#[test]
fn an_image_that_the_bridge_would_be_called_is_left_alone() {
    let mut rig = Rig::new("image-taken");
    let image = rig.image("taken", "FROM scratch\nCOPY contained-fixture /app\n");
    rig.set("MCPO_BRIDGE_IMAGE", &image);
    let before = inspect("image", &image).expect("an image");
    let refused = rig.run(&["up"]).ended(1);
    assert!(refused.err.contains("was not built by mcpo-deploy; it was left alone"), "{}", refused.err);
    assert_eq!(inspect("image", &image).expect("an image")["Id"], before["Id"]);
    assert_eq!(rig.what_there_is(), Vec::<String>::new());
}

#[test]
fn ports_beyond_loopback_are_refused_unless_asked_for_by_name() {
    let mut rig = Rig::new("open");
    rig.set("MCPO_BRIDGE_ADDRESS", "0.0.0.0");
    let refused = rig.run(&["up"]).ended(64);
    assert!(refused.err.contains("--insecure"), "{}", refused.err);
    assert_eq!(rig.what_there_is(), Vec::<String>::new());

    // It starts, and the verification at the end does not call it good.
    let up = rig.run(&["up", "--insecure", "--format", "json"]).ended(1).json();
    let checks = up["verification"]["checks"].as_array().expect("checks");
    let failed: Vec<&str> = checks
        .iter()
        .filter(|check| check["outcome"] == "fail")
        .filter_map(|check| check["id"].as_str())
        .collect();
    assert_eq!(failed, ["published"]);
    let id = id_of(&rig.bridge());
    assert_eq!(container(&id)["State"]["Running"], true);
    rig.run(&["verify", "--insecure"]).ended(1);
}
