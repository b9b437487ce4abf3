//! Clients that go wrong in a call, before a bridge whose patience is short.

use std::process::Stdio;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::{interval, timeout};

use super::super::{PATIENCE, gone, hear};
use super::caller::{Call, Caller, HANDSHAKE};
use super::rig::{LARGE, Rig, SMALL, noted};
use super::{Wire, on_every_wire};

/// How often each goes wrong: what one of them left behind would add up.
const TIMES: usize = 2;
/// For how long the bridge leaves an idle client alone, in milliseconds; twice that for bodies.
const SHORT: u32 = 700;
/// Between two bytes of somebody who is slow, so that a call takes several times that.
const SLOWLY: Duration = Duration::from_millis(25);
const MIB: usize = 1 << 20;
/// What a client's connection holds that never reads; the bridge's side of it holds some MiB.
const NARROW: u32 = 4096;

/// How a client goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Misdeed {
    /// A process that is killed while its call is under way.
    Killed,
    /// The same, while its server says more than anybody reads.
    KilledInAFlood,
    /// Closes its side, and stays.
    HalfClosed,
    /// Reads nothing of what it is sent.
    NeverReads,
    /// Sends the head of its request a byte at a time.
    SlowHead,
    /// Sends the body of its request, or its frame, a byte at a time.
    SlowBody,
}

impl Misdeed {
    async fn commit(self, mut culprit: Caller, rig: &mut Rig) {
        match self {
            Self::Killed => killed(culprit, rig, "hang").await,
            Self::KilledInAFlood => killed(culprit, rig, "misbehave").await,
            Self::HalfClosed => {
                let (note, arguments) = rig.note(json!({}));
                let mut call = culprit.begin("hang", &arguments).await;
                let server = noted(&note).await;
                call.tcp().shutdown().await.expect("an open connection");
                leaves_nothing(rig, server).await;
            }
            Self::NeverReads => {
                let arguments = match culprit.wire {
                    Wire::Rest => json!({"text": "x".repeat(8 * MIB)}),
                    _ => json!({"how": "chatter"}),
                };
                let (note, arguments) = rig.note(arguments);
                let tool = if culprit.wire == Wire::Rest { "echo" } else { "misbehave" };
                let _call = culprit.begin(tool, &arguments).await;
                let server = noted(&note).await;
                leaves_nothing(rig, server).await;
            }
            Self::SlowHead => {
                let (head, _) = match culprit.wire {
                    Wire::WebSocket => (HANDSHAKE.into(), Vec::new()),
                    _ => culprit.request("echo", &json!({}), "close"),
                };
                let tcp = culprit.connect().await;
                let (tcp, told) = rig.others_notice_nothing_of(drip(tcp, &head)).await;
                assert!(tcp.is_none() && told.is_empty(), "it is hung up on: {told}");
                culprit.leaves().await;
            }
            Self::SlowBody => {
                let wire = culprit.wire;
                let arguments =
                    json!({"text": "slow but coming along", "and": "long enough to take its time"});
                let (head, body) = culprit.request("echo", &arguments, "close");
                let mut tcp = culprit.line().await;
                tcp.write_all(&head).await.expect("room");
                let (tcp, told) = rig.others_notice_nothing_of(drip(tcp, &body)).await;
                if wire == Wire::WebSocket {
                    // Nobody is given up who is heard of.
                    let Call::Socket(mut socket) = culprit.call_on(tcp.expect("an open connection")).await
                    else {
                        panic!("a WebSocket");
                    };
                    assert!(rig.meanwhile(hear(&mut socket)).await.contains("slow but coming along"));
                } else {
                    assert!(tcp.is_none() && told.starts_with("HTTP/1.1 408 "), "{told}");
                    culprit.leaves().await;
                }
            }
        }
    }
}

/// A client in a process of its own, a shell, which cannot tidy up.
async fn killed(mut culprit: Caller, rig: &mut Rig, tool: &str) {
    let (note, arguments) = rig.note(json!({"how": "chatter"}));
    let (head, body) = culprit.request(tool, &arguments, "close");
    let opening = if culprit.wire == Wire::WebSocket { HANDSHAKE } else { "" };
    // It has a WebSocket of its own.
    culprit.socket = None;
    let request = rig.file("request", &[opening.as_bytes(), &head, &body].concat());
    let script = format!(
        "exec 3<>/dev/tcp/127.0.0.1/{}; cat {} >&3; exec cat <&3",
        rig.addr().port(),
        request.display()
    );
    let mut command = Command::new("bash");
    let mut process =
        command.args(["-c", &script]).stdout(Stdio::null()).kill_on_drop(true).spawn().expect("bash");
    let server = noted(&note).await;
    rig.others_notice_nothing().await;
    process.kill().await.expect("a running client");
    leaves_nothing(rig, server).await;
}

/// The others are answered, and the culprit's server goes, with all that the bridge had for it.
async fn leaves_nothing(rig: &mut Rig, server: u32) {
    rig.others_notice_nothing().await;
    rig.meanwhile(gone(server)).await;
    rig.is_as_before("while the culprit is still there").await;
}

/// Sends a byte at a time. What is heard of the other side by the end, and the connection if that is open.
async fn drip(mut tcp: TcpStream, bytes: &[u8]) -> (Option<TcpStream>, String) {
    let mut drip = interval(SLOWLY);
    let (mut heard, mut left) = (Vec::new(), bytes);
    while let Some((byte, rest)) = left.split_first() {
        tokio::select! {
            _ = drip.tick() => {
                if tcp.write_all(&[*byte]).await.is_err() {
                    break;
                }
                left = rest;
            }
            // A WebSocket's pings are none of its business.
            read = tcp.read_buf(&mut heard) => if matches!(read, Ok(0) | Err(_)) {
                break;
            },
        }
    }
    if left.is_empty() {
        return (Some(tcp), String::new());
    }
    // What it was told before it was hung up on; bytes that nobody read take the rest of it back.
    let _ = timeout(PATIENCE, tcp.read_to_end(&mut heard)).await.expect("in time");
    (None, String::from_utf8_lossy(&heard).into_owned())
}

async fn a_client_goes_wrong(wire: Wire, misdeed: Misdeed) {
    let mut rig = Rig::impatient(SHORT).await;
    for _ in 0..TIMES {
        let buffer = (misdeed == Misdeed::NeverReads).then_some(NARROW);
        let culprit = Caller::greet_with(rig.addr(), wire, buffer).await;
        misdeed.commit(culprit, &mut rig).await;
        rig.is_as_before("after the misdeed").await;
    }
    let is_large = misdeed == Misdeed::NeverReads && wire == Wire::Rest;
    rig.holds_no_more_than(if is_large { LARGE } else { SMALL });
    rig.end().await;
}

on_every_wire! { a_client_goes_wrong:
    a_client_process_that_is_killed_in_a_call_leaves_nothing => Misdeed::Killed,
    a_client_process_that_is_killed_in_a_flood_leaves_nothing => Misdeed::KilledInAFlood,
    a_client_that_closes_its_side_alone_leaves_nothing => Misdeed::HalfClosed,
    a_client_that_never_reads_holds_up_nobody => Misdeed::NeverReads,
    a_client_whose_head_comes_byte_by_byte_holds_up_nobody => Misdeed::SlowHead,
    a_client_whose_message_comes_byte_by_byte_holds_up_nobody => Misdeed::SlowBody,
}
