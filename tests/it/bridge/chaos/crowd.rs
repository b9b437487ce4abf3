//! Five thousand clients who have nothing to say.

use futures_util::future::join_all;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::super::{PATIENCE, until};
use super::Wire;
use super::caller::{Caller, HANDSHAKE};
use super::rig::{Rig, sockets};

/// Those who come at the same time, each with a session of its own where there are any.
const LANES: usize = 16;
/// How many connections each of them makes.
const EACH: usize = 313;
const CROWD: usize = LANES * EACH;
/// So long that nobody is given up for being idle, in milliseconds.
const LONG: u32 = 600_000;
/// What the bridge may hold for each of them, in bytes: see `memory` and `ceiling.rs`.
const MOST: usize = 30 << 10;
/// What may be left of a crowd that finds the room of another, in bytes.
const LEFT: usize = CROWD * MOST / 10;

/// Lets this process and those that it starts have as many files as they need.
fn raise_the_limit_on_files() {
    let limit = getrlimit(Resource::Nofile);
    let wanted = u64::try_from(CROWD).expect("a number") + 500;
    assert!(limit.maximum.is_none_or(|most| most >= wanted), "this needs {wanted} files: ulimit -Hn");
    let current = limit.current.map(|current| current.max(wanted));
    setrlimit(Resource::Nofile, Rlimit { current, ..limit }).expect("below the maximum");
}

/// Somebody who has been served and stays.
async fn idle(lane: &Caller) -> TcpStream {
    let mut tcp = lane.connect().await;
    if lane.wire == Wire::WebSocket {
        tcp.write_all(HANDSHAKE.as_bytes()).await.expect("room");
        assert!(head(&mut tcp).await.starts_with("HTTP/1.1 101 "));
    } else {
        asks(lane, &mut tcp).await;
    }
    tcp
}

/// Makes a call on a connection that stays open.
async fn asks(lane: &Caller, tcp: &mut TcpStream) {
    let (head, body) = lane.request("echo", &json!({"and": "stays"}), "keep-alive");
    tcp.write_all(&[head, body].concat()).await.expect("room");
    let answer = answer(tcp).await;
    assert!(answer.contains(r#"{"and":"stays"}"#), "{answer}");
}

/// Makes a call on a WebSocket.
async fn says(lane: &Caller, tcp: &mut TcpStream) {
    let (frame, text) = lane.request("echo", &json!({"and": "stays"}), "");
    tcp.write_all(&[frame, text].concat()).await.expect("room");
    let mut heard = Vec::new();
    while !heard.ends_with(br#"{"and":"stays"}}}"#) {
        let read = timeout(PATIENCE, tcp.read_buf(&mut heard)).await;
        assert_ne!(read.expect("in time").expect("an open connection"), 0, "{heard:?}");
    }
}

async fn head(tcp: &mut TcpStream) -> String {
    let read = async {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(tcp.read_u8().await.expect("an open connection"));
        }
        String::from_utf8(head).expect("text")
    };
    timeout(PATIENCE, read).await.expect("in time")
}

async fn answer(tcp: &mut TcpStream) -> String {
    let head = head(tcp).await;
    let length = head.to_ascii_lowercase();
    let length = length.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
    let mut body = vec![0; length.parse().expect("a number")];
    timeout(PATIENCE, tcp.read_exact(&mut body)).await.expect("in time").expect("an answer");
    String::from_utf8(body).expect("text")
}

/// A crowd comes, is idle, and goes. Returns how much memory is held for each, in bytes.
async fn comes_and_goes(rig: &mut Rig, wire: Wire) -> usize {
    let (id, before) = (rig.id(), rig.resident());
    let others = sockets(id);
    let mut lanes = join_all((0..LANES).map(|_| Caller::greet(rig.addr(), wire))).await;
    // This one has said something: it is none of those who do not.
    for lane in &mut lanes {
        lane.socket = None;
    }
    let come = lanes.iter().map(async |lane| {
        let mut connections = Vec::new();
        for _ in 0..EACH {
            connections.push(idle(lane).await);
        }
        connections
    });
    let mut crowd: Vec<Vec<TcpStream>> = rig.meanwhile(join_all(come)).await;
    rig.others_notice_nothing().await;
    rig.meanwhile(until("all of them are in", || sockets(id) == others + CROWD)).await;
    let each = rig.resident().saturating_sub(before) / CROWD;
    // Whoever of them has something to say after all is served.
    for (lane, connections) in lanes.iter().zip(&mut crowd) {
        let connection = &mut connections[EACH / 2];
        if wire == Wire::WebSocket {
            says(lane, connection).await;
        } else {
            asks(lane, connection).await;
        }
    }
    drop(crowd);
    for lane in lanes {
        lane.leaves().await;
    }
    rig.is_as_before("after the crowd").await;
    each
}

/// As many more come and go, a few at a time.
async fn pass_by(rig: &mut Rig, wire: Wire) {
    let mut lanes = join_all((0..LANES).map(|_| Caller::greet(rig.addr(), wire))).await;
    let pass = lanes.iter_mut().map(async |lane| {
        lane.socket = None;
        for _ in 0..EACH {
            drop(idle(lane).await);
        }
    });
    rig.meanwhile(join_all(pass)).await;
    for lane in lanes {
        lane.leaves().await;
    }
    rig.is_as_before("after those who passed by").await;
}

async fn a_crowd_holds_up_nobody(wire: Wire) {
    raise_the_limit_on_files();
    let mut rig = Rig::impatient(LONG).await;
    let each = comes_and_goes(&mut rig, wire).await;
    assert!(each <= MOST, "{each} bytes for each");
    // The allocator keeps what it had, for those who come next; of a second crowd it keeps more, in holes.
    let kept = rig.resident();
    pass_by(&mut rig, wire).await;
    let more = rig.resident().saturating_sub(kept);
    assert!(more <= LEFT, "{more} bytes are left of those who came one by one");
    rig.end().await;
}

#[tokio::test]
async fn five_thousand_idle_websockets_hold_up_nobody() {
    a_crowd_holds_up_nobody(Wire::WebSocket).await;
}

#[tokio::test]
async fn five_thousand_idle_connections_of_sessions_hold_up_nobody() {
    a_crowd_holds_up_nobody(Wire::Session).await;
}

#[tokio::test]
async fn five_thousand_idle_connections_without_sessions_hold_up_nobody() {
    a_crowd_holds_up_nobody(Wire::Stateless).await;
}

#[tokio::test]
async fn five_thousand_idle_connections_over_rest_hold_up_nobody() {
    a_crowd_holds_up_nobody(Wire::Rest).await;
}

/// What the allocator keeps of one crowd the next one finds, but for holes; their number levels off below
/// what a crowd may hold at once.
#[tokio::test]
async fn crowd_after_crowd_takes_no_more_than_one_may() {
    raise_the_limit_on_files();
    let mut rig = Rig::impatient(LONG).await;
    let before = rig.resident();
    let mut kept = Vec::new();
    for _ in 0..5 {
        comes_and_goes(&mut rig, Wire::Rest).await;
        kept.push(rig.resident().saturating_sub(before));
    }
    assert!(kept[4] <= CROWD * MOST && kept[4].saturating_sub(kept[3]) <= LEFT, "{kept:?}");
    rig.end().await;
}
