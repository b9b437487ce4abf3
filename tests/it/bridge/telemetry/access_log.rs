//! The access log, and what a request is called.

use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::super::program::{Serving, end, program, serve};
use super::super::{Bridge, PATIENCE, fixture, of_fixture};
use super::ask;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// The next line that holds a word.
async fn line_with(serving: &mut Serving, word: &str) -> String {
    let found = async {
        loop {
            let line = serving
                .stderr
                .as_mut()
                .expect("nobody else reads")
                .next_line()
                .await
                .expect("text")
                .expect("the program runs");
            if line.contains(word) {
                return line;
            }
        }
    };
    timeout(PATIENCE, found).await.unwrap_or_else(|_| panic!("no line with {word}"))
}

async fn call(serving: &Serving, id: &str) {
    let parent = format!("00-{TRACE}-00f067aa0ba902b7-01");
    let headers = [
        ("x-request-id", id),
        ("traceparent", parent.as_str()),
        ("authorization", "Bearer alice-0123456789"),
    ];
    let body = json!({"method": "echo", "params": {"secret": "payload-1"}}).to_string();
    ask(serving.addrs[0], "POST /mcp?query=hidden", &headers, &body).await;
}

fn with_tokens(folder: &tempfile::TempDir, args: &[&str]) -> tokio::process::Command {
    let file = folder.path().join("tokens");
    std::fs::write(&file, "alice alice-0123456789\n").expect("a file");
    let mut command = program();
    command.args(["--listen", "127.0.0.1:0", "--token-file"]).arg(file).args(args).arg("--");
    command.arg(fixture()).arg("legacy");
    command
}

#[tokio::test]
async fn each_request_leaves_one_line_that_says_all_but_what_was_in_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut serving = serve(&mut with_tokens(&folder, &[]), 1).await;
    call(&serving, "abc-1").await;
    let line = line_with(&mut serving, "request id=").await;
    for field in [
        r#" id="abc-1""#,
        r#" principal="alice""#,
        r#" by="token""#,
        " peer=127.0.0.1",
        r#" wire="rest""#,
        r#" http="POST""#,
        r#" path="/mcp""#,
        r#" tool="echo""#,
        " status=200",
        r#" outcome="ok""#,
        " bytes_in=49",
        " bytes_out=22",
        " duration_us=",
        " pid=",
        &format!(" trace={TRACE}"),
    ] {
        assert!(line.contains(field), "{field}: {line}");
    }
    for hidden in ["payload", "hidden", "0123456789"] {
        assert!(!line.contains(hidden), "{line}");
    }
    assert_eq!(end(serving, Signal::TERM).await, Some(0));
}

#[tokio::test]
async fn as_json_each_line_is_one_object_with_the_same_fields() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut serving = serve(&mut with_tokens(&folder, &["--log-format", "json"]), 0).await;
    let line = line_with(&mut serving, "listening on ").await;
    let said: Value = serde_json::from_str(&line).expect("JSON");
    let words = said["message"].as_str().and_then(|words| words.split_once("listening on ")).expect("words");
    serving.addrs.push(words.1.split(": ").next().expect("an address").parse().expect("an address"));
    call(&serving, "bad id\"").await;
    let line: Value = serde_json::from_str(&line_with(&mut serving, "\"request\"").await).expect("JSON");
    assert_eq!(
        (&line["message"], &line["level"], &line["principal"], &line["status"], &line["trace"]),
        (&json!("request"), &json!("INFO"), &json!("alice"), &json!(200), &json!(TRACE))
    );
    assert_eq!(line["id"].as_str().map(str::len), Some(16), "{line}");
    assert!(line["pid"].is_u64() && line["duration_us"].is_u64() && line.get("code").is_none(), "{line}");
    assert_eq!(end(serving, Signal::TERM).await, Some(0));
}

#[tokio::test]
async fn what_a_client_makes_up_can_neither_end_a_line_nor_begin_a_field() {
    let args = ["--listen", "127.0.0.1:0", "--"];
    let mut serving = serve(program().args(args).arg(fixture()).arg("bare"), 1).await;
    let body = json!({"method": "a\" status=200\nINFO request\u{1b}[2J"}).to_string();
    ask(serving.addrs[0], "POST /mcp", &[], &body).await;
    let line = line_with(&mut serving, "request id=").await;
    assert!(line.contains(r#"tool="a\" status=200\nINFO request\u{1b}[2J""#), "{line}");
    assert!(line.contains(" status=404"), "{line}");
    assert_eq!(end(serving, Signal::TERM).await, Some(0));
}

#[tokio::test]
async fn health_checks_and_a_log_that_is_off_leave_no_line() {
    for (args, path) in [(&[][..], "GET /healthz"), (&["--access-log", "off"], "GET /nothing")] {
        let mut command = program();
        command.args(["--listen", "127.0.0.1:0"]).args(args).args(["--", "cat"]);
        let mut serving = serve(&mut command, 1).await;
        ask(serving.addrs[0], path, &[], "").await;
        serving.stop(Signal::TERM);
        let mut said = Vec::new();
        while let Some(line) =
            timeout(PATIENCE, serving.stderr.as_mut().expect("nobody else reads").next_line())
                .await
                .expect("in time")
                .expect("text")
        {
            said.push(line);
        }
        assert!(said.iter().all(|line| !line.contains("request id=")), "{said:?}");
        assert!(said.iter().any(|line| line.contains("stopping")), "{said:?}");
    }
}

#[tokio::test]
async fn every_answer_says_what_its_request_is_called_and_a_problem_says_it_too() {
    let bridge = Bridge::start(of_fixture("bare")).await;
    for (line, body) in [
        ("GET /healthz", ""),
        ("GET /nothing", ""),
        ("GET /ws", ""),
        ("POST /mcp", "{}"),
        ("POST /mcp", r#"{"method":"status"}"#),
    ] {
        let (head, body) = ask(bridge.addr, line, &[("x-request-id", "my.id-7")], body).await;
        assert!(head.contains("\r\nx-request-id: my.id-7"), "{line}: {head}");
        if head.contains("problem+json") {
            let length = format!("\r\ncontent-length: {}\r\n", body.len());
            assert!(head.contains(&length), "{head}");
            let problem: Value = serde_json::from_str(&body).expect("JSON");
            assert_eq!(problem["request_id"], "my.id-7");
        }
    }
    let (head, _) = ask(bridge.addr, "GET /nothing", &[("x-request-id", "a b")], "").await;
    assert!(head.contains("\r\nx-request-id: ") && !head.contains("a b"), "{head}");
    bridge.finish().await;
}
