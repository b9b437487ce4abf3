//! The tools over REST: their list, their paths, the description of these, and the page that shows it.

use std::path::Path;
use std::time::Duration;

use mcpo_deploy::bridge::{Settings, TokenFile};
use mcpo_deploy::wire::http::{self, Limits};
use serde_json::{Value, json};

use super::admission::ask;
use super::{Bridge, fixture, hear, of_fixture, of_script, say, settings, until};

const LIMITS: Limits = Limits { deadline: super::PATIENCE, body: 4 << 20 };
const JSON: (&str, &str) = ("content-type", "application/json");

fn of_manner(manner: &str) -> Settings {
    settings(fixture().to_str().expect("a UTF-8 path"), &["legacy", manner])
}

fn everything(mode: &str) -> Settings {
    let fixture = fixture().with_file_name("everything-fixture");
    assert!(fixture.is_file(), "build it first: cargo build --example everything-fixture");
    settings(fixture.to_str().expect("a UTF-8 path"), &[mode])
}

async fn get(bridge: &Bridge, path: &str) -> (u16, Value) {
    let host = bridge.addr.to_string();
    let answer = http::get(bridge.addr, path, &host, LIMITS).await.expect("an answer");
    let expected = if answer.status == 200 { "application/json" } else { "application/problem+json" };
    assert_eq!(answer.content_type.as_deref(), Some(expected), "{path}");
    (answer.status, serde_json::from_slice(&answer.body).expect("JSON"))
}

/// The status and body of a POST, and its head.
async fn post(bridge: &Bridge, path: &str, headers: &[(&str, &str)], body: &str) -> (u16, Value) {
    let (head, body) = ask(bridge, &format!("POST {path}"), headers, body).await;
    let status = head.split(' ').nth(1).expect("a status line").parse().expect("a number");
    (status, serde_json::from_str(&body).expect("JSON"))
}

fn names(list: &Value) -> Vec<&str> {
    let tools = list["tools"].as_array().expect("a list");
    tools.iter().map(|tool| tool["name"].as_str().expect("a name")).collect()
}

#[tokio::test]
async fn the_tools_are_listed_whatever_era_the_server_is_of_and_however_many_pages_it_has() {
    for settings in [of_fixture("legacy"), of_manner("pages")] {
        let bridge = Bridge::start(settings).await;
        let (status, list) = get(&bridge, "/tools").await;
        assert_eq!((status, names(&list)), (200, vec!["status", "echo", "fail"]));
        bridge.finish().await;
    }
    for mode in ["legacy", "modern", "dual"] {
        let bridge = Bridge::start(everything(mode)).await;
        let (_, list) = get(&bridge, "/tools").await;
        assert!(names(&list).contains(&"json_schema_2020_12_tool"), "{mode}");
        bridge.finish().await;
    }
}

#[tokio::test]
async fn what_a_server_cannot_list_is_told_apart_from_a_list_of_nothing() {
    let bridge = Bridge::start(of_manner("has-none")).await;
    assert_eq!(get(&bridge, "/tools").await, (200, json!({"tools": []})));
    bridge.finish().await;
    let bridge = Bridge::start(of_fixture("bare")).await;
    let (status, problem) = get(&bridge, "/tools").await;
    assert!(status == 501 && problem["hint"].is_string(), "{problem}");
    assert_eq!(post(&bridge, "/tools/status", &[], "").await.1["status"], "active");
    bridge.finish().await;
}

#[tokio::test]
async fn a_tool_is_called_by_its_path() {
    let bridge = Bridge::start(of_fixture("legacy")).await;
    let arguments = r#"{"n":9007199254740993,"text":"é\n"}"#;
    let (status, echo) = post(&bridge, "/tools/echo", &[JSON], arguments).await;
    assert_eq!((status, echo.to_string()), (200, arguments.to_owned()));
    assert_eq!(post(&bridge, "/tools/%65ch%6F", &[JSON], "").await, (200, json!({})));
    assert_eq!(post(&bridge, "/tools/echo", &[], "").await, (200, json!({})));
    bridge.finish().await;
}

