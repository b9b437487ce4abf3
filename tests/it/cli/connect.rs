//! `connect`, as a person and as a program call it.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::engine::{Engine, image};
use super::place::{Place, Ran};

const OURS: &str = "GET /images/mcp-orchestrator:latest/json";
/// As the guide has it, to be pasted in.
const BY_HAND: &str = r#"{
  "mcpServers": {
    "mcp-orchestrator": {
      "command": "docker",
      "args": ["run", "--rm", "-i",
               "--env-file", "/path/to/your/.env",
               "mcp-orchestrator:latest",
               "python", "-m", "src.mcp_server"]
    }
  }
}
"#;

/// An engine that has our image.
pub(super) fn engine(place: &Place) -> Engine {
    let ours = image(&json!({"io.mcpo-deploy.program": "mcp-orchestrator", "io.mcpo-deploy.input": "x"}));
    Engine::start(place.root()).with(OURS, 200, ours)
}

/// A place with a `.env`, where these clients are installed.
pub(super) fn place(signs: &[&str]) -> Place {
    let place = Place::new().file(".env", "OPENROUTER_API_KEY=sk-or-hidden\nOPENAI_API_KEY=sk-hidden\n");
    for sign in signs {
        fs::create_dir_all(place.root().join(sign)).expect("a folder");
    }
    place
}

pub(super) fn told(place: &Place, text: &str) -> String {
    let text = text.replace(env!("CARGO_BIN_EXE_mcpo-deploy"), "[PROGRAM]");
    let backups = regex::Regex::new(r"\.mcpo-\d{8}T\d{6}(-[0-9a-f]{8})+\.").expect("a pattern");
    backups.replace_all(&place.filtered(&text), ".mcpo-[TIME]-[HASH].").into_owned()
}

/// All that was said and how it ended.
pub(super) fn whole(place: &Place, ran: &Ran) -> String {
    told(place, &format!("{}---\n{}---\nexit {}\n", ran.stdout, ran.stderr, ran.code))
}

pub(super) fn read(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).expect("JSON")
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).map(|entries| entries.map(|entry| entry.expect("an entry").path()));
    let mut found: Vec<PathBuf> = entries.map(Iterator::collect).unwrap_or_default();
    found.sort();
    found
}

#[tokio::test]
async fn a_client_is_connected_once_and_a_second_time_changes_nothing() {
    let place = place(&[".cursor"]);
    let engine = engine(&place);
    let file = place.root().join(".cursor/mcp.json");
    fs::write(&file, "{\n  // mine\n  \"mcpServers\": {\"other\": {\"url\": \"http://a/\"}}\n}\n")
        .expect("a file");
    let first = place.run_with(&engine, &["connect", "cursor"]).await;
    insta::assert_snapshot!("connect", whole(&place, &first));
    let text = fs::read_to_string(&file).expect("a file");
    insta::assert_snapshot!("connected_file", told(&place, &text));
    assert!(!text.contains("sk-or-hidden"), "{text}");
    // What the line stands on is there.
    for made in ["POST /networks/create", "POST /volumes/create"] {
        assert!(engine.changes().iter().any(|call| call == made), "{:?}", engine.changes());
    }
    assert!(!engine.changes().iter().any(|call| call.contains("/containers/")), "{:?}", engine.changes());
    let there = files(&place.root().join(".cursor"));
    let again = place.run_with(&engine, &["connect", "cursor"]).await;
    insta::assert_snapshot!("connect_again", whole(&place, &again));
    assert_eq!(files(&place.root().join(".cursor")), there);
    assert_eq!(fs::read_to_string(&file).expect("a file"), text);
}

