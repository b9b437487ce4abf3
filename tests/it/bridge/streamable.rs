//! MCP over HTTP with sessions, and without them: what the conformance suite does not ask.

use std::time::Duration;

use mcpo_deploy::bridge::Settings;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{interval, timeout};

use super::admission::ask;
use super::{Bridge, PATIENCE, gone, of_fixture, of_script, settings};

const KINDS: (&str, &str) = ("accept", "application/json, text/event-stream");
const JSON: (&str, &str) = ("content-type", "application/json");

/// A session, by its id.
struct Session<'b> {
    bridge: &'b Bridge,
    id: String,
}

impl<'b> Session<'b> {
    async fn begin(bridge: &'b Bridge, version: &str) -> Self {
        let params = json!({"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "t"}});
        let body = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params});
        let (head, answer) = ask(bridge, "POST /mcp", &[JSON, KINDS], &body.to_string()).await;
        assert!(head.starts_with("http/1.1 200 "), "{head}{answer}");
        // The helper's heads are in lower case, and ids are not.
        let id = header(bridge, &body.to_string()).await;
        Self { bridge, id }
    }

    async fn send(&self, line: &str, body: &str) -> (u16, String) {
        let headers = [JSON, KINDS, ("mcp-session-id", self.id.as_str())];
        let (head, answer) = ask(self.bridge, line, &headers, body).await;
        (status(&head), answer)
    }

    async fn post(&self, body: &Value) -> (u16, String) {
        self.send("POST /mcp", &body.to_string()).await
    }

    async fn call(&self, id: u32, tool: &str) -> (u16, String) {
        let params = json!({"name": tool, "arguments": {"id": id}});
        self.post(&json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params})).await
    }

    /// A call that is answered when the server is told to: a stream, once it has begun.
    async fn slow(&self) -> Stream {
        let params = json!({"name": "slow", "arguments": {}});
        let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).to_string();
        let id = [("mcp-session-id", self.id.as_str())];
        let mut stream = Stream::open(self.bridge, "POST /mcp", &id, &call).await;
        stream.until("\r\n\r\n").await;
        stream
    }
}

fn status(head: &str) -> u16 {
    head.split(' ').nth(1).expect("a status line").parse().expect("a number")
}

/// Begins a session, and returns its id as it is spelt.
async fn header(bridge: &Bridge, body: &str) -> String {
    let mut stream = Stream::open(bridge, "POST /mcp", &[], body).await;
    let head = stream.until("\r\n\r\n").await;
    let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with("mcp-session-id: "));
    line.expect("a session's id")["mcp-session-id: ".len()..].to_owned()
}

/// An answer that is read as it comes.
struct Stream {
    tcp: TcpStream,
    text: String,
}

impl Stream {
    async fn open(bridge: &Bridge, line: &str, headers: &[(&str, &str)], body: &str) -> Self {
        let mut tcp = TcpStream::connect(bridge.addr).await.expect("a way");
        let length = body.len().to_string();
        let ours = [("host", "localhost"), ("content-length", &length), JSON, KINDS];
        let headers: Vec<String> =
            ours.iter().chain(headers).map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let request = format!("{line} HTTP/1.1\r\n{}\r\n{body}", headers.concat());
        tcp.write_all(request.as_bytes()).await.expect("room");
        Self { tcp, text: String::new() }
    }

    /// What has come, once the words are among it.
    async fn until(&mut self, words: &str) -> String {
        let read = async {
            while !self.text.contains(words) {
                let mut bytes = [0; 4096];
                let count = self.tcp.read(&mut bytes).await.expect("bytes");
                assert!(count > 0, "it ended without {words:?}: {}", self.text);
                self.text.push_str(&String::from_utf8_lossy(&bytes[..count]));
            }
        };
        timeout(PATIENCE, read).await.expect("in time");
        self.text.clone()
    }
}

/// A server with a handshake whose tools say little: `slow` answers when it is told to, by a notification;
/// `crash` ends it; all else is answered with its process and the id that it was given.
fn of_handshake() -> Settings {
    of_script(
        r#"
        id() { printf '%s' "$1" | sed 's/.*"id":\([0-9]*\).*/\1/'; }
        say() { printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$1" "$2"; }
        while read -r line; do case $line in
            *'"initialize"'*) v=${line#*protocolVersion\":\"}; say "$(id "$line")" \
                '{"protocolVersion":"'"${v%%\"*}"'","capabilities":{"tools":{}},"serverInfo":{"name":"s","version":"1"}}';;
            *server/discover*) printf '{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"no"}}\n' "$(id "$line")";;
            *'"slow"'*) slow=$(id "$line");;
            *'"crash"'*) echo 'it hurts' >&2; exit 3;;
            *notifications/go*) say "$slow" '{"content":[]}';;
            *'"id"'*) say "$(id "$line")" "{\"pid\":$$}";;
        esac; done
        "#,
    )
}

