//! `call` and `tools` against real bridges: over every wire, in every dialect, in every form of output.

use std::path::Path;

use mcpo_deploy::bridge::{Settings, Tls, TlsFiles, TokenFile};
use serde_json::{Value, json};

use super::engine::Engine;
use super::place::{Place, Ran};
use crate::bridge::{Bridge, of_fixture, settings};

fn everything(mode: &str) -> Settings {
    let fixture = Path::new(env!("CARGO_BIN_EXE_mcp-bridge")).with_file_name("examples/everything-fixture");
    assert!(fixture.is_file(), "build it first: cargo build --example everything-fixture");
    settings(fixture.to_str().expect("a UTF-8 path"), &[mode])
}

/// Where nothing but the URL counts.
async fn run(args: &[&str]) -> Ran {
    Place::new().run(args).await
}

fn urls(bridge: &Bridge) -> [String; 2] {
    [format!("ws://{}", bridge.addr), format!("http://{}", bridge.addr)]
}

#[tokio::test]
async fn a_tool_is_called_over_every_wire_in_every_dialect() {
    for mode in ["legacy", "modern", "dual", "bare"] {
        let bridge = Bridge::start(everything(mode)).await;
        for url in urls(&bridge) {
            let ran =
                run(&["call", "echo", r#"{"n": 1, "s": "é"}"#, "--url", &url, "--output", "content"]).await;
            assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{mode} {url}: {ran:?}");
            let content = ran.json();
            let echoed = if mode == "bare" { &content["structuredContent"] } else { &content };
            // The bare dialect gives a single text that is JSON as it is.
            let echoed = if echoed.is_null() { &content } else { echoed };
            assert_eq!(*echoed, json!({"n": 1, "s": "é"}), "{mode} {url}");
        }
        bridge.finish().await;
    }
}

#[tokio::test]
async fn tools_are_listed_and_of_the_bare_dialect_it_is_said_that_they_cannot() {
    for mode in ["legacy", "modern"] {
        let bridge = Bridge::start(everything(mode)).await;
        for url in urls(&bridge) {
            let ran = run(&["tools", "--url", &url]).await;
            assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{mode} {url}: {ran:?}");
            let lines: Vec<&str> = ran.stdout.lines().collect();
            assert!(
                lines[0].starts_with("TOOL") && lines.iter().any(|line| line.starts_with("echo ")),
                "{ran:?}"
            );
            let listed = run(&["tools", "--url", &url, "--format", "json"]).await.json();
            assert_eq!(listed["tools"].as_array().map_or(0, Vec::len), lines.len() - 1);
            assert!(listed["tools"][0]["inputSchema"].is_object(), "{listed}");
        }
        bridge.finish().await;
    }
    let bridge = Bridge::start(of_fixture("bare")).await;
    let place = place_of(&bridge);
    let [socket, http] = urls(&bridge);
    insta::assert_snapshot!(
        "bare_cannot_list",
        place.fail_on("unix:///no", &["tools", "--url", &socket]).await
    );
    let ran = run(&["tools", "--url", &http]).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "the server lists no tools\n"));
    bridge.finish().await;
}

#[tokio::test]
async fn every_page_of_tools_is_read_and_a_circle_of_them_once() {
    for (manner, count) in [("pages", 3), ("circle", 2)] {
        let mut settings = of_fixture("legacy");
        settings.command.args.push(manner.to_owned());
        let bridge = Bridge::start(settings).await;
        let listed = run(&["tools", "--url", &urls(&bridge)[0], "--format", "json"]).await.json();
        assert_eq!(listed["tools"].as_array().map_or(0, Vec::len), count, "{manner}");
        bridge.finish().await;
    }
}

#[tokio::test]
async fn tools_in_full_have_their_schemas_and_no_terminal_obeys_them() {
    let mut settings = of_fixture("legacy");
    settings.command.args.push("hostile".to_owned());
    let bridge = Bridge::start(settings).await;
    let ran = run(&["tools", "--long", "--url", &urls(&bridge)[0]]).await;
    assert!(
        ran.stdout.starts_with("echo (</script>") && ran.stdout.contains("    \"type\": \"object\""),
        "{ran:?}"
    );
    bridge.finish().await;
}

/// Where the project's bridge is this one.
fn place_of(bridge: &Bridge) -> Place {
    let mut place = Place::new();
    place.ports[1] = bridge.addr.port();
    place
}

#[tokio::test]
async fn the_project_s_bridge_is_used_where_it_runs_and_no_engine_is_asked() {
    let bridge = Bridge::start(of_fixture("legacy")).await;
    let place = place_of(&bridge);
    let ran = place.run_on("unix:///no/engine", &["call", "status", "-o", "content"]).await;
    assert_eq!((ran.code, &ran.json()["status"]), (0, &json!("active")), "{ran:?}");
    assert_eq!(place.filtered(&ran.stderr), "note: through the bridge at http://127.0.0.1:[REST]/mcp\n");
    let ran = place.run_on("unix:///no/engine", &["call", "status", "--quiet"]).await;
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    bridge.finish().await;
}