#[tokio::test]
async fn what_is_printed_is_pasted_and_no_file_and_nothing_of_the_engine_is_touched() {
    let place = place(&[]);
    let engine = engine(&place);
    for client in ["claude-desktop", "codex", "goose", "vscode"] {
        let ran = place.run_with(&engine, &["connect", client, "--print"]).await;
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:?}");
        insta::assert_snapshot!(format!("connect_print_{client}"), told(&place, &ran.stdout));
    }
    assert_eq!(engine.changes(), [""; 0]);
    assert!(!place.root().join(".config").exists());
    let both = place.run_with(&engine, &["connect", "cursor", "zed", "--print", "--via", "url"]).await;
    insta::assert_snapshot!("connect_print_two", whole(&place, &both));
    // Ours is known without an engine.
    let ran = place.run(&["connect", "cursor", "--print"]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
}

#[tokio::test]
async fn a_difference_is_shown_and_nothing_written() {
    let place = place(&[]);
    let args = ["connect", "gemini-cli", "--via", "url", "--diff"];
    let ran = place.run(&args).await;
    insta::assert_snapshot!("connect_diff", whole(&place, &ran));
    assert!(!place.root().join(".gemini").exists());
    assert_eq!(place.run(&["connect", "gemini-cli", "--via", "url"]).await.code, 0);
    insta::assert_snapshot!("connect_diff_none", whole(&place, &place.run(&args).await));
}

#[tokio::test]
async fn an_entry_is_taken_out_and_a_change_taken_back() {
    let place = place(&[".cursor"]);
    let file = place.root().join(".cursor/mcp.json");
    let theirs = "{ \"mcpServers\": {} }\n";
    fs::write(&file, theirs).expect("a file");
    let connect = ["connect", "cursor", "--via", "url"];
    assert_eq!(place.run(&connect).await.code, 0);
    let with = fs::read_to_string(&file).expect("a file");
    let removed = place.run(&["connect", "cursor", "--remove"]).await;
    insta::assert_snapshot!("connect_remove", whole(&place, &removed));
    assert_eq!(read(&file), json!({"mcpServers": {}}));
    let again = place.run(&["connect", "cursor", "--remove"]).await;
    insta::assert_snapshot!("connect_remove_again", whole(&place, &again));
    let undone = place.run(&["connect", "cursor", "--undo"]).await;
    insta::assert_snapshot!("connect_undo", whole(&place, &undone));
    assert_eq!(fs::read_to_string(&file).expect("a file"), with);
    assert_eq!(place.run(&["connect", "cursor", "--undo"]).await.code, 0);
    assert_eq!(fs::read_to_string(&file).expect("a file"), theirs);
    let none = place.run(&["connect", "cursor", "--undo"]).await;
    insta::assert_snapshot!("connect_undo_none", whole(&place, &none));
}

#[tokio::test]
async fn a_file_that_was_not_there_is_gone_after_the_undo() {
    let place = place(&[]);
    assert_eq!(place.run(&["connect", "zed", "--via", "url"]).await.code, 0);
    let ran = place.run(&["connect", "zed", "--undo", "--format", "json"]).await;
    assert_eq!((ran.code, &ran.json()["clients"][0]["undone"]), (0, &json!("gone")));
    assert!(!place.root().join(".config/zed/settings.json").exists());
}

#[tokio::test]
async fn the_guide_s_own_entry_is_somebody_else_s_until_it_is_replaced_by_force() {
    let place = place(&[".config/Claude"]);
    let engine = engine(&place);
    let file = place.root().join(".config/Claude/claude_desktop_config.json");
    fs::write(&file, BY_HAND).expect("a file");
    let refused = place.run_with(&engine, &["connect", "claude-desktop"]).await;
    insta::assert_snapshot!("connect_by_hand", whole(&place, &refused));
    // Nobody gets the entry, so nothing is made for it.
    assert_eq!(engine.changes(), [""; 0]);
    assert_eq!(fs::read_to_string(&file).expect("a file"), BY_HAND);
    let refused = place.run_with(&engine, &["connect", "claude-desktop", "--remove"]).await;
    assert_eq!(refused.code, 1, "{refused:?}");
    let forced = place.run_with(&engine, &["connect", "claude-desktop", "--force"]).await;
    insta::assert_snapshot!("connect_by_force", whole(&place, &forced));
    let entry = &read(&file)["mcpServers"]["mcp-orchestrator"];
    assert!(entry["args"].as_array().is_some_and(|args| args.contains(&json!("--read-only"))), "{entry}");
    assert_eq!(place.run_with(&engine, &["connect", "claude-desktop", "--undo"]).await.code, 0);
    assert_eq!(fs::read_to_string(&file).expect("a file"), BY_HAND);
}

