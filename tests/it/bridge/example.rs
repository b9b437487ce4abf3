//! `examples/app`, the page that asks: as a browser sees it, in front of a real bridge.

use std::process::Stdio;

use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, ChildStderr, Command};
use tokio::time::timeout;

use super::{Bridge, PATIENCE, of_fixture, settings};
use crate::orchestrator::rig::{KEY, Reply, StandIn, completion};

const APP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/app/app.py");
/// Runs the example with its first argument's settings before its own.
const WITH: &str = "import os, sys; script, path = sys.argv[1:3]; del sys.argv[1:]; \
    sys.path.insert(0, os.path.dirname(path)); import app; exec(script); sys.exit(app.main())";
const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

/// The example at work.
struct App {
    process: Child,
    host: String,
    stderr: Lines<BufReader<ChildStderr>>,
}

/// What a browser is given.
#[derive(Debug)]
struct Page {
    status: u16,
    head: String,
    body: String,
}

fn python(args: &[&str]) -> Command {
    let mut command = Command::new("python3");
    command.args(args).env("PYTHONDONTWRITEBYTECODE", "1").kill_on_drop(true);
    for name in ["HOST", "ALLOW_HOST", "MCP_ORCHESTRATOR_URL", "MCP_ORCHESTRATOR_REST_URL"] {
        command.env_remove(name);
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

impl App {
    async fn start(rest: &str) -> Self {
        Self::start_as(&[APP], rest).await
    }

    /// With other settings than it has: lines of Python.
    async fn start_with(settings: &str, rest: &str) -> Self {
        Self::start_as(&["-c", WITH, settings, APP], rest).await
    }

    async fn start_as(args: &[&str], rest: &str) -> Self {
        let mut command = python(args);
        let mut process = command
            .env("PORT", "0")
            .env("MCP_ORCHESTRATOR_URL", "ws://mcp-bridge:8765")
            .env("MCP_ORCHESTRATOR_REST_URL", rest)
            .spawn()
            .expect("python3, which these tests need");
        let mut stderr = BufReader::new(process.stderr.take().expect("a pipe")).lines();
        let line = timeout(PATIENCE, stderr.next_line()).await.expect("in time").expect("text");
        let line = line.expect("the example runs");
        let host = line.strip_prefix("listening on http://").unwrap_or_else(|| panic!("{line}")).to_owned();
        Self { process, host, stderr }
    }

    async fn before(bridge: &Bridge) -> Self {
        Self::start(&format!("http://{}/mcp", bridge.addr)).await
    }

    /// One request, to the end of its answer; `headers` are whole lines.
    async fn send(&self, line: &str, headers: &str, body: &[u8]) -> Page {
        let talk = async {
            let mut tcp = TcpStream::connect(&self.host).await.expect("a way");
            let length = body.len();
            let head = format!("{line} HTTP/1.1\r\n{headers}Content-Length: {length}\r\n\r\n");
            tcp.write_all(&[head.as_bytes(), body].concat()).await.expect("room");
            let mut answer = Vec::new();
            tcp.read_to_end(&mut answer).await.expect("an answer");
            String::from_utf8(answer).expect("text")
        };
        let answer = timeout(PATIENCE, talk).await.expect("in time");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer}"));
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).expect("a status");
        Page { status, head: head.to_owned(), body: body.to_owned() }
    }

    async fn get(&self, path: &str) -> Page {
        self.send(&format!("GET {path}"), &format!("Host: {}\r\n", self.host), b"").await
    }

    /// The form, as a browser posts it from the page itself.
    async fn ask(&self, question: &str) -> Page {
        let coded: Vec<String> = question.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let headers = format!("Host: {0}\r\nOrigin: http://{0}\r\n{FORM}", self.host);
        self.send("POST /", &headers, format!("question={}", coded.concat()).as_bytes()).await
    }

    /// Ends it by SIGTERM: its status, and what it said.
    async fn end(mut self) -> (Option<i32>, Vec<String>) {
        let id = i32::try_from(self.process.id().expect("a running program")).expect("an id");
        let id = rustix::process::Pid::from_raw(id).expect("an id");
        rustix::process::kill_process(id, rustix::process::Signal::TERM).expect("a running program");
        let ended = timeout(PATIENCE, self.process.wait()).await.expect("in time").expect("a status");
        let mut said = Vec::new();
        while let Some(line) = self.stderr.next_line().await.expect("text") {
            said.push(line);
        }
        (ended.code(), said)
    }
}

