//! Messages over a WebSocket.

use futures_util::SinkExt;
use tokio_tungstenite::tungstenite::Message;

use mcpo_deploy::mcp::{FrameError, Lines};
use mcpo_deploy::wire::websocket::{Endpoint, WebSocketError, connect};

use super::{Bridge, closed, hear, of_script, pid, refused, say, settings, until, wake};

#[tokio::test]
async fn messages_pass_byte_for_byte_both_ways() {
    let bridge = Bridge::start(settings("/bin/cat", &[])).await;
    let mut client = bridge.client().await;
    for text in [
        r#"{"jsonrpc":"2.0","id":9007199254740993,"method":"a"}"#,
        r#"{"id":"söme-ïd \u00e9 😀","n":1.0e400,"n":-0.0,"z":1,"a":2}"#,
        "  {\t\"spaced\" :  [ 1 , 2 ] } ",
        "not json at all",
        r#""\n""#,
    ] {
        say(&mut client, text).await;
        assert_eq!(hear(&mut client).await, text);
    }
    bridge.finish().await;
}

#[tokio::test]
async fn a_frame_may_end_in_a_line_feed_but_not_hold_one() {
    let bridge = Bridge::start(settings("/bin/cat", &[])).await;
    let mut client = bridge.client().await;
    say(&mut client, "{\"a\":1}\n").await;
    assert_eq!(hear(&mut client).await, "{\"a\":1}");
    for frame in ["{\"a\":1}\n{\"b\":2}", "{\n}\n", "{\r}", "{}\r\n"] {
        let mut client = bridge.client().await;
        say(&mut client, frame).await;
        let (code, reason) = closed(&mut client).await;
        assert_eq!(code, 1007, "{frame:?}");
        assert!(reason.contains("one line"), "{reason}");
    }
    bridge.finish().await;
}

#[tokio::test]
async fn each_connection_has_a_server_of_its_own() {
    let bridge = Bridge::of_script("echo $$; exec cat").await;
    let (mut one, mut two) = (bridge.client().await, bridge.client().await);
    assert_ne!(pid(&mut one).await, pid(&mut two).await);
    for round in 0..100 {
        say(&mut one, &format!("one {round}")).await;
        say(&mut two, &format!("two {round}")).await;
    }
    for round in 0..100 {
        assert_eq!(hear(&mut two).await, format!("two {round}"));
        assert_eq!(hear(&mut one).await, format!("one {round}"));
    }
    bridge.finish().await;
}

#[tokio::test]
async fn a_message_at_the_bound_passes_and_a_longer_one_closes_with_1009() {
    let mut settings = settings("/bin/cat", &[]);
    settings.max_message = 4096;
    let bridge = Bridge::start(settings).await;
    let mut client = bridge.client().await;
    let longest = "x".repeat(4096);
    say(&mut client, &longest).await;
    assert_eq!(hear(&mut client).await, longest);
    say(&mut client, &"x".repeat(4097)).await;
    let (code, reason) = closed(&mut client).await;
    assert_eq!(code, 1009);
    assert!(reason.contains("--max-message"), "{reason}");
    bridge.finish().await;
}

#[tokio::test]
async fn a_flood_in_one_message_is_refused_at_the_bound() {
    let mut settings = settings("/bin/cat", &[]);
    settings.max_message = 4096;
    let bridge = Bridge::start(settings).await;
    let mut client = bridge.client().await;
    // The bridge stops reading in the middle of it; what it says still arrives.
    let _ = client.send(Message::text("x".repeat(1 << 20))).await;
    assert_eq!(closed(&mut client).await.0, 1009);
    bridge.finish().await;
}

#[tokio::test]
async fn a_large_message_passes_whole() {
    let bridge = Bridge::start(settings("/bin/cat", &[])).await;
    let client = bridge.client().await;
    let (mut sink, stream) = futures_util::StreamExt::split(client);
    let large = "é".repeat(4 << 20);
    let sent = large.clone();
    let sending = tokio::spawn(async move { sink.send(Message::text(sent)).await });
    let mut stream = stream;
    let back = tokio::time::timeout(super::PATIENCE, futures_util::StreamExt::next(&mut stream)).await;
    let back = back.expect("in time").expect("an open connection").expect("a message");
    assert!(back.into_text().expect("text").as_str() == large);
    sending.await.expect("no panic").expect("room");
    drop(stream);
    bridge.finish().await;
}

