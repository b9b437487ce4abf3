//! Servers that are not ours, and those that mean no good: what is told of each, and that it ends.

use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;

use super::place::Place;
use super::stub::{Asked, JSON, Stub, answer, begin_events, result, say};

/// A server of the era with sessions, that knows no other; a call is answered by `call`.
pub(super) fn legacy(
    call: impl Fn(&Asked, &mut TcpStream) + Send + Sync + 'static,
) -> impl Fn(&Asked, &mut TcpStream) + Send + Sync + 'static {
    move |asked, tcp| {
        let in_session = asked.header("mcp-session-id") == Some("s-1")
            && asked.header("mcp-protocol-version") == Some("2025-06-18");
        let is_delete = asked.head.starts_with("DELETE ");
        match asked.method() {
            "initialize" => {
                let result = json!({"protocolVersion": "2025-06-18", "serverInfo": {"name": "theirs"}});
                let body = json!({"jsonrpc": "2.0", "id": asked.message["id"], "result": result});
                answer(tcp, "200 OK", &format!("{JSON}mcp-session-id: s-1\r\n"), body.to_string());
            }
            _ if !in_session => {
                let error = json!({"code": -32000, "message": "Bad Request: no valid session ID provided"});
                let body = json!({"jsonrpc": "2.0", "id": null, "error": error});
                answer(tcp, "400 Bad Request", JSON, body.to_string());
            }
            "tools/call" => call(asked, tcp),
            _ if is_delete => answer(tcp, "204 No Content", "", ""),
            _ if asked.head.starts_with("GET ") => call(asked, tcp),
            _ => answer(tcp, "202 Accepted", "", ""),
        }
    }
}

fn done(asked: &Asked) -> String {
    json!({"jsonrpc": "2.0", "id": asked.message["id"], "result": {"content": [{"type": "text", "text": "done"}]}})
        .to_string()
}

async fn told(stub: &Stub, more: &[&str]) -> String {
    let mut place = Place::new();
    place.ports[1] = stub.addr.port();
    let url = stub.url();
    place.fail_on("unix:///no", &[&["call", "t", "--url", &url], more].concat()).await
}

#[tokio::test]
async fn a_server_of_the_era_with_sessions_is_spoken_to_in_one() {
    let stub = Stub::start(legacy(|asked, tcp| {
        let body = done(asked);
        answer(tcp, "200 OK", JSON, body);
    }));
    let ran = Place::new().run(&["call", "t", "--url", &stub.url(), "--format", "json"]).await;
    assert_eq!((ran.code, &ran.json()["protocol"]), (0, &json!("MCP 2025-06-18, handshake")), "{ran:?}");
    let asked: Vec<String> =
        stub.heads().iter().filter_map(|head| head.lines().last().map(str::to_owned)).collect();
    let expected = ["server/discover", "initialize", "notifications/initialized", "tools/call", "DELETE"];
    assert_eq!(asked, expected);
}

#[tokio::test]
async fn a_stream_that_breaks_off_is_resumed_from_its_last_event() {
    let times = AtomicUsize::new(0);
    let stub = Stub::start(legacy(move |asked, tcp| {
        let id = 3;
        match times.fetch_add(1, Ordering::Relaxed) {
            0 => {
                begin_events(tcp);
                say(tcp, "id: e-1\nretry: 10\ndata: \n\nid: e-2\ndata: {\"half");
            }
            // Not there for a moment.
            1 => {}
            _ => {
                assert_eq!(asked.header("last-event-id"), Some("e-1"));
                begin_events(tcp);
                say(
                    tcp,
                    format!(
                        ": again\r\rdata: {{\"jsonrpc\":\"2.0\",\rdata: \"id\":{id},\"result\":{{}}}}\r\r"
                    ),
                );
            }
        }
    }));
    let ran = Place::new().run(&["call", "t", "--url", &stub.url(), "-o", "json"]).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "{}\n"), "{ran:?}");
}

#[tokio::test]
async fn a_stream_that_never_gets_on_is_given_up() {
    let stub = Stub::start(legacy(|_, tcp| {
        begin_events(tcp);
        say(tcp, "id: e-1\nretry: 1\ndata: \n\n");
    }));
    insta::assert_snapshot!("never_gets_on", told(&stub, &[]).await);
    assert!(stub.heads().iter().filter(|head| head.starts_with("GET ")).count() <= 12);
}

