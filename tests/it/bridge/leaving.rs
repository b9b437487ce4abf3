//! However a client leaves, nothing of its server stays.

use std::time::Duration;

use futures_util::SinkExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

use mcpo_deploy::wire::http::{self, Limits};

use super::{Bridge, gone, hear, lives, of_script, pid, until};

/// Says its process id, then ignores everything but SIGKILL.
const STUBBORN: &str = "trap '' TERM; echo $$; while :; do sleep 0.05; done";

#[tokio::test]
async fn a_client_that_closes_leaves_no_process() {
    let bridge = Bridge::of_script("echo $$; exec cat").await;
    let mut client = bridge.client().await;
    let server = pid(&mut client).await;
    client.close(None).await.expect("an open connection");
    gone(server).await;
    bridge.finish().await;
}

#[tokio::test]
async fn a_connection_that_breaks_leaves_no_process() {
    let bridge = Bridge::of_script("echo $$; exec cat").await;
    let mut client = bridge.client().await;
    let server = pid(&mut client).await;
    drop(client);
    gone(server).await;
    bridge.finish().await;
}

#[tokio::test]
async fn a_client_process_that_is_killed_leaves_no_process() {
    let bridge = Bridge::of_script("echo $$; exec cat").await;
    // A client in a process of its own: a shell that holds the connection, and cannot tidy up.
    let port = bridge.addr.port();
    let script = format!(
        "exec 3<>/dev/tcp/127.0.0.1/{port}; printf 'GET /ws HTTP/1.1\\r\\nHost: localhost\\r\\n\
         Connection: upgrade\\r\\nUpgrade: websocket\\r\\nSec-WebSocket-Version: 13\\r\\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\\r\\n\\r\\n' >&3; \
         printf '\\x81\\x80\\0\\0\\0\\0' >&3; exec cat <&3"
    );
    let mut client = tokio::process::Command::new("bash")
        .args(["-c", &script])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("bash");
    let mut stdout = client.stdout.take().expect("a pipe");
    let mut heard = Vec::new();
    // The head of the answer ends with an empty line; then a frame of two bytes of head and the id.
    let server: u32 = loop {
        assert_ne!(stdout.read_buf(&mut heard).await.expect("output"), 0);
        let text = String::from_utf8_lossy(&heard).into_owned();
        let frame = text.split_once("\r\n\r\n").map(|(_, frame)| frame.to_owned()).unwrap_or_default();
        let digits: String = frame.chars().filter(char::is_ascii_digit).collect();
        if let Ok(id) = digits.parse()
            && lives(id)
        {
            break id;
        }
    };
    client.kill().await.expect("a running client");
    gone(server).await;
    bridge.finish().await;
}

#[tokio::test]
async fn a_server_that_ignores_the_end_of_its_input_and_sigterm_is_killed() {
    let bridge = Bridge::of_script(STUBBORN).await;
    let mut client = bridge.client().await;
    let server = pid(&mut client).await;
    drop(client);
    gone(server).await;
    bridge.finish().await;
}

#[tokio::test]
async fn what_a_server_started_goes_with_it() {
    let bridge = Bridge::of_script("sleep 600 & echo $!; exec cat").await;
    let mut client = bridge.client().await;
    let grandchild = pid(&mut client).await;
    assert!(lives(grandchild));
    drop(client);
    until("the server's own child has ended", || !lives(grandchild)).await;
    bridge.finish().await;
}

