//! `connect --check`: what the files say is started as a client would, and spoken with.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::place::{Place, Ran};
use crate::bridge::{Bridge, of_fixture};

const FIXTURE: &str = "examples/stdio-fixture";

/// A place whose clients have these entries, in files of the usual form.
fn place(entries: &[(&str, Value)]) -> Place {
    let place = Place::new()
        .file(".env", "OPENROUTER_API_KEY=sk-or-hidden\nOPENAI_API_KEY=sk-hidden\n")
        .file("mcpo.yaml", "project: demo\norchestrator:\n  status_tool: status\n");
    for (file, entry) in entries {
        let key = if file.contains("Code/") { "servers" } else { "mcpServers" };
        let path = place.root().join(file);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, json!({key: {"mcp-orchestrator": entry}}).to_string()).expect("a file");
    }
    place
}

/// A server of a dialect.
fn server(dialect: &str) -> Value {
    let fixture = Path::new(env!("CARGO_BIN_EXE_mcp-bridge")).with_file_name(FIXTURE);
    assert!(fixture.is_file(), "build it first: cargo build --example stdio-fixture");
    json!({"command": fixture, "args": [dialect]})
}

fn told(place: &Place, ran: &Ran) -> String {
    let folder = Path::new(env!("CARGO_BIN_EXE_mcp-bridge")).parent().expect("a folder");
    let text = format!("{}---\n{}---\nexit {}\n", ran.stdout, ran.stderr, ran.code);
    let text = place.filtered(&text).replace(&folder.display().to_string(), "[FOLDER]");
    regex::Regex::new(" {2,}").expect("a pattern").replace_all(&text, "  ").into_owned()
}

#[tokio::test]
async fn servers_of_either_kind_are_spoken_with_and_what_is_by_hand_is_said() {
    let place = place(&[
        (".cursor/mcp.json", server("legacy")),
        (".gemini/settings.json", server("fussy")),
        (".config/Claude/claude_desktop_config.json", server("bare")),
    ]);
    let ran = place.run(&["connect", "--check"]).await;
    insta::assert_snapshot!("check", told(&place, &ran));
    let ran = place.run(&["connect", "cursor", "--check", "--format", "json"]).await;
    let row = &ran.json()["clients"][0];
    assert_eq!((&row["outcome"], &row["ours"]), (&json!("pass"), &json!(false)), "{ran:?}");
    assert!(row["milliseconds"].is_u64() && row["dialect"].is_string(), "{row}");
}

#[tokio::test]
async fn what_does_not_work_is_told_with_the_reason_and_a_fix_and_no_secret() {
    let dies = "echo \"the key $KEY is no good\" >&2; exit 3";
    let place = place(&[
        (".cursor/mcp.json", json!({"command": "no-such-program", "args": []})),
        (
            ".gemini/settings.json",
            json!({"command": "sh", "args": ["-c", dies], "env": {"KEY": "sk-of-the-entry"}}),
        ),
        (".junie/mcp/mcp.json", json!({"type": "nothing that is known"})),
        (".codeium/windsurf/mcp_config.json", json!({"serverUrl": "http://127.0.0.1:1/mcp"})),
    ]);
    fs::create_dir_all(place.root().join(".kiro/settings")).expect("a folder");
    fs::write(place.root().join(".kiro/settings/mcp.json"), "{ broken").expect("a file");
    let ran = place.run(&["connect", "--check"]).await;
    insta::assert_snapshot!("check_failing", told(&place, &ran));
    assert!(!ran.all().contains("sk-of-the-entry"), "{ran:?}");
    let ran = place.run(&["connect", "zed", "--check"]).await;
    insta::assert_snapshot!("check_no_entry", told(&place, &ran));
    insta::assert_snapshot!(
        "check_nothing",
        Place::new().fail_on("unix:///no", &["connect", "--check", "--name", "other"]).await
    );
}

#[tokio::test]
async fn an_address_is_asked_with_its_token_where_that_can_be_known() {
    let bridge = Bridge::start(of_fixture("legacy")).await;
    let url = format!("http://{}/mcp", bridge.addr);
    let with = |token: &str| json!({"url": url, "headers": {"Authorization": format!("Bearer {token}")}});
    let mut place = place(&[
        (".cursor/mcp.json", with("${env:MINE}")),
        (".warp/.mcp.json", with("literal")),
        (".config/Code/User/mcp.json", with("${input:MINE}")),
    ]);
    place.ports[1] = bridge.addr.port();
    let ran = place.run(&["connect", "--check"]).await;
    insta::assert_snapshot!("check_address", told(&place, &ran));
    let place = place.env("MINE", "a-token");
    let ran = place.run(&["connect", "cursor", "--check"]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    bridge.finish().await;
}

/// A server that does not end at the end of its input, and leaves a process of its own behind.
#[tokio::test]
async fn what_was_started_is_ended_with_all_that_it_started() {
    let mark = format!("sleep 4{}", std::process::id());
    let script = format!("{mark} & {mark}");
    let place = place(&[(".cursor/mcp.json", json!({"command": "sh", "args": ["-c", script]}))]);
    let running = place.spawn_on("unix:///no", &["connect", "--check"]);
    let there = || {
        let processes = fs::read_dir("/proc").expect("proc").filter_map(|entry| Some(entry.ok()?.path()));
        let lines = processes.filter_map(|path| fs::read_to_string(path.join("cmdline")).ok());
        let words = mark.replace(' ', "\0");
        lines.filter(|line| line.trim_end_matches('\0') == words).count()
    };
    while there() < 2 {
        tokio::task::yield_now().await;
    }
    running.signal(rustix::process::Signal::INT);
    assert_eq!(running.ended().await.code, 130);
    while there() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_only_the_client_can_do_is_not_judged() {
    let off = |mut entry: Value| {
        entry["disabled"] = json!(true);
        entry
    };
    let place = place(&[
        (".cursor/mcp.json", json!({"command": "${env:HOME}/server"})),
        (".kiro/settings/mcp.json", off(server("legacy"))),
        (
            ".codeium/windsurf/mcp_config.json",
            json!({"serverUrl": "http://127.0.0.1:1/mcp", "headers": {"X-Key": "k"}}),
        ),
    ]);
    let ran = place.run(&["connect", "--check"]).await;
    insta::assert_snapshot!("check_left_to_the_client", told(&place, &ran));
}
