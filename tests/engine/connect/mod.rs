//! `connect` against a real engine: what is written works for whoever starts it.

mod sdk;

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use super::docker::{labelled, until};
use super::rig::Rig;

/// As in everybody's guide.
const NAME: &str = "mcp-orchestrator";

/// A rig whose description says by itself what the tests' variables say otherwise: a client has none of them.
fn rig(name: &str) -> Rig {
    let rig = Rig::new(name);
    let set: std::collections::BTreeMap<_, _> =
        rig.environment().iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let yaml = format!(
        "project: {}\norchestrator:\n  image: {}\nbridge:\n  image: {}\n  websocket_port: {}\n  rest_port: {}\n",
        rig.project,
        set["MCPO_ORCHESTRATOR_IMAGE"],
        set["MCPO_BRIDGE_IMAGE"],
        set["MCPO_BRIDGE_WEBSOCKET_PORT"],
        set["MCPO_BRIDGE_REST_PORT"],
    );
    rig.write("mcpo.yaml", &yaml);
    rig.write(".env", "OPENROUTER_API_KEY=sk-or-test\n");
    rig
}

/// Connects clients in a home folder of the rig's own, which is returned.
#[track_caller]
fn connected(rig: &Rig, clients: &[&str], more: &[&str]) -> PathBuf {
    let home = rig.folder().join("home");
    fs::create_dir_all(&home).expect("a folder");
    in_home(rig, &[&["connect", "--name", NAME], clients, more].concat()).ok();
    home
}

/// Runs the command line as somebody whose clients are this rig's alone.
fn in_home(rig: &Rig, args: &[&str]) -> super::docker::Ran {
    let mut command = rig.command(args);
    command.env("HOME", rig.folder().join("home"));
    for key in ["XDG_CONFIG_HOME", "CODEX_HOME", "CLAUDE_CONFIG_DIR", "APPDATA", "LOCALAPPDATA"] {
        command.env_remove(key);
    }
    super::docker::run(&mut command, "")
}

/// The containers that clients have, however they were started.
fn clients_of(rig: &Rig) -> Vec<String> {
    let bridge = rig.bridge();
    labelled("container", &rig.project).into_iter().filter(|name| *name != bridge).collect()
}

fn outcomes(checked: &Value) -> Vec<(String, String)> {
    let rows = checked["clients"].as_array().expect("rows");
    let text = |row: &Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
    rows.iter().map(|row| (text(row, "client"), text(row, "outcome"))).collect()
}

/// Of three languages.
const CLIENTS: [&str; 3] = ["claude-desktop", "codex", "goose"];

#[test]
fn what_was_written_in_json_toml_and_yaml_answers_by_every_way_and_nothing_goes_on() {
    let rig = rig("connect");
    for via in ["docker", "mcpo", "url"] {
        let clients = if via == "url" { &["cursor", "codex", "goose"] } else { &CLIENTS };
        if via == "url" {
            rig.up();
        }
        connected(&rig, clients, &["--via", via]);
        let checked = in_home(
            &rig,
            &[&["connect", "--name", NAME, "--check", "--format", "json"], &clients[..]].concat(),
        )
        .ok();
        for (client, outcome) in outcomes(&checked.json()) {
            assert_eq!(outcome, "pass", "{client} via {via}: {}", checked.all());
        }
        let rows = checked.json()["clients"].as_array().map_or(0, Vec::len);
        assert_eq!(rows, clients.len(), "{}", checked.all());
        until("every container is gone", || clients_of(&rig).is_empty());
        let list = in_home(
            &rig,
            &[&["connect", "--name", NAME, "--list", "--via", via, "--format", "json"], &clients[..]]
                .concat(),
        );
        for client in list.ok().json()["clients"].as_array().expect("rows") {
            assert_eq!(client["entry"], "connected", "{client} via {via}");
        }
    }
}

