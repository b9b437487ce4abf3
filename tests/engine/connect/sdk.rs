//! The official SDKs start what stands in a client's file, and call the status tool.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::super::docker::until;
use super::super::official::{Node, python, run};
use super::{NAME, clients_of, connected, rig};

/// How long a client may take.
const SECONDS: u32 = 60;

/// The scripts, and the list of the Python ones.
const SCRIPTS: [(&str, Option<&str>); 4] = [
    ("python_1.py", Some("python-1")),
    ("python_2.py", Some("python-2")),
    ("typescript_1.mjs", None),
    ("typescript_2.mjs", None),
];

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/engine/connect/clients")
}

#[test]
fn every_official_sdk_starts_what_was_written_and_calls_the_status_tool() {
    let node = Node::bring();
    for via in ["docker", "mcpo"] {
        let rig = rig(&format!("sdk-{via}"));
        let home = connected(&rig, &["claude-desktop"], &["--via", via]);
        let file = home.join(".config/Claude/claude_desktop_config.json");
        for (script, list) in SCRIPTS {
            let mut command = if let Some(list) = list {
                let mut command = Command::new(python(list));
                command.arg(scripts().join(script));
                command
            } else {
                // A script finds the packages that lie beside it.
                let place = node.folder.join(format!("connect_{script}"));
                fs::copy(scripts().join(script), &place).expect("a copy");
                node.script(&place)
            };
            let ran = run(command.arg(&file).args([NAME, "get_orchestrator_status"]), SECONDS);
            assert_eq!(ran.code, Some(0), "{script}, via {via}: {}", ran.all());
            assert_eq!(ran.json()["answer"]["status"], "active", "{script}, via {via}: {}", ran.all());
        }
        until("every container is gone", || clients_of(&rig).is_empty());
    }
}