#[tokio::test]
async fn without_a_bridge_a_fresh_container_is_to_answer() {
    let place = Place::new().file(".env", "OPENAI_API_KEY=x\nOPENROUTER_API_KEY=y\n");
    insta::assert_snapshot!(
        "no_bridge_no_engine",
        place.fail_on("unix:///no/engine", &["call", "status"]).await
    );
    let engine = Engine::start(place.root());
    insta::assert_snapshot!("no_image", place.fail_with(&engine, &["call", "status", "--fresh"]).await);
    assert_eq!(engine.changes(), [""; 0]);
}

#[tokio::test]
async fn a_result_is_shown_as_text_as_json_and_as_content() {
    let bridge = Bridge::start(everything("modern")).await;
    let [socket, http] = urls(&bridge);
    let call = async |args: &[&str]| run(&[&["call"], args, &["--url", &http]].concat()).await;
    let ran = call(&["test_multiple_content_types"]).await;
    insta::assert_snapshot!("parts_as_text", ran.stdout);
    let ran = call(&["echo", r#"{"b": 1}"#, "-o", "content"]).await;
    insta::assert_snapshot!("content", ran.stdout);
    let ran = call(&["echo", r#"{"b": 1}"#, "-o", "json"]).await;
    insta::assert_snapshot!("whole_result", ran.stdout);
    let ran = call(&["echo", r#"{"b": 1}"#, "--format", "json"]).await;
    let document = ran.json();
    assert_eq!(document["result"]["structuredContent"], json!({"b": 1}));
    assert_eq!((&document["is_error"], &document["tool"]), (&json!(false), &json!("echo")));
    assert_eq!(document["protocol"], "MCP 2026-07-28, stateless");
    assert!(document["server"].as_str().is_some_and(|server| server.starts_with("everything")), "{document}");
    let ran = run(&["call", "test_error_handling", "--url", &socket]).await;
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (1, "This tool intentionally returns an error for testing\n")
    );
    assert_eq!(ran.stderr, "warning: test_error_handling says that it failed\n");
    bridge.finish().await;
}

#[tokio::test]
async fn arguments_come_from_the_line_a_file_or_standard_input() {
    let bridge = Bridge::start(of_fixture("legacy")).await;
    let url = &urls(&bridge)[0];
    let place = Place::new().file("n.json", "{\r\n  \"n\":\n 7\n}\n");
    let ran = place.run(&["call", "echo", "@n.json", "--url", url]).await;
    assert_eq!((ran.code, ran.json()), (0, json!({"n": 7})), "{ran:?}");
    let ran = place.run(&["call", "echo", "--url", url]).await;
    assert_eq!((ran.code, ran.json()), (0, json!({})), "{ran:?}");
    let mut command = std::process::Command::new("/bin/sh");
    let line = format!("echo '{{\"n\": 8}}' | {} call echo - --url {url}", env!("CARGO_BIN_EXE_mcpo-deploy"));
    let output =
        tokio::task::spawn_blocking(move || command.args(["-c", &line]).output()).await.expect("a thread");
    let echoed: Value = serde_json::from_slice(&output.expect("a program").stdout).expect("JSON");
    assert_eq!(echoed, json!({"n": 8}));
    bridge.finish().await;
}

#[tokio::test]
async fn bad_arguments_are_told_with_their_place_before_anybody_is_asked() {
    let place = Place::new().file("bad.json", "{\n  \"n\": 7,\n}\n").file("list.json", "[1]");
    for (name, args) in [
        ("arguments_malformed", &["call", "echo", r#"{"n": }"#][..]),
        ("arguments_list", &["call", "echo", "@list.json"]),
        ("arguments_value", &["call", "echo", "-7"]),
        ("arguments_in_file", &["call", "echo", "@bad.json"]),
        ("arguments_no_file", &["call", "echo", "@none.json"]),
        ("arguments_on_stdin", &["call", "echo", "-"]),
        ("url_without_scheme", &["tools", "--url", "localhost:5000"]),
        ("url_of_another_scheme", &["tools", "--url", "ftp://localhost"]),
        ("url_with_credentials", &["tools", "--url", "http://me:secret@localhost/"]),
        ("no_token_file", &["tools", "--url", "http://127.0.0.1:1", "--token-file", "none"]),
        ("no_certificate", &["tools", "--url", "https://127.0.0.1:1", "--tls-cert", "list.json"]),
        ("two_places", &["tools", "--url", "http://127.0.0.1:1", "--fresh"]),
        ("no_time", &["tools", "--timeout", "0"]),
    ] {
        let ran = place.run(args).await;
        assert_eq!((ran.code, ran.stdout.as_str()), (64, ""), "{ran:?}");
        insta::assert_snapshot!(name, place.filtered(&ran.stderr));
    }
}

#[tokio::test]
async fn a_tool_that_there_is_not_is_told_with_what_was_meant() {
    for (mode, wire) in [("legacy", 0), ("modern", 1)] {
        let bridge = Bridge::start(everything(mode)).await;
        let place = place_of(&bridge);
        let url = &urls(&bridge)[wire];
        let told = place.fail_on("unix:///no", &["call", "ehco", "--url", url]).await;
        assert!(told.contains("hint: did you mean \"echo\"?"), "{told}");
        if mode == "legacy" {
            insta::assert_snapshot!("unknown_tool", told);
        }
        bridge.finish().await;
    }
    let bridge = Bridge::start(of_fixture("legacy")).await;
    let place = place_of(&bridge);
    let url = &urls(&bridge)[1];
    insta::assert_snapshot!("nothing_alike", place.fail_on("unix:///no", &["call", "x", "--url", url]).await);
    insta::assert_snapshot!("not_listed_alike", {
        let ran = place.run(&["call", "arguments", "--url", url]).await;
        place.filtered(&format!("{}{}", ran.code, ran.stderr))
    });
    bridge.finish().await;
}

#[tokio::test]
async fn a_tool_that_asks_for_more_is_told() {
    let bridge = Bridge::start(everything("modern")).await;
    let place = place_of(&bridge);
    let args = ["call", "test_elicitation", r#"{"message": "?"}"#, "--url", &urls(&bridge)[1]];
    insta::assert_snapshot!(place.fail_on("unix:///no", &args).await);
    bridge.finish().await;
}

#[tokio::test]
async fn parameters_that_a_tool_wants_in_headers_are_there() {
    let bridge = Bridge::start(everything("modern")).await;
    let listed = run(&["tools", "--url", &urls(&bridge)[1], "--format", "json"]).await.json();
    let tools = listed["tools"].as_array().expect("tools");
    let custom = tools.iter().find(|tool| tool["name"] == "test_custom_header").expect("the tool");
    let properties = custom["inputSchema"]["properties"].as_object().expect("properties");
    let arguments: serde_json::Map<String, Value> = properties
        .iter()
        .map(|(name, schema)| {
            let value = match schema["type"].as_str() {
                Some("integer") => json!(7),
                Some("boolean") => json!(true),
                _ => json!("nörth"),
            };
            (name.clone(), value)
        })
        .collect();
    let arguments = Value::Object(arguments).to_string();
    let ran = run(&["call", "test_custom_header", &arguments, "--url", &urls(&bridge)[1]]).await;
    assert!(ran.code == 0 && ran.stdout.starts_with("called with {"), "{ran:?}");
    bridge.finish().await;
}

#[tokio::test]
async fn a_token_and_a_certificate_let_in_over_every_wire() {
    let key = rcgen::KeyPair::generate().expect("a key");
    let params = rcgen::CertificateParams::new(["localhost".to_owned()]).expect("a name");
    let certificate = params.self_signed(&key).expect("a certificate").pem();
    let place = Place::new()
        .file("cert.pem", &certificate)
        .file("key.pem", &key.serialize_pem())
        .file("tokens", "alice alice-0123456789\n")
        .file("token", "alice-0123456789\n")
        .file("wrong", "bob-0123456789");
    let file = |name: &str| place.folder.join(name);
    let mut settings = of_fixture("legacy");
    let files = TlsFiles { certificate: file("cert.pem"), key: file("key.pem"), clients: None };
    settings.doors.tls = Some(Tls::open(&files).expect("good files"));
    settings.doors.tokens = Some(TokenFile::open(&file("tokens")).expect("a good file"));
    let bridge = Bridge::start(settings).await;
    let port = bridge.addr.port();
    for url in [format!("wss://localhost:{port}"), format!("https://localhost:{port}")] {
        let url = ["--url", &url];
        let trusting = [&["call", "status"], &url[..], &["--tls-cert", "cert.pem"]].concat();
        let ran = place.run(&[&trusting[..], &["--token-file", "token"]].concat()).await;
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{url:?}: {ran:?}");
        let said = |ran: Ran| ran.stderr.replace(&port.to_string(), "[PORT]");
        let ran = place.run(&[&trusting[..], &["--token-file", "wrong"]].concat()).await;
        assert_eq!(ran.code, 1);
        let name = if url[1].starts_with("wss") { "socket" } else { "http" };
        insta::assert_snapshot!(format!("wrong_token_{name}"), said(ran));
        let ran = place.run(&[&["call", "status"], &url[..], &["--token-file", "token"]].concat()).await;
        assert_eq!(ran.code, 1);
        insta::assert_snapshot!(format!("untrusted_{name}"), said(ran));
    }
    let ran = Place::new().env("MCPO_TOKEN", "alice-0123456789").file("cert.pem", &certificate);
    let url = format!("https://localhost:{port}/mcp");
    let ran = ran.run(&["call", "status", "--url", &url, "--tls-cert", "cert.pem"]).await;
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:?}");
    bridge.finish().await;
}
