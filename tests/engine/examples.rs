//! The apps in `examples/clients`, against the real image: each in the guide's own form and with a server
//! that is hardened and does not outlive them.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::docker::{Ran, docker, labelled, run};
use super::official::Node;
use super::rig::{Rig, lock};

fn example(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/clients").join(path)
}

/// A Rust example, which is built beside the command line.
fn built(name: &str) -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_mcpo-deploy")).with_file_name("examples").join(name);
    assert!(program.is_file(), "build it first: cargo build --example {name}");
    program
}

#[track_caller]
fn assert_status(ran: Ran) {
    let status = ran.ok().json();
    assert_eq!(status["status"], "active", "{status}");
}

/// Runs an app in the rig's folder, as it runs the command line; `mcpo-deploy` is on its path.
#[track_caller]
fn app(rig: &Rig, mut app: Command) -> Ran {
    let command = rig.command(&[]);
    for (key, value) in command.get_envs() {
        match value {
            Some(value) => app.env(key, value),
            None => app.env_remove(key),
        };
    }
    let ours = Path::new(env!("CARGO_BIN_EXE_mcpo-deploy")).parent().expect("a folder");
    let path = std::env::var("PATH").unwrap_or_default();
    app.env("PATH", format!("{}:{path}", ours.display())).current_dir(rig.folder());
    run(&mut app, "")
}

fn none_left(rig: &Rig) {
    assert_eq!(labelled("container", &rig.project), Vec::<String>::new());
}

#[test]
fn the_guide_s_form_is_answered_in_every_language_and_leaves_nothing() {
    let _ours = lock("ours");
    let rig = Rig::of_ours("examples-guide");
    rig.write(".env", "OPENROUTER_API_KEY=or-key\nOPENAI_API_KEY=oa-key\n");
    rig.run(&["build"]).ok();
    let of_image = || docker(&["ps", "-aq", "--filter", "ancestor=mcp-orchestrator:latest"]).ok().out;
    let before = of_image();
    let mut python = Command::new("python3");
    python.arg(example("python/guide.py"));
    assert_status(app(&rig, python));
    assert_status(app(&rig, Node::bring().script(&example("typescript/guide.ts"))));
    assert_status(app(&rig, Command::new(built("guide"))));
    assert_eq!(of_image(), before);
}

#[test]
fn an_app_with_a_server_of_its_own_is_answered_in_every_language_and_leaves_nothing() {
    let rig = Rig::new("examples-client");
    rig.run(&["build"]).ok();
    let mut python = Command::new("python3");
    python.arg(example("python/client.py"));
    assert_status(app(&rig, python));
    none_left(&rig);
    assert_status(app(&rig, Node::bring().script(&example("typescript/client.ts"))));
    none_left(&rig);
    assert_status(app(&rig, Command::new(built("client"))));
    none_left(&rig);
}

#[test]
fn a_rust_app_speaks_with_a_bridge_by_its_url_over_either_wire() {
    let rig = Rig::new("examples-bridge");
    rig.up();
    for url in [format!("ws://127.0.0.1:{}", rig.websocket), format!("http://127.0.0.1:{}/mcp", rig.rest)] {
        let mut client = Command::new(built("client"));
        client.arg(&url);
        assert_status(app(&rig, client));
    }
    let nobody = {
        let mut client = Command::new(built("client"));
        client.arg("http://127.0.0.1:1/mcp");
        app(&rig, client).ended(1)
    };
    assert!(nobody.err.contains("cannot speak with http://127.0.0.1:1/mcp"), "{}", nobody.err);
}
