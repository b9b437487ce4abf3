//! One WebSocket and its server process: lines both ways until one of them ends. The client's first
//! message starts the server: until then a connection takes little.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes};
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{ChildStdin, ChildStdout};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, sleep, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::CapacityError;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::auth::Principal;
use super::budget::{Metered, Share};
use super::child::Child;
use super::ear::Ear;
use super::pieces::{PIECE_BYTES, Pieces};
use super::pool::PoolError;
use super::readiness;
use super::serve::Bridge;
use super::settings::Waits;
use super::socket::Peer;
use super::telemetry::Account;
use super::wakeful::Talk;
use crate::mcp::{FrameError, LineReader};

/// A client's WebSocket.
pub(crate) type Socket = WebSocketStream<Pieces<TokioIo<Upgraded>>>;

/// How long a client may take to say goodbye back.
const GOODBYE: Duration = Duration::from_secs(1);
/// How long a server whose output ended may take to exit before it counts as still running, and
/// how long one whose input closed may take to say its last words.
const LAST_WORDS: Duration = Duration::from_millis(250);
/// The longest reason that a close frame can carry, in bytes (RFC 6455 §5.5).
const REASON_BYTES: usize = 123;

/// Why a session ends.
#[derive(Debug)]
enum End {
    /// The client closed, or its connection broke.
    Left,
    /// The client answered no ping.
    Silent(Duration),
    /// The client's large message took too long to come while others waited for its room.
    Slow(Duration),
    /// The bridge was told to end.
    Stopping,
    /// The token file does not say any more what let the client in.
    Unwelcome,
    /// The client sent a binary frame.
    Binary,
    /// The client sent a frame that would be more than one line.
    SeveralLines,
    /// The client sent more than a message may be.
    TooBig(usize),
    /// The client sent text that is not UTF-8.
    NotUtf8,
    /// The client broke the protocol.
    Protocol(String),
    /// There is no server for the client.
    NoServer(PoolError),
    /// The server's output ended.
    Ended,
    /// The server does not read its input any more.
    Deaf,
    /// The server wrote what cannot be passed on.
    Unreadable(FrameError),
}

/// Waits for the client's first message, starts a server for it, connects the two until one of them
/// ends, then ends both. `share` is what the client's messages hold.
pub(crate) async fn run(
    mut socket: Socket,
    share: &Share,
    client: (&Peer, &Principal, &Account),
    bridge: &Arc<Bridge>,
) {
    let first = match first(&mut socket, share, client, bridge).await {
        Ok(first) => first,
        Err(end) => return close(socket, &end, bridge).await,
    };
    // On the heap: a connection that has not said anything is to take no room for this.
    Box::pin(serve(socket, first, share, client, bridge)).await;
}

/// The client's first message.
async fn first(
    socket: &mut Socket,
    share: &Share,
    (peer, principal, account): (&Peer, &Principal, &Account),
    bridge: &Arc<Bridge>,
) -> Result<Bytes, End> {
    let (sink, mut stream) = socket.split();
    let ear = Ear::new(peer, share, account);
    let grace = bridge.settings.stop_grace;
    tokio::select! {
        line = next_line(&mut stream, &ear) => line,
        end = only_ping(sink, &ear, &bridge.settings.waits) => Err(end),
        () = async { peer.has_left().await; sleep(grace).await } => Err(End::Left),
        () = bridge.gate.shut_to(principal) => Err(End::Unwelcome),
        () = bridge.stopped() => Err(End::Stopping),
    }
}

async fn serve(
    mut socket: Socket,
    first: Bytes,
    share: &Share,
    client: (&Peer, &Principal, &Account),
    bridge: &Arc<Bridge>,
) {
    let fresh = tokio::select! {
        biased;
        fresh = bridge.pool.fresh(bridge.settings.stop_grace) => fresh.map_err(End::NoServer),
        () = bridge.stopped() => Err(End::Stopping),
    };
    let mut child = match fresh {
        Ok(child) => child,
        Err(end) => return close(socket, &end, bridge).await,
    };
    client.2.is_served_by(child.pid());
    let mut spoke = false;
    let end = talk(&mut socket, first, share, (&mut child, &mut spoke), client, bridge).await;
    share.release();
    let exited = matches!(end, End::Ended) && child.ends_within(LAST_WORDS).await;
    if !exited {
        let (code, reason) = close_of(&end, bridge.settings.max_message);
        tracing::debug!("closing a WebSocket: {reason}");
        tokio::join!(say_goodbye(socket, code, &reason), child.end());
        return;
    }
    if !spoke {
        readiness::suspect(bridge);
    }
    let reason = match child.end().await.status {
        Some(status) => format!("the server ended with {status}"),
        None => "the server ended".to_owned(),
    };
    tracing::info!("closing a WebSocket: {reason}");
    say_goodbye(socket, CloseCode::Error, &reason).await;
}