#[tokio::test]
async fn a_session_that_is_lost_is_said_as_such() {
    let stub =
        Stub::start(legacy(|_, tcp| answer(tcp, "404 Not Found", JSON, r#"{"error":"Session not found"}"#)));
    insta::assert_snapshot!("lost_session", told(&stub, &[]).await);
}

#[tokio::test]
async fn whatever_comes_in_an_answer_s_place_is_told() {
    type Reply = fn(&Asked, &mut TcpStream);
    let hostile: [(&str, Reply); 17] = [
        ("status_500", |_, tcp| answer(tcp, "500 Internal Server Error", "", "it hurts\nmuch")),
        ("status_500_page", |_, tcp| {
            answer(tcp, "502 Bad Gateway", "content-type: text/html\r\n", "<html>nginx</html>");
        }),
        ("status_problem", |_, tcp| {
            let problem =
                r#"{"type":"about:blank","title":"Too Many Requests","status":429,"detail":"later"}"#;
            answer(tcp, "429 Too Many Requests", "content-type: application/problem+json\r\n", problem);
        }),
        ("status_rpc_error", |asked, tcp| {
            let body = json!({"jsonrpc": "2.0", "id": asked.message["id"], "error": {"code": -32603, "message": "broken"}});
            answer(tcp, "500 Internal Server Error", JSON, body.to_string());
        }),
        ("redirect", |_, tcp| {
            answer(tcp, "307 Temporary Redirect", "location: https://elsewhere.example/mcp\r\n", "");
        }),
        ("accepted", |_, tcp| answer(tcp, "202 Accepted", "", "")),
        ("page", |_, tcp| answer(tcp, "200 OK", "content-type: text/html; charset=utf-8\r\n", "<html>")),
        ("no_type", |_, tcp| answer(tcp, "200 OK", "", "{}")),
        ("no_json", |_, tcp| answer(tcp, "200 OK", JSON, "it worked")),
        ("another_id", |_, tcp| answer(tcp, "200 OK", JSON, r#"{"jsonrpc":"2.0","id":99,"result":{}}"#)),
        ("another_id_in_events", |_, tcp| {
            begin_events(tcp);
            say(tcp, "data: {\"jsonrpc\":\"2.0\",\"id\":99,\"result\":{}}\n\n");
        }),
        ("no_text", |_, tcp| {
            answer(tcp, "200 OK", JSON, b"{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":\"\xff\"}");
        }),
        ("no_text_in_events", |_, tcp| {
            begin_events(tcp);
            say(tcp, b"data: \xff\n\n");
        }),
        ("closed_at_once", |_, _| {}),
        ("closed_early", |_, tcp| {
            say(
                tcp,
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{\"json",
            );
        }),
        ("no_http", |_, tcp| {
            say(tcp, "220 mail ready\r\n\r\n");
        }),
        ("dirty_words", |_, tcp| answer(tcp, "500 Oh", "", "\u{1b}]0;taken\u{7}red")),
    ];
    for (name, reply) in hostile {
        let stub = Stub::answering(reply);
        insta::assert_snapshot!(name, told(&stub, &[]).await);
    }
}

#[tokio::test]
async fn an_answer_without_an_end_is_cut_off_at_a_bound() {
    type Reply = fn(&Asked, &mut TcpStream);
    let endless: [(&str, Reply); 3] = [
        ("endless_body", |_, tcp| {
            say(tcp, "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: application/json\r\n\r\n");
            while say(tcp, " ".repeat(1 << 16)) {}
        }),
        ("endless_event", |_, tcp| {
            begin_events(tcp);
            say(tcp, "data: ");
            while say(tcp, "x".repeat(1 << 16)) {}
        }),
        ("endless_lines", |_, tcp| {
            begin_events(tcp);
            while say(tcp, "data: x\n".repeat(8192)) {}
        }),
    ];
    for (name, reply) in endless {
        let stub = Stub::answering(reply);
        insta::assert_snapshot!(name, told(&stub, &[]).await);
    }
}

#[tokio::test]
async fn chatter_without_an_answer_ends_with_the_time_that_it_was_given() {
    let stub = Stub::answering(|_, tcp| {
        begin_events(tcp);
        while say(tcp, ": still here\n\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/x\"}\n\n") {
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    insta::assert_snapshot!("chatter", told(&stub, &["--timeout", "0.5"]).await);
}

#[tokio::test]
async fn a_server_that_is_none_is_told_when_it_is_met() {
    type Reply = fn(&Asked, &mut TcpStream);
    let met: [(&str, Reply); 5] = [
        ("met_unauthorised", |_, tcp| answer(tcp, "401 Unauthorized", JSON, r#"{"error":"invalid_token"}"#)),
        ("met_not_found", |_, tcp| answer(tcp, "404 Not Found", "", "nothing here")),
        ("met_page", |_, tcp| answer(tcp, "200 OK", "content-type: text/html\r\n", "<html>")),
        ("met_redirect", |_, tcp| answer(tcp, "301 Moved Permanently", "location: /elsewhere\r\n", "")),
        ("met_refusing", |asked, tcp| {
            let body = json!({"jsonrpc": "2.0", "id": asked.message["id"], "error": {"code": -32601, "message": "no"}});
            answer(tcp, "200 OK", JSON, body.to_string());
        }),
    ];
    for (name, reply) in met {
        insta::assert_snapshot!(name, told(&Stub::start(reply), &[]).await);
    }
    let silent = Stub::start(|_, _| std::thread::sleep(Duration::from_secs(20)));
    insta::assert_snapshot!("met_silent", told(&silent, &["--timeout", "0.3"]).await);
    let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    for scheme in ["http", "ws"] {
        let ran = Place::new().run(&["call", "t", "--url", &format!("{scheme}://{port}")]).await;
        assert_eq!(ran.code, 1);
        insta::assert_snapshot!(
            format!("met_nobody_{scheme}"),
            ran.stderr.replace(&port.to_string(), "[ADDRESS]")
        );
    }
}

#[tokio::test]
async fn a_token_that_would_cross_the_network_in_the_clear_is_warned_of() {
    // Nobody is there: a name that never exists (RFC 6761).
    let place = Place::new().env("MCPO_TOKEN", "a-token");
    let ran = place.run(&["call", "t", "--url", "http://nowhere.invalid/", "--timeout", "5"]).await;
    assert_eq!(ran.code, 1);
    assert!(
        ran.stderr.starts_with("warning: the token crosses the network in the clear to nowhere.invalid:80\n"),
        "{ran:?}"
    );
}

#[tokio::test]
async fn numbers_and_the_order_of_keys_stay_as_they_are_written_both_ways() {
    let stub = Stub::answering(|asked, tcp| {
        let arguments = asked.body.split(r#""arguments":"#).nth(1).expect("arguments");
        let arguments = arguments.split(r#","_meta""#).next().expect("arguments");
        // No value can hold all of it, its id included.
        let id = 2;
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":{id},"result":{{"structuredContent":{arguments},"content":[]}}}}"#
        );
        answer(tcp, "200 OK", JSON, body);
    });
    let written = r#"{"b": 123456789012345678901234567890, "a": 1.0, "c": 1e999}"#;
    for output in ["text", "content"] {
        let ran = Place::new().run(&["call", "t", written, "--url", &stub.url(), "-o", output]).await;
        let laid_out = "{\n  \"b\": 123456789012345678901234567890,\n  \"a\": 1.0,\n  \"c\": 1e999\n}\n";
        assert_eq!((ran.code, ran.stdout.as_str()), (0, laid_out), "{ran:?}");
    }
}

#[tokio::test]
async fn a_server_that_asks_back_though_nobody_can_answer_is_told_of() {
    let stub = Stub::answering(|asked, tcp| {
        result(tcp, asked, &json!({"resultType": "input_required", "inputRequests": {}}));
    });
    insta::assert_snapshot!("asks_back", told(&stub, &[]).await);
}

#[tokio::test]
async fn what_a_request_says_in_its_headers_is_what_its_body_says() {
    let stub = Stub::answering(|asked, tcp| result(tcp, asked, &json!({"content": []})));
    let ran = Place::new().run(&["call", "tööl", "--url", &stub.url()]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    let heads = stub.heads();
    let head = heads.last().expect("a call").to_ascii_lowercase();
    for line in [
        "accept: application/json, text/event-stream",
        "content-type: application/json",
        "mcp-protocol-version: 2026-07-28",
        "mcp-method: tools/call",
        "mcp-name: =?base64?",
    ] {
        assert!(head.contains(line), "{head}");
    }
    assert!(!head.contains("mcp-session-id"), "{head}");
}
