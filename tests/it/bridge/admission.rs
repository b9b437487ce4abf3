//! Tokens, lists of tools, limits and pages of other origins.

use std::path::{Path, PathBuf};

use mcpo_deploy::bridge::{Settings, TokenFile};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Error;

use super::{Bridge, Client, PATIENCE, closed, hear, of_fixture, refused, say, settings};

const ALICE: &str = "Bearer alice-0123456789";
const BOB: &str = "Bearer bob-0123456789ab";
/// Alice's token in clear, Bob's as its SHA-256 and with a list of tools.
const FILE: &str = "\
# who may come in
alice alice-0123456789
bob sha256:8f08f60b1118a1be1c437b1e26e44381d906686c8d984d5c3e37993576c896d6 status,echo*,!echoes
";

/// A file of tokens, for as long as its folder is kept.
struct Tokens {
    _folder: TempDir,
    file: PathBuf,
}

impl Tokens {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("tokens");
        std::fs::write(&file, text).expect("a file");
        Self { _folder: folder, file }
    }

    fn let_in_to(&self, mut settings: Settings) -> Settings {
        settings.doors.tokens = Some(TokenFile::open(&self.file).expect("tokens"));
        settings
    }
}

/// Replaces a file at once, as those who rotate tokens should.
fn replace(file: &Path, text: &str) {
    let next = file.with_extension("next");
    std::fs::write(&next, text).expect("a file");
    std::fs::rename(&next, file).expect("a file");
}

/// The answer to one raw request: its head in lower case, and its body.
pub(super) async fn ask(
    bridge: &Bridge,
    line: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> (String, String) {
    let mut tcp = TcpStream::connect(bridge.addr).await.expect("a way");
    let length = body.len().to_string();
    let ours = [("host", "localhost"), ("connection", "close"), ("content-length", &length)];
    let request = format!("{}{body}", head_of(line, ours.iter().chain(headers)));
    tcp.write_all(request.as_bytes()).await.expect("room");
    let mut answer = String::new();
    timeout(PATIENCE, tcp.read_to_string(&mut answer)).await.expect("in time").expect("text");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    (head.to_ascii_lowercase(), body.to_owned())
}

fn head_of<'a>(line: &str, headers: impl Iterator<Item = &'a (&'a str, &'a str)>) -> String {
    let headers: Vec<String> = headers.map(|(name, value)| format!("{name}: {value}")).collect();
    format!("{line} HTTP/1.1\r\n{}\r\n\r\n", headers.join("\r\n"))
}

fn status(head: &str) -> u16 {
    head.split(' ').nth(1).expect("a status line").parse().expect("a number")
}

/// The status and body of a call of a tool.
async fn call(bridge: &Bridge, tool: &str, token: &str) -> (u16, Value) {
    let headers = [("content-type", "application/json"), ("authorization", token)];
    let body = json!({"method": tool, "params": {}}).to_string();
    let (head, body) = ask(bridge, "POST /mcp", &headers, &body).await;
    (status(&head), serde_json::from_str(&body).expect("JSON"))
}

/// Tries until the bridge has seen that its file has changed.
async fn until_it_opens(bridge: &Bridge, token: &'static str) -> Client {
    let opens = async {
        let mut look = tokio::time::interval(std::time::Duration::from_millis(50));
        loop {
            look.tick().await;
            if let Ok(client) = bridge.try_client(&[("authorization", token)]).await {
                return client;
            }
        }
    };
    timeout(PATIENCE, opens).await.expect("the file is read again")
}

#[tokio::test]
async fn without_a_token_every_wire_but_healthz_is_closed() {
    let tokens = Tokens::new(FILE);
    let bridge = Bridge::start(tokens.let_in_to(settings("/nowhere/server", &[]))).await;
    for line in
        ["POST /mcp", "GET /ws", "GET /", "GET /metrics", "GET /healthz/", "OPTIONS /mcp", "PUT /healthy"]
    {
        for (headers, challenge) in [
            (&[][..], "bearer"),
            (&[("authorization", "Basic YTpi")], "bearer"),
            (&[("authorization", "Bearer alice-0123456788")], "bearer error=\"invalid_token\""),
            (&[("authorization", "Bearer alice")], "bearer error=\"invalid_token\""),
        ] {
            let (head, body) = ask(&bridge, line, headers, "").await;
            assert_eq!(status(&head), 401, "{line}: {head}");
            assert!(head.contains(&format!("www-authenticate: {challenge}\r\n")), "{head}");
            assert!(head.contains("content-type: application/problem+json"), "{head}");
            assert!(!body.contains("0123"), "{body}");
        }
    }
    let (head, _) = ask(&bridge, "GET /healthz", &[], "").await;
    assert_eq!(status(&head), 200);
    bridge.finish().await;
}

