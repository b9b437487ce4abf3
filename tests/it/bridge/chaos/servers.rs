//! Servers that go wrong in a call.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::time::timeout;

use super::super::{PATIENCE, closed, gone, hear, send};
use super::caller::{Call, Caller, told};
use super::rig::{LARGE, Rig, SMALL, noted};
use super::{Wire, on_every_wire};

/// How often each goes wrong: what one of them left behind would add up.
const TIMES: usize = 2;
/// How long it takes to believe that nothing comes.
const A_WHILE: Duration = Duration::from_millis(500);
const MIB: usize = 1 << 20;
/// The size of a large message, in bytes.
const LENGTH: usize = 8 * MIB;

/// How a server goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// By SIGKILL, in a call.
    Killed,
    /// By SIGSTOP, in a call.
    Stopped,
    /// Reads no more, in the middle of a message.
    Deaf,
    /// Closes its stdin only, in the middle of a message.
    Shut,
    /// Writes a line without an end.
    Endless,
    /// Writes lines without an end.
    Chatter,
    /// Closes its stdout only.
    Mute,
    /// Ends in the middle of a line.
    Half,
    /// Writes what is no UTF-8.
    Garbage,
    /// Writes a line of 8 MiB, as it should.
    Large,
    /// Writes 16 MiB to stderr, and then answers.
    Rave,
}

impl Fault {
    /// Makes a call over which a server goes wrong, once it has, with that server.
    async fn begin(self, victim: &mut Caller, rig: &mut Rig) -> (Call, u32) {
        let (tool, how) = match self {
            Self::Killed | Self::Stopped => ("hang", ""),
            Self::Large => ("echo", ""),
            Self::Deaf => ("misbehave", "deaf"),
            Self::Shut => ("misbehave", "shut"),
            Self::Endless => ("misbehave", "endless"),
            Self::Chatter => ("misbehave", "chatter"),
            Self::Mute => ("misbehave", "mute"),
            Self::Half => ("misbehave", "half"),
            Self::Garbage => ("misbehave", "garbage"),
            Self::Rave => ("misbehave", "rave"),
        };
        let mut arguments = json!({"how": how});
        if self == Self::Large {
            arguments["text"] = text().into();
        }
        let (note, arguments) = rig.note(arguments);
        if matches!(self, Self::Deaf | Self::Shut) {
            let later = json!({"how": how, "later": arguments["note"]});
            victim.asks(tool, &later).await;
            // Nobody else calls meanwhile: the last server that came back is the next that is taken.
            let call = victim.begin("echo", &json!({"text": "x".repeat(MIB)})).await;
            return (call, noted(&note).await);
        }
        let call = victim.begin(tool, &arguments).await;
        let server = noted(&note).await;
        match self {
            Self::Killed => send(server, Signal::KILL),
            Self::Stopped => send(server, Signal::STOP),
            _ => {}
        }
        (call, server)
    }

    /// Whether its call can be answered all the same.
    fn is_answered(self) -> bool {
        matches!(self, Self::Large | Self::Rave)
    }

    /// Whether it ends a session.
    fn ends(self) -> bool {
        !self.is_answered() && !matches!(self, Self::Stopped | Self::Deaf | Self::Shut | Self::Chatter)
    }

    /// What a client on a WebSocket is told, which says what the server did.
    async fn is_told(self, socket: &mut super::super::Client) {
        match self {
            // Whoever waits on a WebSocket decides by itself for how long.
            Self::Stopped | Self::Deaf => {
                assert!(timeout(A_WHILE, hear(socket)).await.is_err(), "nothing comes");
                return;
            }
            Self::Chatter => {
                for _ in 0..100 {
                    assert!(hear(socket).await.contains("notifications/chatter"));
                }
                return;
            }
            Self::Large | Self::Rave => return is_answer(self, &hear(socket).await),
            Self::Half => assert_eq!(hear(socket).await, "{\"half"),
            _ => {}
        }
        let words = match self {
            Self::Killed => "signal: 9",
            Self::Half => "signal: 6",
            Self::Shut => "closed its input",
            Self::Mute => "closed its output",
            Self::Endless => "--max-message",
            _ => "not UTF-8",
        };
        let (code, reason) = closed(socket).await;
        assert!(code == 1011 && reason.contains(words), "{code} {reason}");
    }