#[test]
fn the_default_is_a_container_of_ours_and_the_volume_is_its_user_s() {
    let rig = rig("connect-ground");
    let of_tests =
        &rig.environment().iter().find(|(key, _)| key == "MCPO_ORCHESTRATOR_IMAGE").expect("an image").1;
    // The tests' image has no labels, as one that somebody builds from source.
    let ours =
        rig.image("ours", &format!("FROM {of_tests}\nLABEL io.mcpo-deploy.program=mcp-orchestrator\n"));
    let home = rig.folder().join("home");
    fs::create_dir_all(&home).expect("a folder");
    in_home(&rig, &["connect", "claude-desktop", "--set", &format!("orchestrator.image={ours}")]).ok();
    let text = fs::read_to_string(home.join(".config/Claude/claude_desktop_config.json")).expect("a file");
    let written: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(written["mcpServers"][NAME]["command"], "docker");
    assert!(!text.contains("sk-or-test"), "{text}");
    assert_eq!(labelled("network", &rig.project).len(), 1);
    assert_eq!(labelled("volume", &rig.project).len(), 1);
    assert_eq!(clients_of(&rig), Vec::<String>::new());
}

#[test]
fn an_entry_that_does_not_work_is_a_red_row_with_the_reason_and_the_fix() {
    let rig = rig("connect-broken");
    let home = connected(&rig, &["claude-desktop", "codex", "goose"], &["--via", "docker"]);
    // The guide's own form works without us, and an image that is not there does not.
    let file = home.join(".config/Claude/claude_desktop_config.json");
    let by_hand = format!(
        r#"{{"mcpServers": {{"mcp-orchestrator": {{"command": "docker", "args": ["run", "--rm", "-i", "--env-file", "{}", "{}"]}}}}}}"#,
        rig.folder().join(".env").display(),
        rig.environment().iter().find(|(key, _)| key == "MCPO_ORCHESTRATOR_IMAGE").expect("an image").1,
    );
    fs::write(&file, by_hand).expect("a file");
    let codex = home.join(".codex/config.toml");
    let text = fs::read_to_string(&codex).expect("a file");
    fs::write(&codex, text.replace("--read-only", "--no-such-option")).expect("a file");
    let goose = home.join(".config/goose/config.yaml");
    let text = fs::read_to_string(&goose).expect("a file");
    assert!(text.contains("docker"), "{text}");
    fs::write(&goose, text.replacen("docker", "no-such-docker", 1)).expect("a file");
    let checked = in_home(&rig, &["connect", "--name", NAME, "--check", "--format", "json"]).ended(1).json();
    let row = |client: &str| {
        let rows = checked["clients"].as_array().expect("rows");
        rows.iter().find(|row| row["client"] == client).unwrap_or_else(|| panic!("{checked}")).clone()
    };
    let by_hand = row("claude-desktop");
    assert_eq!((&by_hand["outcome"], &by_hand["ours"]), (&"pass".into(), &false.into()), "{checked}");
    for (client, why) in [("codex", "no-such-option"), ("goose", "cannot start")] {
        let row = row(client);
        assert_eq!(row["outcome"], "fail", "{row}");
        assert!(row["why"].as_str().is_some_and(|text| text.contains(why)), "{row}");
        assert!(row["fix"].is_string(), "{row}");
    }
    until("every container is gone", || clients_of(&rig).is_empty());
}

#[test]
fn a_container_that_goes_on_without_the_program_that_started_it_is_not_left_by_a_check() {
    let rig = rig("connect-goes-on");
    let deaf =
        rig.image("deaf", "FROM scratch\nCOPY contained-fixture /deaf\nENTRYPOINT [\"/deaf\", \"deaf\"]\n");
    let file = rig.folder().join("home/.cursor/mcp.json");
    fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
    let mark = format!("mcpo-test.connect={}", rig.project);
    let entry =
        serde_json::json!({"command": "docker", "args": ["run", "--rm", "--detach", "--label", mark, deaf]});
    fs::write(&file, serde_json::json!({"mcpServers": {NAME: entry}}).to_string()).expect("a file");
    let checked = in_home(&rig, &["connect", "cursor", "--name", NAME, "--check"]).ended(1);
    assert!(!checked.err.contains("may be left"), "{}", checked.err);
    let left = super::docker::docker(&["ps", "-aq", "--filter", &format!("label={mark}")]).ok();
    assert_eq!(left.out, "");
}