#[tokio::test]
async fn every_failure_of_a_call_is_the_same_as_over_the_one_path_for_all() {
    let mut settings = of_fixture("legacy");
    settings.call_timeout = Duration::from_millis(900);
    let bridge = Bridge::start(settings).await;
    for (tool, status) in [("fail", 422), ("arguments", 422), ("nothing", 404), ("crash", 502), ("hang", 504)]
    {
        let named = [JSON, ("x-request-id", "one-and-the-same")];
        let by_path = post(&bridge, &format!("/tools/{tool}"), &named, "{}").await;
        let by_body = post(&bridge, "/mcp", &named, &json!({"method": tool}).to_string()).await;
        assert_eq!((by_path.0, &by_path), (status, &by_body), "{tool}");
    }
    bridge.finish().await;
}

#[tokio::test]
async fn a_body_that_is_no_arguments_is_told_what_it_must_be() {
    let mut settings = of_fixture("legacy");
    settings.max_message = 1024;
    let bridge = Bridge::start(settings).await;
    let long = json!({"x": "x".repeat(1024)}).to_string();
    for (headers, body, status) in [
        (&[JSON][..], "[]", 400),
        (&[JSON], "{", 400),
        (&[JSON], &long, 413),
        (&[], "{}", 415),
        (&[("content-type", "text/plain")], "", 415),
        (&[("content-type", "application/x-www-form-urlencoded")], "a=b", 415),
    ] {
        let (seen, problem) = post(&bridge, "/tools/echo", headers, body).await;
        assert!(seen == status && problem["hint"].is_string(), "{body}: {problem}");
    }
    for path in ["/tools/%ff", "/tools/a/b", "/tools/"] {
        let (seen, problem) = post(&bridge, path, &[JSON], "{}").await;
        assert!([400, 404].contains(&seen) && problem["detail"].is_string(), "{path}: {problem}");
    }
    bridge.finish().await;
}

#[tokio::test]
async fn another_method_is_told_which_there_are() {
    let bridge = Bridge::start(settings("/nowhere/server", &[])).await;
    for (line, allowed) in [
        ("GET /tools/echo", "post"),
        ("POST /tools", "get,head"),
        ("DELETE /openapi.json", "get,head"),
        ("PUT /docs", "get,head"),
        ("PUT /mcp", "get,head,post,delete"),
    ] {
        let (head, body) = ask(&bridge, line, &[], "").await;
        assert!(head.starts_with("http/1.1 405 ") && body.contains("/openapi.json"), "{line}: {head}");
        assert!(head.contains(&format!("allow: {allowed}")), "{line}: {head}");
    }
    let (head, body) = ask(&bridge, "GET /tool", &[], "").await;
    assert!(head.starts_with("http/1.1 404 ") && body.contains("POST /tools/{name}"), "{body}");
    bridge.finish().await;
}