    /// What a client over HTTP is told.
    async fn is_told_over_http(self, wire: Wire, mut tcp: tokio::net::TcpStream) {
        if self == Self::Chatter && wire != Wire::Rest {
            let mut heard = String::new();
            while heard.matches("notifications/chatter").count() < 100 {
                let mut bytes = [0; 4096];
                let count = timeout(PATIENCE, tcp.read(&mut bytes)).await.expect("in time").expect("bytes");
                assert!(count > 0, "it ended: {heard}");
                heard.push_str(&String::from_utf8_lossy(&bytes[..count]));
            }
            return;
        }
        let told = told(tcp).await;
        let body = told.body.as_str();
        if self.is_answered() {
            assert_eq!(told.status, 200);
            return is_answer(self, &told.message().to_string());
        }
        let is_late = matches!(self, Self::Stopped | Self::Deaf | Self::Shut | Self::Chatter);
        // A session's answer is a message, whatever it says.
        let status = match wire {
            Wire::Session => 200,
            Wire::Rest if is_late => 504,
            _ => 502,
        };
        let words = match self {
            _ if is_late && wire == Wire::Rest => "did not answer within",
            _ if is_late => "--call-timeout",
            Self::Endless | Self::Garbage => "cannot be read",
            _ => "the server ended before it answered",
        };
        assert!(told.status == status && body.contains(words), "{told:?}");
        if matches!(wire, Wire::Session | Wire::Stateless) {
            assert_eq!(
                (&told.message()["id"], told.message()["error"].is_object()),
                (&json!(1), true),
                "{told:?}"
            );
        }
    }
}

/// A text of the size, which no chance could make.
fn text() -> String {
    let piece = "söme 😀 text ";
    piece.repeat(LENGTH / piece.len())
}

/// Whether an answer is what the call should give.
fn is_answer(fault: Fault, answer: &str) {
    let answer: Value = serde_json::from_str(answer).expect("JSON");
    let is_right = match fault {
        Fault::Large => {
            let echoed = answer["result"]["structuredContent"]["text"].as_str().or(answer["text"].as_str());
            echoed == Some(&text())
        }
        _ => answer["result"]["content"] == json!([]) || answer == json!(""),
    };
    assert!(is_right, "{:.200}", answer.to_string());
}

async fn a_server_goes_wrong(wire: Wire, fault: Fault) {
    let mut rig = Rig::start().await;
    for _ in 0..TIMES {
        let mut victim = Caller::greet(rig.addr(), wire).await;
        let (call, server) = fault.begin(&mut victim, &mut rig).await;
        rig.others_notice_nothing().await;
        match call {
            Call::Socket(mut socket) => rig.meanwhile(fault.is_told(&mut socket)).await,
            Call::Http(tcp) => rig.meanwhile(fault.is_told_over_http(wire, tcp)).await,
        }
        let had_a_session = victim.leaves().await;
        assert_eq!(had_a_session, wire == Wire::Session && !fault.ends(), "{fault:?}");
        rig.meanwhile(gone(server)).await;
        rig.is_as_before("after the fault").await;
    }
    rig.holds_no_more_than(if fault == Fault::Large { LARGE } else { SMALL });
    rig.end().await;
}

on_every_wire! { a_server_goes_wrong:
    a_server_that_is_killed_fails_its_call_alone => Fault::Killed,
    a_server_that_is_stopped_fails_its_call_alone => Fault::Stopped,
    a_server_that_reads_no_more_fails_its_call_alone => Fault::Deaf,
    a_server_that_closes_its_input_only_fails_its_call_alone => Fault::Shut,
    a_server_that_writes_a_line_without_an_end_fails_its_call_alone => Fault::Endless,
    a_server_that_writes_lines_without_an_end_holds_up_nobody => Fault::Chatter,
    a_server_that_closes_its_output_only_fails_its_call_alone => Fault::Mute,
    a_server_that_ends_in_the_middle_of_a_line_fails_its_call_alone => Fault::Half,
    a_server_that_writes_no_utf_8_fails_its_call_alone => Fault::Garbage,
    a_server_that_writes_lines_of_8_mib_is_heard => Fault::Large,
    a_server_that_floods_its_stderr_is_heard => Fault::Rave,
}
