//! The least that a bridge over WebSocket could do: one stdio server for each connection, each text frame one line to
//! it and each of its lines a frame. No checks, no limits, no pings: the physical limit that the bridges are measured
//! against, not a bridge.
//!
//!     echo-ws ADDRESS COMMAND [ARGUMENTS...]

use std::io;
use std::process::Stdio;

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio_tungstenite::accept_async_with_config;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

/// What is read from a client at once.
const READ: usize = 6 * 1024;
/// What a pipe holds, and what is read from one at once.
const PIPE: usize = 64 * 1024;

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [address, command @ ..] = &words[..] else {
        return Err(io::Error::other("usage: echo-ws ADDRESS COMMAND [ARGUMENTS...]"));
    };
    let listener = TcpListener::bind(address).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        let command = command.to_vec();
        // A client that breaks off is its own affair.
        tokio::spawn(async move { serve(stream, &command).await });
    }
}

async fn serve(stream: TcpStream, command: &[String]) -> io::Result<()> {
    // Without it small answers may wait for the client's delayed acknowledgement.
    stream.set_nodelay(true)?;
    let config = WebSocketConfig::default()
        .max_message_size(None)
        .max_frame_size(None)
        .read_buffer_size(READ)
        .write_buffer_size(0);
    let socket = accept_async_with_config(stream, Some(config)).await.map_err(io::Error::other)?;
    let (mut to_client, mut from_client) = socket.split();
    let [program, arguments @ ..] = command else { return Err(io::ErrorKind::InvalidInput.into()) };
    let mut server = Command::new(program);
    server.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut server = server.spawn()?;
    let (Some(mut stdin), Some(stdout)) = (server.stdin.take(), server.stdout.take()) else {
        return Err(io::ErrorKind::BrokenPipe.into());
    };
    let mut stdout = BufReader::with_capacity(PIPE, stdout);
    let inwards = async {
        while let Some(Ok(message)) = from_client.next().await {
            if let Message::Text(text) = message {
                let mut line = Vec::with_capacity(text.len() + 1);
                line.extend_from_slice(text.as_bytes());
                line.push(b'\n');
                stdin.write_all(&line).await?;
            }
        }
        Ok(())
    };
    let outwards = async {
        loop {
            let mut line = String::with_capacity(2048);
            if stdout.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            line.truncate(line.trim_end_matches('\n').len());
            to_client.send(Message::Text(line.into())).await.map_err(io::Error::other)?;
        }
    };
    tokio::select! {
        done = inwards => done,
        done = outwards => done,
    }
}
