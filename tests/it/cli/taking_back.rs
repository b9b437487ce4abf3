//! What happens while a call takes long: progress, a limit of time, Ctrl-C.

use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use tokio::time::{Instant, sleep, timeout};

use super::place::Place;
use super::stub::{Stub, begin_events, say};
use crate::bridge::{Bridge, of_script, settings};

const PATIENCE: Duration = Duration::from_secs(20);

/// A server with a handshake that writes everything it hears into a file, and never answers a call. It says
/// how far it is where it is asked to.
fn silent(heard: &Path) -> String {
    format!(
        r#"
        id() {{ printf '%s' "$1" | sed 's/.*"id":\([0-9]*\).*/\1/'; }}
        while read -r line; do echo "$line" >> {}; case $line in
            *'"initialize"'*) printf '{{"jsonrpc":"2.0","id":%s,"result":{{"protocolVersion":"2025-11-25","capabilities":{{"tools":{{}}}},"serverInfo":{{"name":"s","version":"1"}}}}}}\n' "$(id "$line")";;
            *tools/call*) ;;
            *'"id"'*) printf '{{"jsonrpc":"2.0","id":%s,"error":{{"code":-32601,"message":"no"}}}}\n' "$(id "$line")";;
        esac; done"#,
        heard.display()
    )
}