#[tokio::test]
async fn what_left_the_servers_process_group_goes_with_it_too_and_nobody_elses_does() {
    // A daemon with a child of its own.
    let bridge = Bridge::of_script("setsid sh -c 'echo $$; sleep 600 & wait' & exec cat").await;
    let (mut one, mut two) = (bridge.client().await, bridge.client().await);
    let (left, kept) = (pid(&mut one).await, pid(&mut two).await);
    let child_of = |pid: u32| {
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        children.unwrap_or_default().trim().parse::<u32>().ok()
    };
    until("both daemons have a child", || child_of(left).and(child_of(kept)).is_some()).await;
    let (grandchild, kept_grandchild) = (child_of(left).expect("seen"), child_of(kept).expect("seen"));
    drop(one);
    until("the daemon and its child have ended", || !lives(left) && !lives(grandchild)).await;
    assert!(lives(kept) && lives(kept_grandchild), "the other client's live on");
    bridge.finish().await;
    assert!(!lives(kept) && !lives(kept_grandchild), "nothing outlives the bridge");
}

#[tokio::test]
async fn a_client_that_leaves_while_the_server_reads_nothing_is_noticed() {
    let mut settings = of_script("echo $$; exec sleep 600");
    // The client's goodbye waits behind what nobody reads; a ping to a client that is not there any
    // more tells.
    settings.waits.ping = Duration::from_millis(50);
    let bridge = Bridge::start(settings).await;
    let mut client = bridge.client().await;
    let server = pid(&mut client).await;
    // More than the pipe and the sockets hold.
    let stuffing = Message::text("x".repeat(1 << 20));
    let stuffed = async { while client.send(stuffing.clone()).await.is_ok() {} };
    assert!(tokio::time::timeout(Duration::from_millis(300), stuffed).await.is_err(), "it is held back");
    drop(client);
    gone(server).await;
    bridge.finish().await;
}

#[tokio::test]
async fn a_client_that_leaves_while_the_server_floods_is_noticed() {
    let bridge = Bridge::of_script("echo $$; exec yes").await;
    let mut client = bridge.client().await;
    let server = pid(&mut client).await;
    drop(client);
    gone(server).await;
    bridge.finish().await;
}

#[tokio::test]
async fn a_client_that_stays_but_takes_nothing_is_given_up() {
    let mut settings = of_script("echo $$ >&2; exec yes \"$$\"");
    settings.waits.write = Duration::from_millis(100);
    let bridge = Bridge::start(settings).await;
    let mut client = bridge.client().await;
    let server = pid(&mut client).await;
    gone(server).await;
    bridge.finish().await;
}

#[tokio::test]
async fn a_client_that_answers_no_ping_is_given_up() {
    let mut settings = of_script("echo $$; exec cat");
    settings.waits.ping = Duration::from_millis(50);
    let bridge = Bridge::start(settings).await;
    let mut client = bridge.client().await;
    let server = pid(&mut client).await;
    // Not polled any more, and so silent, but open.
    gone(server).await;
    drop(client);
    bridge.finish().await;
}

#[tokio::test]
async fn a_client_whose_message_takes_long_to_come_is_kept() {
    let mut settings = of_script("exec cat");
    settings.waits.ping = Duration::from_millis(100);
    let bridge = Bridge::start(settings).await;
    let mut tcp = TcpStream::connect(bridge.addr).await.expect("a way");
    let request = "GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
                Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    tcp.write_all(request.as_bytes()).await.expect("room");
    // One masked frame of 20 bytes, a byte at a time, for far longer than two pings; no pong can
    // come in the middle of it.
    tcp.write_all(&[0x81, 0x80 + 20, 0, 0, 0, 0]).await.expect("room");
    let mut drip = tokio::time::interval(Duration::from_millis(30));
    for byte in b"slow but coming alon" {
        drip.tick().await;
        tcp.write_all(&[*byte]).await.expect("an open connection");
    }
    let mut echo = Vec::new();
    while !echo.windows(20).any(|window| window == b"slow but coming alon") {
        let read = tokio::time::timeout(super::PATIENCE, tcp.read_buf(&mut echo)).await;
        assert_ne!(read.expect("in time").expect("an open connection"), 0, "{echo:?}");
    }
    drop(tcp);
    bridge.finish().await;
}