async fn pid_of(session: &Session<'_>) -> u32 {
    let (code, answer) = session.call(7, "any").await;
    assert_eq!(code, 200, "{answer}");
    let answer: Value = serde_json::from_str(&answer).expect("JSON");
    u32::try_from(answer["result"]["pid"].as_u64().expect("an id")).expect("an id")
}

#[tokio::test]
async fn a_session_has_a_server_of_its_own_until_its_client_ends_it() {
    let bridge = Bridge::start(of_handshake()).await;
    let (one, two) =
        (Session::begin(&bridge, "2025-11-25").await, Session::begin(&bridge, "2025-06-18").await);
    let (first, second) = (pid_of(&one).await, pid_of(&two).await);
    assert_ne!(first, second);
    assert_eq!(pid_of(&one).await, first);
    assert_eq!(one.send("DELETE /mcp", "").await.0, 204);
    gone(first).await;
    assert_eq!(one.call(8, "any").await.0, 404);
    assert_eq!(one.send("GET /mcp", "").await.0, 404);
    assert_eq!(pid_of(&two).await, second);
    bridge.finish().await;
    gone(second).await;
}

#[tokio::test]
async fn past_the_ceilings_on_sessions_and_on_the_requests_of_one_others_are_refused() {
    let mut settings = of_handshake();
    (settings.max_sessions, settings.max_session_requests) = (2, 1);
    settings.waits.stream_after = Duration::from_millis(10);
    let bridge = Bridge::start(settings).await;
    // It begins two, and keeps one.
    let session = Session::begin(&bridge, "2025-11-25").await;
    let third = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {}}).to_string();
    let (head, answer) = ask(&bridge, "POST /mcp", &[JSON, KINDS], &third).await;
    assert!(head.starts_with("http/1.1 503 ") && head.contains("retry-after: 1"), "{head}");
    assert!(answer.contains("all 2 sessions are in use") && answer.contains("--max-sessions"), "{answer}");
    let _slow = session.slow().await;
    let (code, answer) = session.call(2, "any").await;
    assert!(code == 429 && answer.contains("under way"), "{code} {answer}");
    bridge.finish().await;
}

#[tokio::test]
async fn what_is_no_message_of_a_session_is_told_why() {
    let bridge = Bridge::start(of_handshake()).await;
    let session = Session::begin(&bridge, "2025-11-25").await;
    let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"}).to_string();
    let (head, answer) = ask(&bridge, "POST /mcp", &[JSON, KINDS], &ping).await;
    assert!(status(&head) == 400 && answer.contains("Mcp-Session-Id is missing"), "{answer}");
    let again = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {}});
    assert_eq!(session.post(&again).await.0, 400);
    assert_eq!(session.post(&json!([again])).await.0, 400, "no batches in this revision");
    assert_eq!(session.post(&json!({"jsonrpc": "2.0", "id": 1.5, "method": "m"})).await.0, 400);
    assert_eq!(session.post(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await.0, 202);
    let headers =
        [JSON, KINDS, ("mcp-session-id", session.id.as_str()), ("mcp-protocol-version", "1999-01-01")];
    assert_eq!(status(&ask(&bridge, "POST /mcp", &headers, &ping).await.0), 400);
    bridge.finish().await;
}

