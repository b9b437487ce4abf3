//! The bridge from outside: real sockets, real processes.

mod admission;
mod chaos;
mod doors;
#[cfg(feature = "orchestrator")]
mod example;
mod guests;
mod leaving;
mod memory;
mod processes;
mod program;
mod readiness;
mod rest;
mod streamable;
mod streaming;
mod telemetry;
mod tls;
mod tools;
mod websocket;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use mcpo_deploy::bridge::{Command, Settings, run};
use rustix::process::{Pid, Signal, kill_process};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

/// No test waits longer for anything; what is waited for takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// What requests are called whose answers are compared in full.
const REQUEST: &str = "a-request";

type Client = WebSocketStream<TcpStream>;

/// A bridge in this process.
pub(super) struct Bridge {
    pub(super) addr: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Bridge {
    pub(super) async fn start(settings: Settings) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let addr = listener.local_addr().expect("an address");
        let (stop, stopped) = oneshot::channel();
        let shutdown = async move {
            let _ = stopped.await;
        };
        Self { addr, stop, task: tokio::spawn(run(vec![listener], settings, shutdown)) }
    }

    /// A bridge in front of a shell script.
    pub(super) async fn of_script(script: &str) -> Self {
        Self::start(of_script(script)).await
    }

    async fn client(&self) -> Client {
        self.try_client(&[]).await.expect("a WebSocket")
    }

    async fn try_client(&self, headers: &[(&'static str, &str)]) -> Result<Client, Error> {
        connect_to(self.addr, headers).await
    }

    pub(super) async fn finish(self) {
        self.stop.send(()).expect("a running bridge");
        timeout(PATIENCE, self.task).await.expect("in time").expect("no panic");
    }
}

async fn connect_to(addr: SocketAddr, headers: &[(&'static str, &str)]) -> Result<Client, Error> {
    let mut request = format!("ws://{addr}/ws").into_client_request()?;
    for (name, value) in [("x-request-id", REQUEST)].iter().chain(headers) {
        request.headers_mut().insert(*name, value.parse().expect("a header"));
    }
    let tcp = TcpStream::connect(addr).await?;
    Ok(timeout(PATIENCE, client_async(request, tcp)).await.expect("in time")?.0)
}

pub(super) fn settings(program: &str, args: &[&str]) -> Settings {
    let args = args.iter().map(|&arg| arg.to_owned()).collect();
    let mut settings = Settings::new(Command { program: program.to_owned(), args });
    settings.stop_grace = Duration::from_millis(400);
    settings
}

pub(super) fn of_script(script: &str) -> Settings {
    settings("/bin/sh", &["-c", script])
}

pub(super) fn of_fixture(dialect: &str) -> Settings {
    settings(fixture().to_str().expect("a UTF-8 path"), &[dialect])
}

/// The server of `tests/fixtures/stdio.rs`, which Cargo builds as an example beside the tests.
fn fixture() -> PathBuf {
    let test = std::env::current_exe().expect("a path");
    let target = test.parent().and_then(|deps| deps.parent()).expect("a target folder");
    let fixture = target.join("examples/stdio-fixture");
    assert!(fixture.is_file(), "build it first: cargo build --example stdio-fixture");
    fixture
}

/// The status of a handshake that was refused.
fn refused(outcome: Result<Client, Error>) -> (u16, String) {
    match outcome {
        Err(Error::Http(response)) => {
            let body = response.body().as_deref().unwrap_or_default();
            (response.status().as_u16(), String::from_utf8_lossy(body).into_owned())
        }
        other => panic!("not refused: {other:?}"),
    }
}

async fn say(client: &mut Client, text: &str) {
    client.send(Message::text(text)).await.expect("an open connection");
}

/// The next text frame.
async fn hear(client: &mut Client) -> String {
    loop {
        match timeout(PATIENCE, client.next()).await.expect("in time").expect("an open connection") {
            Ok(Message::Text(text)) => return text.as_str().to_owned(),
            Ok(Message::Ping(_)) => {}
            other => panic!("not a text: {other:?}"),
        }
    }
}

/// The code and reason with which the bridge closes, passing over what comes before.
async fn closed(client: &mut Client) -> (u16, String) {
    loop {
        match timeout(PATIENCE, client.next()).await.expect("in time") {
            Some(Ok(Message::Close(Some(frame)))) => {
                return (frame.code.into(), frame.reason.as_str().to_owned());
            }
            Some(Ok(_)) => {}
            other => panic!("no reason given: {other:?}"),
        }
    }
}

/// Starts the client's server with an empty message, of which a script of ours takes no notice.
async fn wake(client: &mut Client) {
    say(client, "").await;
}

/// The process id that a script of ours says first.
async fn pid(client: &mut Client) -> u32 {
    wake(client).await;
    hear(client).await.parse().expect("a process id")
}

fn lives(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| stat.rsplit(')').next().is_some_and(|rest| !rest.trim_start().starts_with('Z')))
}

/// Signals a process.
fn send(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("an id");
    kill_process(pid, signal).expect("a running process");
}

/// The children of a process that have not ended, each with its command line.
fn children_of(pid: u32) -> Vec<(u32, String)> {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let ids = children.split_ascii_whitespace().filter_map(|id| id.parse().ok());
    let line = |id: u32| std::fs::read_to_string(format!("/proc/{id}/cmdline")).unwrap_or_default();
    ids.filter(|&id| lives(id)).map(|id| (id, line(id).replace('\0', " "))).collect()
}

/// Waits for a condition that nothing announces.
async fn until(what: &str, condition: impl Fn() -> bool) {
    let seen = async {
        let mut look = tokio::time::interval(Duration::from_millis(5));
        while !condition() {
            look.tick().await;
        }
    };
    timeout(PATIENCE, seen).await.unwrap_or_else(|_| panic!("never happened: {what}"));
}

async fn gone(pid: u32) {
    until("the server process is gone", || !std::path::Path::new(&format!("/proc/{pid}")).exists()).await;
}