async fn close(socket: Socket, end: &End, bridge: &Bridge) {
    let (code, reason) = close_of(end, bridge.settings.max_message);
    tracing::debug!("closing a WebSocket: {reason}");
    say_goodbye(socket, code, &reason).await;
}

async fn talk(
    socket: &mut Socket,
    first: Bytes,
    share: &Share,
    (child, spoke): (&mut Child, &mut bool),
    (peer, principal, account): (&Peer, &Principal, &Account),
    bridge: &Arc<Bridge>,
) -> End {
    let streams = child.streams();
    let Some(stdin) = streams.stdin else { return End::Ended };
    let (sink, stream) = socket.split();
    let ear = Ear::new(peer, share, account);
    let grace = bridge.settings.stop_grace;
    let talk = Talk::new(&bridge.wakeful);
    let heard = Heard { spoke, bridge, talk: &talk };
    let rest = async {
        tokio::select! {
            never = streams.stderr.drain() => match never {},
            // What it sent before it left is still passed on, for as long as a server may take to end.
            () = async { peer.has_left().await; sleep(grace).await } => End::Left,
            () = bridge.gate.shut_to(principal) => End::Unwelcome,
            () = bridge.stopped() => End::Stopping,
        }
    };
    // Each is looked at only when it was woken itself: a message is one of the first two's affair.
    let mut each = FuturesUnordered::<BoxFuture<'_, End>>::new();
    each.push(Box::pin(from_client(stream, first, stdin, &ear, &talk)));
    each.push(Box::pin(from_server(streams.stdout, streams.share, sink, &ear, heard)));
    each.push(Box::pin(rest));
    // There are three, and the first that ends is the end.
    each.next().await.unwrap_or(End::Left)
}

/// The client's next message as a line, without its end.
async fn next_line(
    stream: &mut (impl Stream<Item = Result<Message, Error>> + Unpin),
    ear: &Ear<'_>,
) -> Result<Bytes, End> {
    loop {
        ear.listen();
        let message = stream.next().await;
        ear.turn_away();
        let mut line = match message {
            Some(Ok(Message::Text(text))) => Bytes::from(text),
            Some(Ok(Message::Binary(_))) => return Err(End::Binary),
            Some(Ok(_)) => continue,
            None => return Err(End::Left),
            Some(Err(error)) => return Err(end_of(error)),
        };
        ear.account.hears(line.len());
        if line.ends_with(b"\n") {
            line.truncate(line.len() - 1);
        }
        if memchr::memchr2(b'\n', b'\r', &line).is_some() {
            return Err(End::SeveralLines);
        }
        return Ok(line);
    }
}

async fn from_client(
    mut stream: impl Stream<Item = Result<Message, Error>> + Unpin,
    first: Bytes,
    stdin: &mut ChildStdin,
    ear: &Ear<'_>,
    talk: &Talk<'_>,
) -> End {
    let mut line = first;
    loop {
        talk.hears(&line);
        if write_line(stdin, line).await.is_err() {
            // Its last words are still on their way, and the end of its output says more.
            sleep(LAST_WORDS).await;
            return End::Deaf;
        }
        ear.share.release();
        line = match next_line(&mut stream, ear).await {
            Ok(line) => line,
            Err(end) => return end,
        };
    }
}

async fn write_line(stdin: &mut ChildStdin, line: Bytes) -> io::Result<()> {
    stdin.write_all_buf(&mut line.chain(&b"\n"[..])).await
}

async fn from_server(
    stdout: &mut LineReader<Metered<ChildStdout>>,
    share: &Share,
    mut sink: impl Sink<Message, Error = Error> + Unpin,
    ear: &Ear<'_>,
    mut heard: Heard<'_>,
) -> End {
    let waits = heard.bridge.settings.waits;
    let mut ping = pings(waits.ping);
    loop {
        let sent = tokio::select! {
            line = stdout.next() => match line {
                Ok(Some(line)) => {
                    heard.note(&line);
                    ear.account.says(line.len());
                    let sent = send_line(&mut sink, line).await;
                    heard.talk.says();
                    share.release();
                    sent
                }
                Ok(None) | Err(FrameError::Io(_)) => return End::Ended,
                Err(error) => return End::Unreadable(error),
            },
            _ = ping.tick() => {
                if let Some(end) = given_up(ear, &waits) {
                    return end;
                }
                sink.send(Message::Ping(Bytes::new())).await
            }
        };
        if sent.is_err() {
            return End::Left;
        }
    }
}

/// Pings a client that nobody has anything to say to.
async fn only_ping(mut sink: impl Sink<Message, Error = Error> + Unpin, ear: &Ear<'_>, waits: &Waits) -> End {
    let mut ping = pings(waits.ping);
    loop {
        ping.tick().await;
        if let Some(end) = given_up(ear, waits) {
            return end;
        }
        if sink.send(Message::Ping(Bytes::new())).await.is_err() {
            return End::Left;
        }
    }
}