#[tokio::test]
async fn a_client_that_answers_pings_is_kept() {
    let mut settings = of_script("echo $$; sleep 1.5; echo still here; exec cat");
    settings.waits.ping = Duration::from_millis(400);
    let bridge = Bridge::start(settings).await;
    let mut client = bridge.client().await;
    pid(&mut client).await;
    assert_eq!(hear(&mut client).await, "still here");
    bridge.finish().await;
}

#[tokio::test]
async fn a_bridge_that_stops_leaves_no_process() {
    let bridge = Bridge::of_script(STUBBORN).await;
    let mut servers = Vec::new();
    let mut clients = Vec::new();
    for _ in 0..5 {
        let mut client = bridge.client().await;
        servers.push(pid(&mut client).await);
        clients.push(client);
    }
    bridge.finish().await;
    for server in servers {
        assert!(!std::path::Path::new(&format!("/proc/{server}")).exists());
    }
}

#[tokio::test]
async fn a_head_that_is_too_long_is_refused() {
    let bridge = Bridge::of_script("cat").await;
    let mut tcp = TcpStream::connect(bridge.addr).await.expect("a way");
    let head = format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(64 << 10));
    // The bridge stops reading in the middle of it.
    let _ = tcp.write_all(head.as_bytes()).await;
    let mut answer = [0; 12];
    tcp.read_exact(&mut answer).await.expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 431");
    bridge.finish().await;
}

#[tokio::test]
async fn a_body_that_never_comes_is_refused() {
    let mut settings = of_script("cat");
    settings.waits.body = Duration::from_millis(100);
    let bridge = Bridge::start(settings).await;
    let mut tcp = TcpStream::connect(bridge.addr).await.expect("a way");
    let head = "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n";
    tcp.write_all(head.as_bytes()).await.expect("room");
    let mut answer = [0; 12];
    tcp.read_exact(&mut answer).await.expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 408");
    bridge.finish().await;
}

#[tokio::test]
async fn idle_connections_keep_nobody_out_the_longest_idle_one_goes() {
    let mut settings = of_script("exec cat");
    settings.max_connections = 8;
    // Only making room can let anybody in while this test waits.
    settings.waits.head = 10 * super::PATIENCE;
    let bridge = Bridge::start(settings).await;
    let (addr, host) = (bridge.addr, bridge.addr.to_string());
    let health = async || {
        let limits = Limits { deadline: super::PATIENCE, body: 1024 };
        http::get(addr, "/healthz", &host, limits).await.expect("an answer").status
    };
    // Whoever is being served stays: a WebSocket, and a call whose body is still to come.
    let mut client = bridge.client().await;
    let mut calling = TcpStream::connect(addr).await.expect("a way");
    let call = "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n";
    calling.write_all(call.as_bytes()).await.expect("room");
    assert_eq!(health().await, 200);
    // Half a head is none, and one that has asked before owes its next request.
    let mut idle = Vec::new();
    for number in 0..300 {
        let way = tokio::time::timeout(super::PATIENCE, TcpStream::connect(addr)).await;
        let mut tcp = way.expect("in time").expect("a way");
        if number % 3 == 1 {
            tcp.write_all(b"GET /healthz HTTP/1.1\r\nHost: loc").await.expect("room");
        }
        if number % 3 == 2 {
            tcp.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.expect("room");
        }
        idle.push(tcp);
    }
    assert_eq!(health().await, 200);
    let mut oldest = Vec::new();
    let ended = tokio::time::timeout(super::PATIENCE, idle[0].read_to_end(&mut oldest)).await;
    assert!(ended.is_ok() && oldest.is_empty(), "the oldest one is closed");
    let mut byte = [0];
    let newest = idle[297].try_read(&mut byte).map_err(|error| error.kind());
    assert_eq!(newest, Err(std::io::ErrorKind::WouldBlock), "the newest one is not");
    client.send(Message::text("still here")).await.expect("an open connection");
    assert_eq!(hear(&mut client).await, "still here");
    calling.write_all(b"{}").await.expect("an open connection");
    let mut answer = [0; 12];
    calling.read_exact(&mut answer).await.expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 400");
    drop((idle, client));
    bridge.finish().await;
}