#[tokio::test]
async fn a_binary_frame_closes_with_1003() {
    let bridge = Bridge::start(settings("/bin/cat", &[])).await;
    let mut client = bridge.client().await;
    client.send(Message::binary(&b"{}"[..])).await.expect("an open connection");
    assert_eq!(closed(&mut client).await.0, 1003);
    bridge.finish().await;
}

#[tokio::test]
async fn a_server_that_ends_is_heard_out_and_closes_with_1011_and_its_status() {
    let bridge = Bridge::of_script("read line; echo got $line; exit 7").await;
    let mut client = bridge.client().await;
    say(&mut client, "it").await;
    assert_eq!(hear(&mut client).await, "got it");
    assert_eq!(closed(&mut client).await, (1011, "the server ended with exit status: 7".into()));
    bridge.finish().await;
}

#[tokio::test]
async fn a_server_that_writes_what_cannot_be_passed_on_closes_with_1011() {
    for (script, words) in [
        ("printf '\\377\\n'; cat", "not UTF-8"),
        ("head -c 5000 /dev/zero | tr '\\0' x; cat", "--max-message"),
        ("exec >&-; sleep 60", "closed its output"),
    ] {
        let mut settings = of_script(script);
        settings.max_message = 4096;
        let bridge = Bridge::start(settings).await;
        let mut client = bridge.client().await;
        wake(&mut client).await;
        let (code, reason) = closed(&mut client).await;
        assert_eq!(code, 1011, "{script}");
        assert!(reason.contains(words), "{reason}");
        bridge.finish().await;
    }
}

#[tokio::test]
async fn a_server_that_stops_reading_closes_with_1011() {
    let bridge = Bridge::of_script("exec <&-; echo deaf; sleep 60").await;
    let mut client = bridge.client().await;
    wake(&mut client).await;
    assert_eq!(hear(&mut client).await, "deaf");
    say(&mut client, "hello?").await;
    assert_eq!(closed(&mut client).await, (1011, "the server closed its input".into()));
    bridge.finish().await;
}

#[tokio::test]
async fn a_program_that_is_not_there_closes_with_1011_at_the_first_message() {
    let bridge = Bridge::start(settings("/nowhere/server", &[])).await;
    let mut client = bridge.client().await;
    say(&mut client, "{}").await;
    let (code, reason) = closed(&mut client).await;
    assert_eq!(code, 1011);
    assert!(reason.contains("/nowhere/server"), "{reason}");
    bridge.finish().await;
}

#[tokio::test]
async fn a_slow_reader_gets_every_line_in_order() {
    // 50 MiB, far more than every buffer on the way holds.
    let lines = 800;
    let script =
        format!("echo $$; i=0; while [ $i -lt {lines} ]; do i=$((i+1)); printf '%065535d\\n' $i; done; cat");
    let bridge = Bridge::of_script(&script).await;
    let mut client = bridge.client().await;
    let server = pid(&mut client).await;
    let held_back = || {
        let stat = std::fs::read_to_string(format!("/proc/{server}/stat")).unwrap_or_default();
        stat.contains(") S ")
    };
    until("the server waits for its reader", held_back).await;
    let io = std::fs::read_to_string(format!("/proc/{server}/io")).expect("its counters");
    let written = io.lines().find_map(|line| line.strip_prefix("wchar: ")).expect("a counter");
    assert!(written.parse::<u64>().expect("a number") < 25 << 20, "{written} bytes are held for the client");
    for number in 1..=lines {
        assert_eq!(hear(&mut client).await.trim_start_matches('0'), number.to_string());
    }
    drop(client);
    bridge.finish().await;
}

#[tokio::test]
async fn a_server_that_floods_its_stderr_is_not_held_up() {
    let bridge = Bridge::of_script("head -c 3000000 /dev/zero | tr '\\0' e >&2; echo done; exec cat").await;
    let mut client = bridge.client().await;
    wake(&mut client).await;
    assert_eq!(hear(&mut client).await, "done");
    bridge.finish().await;
}

#[tokio::test]
async fn a_client_s_server_starts_at_its_first_message() {
    let folder = tempfile::tempdir().expect("a folder");
    let note = folder.path().join("started");
    let bridge = Bridge::of_script(&format!("touch {}; exec cat", note.display())).await;
    let (mut one, mut two) = (bridge.client().await, bridge.client().await);
    // A pong shows that the bridge has taken everything up.
    one.send(Message::Ping("p".into())).await.expect("an open connection");
    let pong = tokio::time::timeout(super::PATIENCE, futures_util::StreamExt::next(&mut one)).await;
    assert!(pong.expect("in time").expect("open").expect("a frame").is_pong());
    assert!(!note.exists(), "nobody has said anything");
    say(&mut two, "x").await;
    assert_eq!(hear(&mut two).await, "x");
    assert!(note.exists());
    bridge.finish().await;
}