#[tokio::test]
async fn every_client_that_is_found_is_connected_and_all_problems_are_told_at_the_end() {
    let place = place(&[".cursor", ".codex", ".continue", ".config/goose"]);
    let broken = "{ \"mcpServers\": ";
    fs::write(place.root().join(".cursor/mcp.json"), broken).expect("a file");
    let ran = place.run(&["connect", "--all", "--via", "mcpo", "-f", "none.yaml"]).await;
    assert_eq!(ran.code, 64, "{ran:?}");
    let place = place.file("mcpo.yaml", "project: demo\n");
    let ran = place.run(&["connect", "--all", "--via", "mcpo"]).await;
    insta::assert_snapshot!("connect_all", whole(&place, &ran));
    assert_eq!(fs::read_to_string(place.root().join(".cursor/mcp.json")).expect("a file"), broken);
    for name in [".codex/config.toml", ".continue/config.yaml", ".config/goose/config.yaml"] {
        let text = fs::read_to_string(place.root().join(name)).expect(name);
        assert!(text.contains("mcp-orchestrator") && text.contains("mcpo.yaml"), "{name}: {text}");
    }
    let ran = place.run(&["connect", "--all", "--via", "mcpo", "--format", "json"]).await;
    insta::assert_snapshot!("connect_all_json", whole(&place, &ran));
}

#[tokio::test]
async fn every_client_is_listed_with_what_its_file_says() {
    let place = place(&[".cursor", ".codex", ".config/Claude"]).file("mcpo.yaml", "project: demo\n");
    fs::write(place.root().join(".config/Claude/claude_desktop_config.json"), BY_HAND).expect("a file");
    fs::write(place.root().join(".codex/config.toml"), "= broken").expect("a file");
    assert_eq!(place.run(&["connect", "cursor", "--via", "mcpo"]).await.code, 0);
    assert_eq!(place.run(&["connect", "zed", "--via", "mcpo", "--project", "other"]).await.code, 0);
    let ran = place.run(&["connect", "--list", "--via", "mcpo"]).await;
    insta::assert_snapshot!("connect_list", whole(&place, &ran));
    // By default it would be a container, which takes an engine.
    let ran = place.run(&["connect", "cursor", "claude-desktop", "zed", "gemini-cli", "--list"]).await;
    insta::assert_snapshot!("connect_list_no_engine", whole(&place, &ran));
    let ran = place.run_with(&engine(&place), &["connect", "cursor", "--list", "--format", "json"]).await;
    insta::assert_snapshot!("connect_list_json", whole(&place, &ran));
}

#[tokio::test]
async fn a_project_s_file_lies_beside_its_description() {
    let place = place(&[]).file("mcpo.yaml", "project: demo\n");
    let args = ["connect", "vscode", "claude-desktop", "--scope", "project", "--via", "url"];
    let ran = place.run(&[&args[..], &["--token-variable", "MCPO_TOKEN"]].concat()).await;
    insta::assert_snapshot!("connect_project", whole(&place, &ran));
    let text = fs::read_to_string(place.folder.join(".vscode/mcp.json")).expect("a file");
    insta::assert_snapshot!("connect_project_file", told(&place, &text));
}