/// Sends half of a head, and waits for what comes of it.
async fn begins_and_is_hung_up_on(mut slow: TcpStream) {
    slow.write_all(b"GET /healthz HTTP/1.1\r\nHost: loc").await.expect("room");
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(super::PATIENCE, slow.read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "the bridge hangs up");
}

#[tokio::test]
async fn a_head_that_never_ends_is_cut_off() {
    let mut settings = of_script("cat");
    settings.waits.head = Duration::from_millis(100);
    let bridge = Bridge::start(settings).await;
    let slow = TcpStream::connect(bridge.addr).await.expect("a way");
    begins_and_is_hung_up_on(slow).await;
    bridge.finish().await;
}

#[tokio::test]
async fn a_connection_may_wait_between_requests_for_longer_than_a_head_may_take() {
    let mut settings = of_script("cat");
    (settings.waits.head, settings.waits.idle) = (Duration::from_millis(100), Duration::from_millis(800));
    let bridge = Bridge::start(settings).await;
    let ask = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut tcp = TcpStream::connect(bridge.addr).await.expect("a way");
    for _ in 0..2 {
        tcp.write_all(ask).await.expect("room");
        let mut answer = vec![0; 4096];
        let read = tokio::time::timeout(super::PATIENCE, tcp.read(&mut answer)).await;
        let read = read.expect("in time").expect("an answer");
        assert!(answer[..read].starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
        // Longer than a head, and shorter than a pause, may take.
        let mut more = [0];
        let quiet = tokio::time::timeout(Duration::from_millis(300), tcp.read(&mut more)).await;
        assert!(quiet.is_err(), "the connection stays");
    }
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(super::PATIENCE, tcp.read_to_end(&mut rest)).await;
    assert!(ended.is_ok() && rest.is_empty(), "a longer pause ends it");
    bridge.finish().await;
}

#[tokio::test]
async fn a_later_head_that_never_ends_is_cut_off_too() {
    let mut settings = of_script("cat");
    (settings.waits.head, settings.waits.idle) = (Duration::from_millis(100), 10 * super::PATIENCE);
    let bridge = Bridge::start(settings).await;
    let mut slow = TcpStream::connect(bridge.addr).await.expect("a way");
    slow.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.expect("room");
    let mut answer = vec![0; 4096];
    assert_ne!(slow.read(&mut answer).await.expect("an answer"), 0);
    begins_and_is_hung_up_on(slow).await;
    bridge.finish().await;
}

#[tokio::test]
async fn a_client_that_takes_its_answer_slowly_gets_all_of_it() {
    let mut settings = super::of_fixture("bare");
    settings.waits.idle = Duration::from_millis(100);
    settings.stop_grace = Duration::from_millis(100);
    let bridge = Bridge::start(settings).await;
    // What the system holds for it is far less than the answer.
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("room");
    let mut tcp = socket.connect(bridge.addr).await.expect("a way");
    let body = serde_json::json!({"method": "echo", "params": {"text": "x".repeat(12 << 20)}}).to_string();
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    tcp.write_all(&[head, body].concat().into_bytes()).await.expect("room");
    let mut answer = vec![0; 1024];
    tcp.read_exact(&mut answer).await.expect("the beginning");
    // Longer than it may be idle, and than the grace after that.
    tokio::time::sleep(Duration::from_millis(600)).await;
    let read = tokio::time::timeout(super::PATIENCE, tcp.read_to_end(&mut answer)).await;
    read.expect("in time").expect("the rest");
    assert!(answer.len() > 12 << 20, "{} bytes came", answer.len());
    bridge.finish().await;
}
