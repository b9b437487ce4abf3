//! Pages in a real browser, which is Chromium from the system's packages: the bridge's own, `/docs`, and the
//! example's, which speaks MCP over a WebSocket.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::thread;

use serde_json::{Value, json};

use super::bridge::Serving;
use super::run;

/// How long the browser may take for everything.
const SECONDS: u32 = 120;
/// The example, as whoever takes it has it.
const PAGE: &str = include_str!("../../examples/page/index.html");

/// Runs a script that looks at pages, and returns what it saw.
#[track_caller]
fn seen_by(script: &str, arguments: &[&str]) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/clients").join(script);
    let ran = run(Command::new("python3").arg("-B").arg(script).args(arguments), SECONDS);
    serde_json::from_str(&ran.out).unwrap_or_else(|_| {
        panic!("this needs Chromium (apt-get install chromium chromium-driver): {}{}", ran.out, ran.err)
    })
}

/// Serves the example on a port of its own, for as long as the test runs. Returns its origin.
fn served() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let origin = format!("http://{}", listener.local_addr().expect("an address"));
    thread::spawn(move || {
        for mut tcp in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || {
                // A request without a body comes in one piece, or the browser asks again.
                let _ = tcp.read(&mut [0; 8192]);
                let length = PAGE.len();
                let head = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
                );
                let _ = tcp.write_all(format!("{head}{PAGE}").as_bytes());
            });
        }
    });
    origin
}

#[test]
fn the_page_calls_a_tool_and_shows_what_a_hostile_server_says_as_text() {
    let bridge = Serving::start_before("stdio-fixture", &["legacy", "hostile"]);
    let seen = seen_by("docs_page.py", &[&bridge.url()]);
    bridge.end();
    let markup =
        "</script><img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>";
    let expected = json!({
        "state": "4 tools",
        "title": "fixture",
        "made": {"images": 0, "scripts": 1},
        "first": format!("echo {markup}"),
        "called": {"status": "200 OK", "answer": {(markup): markup}},
        "second": {"status": "422 Unprocessable Entity"},
        "markup": "refused",
        "elsewhere": "refused",
        "kept": [0, 0, ""],
        "complaints": [],
    });
    assert_eq!(seen, expected);
}

#[test]
fn a_page_calls_tools_over_a_websocket_where_its_origin_is_named_and_nowhere_else() {
    let origin = served();
    let allowing = Serving::start_for(&[&origin], "stdio-fixture", &["legacy"]);
    let refusing = Serving::start_for(&["https://app.example"], "stdio-fixture", &["legacy"]);
    let seen = seen_by("websocket_page.py", &[&format!("{origin}/"), &allowing.url(), &refusing.url()]);
    allowing.end();
    refusing.end();
    let answer = r#"{"id":3,"jsonrpc":"2.0","result":{"content":[],"structuredContent":{"m":[18446744073709551615],"n":9007199254740993,"text":"žluť 漢字 😀 "#;
    let refusal = json!([["error"], ["close", 1006, ""]]);
    let welcome = json!([["open"], ["close", 1000, ""]]);
    let expected = json!({
        "before": "not connected",
        "allowed": "connected to fixture: 3 tools",
        "tools": ["status", "echo", "fail"],
        "answer": format!("{answer}\u{2028} \\n\"}}}}}}"),
        "refused": format!("closed with 1006: does the bridge run, with --allow-origin {origin}?"),
        "events": {
            "allowed": [welcome, welcome],
            "refused": [refusal, refusal],
            "own": [refusal],
        },
    });
    assert_eq!(seen, expected);
}
