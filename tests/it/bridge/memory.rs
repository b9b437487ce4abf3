//! What messages and servers may take of memory.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use mcpo_deploy::bridge::Settings;
use mcpo_deploy::wire::http::{self, Limits};
use rustix::process::Signal;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use super::program::{client, end, program, serve};
use super::{Bridge, Client, PATIENCE, hear, of_script, pid, say, settings, until};

/// A mebibyte, the longest message here; there is room for one in each direction.
const LONGEST: usize = 1 << 20;
/// How long it takes to believe that nothing comes.
const A_WHILE: Duration = Duration::from_millis(300);

fn tight(mut settings: Settings) -> Settings {
    settings.max_message = LONGEST;
    settings.max_buffered = 2 * LONGEST;
    settings
}

/// Sends a long message and waits for it to come back.
async fn echoes(mut client: Client) -> Client {
    let text = "x".repeat(LONGEST);
    say(&mut client, &text).await;
    assert!(hear(&mut client).await == text);
    client
}

#[tokio::test]
async fn past_the_bound_a_large_message_waits_and_a_small_one_does_not() {
    // One that is told to stall reads the beginning of the next message, says so, and no more.
    let script = "read -r line; test $line = stall || exec cat; head -c 1 >/dev/null; echo began; sleep 600";
    let mut settings = tight(of_script(script));
    // Whoever waits for room answers no ping, and is kept all the same.
    settings.waits.ping = A_WHILE / 6;
    let bridge = Bridge::start(settings).await;
    let mut holder = bridge.client().await;
    say(&mut holder, "stall").await;
    say(&mut holder, &"x".repeat(LONGEST)).await;
    assert_eq!(hear(&mut holder).await, "began");
    let mut large = bridge.client().await;
    say(&mut large, "echo").await;
    let mut waiting = tokio::spawn(echoes(large));
    assert!(timeout(A_WHILE, &mut waiting).await.is_err(), "there is room for one");
    let mut small = bridge.client().await;
    for text in ["echo", &"y".repeat(64 << 10), "z"] {
        say(&mut small, text).await;
    }
    assert_eq!(hear(&mut small).await.len(), 64 << 10);
    assert_eq!(hear(&mut small).await, "z");
    let host = bridge.addr.to_string();
    let body = json!({"method": "x".repeat(100 << 10)}).to_string();
    let limits = Limits { deadline: A_WHILE, body: 1024 };
    let called = http::post_json(bridge.addr, "/mcp", &host, body, limits).await;
    assert!(called.is_err(), "a large call waits too");
    drop(holder);
    waiting.await.expect("it passes once there is room");
    bridge.finish().await;
}

#[tokio::test]
async fn many_large_messages_at_once_all_pass_through_little_room() {
    let bridge = Bridge::start(tight(settings("/bin/cat", &[]))).await;
    let mut clients = Vec::new();
    for _ in 0..16 {
        clients.push(tokio::spawn(echoes(bridge.client().await)));
    }
    for client in clients {
        let client = timeout(PATIENCE, client).await.expect("in time").expect("an echo");
        echoes(client).await;
    }
    bridge.finish().await;
}

#[tokio::test]
async fn a_client_that_takes_no_large_answer_holds_up_large_ones_only_until_it_is_given_up() {
    let mut settings = tight(of_script(
        "read -r line; exec head -c 64000000 /dev/zero | tr '\\0' \"$line\" | fold -w 1000000",
    ));
    settings.waits.write = A_WHILE;
    let bridge = Bridge::start(settings).await;
    let mut stuck = bridge.client().await;
    say(&mut stuck, "s").await;
    let mut reader = bridge.client().await;
    say(&mut reader, "r").await;
    for _ in 0..64 {
        assert_eq!(hear(&mut reader).await.len(), 1_000_000);
    }
    drop(stuck);
    bridge.finish().await;
}