/// A bridge in front of our orchestrator, with the variables that are given and no others.
async fn of_orchestrator(variables: &[String]) -> Bridge {
    let program = [env!("CARGO_BIN_EXE_mcp-orchestrator")];
    let args: Vec<&str> =
        ["-i"].into_iter().chain(variables.iter().map(String::as_str)).chain(program).collect();
    Bridge::start(settings("/usr/bin/env", &args)).await
}

#[tokio::test]
async fn a_question_goes_through_the_bridge_to_the_model_and_its_answer_is_on_the_page() {
    let answer = "<script>alert(1)</script> & \"so on\"";
    let mut provider = StandIn::start(Reply::Now(200, completion(answer, None))).await;
    let variables = provider.env().map(|(name, value)| format!("{name}={value}"));
    let bridge = of_orchestrator(&variables).await;
    let app = App::before(&bridge).await;

    let page = app.get("/").await;
    assert_eq!(page.status, 200, "{page:?}");
    assert!(page.body.contains("The orchestrator is active"), "{page:?}");
    for header in ["X-Content-Type-Options: nosniff", "Content-Security-Policy: default-src 'none';"] {
        assert!(page.head.contains(header), "{page:?}");
    }
    let question = "What is <b> & é\nin HTML?";
    let page = app.ask(question).await;
    assert_eq!(page.status, 200, "{page:?}");
    assert!(page.body.contains("&lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;so on&quot;"), "{page:?}");
    // The question is still in the form.
    assert!(page.body.contains("\nWhat is &lt;b&gt; &amp; é\nin HTML?</textarea>"), "{page:?}");
    assert!(!page.body.contains("<script") && !page.body.contains("<b>"), "{page:?}");
    let heard = provider.request().await;
    assert!(heard.contains(&json!(question).to_string()) && heard.contains(KEY), "{heard}");

    let (code, said) = app.end().await;
    assert_eq!(code, Some(0));
    assert_eq!(said.len(), 2, "one line for each request: {said:?}");
    assert!(said[1].contains("POST '/' 200 ") && !said.concat().contains("HTML"), "{said:?}");
    bridge.finish().await;
}

#[tokio::test]
async fn where_there_is_no_answer_the_page_says_why() {
    let bridge = of_orchestrator(&[]).await;
    let app = App::before(&bridge).await;
    let page = app.get("/").await;
    assert!(page.body.contains("missing OPENROUTER_API_KEY"), "{page:?}");
    let page = app.ask("anything").await;
    assert_eq!(page.status, 502, "{page:?}");
    assert!(page.body.contains("OPENROUTER_API_KEY and OPENAI_API_KEY are both missing"), "{page:?}");
    app.end().await;
    bridge.finish().await;

    // A server of somebody else's: its status is not there, and its answer is.
    let bridge = Bridge::start(of_fixture("legacy")).await;
    let app = App::before(&bridge).await;
    let page = app.get("/").await;
    assert!(page.status == 200 && page.body.contains("the server has no tool"), "{page:?}");
    assert!(app.ask("who?").await.body.contains(">asked: who?<"));
    app.end().await;
    bridge.finish().await;
}

