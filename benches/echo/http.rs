//! The least that a bridge over HTTP could do: axum in front of one stdio server, each POST body
//! one line to it and its next line the answer. No sessions, no checks, no limits: the physical
//! limit that the bridges are measured against, not a bridge.
//!
//!     echo-http ADDRESS COMMAND [ARGUMENTS...]

use std::io;
use std::process::Stdio;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::serve::ListenerExt;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{ChildStdin, ChildStdout, Command};
use tokio::sync::{mpsc, oneshot};

/// Calls that wait for the server's attention; further ones wait for room.
const QUEUE: usize = 1024;

/// What a pipe holds.
const PIPE: usize = 64 * 1024;

/// One line for the server, and where its answer goes.
type Call = (Bytes, oneshot::Sender<Vec<u8>>);

#[tokio::main]
async fn main() -> io::Result<()> {
    let mut words = std::env::args().skip(1);
    let (Some(address), Some(program)) = (words.next(), words.next()) else {
        return Err(io::Error::other("usage: echo-http ADDRESS COMMAND [ARGUMENTS...]"));
    };
    let mut server = Command::new(program)
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let (Some(stdin), Some(stdout)) = (server.stdin.take(), server.stdout.take()) else {
        return Err(io::Error::other("the server has no pipes"));
    };
    let (calls, queue) = mpsc::channel(QUEUE);
    let (asked, waiting) = mpsc::channel(QUEUE);
    tokio::spawn(write(stdin, queue, asked));
    tokio::spawn(read(stdout, waiting));
    let router = Router::new().route("/mcp", post(call)).layer(DefaultBodyLimit::disable()).with_state(calls);
    let listener = tokio::net::TcpListener::bind(address).await?.tap_io(|stream| {
        // Without it small answers may wait for the client's delayed acknowledgement.
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, router).await
}

async fn call(State(calls): State<mpsc::Sender<Call>>, body: Bytes) -> Response {
    if body.contains(&b'\n') {
        return (StatusCode::BAD_REQUEST, "one line only").into_response();
    }
    let (tell, told) = oneshot::channel();
    if calls.send((body, tell)).await.is_err() {
        return (StatusCode::BAD_GATEWAY, "the server is gone").into_response();
    }
    match told.await {
        Ok(line) => ([(header::CONTENT_TYPE, "application/json")], line).into_response(),
        Err(_) => (StatusCode::BAD_GATEWAY, "the server is gone").into_response(),
    }
}

/// Lines in the order of their calls, which is the order of the server's answers.
async fn write(
    mut stdin: ChildStdin,
    mut calls: mpsc::Receiver<Call>,
    asked: mpsc::Sender<oneshot::Sender<Vec<u8>>>,
) {
    let mut line = Vec::new();
    while let Some((body, tell)) = calls.recv().await {
        if asked.send(tell).await.is_err() {
            return;
        }
        line.clear();
        // What fits into the pipe goes in one piece, what does not is not copied for that.
        let large = body.len() > PIPE;
        if large && stdin.write_all(&body).await.is_err() {
            return;
        }
        line.extend_from_slice(if large { b"" } else { &body });
        line.push(b'\n');
        if stdin.write_all(&line).await.is_err() {
            return;
        }
    }
}

async fn read(stdout: ChildStdout, mut waiting: mpsc::Receiver<oneshot::Sender<Vec<u8>>>) {
    let mut lines = BufReader::with_capacity(64 * 1024, stdout);
    while let Some(tell) = waiting.recv().await {
        let mut line = Vec::with_capacity(2048);
        if !matches!(lines.read_until(b'\n', &mut line).await, Ok(length) if length > 0) {
            return;
        }
        // The caller may have left.
        let _ = tell.send(line);
    }
}