#[tokio::test]
async fn a_client_whose_large_message_never_ends_holds_up_large_ones_only_until_it_is_given_up() {
    let mut settings = tight(settings("/bin/cat", &[]));
    (settings.waits.body, settings.waits.ping) = (A_WHILE, A_WHILE / 2);
    let bridge = Bridge::start(settings).await;
    for greets in [true, false] {
        let mut slow = bridge.client().await;
        if greets {
            say(&mut slow, "hello").await;
            assert_eq!(hear(&mut slow).await, "hello");
        }
        // The head of a frame of 100 KiB, which takes the only room, and then a byte at a time.
        let head = [&[0x81, 0xff][..], &(100_u64 << 10).to_be_bytes(), &[0; 4], b"x"].concat();
        slow.get_mut().write_all(&head).await.expect("room");
        let dripping = async {
            let (mut drip, mut told) = (tokio::time::interval(A_WHILE / 10), Vec::new());
            let (mut from, mut to) = slow.get_mut().split();
            while !String::from_utf8_lossy(&told).contains("a message took longer than") {
                tokio::select! {
                    _ = drip.tick() => to.write_all(b"x").await.expect("room"),
                    read = from.read_buf(&mut told) => {
                        assert_ne!(read.expect("an open connection"), 0, "closed without a reason");
                    }
                }
            }
        };
        let both = async { tokio::join!(echoes(bridge.client().await), dripping) };
        timeout(PATIENCE, both).await.expect("in time");
    }
    bridge.finish().await;
}

#[tokio::test]
async fn an_idle_client_takes_little() {
    // What `ceiling.rs` counts for one, and the measure is.
    const MOST: usize = 30 << 10;
    const CLIENTS: usize = 1000;
    let serving = serve(program().args(["--listen", "127.0.0.1:0", "--", "cat"]), 1).await;
    let resident = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", serving.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its size");
        line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") << 10
    };
    // What the first ones take, everybody has.
    let mut clients = vec![client(serving.addrs[0]).await];
    let before = resident();
    while clients.len() <= CLIENTS {
        clients.push(client(serving.addrs[0]).await);
    }
    let each = resident().saturating_sub(before) / CLIENTS;
    assert!(each <= MOST, "{each} bytes for each");
    say(&mut clients[CLIENTS / 2], "x").await;
    assert_eq!(hear(&mut clients[CLIENTS / 2]).await, "x");
    assert_eq!(end(serving, Signal::TERM).await, Some(0));
}

#[tokio::test]
async fn a_server_is_the_first_to_go_when_memory_is_short() {
    let bridge = Bridge::of_script("echo $$; exec cat").await;
    let mut client = bridge.client().await;
    let score = format!("/proc/{}/oom_score_adj", pid(&mut client).await);
    let is_first = || std::fs::read_to_string(&score).is_ok_and(|score| score == "1000\n");
    until("its score is the highest", is_first).await;
    bridge.finish().await;
}

#[tokio::test]
async fn a_message_in_fragments_with_pings_in_between_is_one_line() {
    use tokio_tungstenite::tungstenite::protocol::frame::Frame;
    use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

    let bridge = Bridge::start(tight(settings("/bin/cat", &[]))).await;
    let mut client = bridge.client().await;
    let text = "\u{e9}\u{1f600}".repeat(50_000);
    let mut pieces = text.as_bytes().chunks(77_777).peekable();
    let mut kind = Data::Text;
    while let Some(piece) = pieces.next() {
        let frame = Frame::message(piece.to_vec(), OpCode::Data(kind), pieces.peek().is_none());
        client.send(Message::Frame(frame)).await.expect("an open connection");
        client.send(Message::Ping("p".into())).await.expect("an open connection");
        kind = Data::Continue;
    }
    let mut heard = None;
    while heard.is_none() {
        let next = timeout(PATIENCE, client.next()).await.expect("in time").expect("open").expect("a frame");
        heard = next.is_text().then(|| next.into_text().expect("text"));
    }
    assert!(heard.is_some_and(|heard| heard.as_str() == text));
    bridge.finish().await;
}