#[tokio::test]
async fn an_answer_that_takes_long_is_a_stream_that_can_be_resumed() {
    let mut settings = of_handshake();
    settings.waits.stream_after = Duration::from_millis(20);
    let bridge = Bridge::start(settings).await;
    let session = Session::begin(&bridge, "2025-11-25").await;
    let id = [("mcp-session-id", session.id.as_str())];
    let call =
        json!({"jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": {"name": "slow"}}).to_string();
    let mut stream = Stream::open(&bridge, "POST /mcp", &id, &call).await;
    let begun = stream.until("retry: ").await;
    assert!(
        begun.contains("text/event-stream") && begun.contains("id: ") && begun.contains("data: \n"),
        "{begun}"
    );
    let event = begun.lines().find_map(|line| line.strip_prefix("id: ")).expect("an id").to_owned();
    // The client loses its way, and the server answers meanwhile.
    drop(stream);
    let go = json!({"jsonrpc": "2.0", "method": "notifications/go"});
    assert_eq!(session.post(&go).await.0, 202);
    let last = [id[0], ("last-event-id", event.as_str())];
    let mut resumed = Stream::open(&bridge, "GET /mcp", &last, "").await;
    let answer = resumed.until(r#""id":5"#).await;
    assert!(answer.contains(r#"{"jsonrpc":"2.0","id":5,"result":{"content":[]}}"#), "{answer}");
    let wrong = [JSON, KINDS, id[0], ("last-event-id", "77-1")];
    assert_eq!(status(&ask(&bridge, "GET /mcp", &wrong, "").await.0), 400);
    bridge.finish().await;
}

#[tokio::test]
async fn a_server_that_dies_in_a_call_fails_it_at_once_and_no_other_session_notices() {
    let bridge = Bridge::start(of_handshake()).await;
    let (one, two) =
        (Session::begin(&bridge, "2025-11-25").await, Session::begin(&bridge, "2025-11-25").await);
    let other = pid_of(&two).await;
    let (code, answer) = one.call(9, "crash").await;
    assert!(code == 200 && answer.contains(r#""id":9,"error""#) && answer.contains("ended"), "{answer}");
    assert_eq!(one.call(10, "any").await.0, 404, "the client is to begin anew");
    assert_eq!(pid_of(&two).await, other);
    bridge.finish().await;
}

#[tokio::test]
async fn a_session_whose_client_is_silent_for_too_long_ends() {
    let mut settings = of_handshake();
    settings.session_idle = Duration::from_millis(60);
    let bridge = Bridge::start(settings).await;
    let session = Session::begin(&bridge, "2025-11-25").await;
    let server = pid_of(&session).await;
    gone(server).await;
    assert_eq!(session.call(1, "any").await.0, 404);
    bridge.finish().await;
}

#[tokio::test]
async fn a_call_without_an_answer_is_given_up_in_time() {
    let mut settings = of_handshake();
    settings.call_timeout = Duration::from_millis(100);
    let bridge = Bridge::start(settings).await;
    let session = Session::begin(&bridge, "2025-11-25").await;
    let (code, answer) = session.call(4, "slow").await;
    assert!(code == 200 && answer.contains("--call-timeout"), "{answer}");
    bridge.finish().await;
}

#[tokio::test]
async fn messages_of_the_oldest_revision_come_in_batches_too() {
    let bridge = Bridge::start(of_handshake()).await;
    let session = Session::begin(&bridge, "2025-03-26").await;
    let of = |id: u32| json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": "a"}});
    let batch = json!([of(1), {"jsonrpc": "2.0", "method": "notifications/x"}, of(2)]);
    let (code, answer) = session.post(&batch).await;
    assert!(code == 200 && answer.contains(r#""id":1,"#) && answer.contains(r#""id":2,"#), "{answer}");
    assert_eq!(session.post(&json!([{"jsonrpc": "2.0", "method": "notifications/x"}])).await.0, 202);
    assert_eq!(session.post(&json!([])).await.0, 400);
    bridge.finish().await;
}

#[tokio::test]
async fn what_the_server_says_of_itself_reaches_whoever_listens() {
    let script = r#"
        while read -r line; do case $line in
            *server/discover*) echo '{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no"}}';;
            *'"initialize"'*) printf '{"jsonrpc":"2.0","id":%s,"result":{"protocolVersion":"2025-11-25"}}\n' \
                "$(printf '%s' "$line" | sed 's/.*"id":\([0-9]*\).*/\1/')";;
            *initialized*) echo '{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}';;
        esac; done"#;
    let bridge = Bridge::start(of_script(script)).await;
    let session = Session::begin(&bridge, "2025-11-25").await;
    let id = [("mcp-session-id", session.id.as_str())];
    let mut general = Stream::open(&bridge, "GET /mcp", &id, "").await;
    general.until("data: ").await;
    let second = ask(&bridge, "GET /mcp", &[KINDS, id[0]], "").await;
    assert_eq!(status(&second.0), 409, "one at a time");
    session.post(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
    general.until("notifications/tools/list_changed").await;
    bridge.finish().await;
}

#[tokio::test]
async fn neither_get_nor_delete_is_of_the_stateless_era() {
    let bridge = Bridge::start(settings("/bin/cat", &[])).await;
    for line in ["GET /mcp", "DELETE /mcp"] {
        let headers = [KINDS, ("mcp-protocol-version", "2026-07-28")];
        let (head, _) = ask(&bridge, line, &headers, "").await;
        assert!(status(&head) == 405 && head.contains("allow: post"), "{head}");
    }
    bridge.finish().await;
}

/// A line of its own is a message of its own to a server. This one's have the ids that the bridge gives its
/// requests, and ask for what the request itself does not, which somebody may not be allowed to ask for.
#[tokio::test]
async fn a_stateless_request_is_one_message_however_many_lines_it_is_laid_out_on() {
    let bridge = Bridge::start(of_fixture("legacy")).await;
    let hidden = |id: u32| {
        json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": "status"}}).to_string()
    };
    for end in ["\n", "\r\n", "\r"] {
        let hidden: Vec<String> = (0..10).map(|id| format!("{end}{}{end}", hidden(id))).collect();
        let hidden = format!("[{}]", hidden.join(","));
        let meta = r#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#;
        let params = format!(r#"{{"name":"echo","arguments":{{"hidden":{hidden}}},{end}"_meta":{meta}}}"#);
        let body = format!(r#"{{"jsonrpc":"2.0",{end}"id":1,"method":"tools/call","params":{params}}}"#);
        let headers = [
            JSON,
            KINDS,
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", "tools/call"),
            ("mcp-name", "echo"),
        ];
        let (_, answer) = ask(&bridge, "POST /mcp", &headers, &body).await;
        let answer: Value = serde_json::from_str(&answer).expect("JSON");
        let hidden: Value = serde_json::from_str(&hidden).expect("JSON");
        assert_eq!(answer["result"]["structuredContent"], json!({"hidden": hidden}), "{end:?}: {answer}");
    }
    bridge.finish().await;
}

#[tokio::test]
async fn a_stream_that_ends_with_an_error_is_counted_as_one() {
    let mut settings = of_handshake();
    settings.waits.stream_after = Duration::from_millis(10);
    let bridge = Bridge::start(settings).await;
    let session = Session::begin(&bridge, "2025-11-25").await;
    let mut slow = session.slow().await;
    session.call(2, "crash").await;
    slow.until("-32603").await;
    let counted = async {
        let mut look = interval(Duration::from_millis(5));
        // Of both: the one was under way, the other ended the server.
        while !ask(&bridge, "GET /metrics", &[], "")
            .await
            .1
            .contains(r#"mcp_bridge_requests_total{wire="http-legacy",outcome="rpc_error"} 2"#)
        {
            look.tick().await;
        }
    };
    timeout(PATIENCE, counted).await.expect("both are counted");
    bridge.finish().await;
}

/// CVE-2026-25536: elsewhere, clients whose requests had the same ids got each other's answers.
#[tokio::test]
async fn no_client_of_a_thousand_that_use_the_same_ids_sees_another_s_answer() {
    const CLIENTS: u32 = 1000;
    let mut settings = of_fixture("legacy");
    settings.max_children = 8;
    settings.max_waiting = 2 * CLIENTS as usize;
    let bridge = Bridge::start(settings).await;
    let one = |client: u32| {
        let bridge = &bridge;
        async move {
            let meta = json!({
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": {},
                "progressToken": 1,
            });
            let params = json!({"name": "echo", "arguments": {"secret": client}, "_meta": meta});
            let body =
                json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).to_string();
            let headers = [
                JSON,
                KINDS,
                ("mcp-protocol-version", "2026-07-28"),
                ("mcp-method", "tools/call"),
                ("mcp-name", "echo"),
            ];
            let rest = json!({"method": "echo", "params": {"secret": client}}).to_string();
            let (mcp, rest) = tokio::join!(
                ask(bridge, "POST /mcp", &headers, &body),
                ask(bridge, "POST /mcp", &[JSON], &rest),
            );
            let (mcp, rest): (Value, Value) =
                (serde_json::from_str(&mcp.1).expect("JSON"), serde_json::from_str(&rest.1).expect("JSON"));
            assert_eq!(mcp["result"]["structuredContent"], json!({"secret": client}), "{mcp}");
            assert_eq!((&mcp["id"], rest), (&json!(1), json!({"secret": client})));
        }
    };
    // Some hundred at a time, which is what the test's descriptors allow.
    let clients: Vec<u32> = (0..CLIENTS).collect();
    for some in clients.chunks(125) {
        futures_util::future::join_all(some.iter().map(|client| one(*client))).await;
    }
    bridge.finish().await;
}