#[tokio::test]
async fn a_token_stands_in_a_file_only_when_it_is_asked_for_by_name_and_is_never_said() {
    let place = place(&[]).file("token", "t0ken-of-mine\n");
    let url = ["--url", "https://mcp.example/mcp"];
    let ran = place.run(&[&["connect", "lm-studio", "--token-variable", "TOKEN"], &url[..]].concat()).await;
    insta::assert_snapshot!("connect_no_variable", whole(&place, &ran));
    let ran = place.run(&[&["connect", "lm-studio", "--write-token", "token"], &url[..]].concat()).await;
    insta::assert_snapshot!("connect_write_token", whole(&place, &ran));
    assert!(!ran.all().contains("t0ken-of-mine"));
    let entry = &read(&place.root().join(".lmstudio/mcp.json"))["mcpServers"]["mcp-orchestrator"];
    let expected =
        json!({"url": "https://mcp.example/mcp", "headers": {"Authorization": "Bearer t0ken-of-mine"}});
    assert_eq!(*entry, expected);
    let ran = place.run(&[&["connect", "claude-desktop"], &url[..]].concat()).await;
    insta::assert_snapshot!("connect_no_url", whole(&place, &ran));
}

#[tokio::test]
async fn another_s_image_is_run_by_us_under_the_project_s_name() {
    let place = place(&[]).file("mcpo.yaml", "project: shop\norchestrator:\n  image: acme/mcp:1\n");
    let engine = Engine::start(place.root());
    let ran = place.run_with(&engine, &["connect", "cursor"]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    let entry = &read(&place.root().join(".cursor/mcp.json"))["mcpServers"]["shop"];
    assert_eq!(entry["command"], env!("CARGO_BIN_EXE_mcpo-deploy"));
    assert_eq!(entry["args"], json!(["--file", place.folder.join("mcpo.yaml"), "run"]));
    assert_eq!(entry["env"]["DOCKER_HOST"], engine.host);
    assert_eq!(engine.changes(), [""; 0]);
    // Its container can be had too, once the image is there.
    let told = place.run_with(&engine, &["connect", "cursor", "--via", "docker"]).await;
    insta::assert_snapshot!("connect_no_image", whole(&place, &told));
    let labelled = image(&json!({"io.mcpo-deploy.program": "mcp-orchestrator"}));
    let engine = engine.with("GET /images/acme/mcp:1/json", 200, labelled);
    let ran = place.run_with(&engine, &["connect", "zed"]).await;
    let entry = &read(&place.root().join(".config/zed/settings.json"))["context_servers"]["mcp-orchestrator"];
    assert_eq!(entry["command"], "docker", "{ran:?}");
}

#[tokio::test]
async fn variables_that_are_passed_on_by_name_are_named_and_no_secret_is_written() {
    let yaml =
        "project: demo\norchestrator:\n  environment:\n    OPENAI_API_KEY: sk-hidden\n    MODE: fast\n";
    let place = place(&[]).file("mcpo.yaml", yaml);
    let ran = place.run_with(&engine(&place), &["connect", "cursor"]).await;
    insta::assert_snapshot!("connect_by_name", whole(&place, &ran));
    let text = fs::read_to_string(place.root().join(".cursor/mcp.json")).expect("a file");
    assert!(
        !text.contains("hidden") && text.contains("\"OPENAI_API_KEY\"") && text.contains("MODE=fast"),
        "{text}"
    );
}

#[tokio::test]
async fn every_path_in_a_line_is_absolute_and_a_folder_for_logs_is_made() {
    let yaml = "project: demo\nhardening:\n  seccomp: filter.json\nlogs:\n  folder: logs\n";
    let place =
        place(&[]).file("mcpo.yaml", yaml).file("filter.json", "{\"defaultAction\":\"SCMP_ACT_ALLOW\"}");
    let me = rustix::process::geteuid().as_raw();
    let user = format!("hardening.user={}:{}", me.max(1), me.max(1));
    let ran = place.run_with(&engine(&place), &["connect", "cursor", "--set", &user]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    let entry = &read(&place.root().join(".cursor/mcp.json"))["mcpServers"]["mcp-orchestrator"];
    let folder = place.folder.display();
    for word in [
        format!("seccomp={folder}/filter.json"),
        format!("{folder}/logs:/app/logs"),
        format!("{folder}/.env"),
    ] {
        assert!(
            entry["args"].as_array().is_some_and(|args| args.contains(&word.clone().into())),
            "{word}: {entry}"
        );
    }
    assert!(place.folder.join("logs").is_dir());
}

#[tokio::test]
async fn an_env_file_that_is_not_there_is_made_for_only_its_owner() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let ran = place.run_with(&engine(&place), &["connect", "cursor"]).await;
    insta::assert_snapshot!("connect_env_file", whole(&place, &ran));
    let made = fs::metadata(place.folder.join(".env")).expect("a file");
    assert_eq!((made.len(), made.permissions().mode() & 0o777), (0, 0o600));
}

#[tokio::test]
async fn the_engine_that_was_found_is_named_in_the_entry_unless_it_is_the_usual_one() {
    use sha2::{Digest, Sha256};
    let place = place(&[]).file("mcpo.yaml", "project: demo\n");
    let contexts = place.root().join(".docker");
    let id = data_encoding::HEXLOWER.encode(&Sha256::digest("far"));
    // As `docker context create far` and `docker context use far` leave it.
    let meta = contexts.join("contexts/meta").join(id);
    fs::create_dir_all(&meta).expect("a folder");
    fs::write(meta.join("meta.json"), r#"{"Name":"far","Endpoints":{"docker":{"Host":"ssh://me@far"}}}"#)
        .expect("a file");
    let args = ["connect", "cursor", "--via", "mcpo"];
    let env = async |host: &str, context: &str| {
        fs::write(contexts.join("config.json"), format!(r#"{{"currentContext":"{context}"}}"#))
            .expect("a file");
        let ran = place.run_on(host, &args).await;
        assert_eq!(ran.code, 0, "{ran:?}");
        read(&place.root().join(".cursor/mcp.json"))["mcpServers"]["mcp-orchestrator"]["env"].clone()
    };
    assert_eq!(env("ssh://me@near", "far").await, json!({"DOCKER_HOST": "ssh://me@near"}));
    assert_eq!(env("", "far").await, json!({"DOCKER_CONTEXT": "far"}));
    assert_eq!(env("unix:///var/run/docker.sock", "far").await, Value::Null);
}

#[tokio::test]
async fn what_makes_no_sense_is_told_before_anything_is_touched() {
    let place = place(&[]);
    for (name, args) in [
        ("unknown", &["connect", "claude-dekstop"][..]),
        ("unknown_at_all", &["connect", "xyzzy"]),
        ("nobody", &["connect"]),
        ("none_found", &["connect", "--all", "--via", "url"]),
        ("no_description", &["connect", "cursor", "--via", "mcpo"]),
        ("url_twice", &["connect", "cursor", "--via", "docker", "--url", "http://a/mcp"]),
        ("socket", &["connect", "cursor", "--url", "ws://a/mcp"]),
        ("malformed_url", &["connect", "cursor", "--url", "a.example"]),
        ("variable_without_url", &["connect", "cursor", "--token-variable", "T"]),
        ("token_without_url", &["connect", "cursor", "--write-token", "t"]),
        ("variable", &["connect", "cursor", "--via", "url", "--token-variable", "sk-or-1"]),
        ("no_token", &["connect", "cursor", "--via", "url", "--write-token", "nowhere"]),
        ("name", &["connect", "cursor", "--via", "url", "--name", " "]),
        ("force", &["connect", "cursor", "--via", "url", "--print", "--force"]),
        ("no_engine", &["connect", "cursor"]),
    ] {
        let host = format!("unix://{}", place.root().join("no.sock").display());
        insta::assert_snapshot!(format!("connect_{name}"), told(&place, &place.fail_on(&host, args).await));
    }
    // These are clap's words.
    for (name, args) in [
        ("both", &["connect", "cursor", "--all"][..]),
        ("two_modes", &["connect", "cursor", "--print", "--diff"]),
    ] {
        insta::assert_snapshot!(format!("connect_{name}"), whole(&place, &place.run(args).await));
    }
    for folder in [".cursor", ".config"] {
        assert!(!place.root().join(folder).exists(), "{folder}");
    }
}