#[tokio::test]
async fn a_server_that_fails_while_it_lists_fails_as_in_a_call() {
    let cases = [
        (settings("/nowhere/server", &[]), 502),
        (of_script("exit 3"), 502),
        (of_manner("crash"), 502),
        (of_manner("circle"), 502),
        (of_manner("never"), 504),
    ];
    for (mut settings, status) in cases {
        settings.call_timeout = Duration::from_millis(900);
        let bridge = Bridge::start(settings).await;
        for path in ["/tools", "/openapi.json"] {
            let (seen, body) = get(&bridge, path).await;
            assert_eq!(seen, status, "{path}: {body}");
        }
        bridge.finish().await;
    }
    let mut full = of_fixture("legacy");
    full.max_children = 1;
    let bridge = Bridge::start(full).await;
    let mut held = bridge.client().await;
    say(&mut held, r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#).await;
    hear(&mut held).await;
    assert_eq!(get(&bridge, "/tools").await.0, 503);
    bridge.finish().await;
}

/// A server that notes each process, and each time that it is asked for its tools.
fn noting(folder: &Path, answers: bool) -> Settings {
    let list = if answers { r#"say "$id" '{"tools":[{"name":"a"}]}'"# } else { ":" };
    let script = format!(
        r#"
        say() {{ printf '{{"jsonrpc":"2.0","id":%s,"result":%s}}\n' "$1" "$2"; }}
        echo started >>{folder}/started
        while read -r line; do
            id=${{line#*\"id\":}}; id=${{id%%,*}}
            case $line in
            *server/discover*) printf '{{"jsonrpc":"2.0","id":%s,"error":{{"code":-32601,"message":"no"}}}}\n' "$id" ;;
            *'"initialize"'*) say "$id" '{{"protocolVersion":"2025-11-25","capabilities":{{}}}}' ;;
            *tools/list*) echo asked >>{folder}/asked; {list} ;;
            esac
        done"#,
        folder = folder.display()
    );
    of_script(&script)
}

fn lines(file: &Path) -> usize {
    std::fs::read_to_string(file).unwrap_or_default().lines().count()
}

#[tokio::test]
async fn however_many_ask_for_the_tools_the_server_is_asked_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let bridge = Bridge::start(noting(folder.path(), true)).await;
    let all = (0..20).map(|turn| get(&bridge, if turn % 2 == 0 { "/tools" } else { "/openapi.json" }));
    for (status, body) in futures_util::future::join_all(all).await {
        assert_eq!(status, 200, "{body}");
    }
    assert_eq!((lines(&folder.path().join("asked")), lines(&folder.path().join("started"))), (1, 1));
    bridge.finish().await;
}

#[tokio::test]
async fn on_a_server_that_lists_slowly_nothing_piles_up() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut settings = noting(folder.path(), false);
    settings.call_timeout = Duration::from_secs(3);
    let bridge = Bridge::start(settings).await;
    // Whoever leaves does not begin it anew for the others.
    let asked = folder.path().join("asked");
    let leaving = tokio::spawn(http::get(bridge.addr, "/tools", "localhost", LIMITS));
    until("the server is asked", || asked.exists()).await;
    leaving.abort();
    for (status, body) in futures_util::future::join_all((0..20).map(|_| get(&bridge, "/tools"))).await {
        assert_eq!(status, 504, "{body}");
    }
    assert_eq!((lines(&asked), lines(&folder.path().join("started"))), (1, 1));
    bridge.finish().await;
}

#[tokio::test]
async fn a_bridge_that_stops_does_not_wait_for_a_list() {
    let folder = tempfile::tempdir().expect("a folder");
    let bridge = Bridge::start(noting(folder.path(), false)).await;
    let (addr, asked) = (bridge.addr, folder.path().join("asked"));
    let listing = tokio::spawn(http::get(addr, "/tools", "localhost", LIMITS));
    until("the server is asked", || asked.exists()).await;
    bridge.finish().await;
    assert_eq!(listing.await.expect("no panic").expect("an answer").status, 503);
}

/// Alice may call everything, Bob little of it.
fn guarded(folder: &Path) -> Settings {
    let file = folder.join("tokens");
    std::fs::write(&file, "alice alice-0123456789\nbob bob-0123456789ab status,echo*,!echoes\n")
        .expect("a file");
    let mut settings = of_fixture("legacy");
    settings.doors.tokens = Some(TokenFile::open(&file).expect("tokens"));
    settings
}

const ALICE: (&str, &str) = ("authorization", "Bearer alice-0123456789");
const BOB: (&str, &str) = ("authorization", "Bearer bob-0123456789ab");

#[tokio::test]
async fn a_principal_sees_what_it_may_call_and_calls_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let bridge = Bridge::start(guarded(folder.path())).await;
    for (who, seen) in [(ALICE, &["status", "echo", "fail"][..]), (BOB, &["status", "echo"])] {
        let (_, list) = ask(&bridge, "GET /tools", &[who], "").await;
        assert_eq!(names(&serde_json::from_str(&list).expect("JSON")), seen);
        let (_, document) = ask(&bridge, "GET /openapi.json", &[who], "").await;
        let document: Value = serde_json::from_str(&document).expect("JSON");
        assert_eq!(document["paths"].as_object().map(serde_json::Map::len), Some(seen.len()));
        assert_eq!(document["components"]["securitySchemes"]["bearer"]["scheme"], "bearer");
    }
    for tool in ["fail", "nothing", "echoes"] {
        assert_eq!(post(&bridge, &format!("/tools/{tool}"), &[JSON, BOB], "{}").await.0, 403, "{tool}");
    }
    assert_eq!(post(&bridge, "/tools/echo", &[JSON, BOB], "{}").await.0, 200);
    bridge.finish().await;
}