#[tokio::test]
async fn past_the_ceiling_on_connections_a_handshake_is_refused_with_503() {
    let mut settings = settings("/bin/cat", &[]);
    settings.max_connections = 1;
    let bridge = Bridge::start(settings).await;
    let mut first = bridge.client().await;
    let (status, body) = refused(bridge.try_client(&[]).await);
    assert_eq!(status, 503);
    assert!(body.contains("--max-connections"), "{body}");
    say(&mut first, "x").await;
    assert_eq!(hear(&mut first).await, "x");
    bridge.finish().await;
}

#[tokio::test]
async fn past_the_ceiling_on_servers_a_message_closes_with_1013_and_a_handshake_is_refused_with_503() {
    let mut settings = settings("/bin/cat", &[]);
    settings.max_children = 1;
    let bridge = Bridge::start(settings).await;
    let (mut first, mut early) = (bridge.client().await, bridge.client().await);
    say(&mut first, "x").await;
    assert_eq!(hear(&mut first).await, "x");
    say(&mut early, "x").await;
    let (code, reason) = closed(&mut early).await;
    assert!(code == 1013 && reason.contains("--max-children"), "{code} {reason}");
    let (status, body) = refused(bridge.try_client(&[]).await);
    assert_eq!(status, 503);
    assert!(body.contains("--max-children"), "{body}");
    drop(first);
    let next = async {
        loop {
            if let Ok(client) = bridge.try_client(&[]).await {
                return client;
            }
            tokio::task::yield_now().await;
        }
    };
    let mut client = tokio::time::timeout(super::PATIENCE, next).await.expect("room again");
    say(&mut client, "x").await;
    assert_eq!(hear(&mut client).await, "x");
    bridge.finish().await;
}

#[tokio::test]
async fn the_subprotocol_that_sdk_clients_insist_on_is_agreed_to() {
    let bridge = Bridge::start(settings("/bin/cat", &[])).await;
    bridge.try_client(&[("sec-websocket-protocol", "mcp")]).await.expect("the client insists");
    bridge.finish().await;
}

#[tokio::test]
async fn a_bridge_that_stops_says_so_with_1001() {
    let bridge = Bridge::start(settings("/bin/cat", &[])).await;
    let mut client = bridge.client().await;
    say(&mut client, "x").await;
    hear(&mut client).await;
    let closing = tokio::spawn(async move { closed(&mut client).await });
    bridge.finish().await;
    assert_eq!(closing.await.expect("no panic").0, 1001);
}

fn endpoint(bridge: &Bridge) -> Endpoint {
    Endpoint {
        addr: bridge.addr.into(),
        host: "localhost".into(),
        path: "/".into(),
        headers: Vec::new(),
        max_message: 1 << 20,
        deadline: super::PATIENCE,
    }
}

#[tokio::test]
async fn our_own_client_sees_a_server_that_ends_as_the_end_and_keeps_the_reason() {
    let bridge = Bridge::of_script("echo last words; exit 2").await;
    let mut socket = connect(&endpoint(&bridge)).await.expect("a WebSocket");
    let goodbye = socket.goodbye();
    socket.send("").await.expect("room");
    assert_eq!(socket.receive().await.expect("a line").as_deref(), Some("last words"));
    assert_eq!(socket.receive().await.expect("the end"), None);
    assert_eq!(goodbye.reason(), Some("1011: the server ended with exit status: 2"));
    bridge.finish().await;
}

#[tokio::test]
async fn our_own_client_sees_a_refusal_as_an_error_with_its_reason() {
    let mut settings = settings("/bin/cat", &[]);
    settings.max_message = 1024;
    settings.max_connections = 1;
    let bridge = Bridge::start(settings).await;
    let mut socket = connect(&endpoint(&bridge)).await.expect("a WebSocket");
    let second = connect(&endpoint(&bridge)).await.expect_err("one is all");
    assert!(matches!(second, WebSocketError::Refused { status: 503, .. }), "{second}");
    socket.send(&"x".repeat(1025)).await.expect("room");
    let error = socket.receive().await.expect_err("too long");
    assert!(matches!(&error, FrameError::Io(error) if error.to_string().contains("1009")), "{error}");
    bridge.finish().await;
}