#[tokio::test]
async fn what_is_told_to_who_shows_no_token_is_the_way_to_show_one() {
    let tokens = Tokens::new(FILE);
    let bridge = Bridge::start(tokens.let_in_to(settings("/bin/cat", &[]))).await;
    let (_, body) = ask(&bridge, "GET /ws", &[], "").await;
    insta::assert_snapshot!("no_token", body);
    let (head, body) = ask(&bridge, "GET /ws?access_token=alice-0123456789", &[], "").await;
    assert_eq!(status(&head), 401);
    insta::assert_snapshot!("token_in_the_query", body);
    let (_, body) = ask(&bridge, "GET /ws", &[("authorization", "Bearer x")], "").await;
    insta::assert_snapshot!("wrong_token", body);
    let (head, body) =
        ask(&bridge, "GET /ws", &[("authorization", ALICE), ("authorization", ALICE)], "").await;
    assert_eq!(status(&head), 400);
    insta::assert_snapshot!("two_tokens", body);
    bridge.finish().await;
}

#[tokio::test]
async fn a_handshake_without_a_token_starts_no_server() {
    let tokens = Tokens::new(FILE);
    let bridge = Bridge::start(tokens.let_in_to(settings("/nowhere/server", &[]))).await;
    assert_eq!(refused(bridge.try_client(&[]).await).0, 401);
    assert_eq!(refused(bridge.try_client(&[("authorization", "Bearer wrong")]).await).0, 401);
    // A program that is not there closes the connection of whoever comes through.
    let mut alice = bridge.try_client(&[("authorization", ALICE)]).await.expect("a guest");
    say(&mut alice, "{}").await;
    assert_eq!(closed(&mut alice).await.0, 1011);
    bridge.finish().await;
}

#[tokio::test]
async fn a_token_opens_both_wires() {
    let tokens = Tokens::new(FILE);
    let bridge = Bridge::start(tokens.let_in_to(of_fixture("legacy"))).await;
    assert_eq!(call(&bridge, "status", ALICE).await.0, 200);
    bridge.try_client(&[("authorization", ALICE)]).await.expect("a guest");
    bridge.finish().await;
}