async fn heard(file: &Path, words: &str) -> String {
    let heard = async {
        loop {
            let text = std::fs::read_to_string(file).unwrap_or_default();
            if let Some(line) = text.lines().find(|line| line.contains(words)) {
                return line.to_owned();
            }
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, heard).await.unwrap_or_else(|_| panic!("never heard: {words}"))
}

#[tokio::test]
async fn an_interrupted_call_is_taken_back_and_the_server_hears_of_it() {
    for wire in ["ws", "http"] {
        let place = Place::new();
        let file = place.root().join("heard");
        let bridge = Bridge::start(of_script(&silent(&file))).await;
        let url = format!("{wire}://{}", bridge.addr);
        let mut running = place.spawn_on("", &["call", "slow", "--url", &url]);
        heard(&file, "tools/call").await;
        running.terminate();
        let ran = running.ended().await;
        assert_eq!((ran.code, ran.stdout.as_str()), (130, ""), "{wire}: {ran:?}");
        assert_eq!(ran.stderr, "warning: interrupted; the call was given up\n");
        let told = heard(&file, "notifications/cancelled").await;
        assert!(wire == "http" || told.contains(r#""reason":"interrupted""#), "{told}");
        bridge.finish().await;
    }
}

#[tokio::test]
async fn a_call_that_takes_too_long_is_taken_back_and_told() {
    for wire in ["ws", "http"] {
        let place = Place::new();
        let file = place.root().join("heard");
        let bridge = Bridge::start(of_script(&silent(&file))).await;
        let url = format!("{wire}://{}", bridge.addr);
        let ran = place.run(&["call", "slow", "--url", &url, "--timeout", "0.7"]).await;
        assert_eq!(ran.code, 1);
        let told = ran.stderr.replace(&bridge.addr.to_string(), "[ADDRESS]");
        insta::assert_snapshot!(format!("too_slow_{wire}"), told);
        heard(&file, "notifications/cancelled").await;
        bridge.finish().await;
    }
}

/// In the era with sessions it is a message of its own, and the session is ended after it.
#[tokio::test]
async fn in_a_session_the_server_is_told_by_a_message_and_the_session_ends() {
    let stub = Stub::start(super::enduring::legacy(|_, tcp| {
        begin_events(tcp);
        std::thread::sleep(PATIENCE);
    }));
    let place = Place::new();
    let mut running = place.spawn_on("", &["call", "slow", "--url", &stub.url()]);
    let asked = async {
        while !stub.heads().iter().any(|head| head.contains("tools/call")) {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, asked).await.expect("a call");
    running.terminate();
    assert_eq!(running.ended().await.code, 130);
    let heads = stub.heads();
    let last: Vec<&str> =
        heads[heads.len() - 2..].iter().map(|head| head.lines().last().unwrap_or_default()).collect();
    assert_eq!(last, ["notifications/cancelled", "DELETE"], "{heads:?}");
}

#[tokio::test]
async fn a_second_interruption_ends_at_once() {
    let serve = super::enduring::legacy(|_, _| std::thread::sleep(PATIENCE));
    // The cancellation is heard and never accepted.
    let stub = Stub::start(move |asked, tcp| match asked.method() {
        "notifications/cancelled" => std::thread::sleep(PATIENCE),
        _ => serve(asked, tcp),
    });
    let place = Place::new();
    let mut running = place.spawn_on("", &["call", "slow", "--url", &stub.url(), "--timeout", "60"]);
    let asked = async {
        while !stub.heads().iter().any(|head| head.contains("tools/call")) {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, asked).await.expect("a call");
    let begun = Instant::now();
    running.terminate();
    sleep(Duration::from_millis(200)).await;
    running.terminate();
    let ran = running.ended().await;
    assert_eq!(ran.code, 130, "{ran:?}");
    // Two seconds is what a last word may take.
    assert!(begun.elapsed() < Duration::from_millis(1900), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn progress_is_told_line_by_line_where_there_is_no_terminal_and_not_when_quiet() {
    let fixture = Path::new(env!("CARGO_BIN_EXE_mcp-bridge")).with_file_name("examples/everything-fixture");
    for mode in ["legacy", "modern"] {
        let bridge = Bridge::start(settings(fixture.to_str().expect("text"), &[mode])).await;
        for url in [format!("ws://{}", bridge.addr), format!("http://{}", bridge.addr)] {
            let place = Place::new();
            let ran = place.run(&["call", "test_tool_with_progress", "--url", &url]).await;
            assert_eq!(ran.code, 0, "{ran:?}");
            // Three reports within a tenth of a second: the first is shown.
            assert_eq!(
                ran.stderr, "test_tool_with_progress: 0/100 Completed step 0 of 100\n",
                "{mode} {url}"
            );
            let ran = place.run(&["call", "test_tool_with_progress", "--quiet", "--url", &url]).await;
            // It was not even asked for.
            assert_eq!((ran.stderr.as_str(), ran.stdout.as_str()), ("", "null\n"), "{mode} {url}");
        }
        bridge.finish().await;
    }
}

#[tokio::test]
async fn progress_at_a_pace_is_told_as_it_comes() {
    let stub = Stub::answering(|asked, tcp| {
        begin_events(tcp);
        let token = &asked.message["params"]["_meta"]["progressToken"];
        for step in 1..=2 {
            let params =
                serde_json::json!({"progressToken": token, "progress": step, "message": "a\u{1b}[2J\nb"});
            let told =
                serde_json::json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": params});
            say(tcp, format!("data: {told}\n\n"));
            std::thread::sleep(Duration::from_millis(300));
        }
        say(tcp, format!("data: {{\"jsonrpc\":\"2.0\",\"id\":{},\"result\":{{}}}}\n\n", asked.message["id"]));
    });
    let ran = Place::new().run(&["call", "t", "--url", &stub.url()]).await;
    assert_eq!(ran.stderr, "t: 1 a\u{fffd}[2J b\nt: 2 a\u{fffd}[2J b\n", "{ran:?}");
}

/// What a terminal sends on Ctrl-C is the same.
#[tokio::test]
async fn ctrl_c_is_an_interruption_too() {
    let stub = Stub::answering(|_, _| std::thread::sleep(PATIENCE));
    let place = Place::new();
    let running = place.spawn_on("", &["call", "slow", "--url", &stub.url()]);
    let asked = async {
        while stub.heads().len() < 2 {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, asked).await.expect("a call");
    running.signal(Signal::INT);
    assert_eq!(running.ended().await.code, 130);
}