#[tokio::test]
async fn a_bridge_that_is_away_or_talks_nonsense_is_a_bad_gateway_in_words() {
    let free = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let nobody = free.local_addr().expect("an address");
    drop(free);
    let app = App::start(&format!("http://{nobody}/mcp")).await;
    let page = app.get("/").await;
    assert!(page.status == 200 && page.body.contains("is not known: The bridge at "), "{page:?}");
    let page = app.ask("anything").await;
    assert_eq!(page.status, 502, "{page:?}");
    assert!(page.body.contains(&format!("The bridge at {nobody} cannot be asked")), "{page:?}");
    app.end().await;

    for (status, answer, words) in [
        (200, "no JSON".to_owned(), "something that is no JSON"),
        (200, "[".repeat(200_000), "something that is no JSON"),
        (200, format!("\"{}\"", "x".repeat(1 << 20)), "longer than 1048576 bytes"),
        (500, "{}".to_owned(), "answered with status 500"),
        (502, r#"{"error":{"message":"\ud800 <i>"}}"#.to_owned(), "? &lt;i&gt;"),
    ] {
        let other = StandIn::start(Reply::Now(status, answer)).await;
        let app = App::start(&other.base_url).await;
        let page = app.ask("anything").await;
        assert_eq!(page.status, 502, "{page:?}");
        assert!(page.body.contains(words), "{words}: {page:?}");
        app.end().await;
    }
}

#[tokio::test]
async fn a_question_of_another_sites_page_is_refused() {
    let bridge = Bridge::start(of_fixture("legacy")).await;
    let app = App::before(&bridge).await;
    let host = app.host.clone();
    for (headers, status) in [
        (format!("Host: {host}\r\n"), 200),
        (format!("Host: {host}\r\nOrigin: http://{host}\r\nSec-Fetch-Site: same-origin\r\n"), 200),
        (format!("Host: {host}\r\nOrigin: http://evil.example\r\n"), 403),
        (format!("Host: {host}\r\nOrigin: http://localhost:1\r\n"), 403),
        (format!("Host: {host}\r\nOrigin: null\r\n"), 403),
        (format!("Host: {host}\r\nOrigin: http://{host}\r\nOrigin: http://evil.example\r\n"), 403),
        (format!("Host: {host}\r\nSec-Fetch-Site: cross-site\r\n"), 403),
        // A name that was pointed at this address.
        ("Host: evil.example\r\nOrigin: http://evil.example\r\n".to_owned(), 403),
        (String::new(), 400),
        (format!("Host: {host}\r\nHost: {host}\r\n"), 400),
        ("Host: [\r\n".to_owned(), 400),
    ] {
        let page = app.send("POST /", &format!("{headers}{FORM}"), b"question=x").await;
        assert_eq!(page.status, status, "{headers}: {page:?}");
        assert_eq!(page.body.contains("asked: x"), status == 200, "{headers}: {page:?}");
    }
    app.end().await;
    bridge.finish().await;
}

#[tokio::test]
async fn what_is_no_question_is_told_what_is_wrong_with_it() {
    let app = App::start("http://127.0.0.1:9/mcp").await;
    let host = format!("Host: {}\r\n", app.host);
    let form = format!("{host}{FORM}");
    let longest = "x".repeat(64 * 1024 - "question=".len());
    for (line, headers, body, status) in [
        ("POST /", &form, "question=+%0D%0A", 400),
        ("POST /", &form, "other=1", 400),
        ("POST /", &form, "a&b&c&d&e&f&g&h&i", 400),
        ("POST /", &form, &format!("question={}", "x".repeat(4001)), 400),
        ("POST /", &form, &format!("question={longest}"), 400),
        ("POST /", &form, &format!("question={longest}x"), 413),
        ("POST /", &form, &format!("question={}", longest.repeat(8)), 413),
        ("POST /", &host, "question=x", 415),
        ("POST /", &format!("{form}Content-Length: 1\r\n"), "question=x", 400),
        ("POST /", &format!("{form}Transfer-Encoding: chunked\r\n"), "", 411),
        ("GET /nowhere", &host, "", 404),
        ("POST /healthz", &form, "", 405),
        ("BREW /", &host, "", 405),
        ("GET /", &format!("{host}X: {}\r\n", "x".repeat(70_000)), "", 431),
    ] {
        let page = app.send(line, headers, body.as_bytes()).await;
        let head: String = body.chars().take(20).collect();
        assert_eq!(page.status, status, "{line} {head}: {}", page.head);
        assert!(page.body.contains("class=\"problem\""), "{line} {head}: {page:?}");
    }
    app.end().await;
}

#[tokio::test]
async fn past_its_ceiling_a_question_is_refused_and_its_health_is_not() {
    let mut silent = StandIn::start(Reply::Never).await;
    let app = App::start(&silent.base_url).await;
    let host = app.host.clone();
    let mut held = Vec::new();
    for _ in 0..8 {
        let mut tcp = TcpStream::connect(&host).await.expect("a way");
        let request =
            format!("POST / HTTP/1.1\r\nHost: {host}\r\n{FORM}Content-Length: 10\r\n\r\nquestion=x");
        tcp.write_all(request.as_bytes()).await.expect("room");
        silent.request().await;
        held.push(tcp);
    }
    let page = app.ask("one more").await;
    assert!(page.status == 503 && page.body.contains("8 questions are being answered"), "{page:?}");
    let page = app.get("/healthz").await;
    assert_eq!((page.status, &*page.body), (200, "ok\n"));
    // Questions that are open do not keep it.
    assert_eq!(app.end().await.0, Some(0));
}

#[tokio::test]
async fn a_bridge_that_takes_too_long_is_given_up_however_steadily_it_talks() {
    for steadily in [false, true] {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let rest = format!("http://{}/mcp", listener.local_addr().expect("an address"));
        let bridge = tokio::spawn(async move {
            let (mut tcp, _) = listener.accept().await.expect("a connection");
            let mut said = tcp.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n").await;
            while steadily && said.is_ok() {
                said = tcp.write_all(b" ").await;
                pause().await;
            }
            // Until it is given up.
            let _ = tcp.read_to_end(&mut Vec::new()).await;
        });
        let app = App::start_with("app.CALL_SECONDS = 0.3", &rest).await;
        let page = app.ask("anything").await;
        assert_eq!(page.status, 504, "{page:?}");
        assert!(page.body.contains("seconds."), "{page:?}");
        timeout(PATIENCE, bridge).await.expect("in time").expect("no panic");
        app.end().await;
    }
}

/// What is tested: somebody who says little at a time.
async fn pause() {
    let little = std::time::Duration::from_millis(20);
    tokio::time::interval_at(tokio::time::Instant::now() + little, little).tick().await;
}

#[tokio::test]
async fn a_request_that_comes_too_slowly_is_cut_however_steadily_it_comes() {
    let app = App::start_with("app.CLIENT_SECONDS = 0.3", "http://127.0.0.1:9/mcp").await;
    let tcp = TcpStream::connect(&app.host).await.expect("a way");
    let (mut from, mut to) = tcp.into_split();
    let drip = tokio::spawn(async move {
        while to.write_all(b"G").await.is_ok() {
            pause().await;
        }
    });
    let mut answer = Vec::new();
    // The end may come as a reset.
    let ended = timeout(PATIENCE, from.read_to_end(&mut answer)).await;
    assert!(ended.is_ok(), "it was not cut");
    timeout(PATIENCE, drip).await.expect("in time").expect("no panic");
    assert_eq!(app.get("/healthz").await.status, 200);
    app.end().await;
}

#[tokio::test]
async fn past_its_ceiling_a_connection_is_closed_and_later_ones_are_served() {
    let app = App::start("http://127.0.0.1:9/mcp").await;
    let mut held = Vec::new();
    for _ in 0..64 {
        held.push(TcpStream::connect(&app.host).await.expect("a way"));
    }
    let mut more = TcpStream::connect(&app.host).await.expect("a way");
    let mut answer = Vec::new();
    let read = timeout(PATIENCE, more.read_to_end(&mut answer)).await.expect("in time");
    assert_eq!(read.expect("an end"), 0);
    drop(held);
    // Each of them is let go when its thread has seen its end, which nothing announces.
    let served = async {
        loop {
            let mut tcp = TcpStream::connect(&app.host).await.expect("a way");
            let request = format!("GET /healthz HTTP/1.1\r\nHost: {}\r\n\r\n", app.host);
            let mut answer = String::new();
            let sent = tcp.write_all(request.as_bytes()).await;
            if sent.is_ok() && tcp.read_to_string(&mut answer).await.is_ok() && answer.ends_with("ok\n") {
                break;
            }
        }
    };
    timeout(PATIENCE, served).await.expect("in time");
    app.end().await;
}

#[tokio::test]
async fn its_healthcheck_tells_whether_it_answers() {
    let app = App::start("http://127.0.0.1:9/mcp").await;
    let port = app.host.rsplit(':').next().expect("a port").to_owned();
    let asked = async || {
        let mut check = python(&[APP, "healthcheck"]);
        timeout(PATIENCE, check.env("PORT", &port).output())
            .await
            .expect("in time")
            .expect("an end")
            .status
            .code()
    };
    assert_eq!(asked().await, Some(0));
    assert_eq!(app.end().await.0, Some(0));
    assert_eq!(asked().await, Some(1));
    let used = timeout(PATIENCE, python(&[APP, "check"]).output()).await.expect("in time").expect("an end");
    assert_eq!(used.status.code(), Some(64));
}