/// Whether the client is waited for in vain.
fn given_up(ear: &Ear<'_>, waits: &Waits) -> Option<End> {
    let most = 2 * waits.ping;
    if ear.silence() > most {
        return Some(End::Silent(most));
    }
    // A request's body has as long.
    ear.is_dawdling(waits.body).then_some(End::Slow(waits.body))
}

fn pings(every: Duration) -> Interval {
    let mut ping = interval_at(Instant::now() + every, every);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ping
}

/// Whether the server has said anything that a client can use.
struct Heard<'a> {
    spoke: &'a mut bool,
    bridge: &'a Bridge,
    talk: &'a Talk<'a>,
}

impl Heard<'_> {
    fn note(&mut self, line: &str) {
        if !*self.spoke && line.trim_start().starts_with(['{', '[']) {
            *self.spoke = true;
            self.bridge.children.crashes.worked();
        }
    }
}

/// Sends a line as one message: a large one in fragments, because the codec copies a frame and keeps
/// the room that it took.
async fn send_line(
    sink: &mut (impl Sink<Message, Error = Error> + Unpin),
    line: String,
) -> Result<(), Error> {
    let mut rest = Bytes::from(line);
    let mut kind = Data::Text;
    loop {
        let piece = rest.split_to(rest.len().min(PIECE_BYTES));
        let frame = Frame::message(piece, OpCode::Data(kind), rest.is_empty());
        sink.send(Message::Frame(frame)).await?;
        if rest.is_empty() {
            return Ok(());
        }
        kind = Data::Continue;
    }
}

fn end_of(error: Error) -> End {
    match error {
        Error::Capacity(CapacityError::MessageTooLong { size, .. }) => End::TooBig(size),
        Error::Utf8(_) => End::NotUtf8,
        Error::Protocol(error) => match error {
            tokio_tungstenite::tungstenite::error::ProtocolError::ResetWithoutClosingHandshake => End::Left,
            error => End::Protocol(error.to_string()),
        },
        _ => End::Left,
    }
}

fn close_of(end: &End, max: usize) -> (CloseCode, String) {
    match end {
        End::Left => (CloseCode::Normal, String::new()),
        End::Silent(patience) => (CloseCode::Policy, format!("no answer to a ping within {patience:?}")),
        End::Slow(patience) => (
            CloseCode::Policy,
            format!("a message took longer than {patience:?}, and others wait for its room"),
        ),
        End::Stopping => (CloseCode::Away, "the bridge is stopping".to_owned()),
        End::Unwelcome => {
            (CloseCode::Policy, "what let this client in is not in the token file any more".to_owned())
        }
        End::Binary => (CloseCode::Unsupported, "a message is a text frame, not a binary one".to_owned()),
        End::SeveralLines => {
            (CloseCode::Invalid, "a message is one line: no line feed or carriage return inside".to_owned())
        }
        End::TooBig(size) => {
            (CloseCode::Size, format!("a message of {size} bytes; at most {max} are taken (--max-message)"))
        }
        End::NotUtf8 => (CloseCode::Invalid, "a text frame is not UTF-8".to_owned()),
        End::Protocol(words) => (CloseCode::Protocol, words.clone()),
        End::NoServer(error @ PoolError::Spawn { .. }) => (CloseCode::Error, error.to_string()),
        End::NoServer(PoolError::Full(_)) => {
            (CloseCode::Again, "all server processes are in use; try again (--max-children)".to_owned())
        }
        End::NoServer(error) => (CloseCode::Again, error.to_string()),
        End::Ended => (CloseCode::Error, "the server closed its output".to_owned()),
        End::Deaf => (CloseCode::Error, "the server closed its input".to_owned()),
        End::Unreadable(FrameError::TooLong { max }) => {
            (CloseCode::Error, format!("the server sent more than {max} bytes in a line (--max-message)"))
        }
        End::Unreadable(error) => (CloseCode::Error, format!("the server's output cannot be read: {error}")),
    }
}

/// Closes with a reason, and waits a little for the client to have read it: bytes of the client's
/// that nobody read would make the kernel take the reason back.
async fn say_goodbye(mut socket: Socket, code: CloseCode, reason: &str) {
    let mut end = reason.len().min(REASON_BYTES);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    let frame = CloseFrame { code, reason: reason[..end].into() };
    let farewell = async {
        if socket.close(Some(frame)).await.is_err() {
            return;
        }
        loop {
            match socket.next().await {
                Some(Ok(_)) => {}
                // Past a frame that was too big nothing can be told apart any more.
                Some(Err(Error::Capacity(_))) => break,
                None | Some(Err(_)) => return,
            }
        }
        let mut rest = vec![0; 16 * 1024];
        let raw = socket.get_mut();
        while matches!(raw.read(&mut rest).await, Ok(count) if count > 0) {}
    };
    let _ = timeout(GOODBYE, farewell).await;
}