#[tokio::test]
async fn without_a_token_there_is_the_page_and_nothing_that_it_would_show() {
    let folder = tempfile::tempdir().expect("a folder");
    let bridge = Bridge::start(guarded(folder.path())).await;
    for line in ["GET /tools", "GET /openapi.json", "POST /tools/status", "GET /docs/"] {
        let (head, _) = ask(&bridge, line, &[], "").await;
        assert!(head.starts_with("http/1.1 401 "), "{line}: {head}");
    }
    let (head, body) = ask(&bridge, "GET /docs", &[], "").await;
    assert!(head.starts_with("http/1.1 200 ") && body.starts_with("<!doctype html>"), "{head}");
    bridge.finish().await;
}

#[tokio::test]
async fn the_page_runs_its_own_script_alone_and_nobody_frames_it() {
    let bridge = Bridge::start(settings("/nowhere/server", &[])).await;
    let (head, _) = ask(&bridge, "GET /docs", &[], "").await;
    for part in [
        "content-type: text/html; charset=utf-8",
        "content-security-policy: default-src 'none'; script-src 'sha256-",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "x-content-type-options: nosniff",
        "referrer-policy: no-referrer",
    ] {
        assert!(head.contains(part), "{part}: {head}");
    }
    bridge.finish().await;
}

#[tokio::test]
async fn the_bridges_own_page_may_call_tools_and_a_page_of_elsewhere_may_not() {
    let bridge = Bridge::start(of_fixture("legacy")).await;
    let port = bridge.addr.port();
    let (own, other) = (format!("http://localhost:{port}"), format!("http://localhost:{}", port ^ 1));
    let host = format!("localhost:{port}");
    for path in ["/tools/status", "/mcp"] {
        for (origin, status) in
            [(own.as_str(), 200), (&other, 403), ("null", 403), ("http://evil.example", 403)]
        {
            let body = r#"{"method":"status"}"#;
            let head = format!(
                "POST {path} HTTP/1.1\r\nhost: {host}\r\norigin: {origin}\r\nconnection: close\r\n\
                content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            let answer = super::guests::raw(&bridge, &head).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{path} from {origin}: {answer}");
        }
    }
    let (status, _) = super::refused(bridge.try_client(&[("host", &host), ("origin", &own)]).await);
    assert_eq!(status, 403, "a WebSocket of a page's needs the page's origin to be named");
    bridge.finish().await;
}

#[tokio::test]
async fn the_description_is_the_same_bytes_each_time() {
    let mut seen = Vec::new();
    for mode in ["legacy", "legacy", "dual"] {
        let bridge = Bridge::start(everything(mode)).await;
        let host = bridge.addr.to_string();
        let answer = http::get(bridge.addr, "/openapi.json", &host, LIMITS).await.expect("an answer");
        seen.push(answer.body);
        bridge.finish().await;
    }
    assert!(seen[0] == seen[1]);
    let document: Value = serde_json::from_slice(&seen[0]).expect("JSON");
    assert_eq!(
        (&document["openapi"], &document["info"]["title"]),
        (&json!("3.1.1"), &json!("everything-fixture"))
    );
    assert_eq!(document["info"], serde_json::from_slice::<Value>(&seen[2]).expect("JSON")["info"]);
    let schema = &document["components"]["schemas"]["json_schema_2020_12_tool_input"];
    let target = schema["properties"]["address"]["$ref"].as_str().expect("a reference");
    assert_eq!(document.pointer(&target[1..]).expect("a target")["type"], "object");
}
