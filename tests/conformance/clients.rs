//! Real clients, each of which says in one line of JSON what it saw.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::brought::{Node, python};
use super::run;

/// How long a client may take for all its calls.
const SECONDS: u32 = 60;

/// The scripts, the eras that they speak, and the list of the Python ones.
const SCRIPTS: [(&str, &[&str], Option<&str>); 4] = [
    ("python_1.py", &["legacy"], Some("python-1")),
    ("python_2.py", &["legacy", "modern"], Some("python-2")),
    ("typescript_1.mjs", &["legacy"], None),
    ("typescript_2.mjs", &["legacy", "modern"], None),
];
const INSPECTOR: &str = "@modelcontextprotocol/inspector/clients/launcher/build/index.js";

/// Everything in which a client saw something else than it should, a sentence each.
#[track_caller]
pub(crate) fn differences(mode: &str, url: &str) -> Vec<String> {
    let node = Node::bring();
    let mut told = Vec::new();
    for (script, eras, list) in SCRIPTS {
        for era in eras {
            let mut command = match list {
                Some(list) => {
                    let mut command = Command::new(python(list));
                    command.arg(scripts().join(script));
                    command
                }
                None => beside_packages(&node, script),
            };
            let seen = seen(command.args([url, era]));
            if seen != should_see(era) {
                told.push(format!("{script}, {era} client, {mode} server: saw {seen}"));
            }
        }
    }
    for era in ["legacy", "modern"] {
        let seen = inspect(&node, url, era);
        if seen != json!({"tools": TOOLS, "echo": {"word": "café"}}) {
            told.push(format!("inspector, {era} client, {mode} server: saw {seen}"));
        }
    }
    told
}

/// How many tools the fixture lists.
pub(crate) const TOOLS: usize = 31;

/// The same in both eras but for the version.
fn should_see(era: &str) -> Value {
    json!({
        "protocol": if era == "legacy" { "2025-11-25" } else { "2026-07-28" },
        "tools": TOOLS,
        "echo": {"word": "café", "number": 9_007_199_254_740_991_u64},
        "progress": [0, 50, 100],
        "asked": ["elicitation/create", "elicitation/create", "sampling/createMessage"],
        "told": ["Multi-round complete for my name who likes my color", "Sampling result: Paris"],
        "failed": true,
    })
}

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/clients")
}

/// A script finds the packages that lie beside it.
fn beside_packages(node: &Node, script: &str) -> Command {
    let place = node.folder.join(script);
    // Whole at once: another test may be reading it.
    let fresh = tempfile::NamedTempFile::new_in(&node.folder).expect("a file");
    fs::copy(scripts().join(script), fresh.path()).expect("a copy");
    fresh.persist(&place).expect("a file");
    node.script(&place)
}

/// What the client printed; where that is nothing, its complaint.
fn seen(command: &Command) -> Value {
    let ran = run(command, SECONDS);
    let printed = serde_json::from_str(&ran.out).ok().filter(|_| ran.code == Some(0));
    let mut seen: Value =
        printed.unwrap_or_else(|| json!({"code": ran.code, "complaint": ran.err + &ran.out}));
    // Python counts progress in floats.
    for progress in seen["progress"].as_array_mut().into_iter().flatten() {
        if let Some(whole) = progress.as_f64().filter(|number| number.fract() == 0.0) {
            *progress = format!("{whole:.0}").parse::<u64>().map_or(Value::Null, Value::from);
        }
    }
    seen
}

/// The Inspector's command line makes one request at a time.
fn inspect(node: &Node, url: &str, era: &str) -> Value {
    let ask = |method: &[&str]| {
        let mut command = node.of_package(INSPECTOR);
        command.args(["--cli", url, "--transport", "http", "--protocol-era", era, "--format", "json"]);
        seen(command.arg("--method").args(method))
    };
    let list = ask(&["tools/list"]);
    let called = ask(&["tools/call", "--tool-name", "echo", "--tool-arg", "word=café"]);
    match (list["result"]["tools"].as_array(), called["result"].get("structuredContent")) {
        (Some(tools), Some(echo)) => json!({"tools": tools.len(), "echo": echo}),
        _ => json!([list, called]),
    }
}