#[tokio::test]
async fn a_page_shows_its_token_among_the_subprotocols_and_gets_none_back() {
    let tokens = Tokens::new(FILE);
    let bridge = Bridge::start(tokens.let_in_to(settings("/bin/cat", &[]))).await;
    let offered = [("sec-websocket-protocol", "mcp, bearer.alice-0123456789")];
    let mut client = bridge.try_client(&offered).await.expect("a guest");
    say(&mut client, "x").await;
    assert_eq!(hear(&mut client).await, "x");
    let upgrade = [
        ("host", "localhost"),
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    let mut tcp = TcpStream::connect(bridge.addr).await.expect("a way");
    let request = head_of("GET /ws", upgrade.iter().chain(&offered));
    tcp.write_all(request.as_bytes()).await.expect("room");
    let mut head = vec![0; 4096];
    let count = timeout(PATIENCE, tcp.read(&mut head)).await.expect("in time").expect("a head");
    let head = String::from_utf8_lossy(&head[..count]).to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 101") && head.contains("sec-websocket-protocol: mcp\r\n"), "{head}");
    assert!(!head.contains("bearer") && !head.contains("alice"), "{head}");
    let wrong = [("sec-websocket-protocol", "mcp, bearer.alice-0123456788")];
    assert_eq!(refused(bridge.try_client(&wrong).await).0, 401);
    bridge.finish().await;
}

#[tokio::test]
async fn a_token_that_is_added_opens_without_a_restart() {
    let tokens = Tokens::new("alice alice-0123456789\n");
    let bridge = Bridge::start(tokens.let_in_to(settings("/bin/cat", &[]))).await;
    replace(&tokens.file, "alice alice-0123456789\nbob bob-0123456789ab\n");
    drop(until_it_opens(&bridge, BOB).await);
    bridge.try_client(&[("authorization", ALICE)]).await.expect("still a guest");
    bridge.finish().await;
}

#[tokio::test]
async fn whoever_is_struck_from_the_file_is_told_to_leave() {
    let tokens = Tokens::new("alice alice-0123456789\nbob bob-0123456789ab\n");
    let bridge = Bridge::start(tokens.let_in_to(settings("/bin/cat", &[]))).await;
    let mut alice = bridge.try_client(&[("authorization", ALICE)]).await.expect("a guest");
    let mut bob = bridge.try_client(&[("authorization", BOB)]).await.expect("a guest");
    replace(&tokens.file, "bob bob-0123456789ab\n");
    let (code, reason) = closed(&mut alice).await;
    assert_eq!((code, reason.as_str()), (1008, "what let this client in is not in the token file any more"));
    assert_eq!(refused(bridge.try_client(&[("authorization", ALICE)]).await).0, 401);
    say(&mut bob, "x").await;
    assert_eq!(hear(&mut bob).await, "x");
    bridge.finish().await;
}

#[tokio::test]
async fn who_may_call_some_tools_calls_no_others() {
    let tokens = Tokens::new(FILE);
    let bridge = Bridge::start(tokens.let_in_to(of_fixture("legacy"))).await;
    assert_eq!(call(&bridge, "status", BOB).await.0, 200);
    assert_eq!(call(&bridge, "echo", BOB).await.0, 200);
    for tool in ["echoes", "fail", "no such tool"] {
        let (code, body) = call(&bridge, tool, BOB).await;
        assert_eq!((code, &body["status"]), (403, &json!(403)), "{tool}");
    }
    insta::assert_snapshot!("denied_tool", call(&bridge, "fail", BOB).await.1);
    assert_eq!(call(&bridge, "fail", ALICE).await.0, 422, "who has no list may call all");
    let (code, body) = refused(bridge.try_client(&[("authorization", BOB)]).await);
    assert_eq!(code, 403);
    insta::assert_snapshot!("list_on_a_websocket", body);
    bridge.finish().await;
}

#[tokio::test]
async fn one_client_s_connections_are_bounded_and_leave_room_for_others() {
    let tokens = Tokens::new("alice alice-0123456789\nbob bob-0123456789ab\n");
    let mut settings = tokens.let_in_to(of_fixture("legacy"));
    settings.doors.max_connections_per_principal = Some(1);
    let bridge = Bridge::start(settings).await;
    let first = bridge.try_client(&[("authorization", ALICE)]).await.expect("a guest");
    let outcome = bridge.try_client(&[("authorization", ALICE)]).await;
    let Err(Error::Http(response)) = &outcome else { panic!("not refused: {outcome:?}") };
    assert_eq!(response.headers()["retry-after"], "1");
    let (code, body) = refused(outcome);
    assert_eq!(code, 429);
    insta::assert_snapshot!("too_many_connections", body);
    assert_eq!(call(&bridge, "status", ALICE).await.0, 429, "a call is one too");
    assert_eq!(call(&bridge, "status", BOB).await.0, 200);
    drop(first);
    drop(until_it_opens(&bridge, "Bearer alice-0123456789").await);
    bridge.finish().await;
}

#[tokio::test]
async fn one_client_s_requests_are_bounded_and_healthz_is_not_among_them() {
    let tokens = Tokens::new("alice alice-0123456789\nbob bob-0123456789ab\n");
    let mut settings = tokens.let_in_to(settings("/bin/cat", &[]));
    settings.doors.max_requests_per_second = Some(1);
    let bridge = Bridge::start(settings).await;
    let asked =
        async |token: &'static str| ask(&bridge, "GET /nothing", &[("authorization", token)], "").await;
    let mut last = asked(ALICE).await;
    assert_eq!(status(&last.0), 404);
    // Requests come faster than one in a second, if not at the very first try.
    for _ in 0..50 {
        last = asked(ALICE).await;
        if status(&last.0) == 429 {
            break;
        }
    }
    assert_eq!(status(&last.0), 429);
    assert!(last.0.contains("retry-after: 1\r\n"), "{}", last.0);
    insta::assert_snapshot!("too_many_requests", last.1);
    assert_eq!(status(&asked(BOB).await.0), 404);
    for _ in 0..5 {
        assert_eq!(status(&ask(&bridge, "GET /healthz", &[], "").await.0), 200);
    }
    bridge.finish().await;
}

#[tokio::test]
async fn without_tokens_an_address_is_a_client() {
    let mut settings = settings("/bin/cat", &[]);
    settings.doors.max_connections_per_principal = Some(1);
    let bridge = Bridge::start(settings).await;
    let _first = bridge.client().await;
    assert_eq!(refused(bridge.try_client(&[]).await).0, 429);
    bridge.finish().await;
}

#[tokio::test]
async fn who_guesses_tokens_is_slowed_down() {
    let tokens = Tokens::new(FILE);
    let mut settings = tokens.let_in_to(settings("/bin/cat", &[]));
    settings.doors.max_requests_per_second = Some(1);
    let bridge = Bridge::start(settings).await;
    let mut seen = Vec::new();
    for _ in 0..20 {
        let (head, _) = ask(&bridge, "GET /ws", &[("authorization", "Bearer guess")], "").await;
        seen.push(status(&head));
    }
    assert!(seen[0] == 401 && seen.contains(&429), "{seen:?}");
    let answer = ask(&bridge, "GET /nothing", &[("authorization", ALICE)], "").await;
    assert_eq!(status(&answer.0), 404, "who knows one is not");
    bridge.finish().await;
}

const PAGE: &str = "https://app.example";

#[tokio::test]
async fn a_page_of_a_named_origin_may_ask_and_read() {
    let tokens = Tokens::new(FILE);
    let mut settings = tokens.let_in_to(of_fixture("legacy"));
    settings.allowed_origins = vec![PAGE.to_owned()];
    let bridge = Bridge::start(settings).await;
    let preflight = [
        ("origin", PAGE),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "authorization,content-type,x-other"),
    ];
    let (head, body) = ask(&bridge, "OPTIONS /mcp", &preflight, "").await;
    let mut lines: Vec<_> = head.lines().filter(|line| !line.starts_with("date: ")).collect();
    lines.sort_unstable();
    insta::assert_snapshot!("preflight", lines.join("\n"));
    assert_eq!(body, "");
    for (token, code) in [(ALICE, 200), ("Bearer wrong", 401)] {
        let headers = [("origin", PAGE), ("content-type", "application/json"), ("authorization", token)];
        let (head, _) = ask(&bridge, "POST /mcp", &headers, r#"{"method":"status"}"#).await;
        assert_eq!(status(&head), code);
        for line in ["access-control-allow-origin: https://app.example", "vary: origin"] {
            assert!(head.contains(line), "{head}");
        }
        assert!(
            head.contains("access-control-expose-headers: mcp-session-id, mcp-protocol-version"),
            "{head}"
        );
        assert!(!head.contains("credentials") && !head.contains('*'), "{head}");
    }
    bridge.finish().await;
}

#[tokio::test]
async fn no_other_page_is_given_leave() {
    let mut settings = settings("/bin/cat", &[]);
    settings.allowed_origins = vec![PAGE.to_owned()];
    let bridge = Bridge::start(settings).await;
    let preflight = [("origin", "https://evil.example"), ("access-control-request-method", "POST")];
    let (head, _) = ask(&bridge, "OPTIONS /mcp", &preflight, "").await;
    assert!(status(&head) == 403 && !head.contains("access-control"), "{head}");
    let (head, _) = ask(&bridge, "GET /healthz", &[], "").await;
    assert!(head.contains("vary: origin") && !head.contains("access-control"), "{head}");
    bridge.finish().await;
    let bridge = Bridge::start(super::settings("/bin/cat", &[])).await;
    let (head, _) = ask(&bridge, "GET /healthz", &[], "").await;
    assert!(
        !head.contains("vary") && !head.contains("access-control"),
        "off unless origins are named: {head}"
    );
    bridge.finish().await;
}
