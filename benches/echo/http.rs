//! The least that a bridge over HTTP could do: axum in front of a stdio server, each POST body one line
//! to it and its next line the answer. No sessions, no checks, no limits: the physical limits that the
//! bridges are measured against, not a bridge.
//!
//!     echo-http ADDRESS [--alone SERVERS] COMMAND [ARGUMENTS...]
//!
//! All calls share one server, which is how fast it can be; with `--alone` each call has one of so many
//! to itself, which is how fast it can be where no call may see what the server says to another.

use std::io;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::serve::ListenerExt;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::{Semaphore, mpsc, oneshot};

/// Calls that wait for the server's attention; further ones wait for room.
const QUEUE: usize = 1024;

/// What a pipe holds, and what is read from one at once.
const PIPE: usize = 64 * 1024;

/// One line for the server, and where its answer goes.
type Call = (Bytes, oneshot::Sender<Vec<u8>>);

#[tokio::main]
async fn main() -> io::Result<()> {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    let alone = match words.get(1).map(String::as_str) {
        Some("--alone") => words.drain(1..3).next_back().and_then(|servers| servers.parse::<usize>().ok()),
        _ => None,
    };
    let [address, program, arguments @ ..] = &words[..] else {
        return Err(io::Error::other("usage: echo-http ADDRESS [--alone SERVERS] COMMAND [ARGUMENTS...]"));
    };
    let start = || {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn()
    };
    let mut kept = Vec::new();
    let router = if let Some(servers) = alone {
        let mut free = Vec::with_capacity(servers);
        for _ in 0..servers {
            let mut server = start()?;
            free.push(pipes(&mut server)?);
            kept.push(server);
        }
        let pool = Pool { free: Mutex::new(free), left: Semaphore::new(servers) };
        Router::new().route("/mcp", post(call_alone)).with_state(Arc::new(pool))
    } else {
        let mut server = start()?;
        let Pipes { stdin, stdout } = pipes(&mut server)?;
        kept.push(server);
        let (calls, queue) = mpsc::channel(QUEUE);
        let (asked, waiting) = mpsc::channel(QUEUE);
        tokio::spawn(write(stdin, queue, asked));
        tokio::spawn(read(stdout, waiting));
        Router::new().route("/mcp", post(call)).with_state(calls)
    };
    let listener = tokio::net::TcpListener::bind(address).await?.tap_io(|stream| {
        // Without it small answers may wait for the client's delayed acknowledgement.
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, router.layer(DefaultBodyLimit::disable())).await
}

/// A server's input and output.
struct Pipes {
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

fn pipes(server: &mut Child) -> io::Result<Pipes> {
    match (server.stdin.take(), server.stdout.take()) {
        (Some(stdin), Some(stdout)) => Ok(Pipes { stdin, stdout: BufReader::with_capacity(PIPE, stdout) }),
        _ => Err(io::Error::other("the server has no pipes")),
    }
}

fn gone() -> Response {
    (StatusCode::BAD_GATEWAY, "the server is gone").into_response()
}

fn answer(line: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], line).into_response()
}

async fn call(State(calls): State<mpsc::Sender<Call>>, body: Bytes) -> Response {
    if body.contains(&b'\n') {
        return (StatusCode::BAD_REQUEST, "one line only").into_response();
    }
    let (tell, told) = oneshot::channel();
    if calls.send((body, tell)).await.is_err() {
        return gone();
    }
    told.await.map_or_else(|_| gone(), answer)
}

/// Servers that nobody uses just now.
struct Pool {
    free: Mutex<Vec<Pipes>>,
    left: Semaphore,
}

async fn call_alone(State(pool): State<Arc<Pool>>, body: Bytes) -> Response {
    if body.contains(&b'\n') {
        return (StatusCode::BAD_REQUEST, "one line only").into_response();
    }
    let Ok(_turn) = pool.left.acquire().await else { return gone() };
    let free = || pool.free.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(mut server) = free().pop() else { return gone() };
    let line = exchange(&mut server, &body).await;
    free().push(server);
    line.map_or_else(|_| gone(), answer)
}

async fn exchange(server: &mut Pipes, body: &[u8]) -> io::Result<Vec<u8>> {
    put(&mut server.stdin, body, &mut Vec::new()).await?;
    let mut line = Vec::with_capacity(2048);
    server.stdout.read_until(b'\n', &mut line).await?;
    Ok(line)
}

/// What fits into the pipe goes in one piece, what does not is not copied for that.
async fn put(stdin: &mut ChildStdin, body: &[u8], line: &mut Vec<u8>) -> io::Result<()> {
    line.clear();
    let large = body.len() > PIPE;
    if large {
        stdin.write_all(body).await?;
    }
    line.extend_from_slice(if large { b"" } else { body });
    line.push(b'\n');
    stdin.write_all(line).await
}

/// Lines in the order of their calls, which is the order of the server's answers.
async fn write(
    mut stdin: ChildStdin,
    mut calls: mpsc::Receiver<Call>,
    asked: mpsc::Sender<oneshot::Sender<Vec<u8>>>,
) {
    let mut line = Vec::new();
    while let Some((body, tell)) = calls.recv().await {
        if asked.send(tell).await.is_err() || put(&mut stdin, &body, &mut line).await.is_err() {
            return;
        }
    }
}

async fn read(mut lines: BufReader<ChildStdout>, mut waiting: mpsc::Receiver<oneshot::Sender<Vec<u8>>>) {
    while let Some(tell) = waiting.recv().await {
        let mut line = Vec::with_capacity(2048);
        if !matches!(lines.read_until(b'\n', &mut line).await, Ok(length) if length > 0) {
            return;
        }
        // The caller may have left.
        let _ = tell.send(line);
    }
}
