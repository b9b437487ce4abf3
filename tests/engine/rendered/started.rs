//! Compose with a rendered file and `mcpo-deploy` on one deployment, whoever started it.

use std::net::TcpListener;

use serde_json::json;

use super::super::docker::{container, docker, inspect};
use super::super::rig::{Rig, copy_fixtures};
use super::generations::Compose;

#[test]
fn compose_lists_stops_and_removes_what_up_started_by_its_file() {
    let rig = Rig::new("rendered-ours");
    rig.write(".env", "");
    rig.up();
    let files = Compose::ALL.map(|compose| {
        let file = compose.render(&rig, "bridge", &rig.folder().join(format!("{compose:?}")));
        let listed = compose.run(&rig, &file, &["ps"]).ok();
        assert!(listed.out.contains(&rig.bridge()), "{compose:?}: {}", listed.out);
        file
    });
    for (compose, file) in Compose::ALL.iter().zip(&files) {
        rig.up();
        compose.run(&rig, file, &["stop"]).ok();
        assert_eq!(container(&rig.bridge())["State"]["Running"], false, "{compose:?}");
    }
    Compose::V5.run(&rig, &files[0], &["down"]).ok();
    assert_eq!(rig.what_there_is(), [format!("{}_mcp-logs", rig.project)]);
}

#[test]
fn compose_starts_the_application_when_the_bridge_is_healthy() {
    let mut rig = Rig::new("rendered-order");
    // The image as it is, but that it is asked often: who waits half a minute learns no more.
    let bridge = rig.environment().iter().find(|(key, _)| key == "MCPO_BRIDGE_IMAGE").expect("one").1.clone();
    let probe = r#"HEALTHCHECK --interval=500ms CMD ["/mcp-bridge", "probe"]"#;
    let image = rig.image("bridge", &format!("FROM {bridge}\n{probe}\n"));
    rig.set("MCPO_BRIDGE_IMAGE", &image);
    let app = rig.image("app", "FROM scratch\nCOPY contained-fixture /app\nENTRYPOINT [\"/app\"]\nUSER 77\n");
    rig.write("mcpo.yaml", &json!({"app": {"image": app, "command": ["idle"]}}).to_string());
    let file = Compose::V5.render(&rig, "full-stack", &rig.folder());
    Compose::V5.run(&rig, &file, &["up", "-d"]).ok();
    let bridge = container(&rig.bridge());
    let app = container(&rig.named("app-1"));
    assert_eq!(bridge["State"]["Health"]["Status"], "healthy");
    assert_eq!(app["State"]["Running"], true);
    let first = bridge["State"]["Health"]["Log"][0]["End"].as_str().expect("a time").to_owned();
    let started = app["State"]["StartedAt"].as_str().expect("a time").to_owned();
    // Both in one spelling: the engine's is the machine's clock in UTC.
    assert!(seconds(&first) <= seconds(&started), "{first} {started}");
    // The stdio server is built on demand and started by nobody.
    assert!(inspect("container", &rig.named("mcp-orchestrator-1")).is_none());
}

/// The time of day of a moment, as text that sorts.
fn seconds(moment: &str) -> &str {
    moment.split_once('T').map_or(moment, |(_, time)| &time[..8])
}

#[test]
fn compose_builds_from_the_folders_that_the_files_point_to() {
    let rig = Rig::new("rendered-builds");
    let context = rig.folder().join("parts/app");
    std::fs::create_dir_all(&context).expect("a folder");
    copy_fixtures(&context);
    rig.write(
        "parts/app/in/Dockerfile",
        "FROM scratch\nCOPY contained-fixture /app\nENTRYPOINT [\"/app\"]\n",
    );
    rig.write("mcpo.yaml", "app:\n  build: {context: parts/app, dockerfile: in/Dockerfile}\n");
    rig.write(".env", "");
    let image = rig.named("app:latest");
    rig.owns_image(&image);
    let elsewhere = tempfile::tempdir().expect("a folder");
    for (compose, folder) in [
        (Compose::V5, rig.folder().join("compose")),
        (Compose::V2, elsewhere.path().join("files")),
        (Compose::V1_29, rig.folder()),
    ] {
        let file = compose.render(&rig, "full-stack", &folder);
        compose.run(&rig, &file, &["build", "app"]).ok();
        let built = inspect("image", &image).unwrap_or_else(|| panic!("{compose:?} built no {image}"));
        assert_eq!(built["Config"]["Entrypoint"], json!(["/app"]), "{compose:?}");
        docker(&["rmi", "-f", &image]).ok();
    }
}

#[test]
fn an_image_of_ours_that_is_not_there_is_asked_of_no_registry() {
    let mut rig = Rig::new("rendered-never");
    // A registry that would answer at once if it were asked, and says so.
    let registry = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    registry.set_nonblocking(true).expect("a mode");
    let image = format!("{}/mcp-bridge:none", registry.local_addr().expect("an address"));
    rig.set("MCPO_BRIDGE_IMAGE", &image);
    for compose in [Compose::V5, Compose::V2] {
        let file = compose.render(&rig, "bridge", &rig.folder().join("compose"));
        let up = compose.run(&rig, &file, &["up", "-d"]);
        assert!(up.code != Some(0) && up.err.to_lowercase().contains("no such image"), "{compose:?}: {up:?}");
        compose.run(&rig, &file, &["down"]).ok();
    }
    assert!(registry.accept().is_err(), "somebody asked");
}

#[test]
fn a_pinned_file_starts_the_very_image_that_was_there_whatever_its_name_means_later() {
    let rig = Rig::new("rendered-pinned");
    let app = rig.image("app", "FROM scratch\nCOPY contained-fixture /app\nENTRYPOINT [\"/app\"]\nUSER 77\n");
    rig.write("mcpo.yaml", &json!({"app": {"image": app, "command": ["idle"]}}).to_string());
    rig.run(&["up"]).ok();
    rig.run(&["down"]).ok();
    let rendered = rig.run(&["render", "full-stack", "--pin", "-o", "compose"]).ok();
    assert!(rendered.err.contains("app is pinned to an image id"), "{}", rendered.err);
    let id = inspect("image", &app).expect("an image")["Id"].clone();
    rig.image("app", "FROM scratch\nCOPY stdio-fixture /app\nENTRYPOINT [\"/app\"]\nUSER 78\n");
    assert_ne!(inspect("image", &app).expect("an image")["Id"], id);
    let file = rig.folder().join("compose/docker-compose.full-stack.yml");
    let up = Compose::V5.run(&rig, &file, &["up", "--no-start"]).ok();
    assert!(!up.err.contains("level="), "{}", up.err);
    assert_eq!(container(&rig.named("app-1"))["Image"], id);
    rig.owns_image(id.as_str().expect("an id"));
}
