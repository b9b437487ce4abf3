//! One message without end: chunk after chunk by HTTP, fragment after fragment by WebSocket, so that no
//! length announces it. Whoever takes it has to refuse it at a cap.

use std::io;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::args::{Args, Wire};
use crate::http::{self, Target};
use crate::measure::within;
use crate::message;
use crate::websocket::{self, WebSocket};

/// Bytes of each chunk or fragment.
const PIECE: usize = 64 * 1024;
/// The longest wait for the rest of an answer whose beginning is there.
const REST: Duration = Duration::from_secs(1);

/// Sends up to --bytes; how much was taken, and what was answered.
pub(crate) async fn flood(args: &Args) -> io::Result<Value> {
    if args.wire == Wire::Pipe {
        return Err(io::Error::other("the server alone has no cap"));
    }
    let target = Target::parse(&args.url)?;
    let body = message::body(args.wire, &args.tool, &json!({"text": ""}));
    // Up to where the text stands.
    let start = body.split_once("\"text\":\"").map_or(body.len(), |(before, _)| before.len() + 8);
    let start = &body.as_bytes()[..start];
    let text = vec![b'x'; PIECE];
    let begun = Instant::now();
    let (mut stream, first, piece) = if args.wire == Wire::Ws {
        let stream = WebSocket::open(&target, &args.header).await?.into_stream();
        (stream, websocket::fragment(true, start), websocket::fragment(false, &text))
    } else {
        let stream = http::connect(&target).await?;
        let mut first = head(args, &target).into_bytes();
        first.extend_from_slice(&chunk(start));
        (stream, first, chunk(&text))
    };
    let work = pour(&mut stream, &first, &piece, args.bytes);
    let (taken, answer) = within(args.patience(), work).await?;
    let answered = if args.wire == Wire::Ws {
        websocket::close_code(&answer).map(|code| json!({"closed_with": code}))
    } else {
        let text = String::from_utf8_lossy(&answer);
        text.split(' ')
            .nth(1)
            .and_then(|status| status.parse::<u16>().ok())
            .map(|status| json!({"status": status}))
    };
    Ok(json!({
        "bytes": args.bytes, "taken": taken, "refused": taken < args.bytes, "answered": answered,
        "seconds": begun.elapsed().as_secs_f64(),
    }))
}

/// Until `total` bytes are gone, or something comes back, or the connection ends.
async fn pour(
    stream: &mut TcpStream,
    first: &[u8],
    piece: &[u8],
    total: usize,
) -> io::Result<(usize, Vec<u8>)> {
    stream.write_all(first).await?;
    let (mut reader, mut writer) = stream.split();
    let (mut taken, mut answer) = (0, vec![0; PIECE]);
    let mut length = 0;
    while taken < total {
        tokio::select! {
            biased;
            read = reader.read(&mut answer) => {
                length = read.unwrap_or_default();
                break;
            }
            written = writer.write_all(piece) => match written {
                Ok(()) => taken += PIECE,
                Err(_) => break,
            },
        }
    }
    answer.truncate(length);
    // It may have come in two pieces, and the connection may be gone by now.
    let _ = timeout(REST, reader.read_to_end(&mut answer)).await;
    Ok((taken, answer))
}

fn head(args: &Args, target: &Target) -> String {
    let mut head = format!(
        "POST {} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\
         Accept: application/json, text/event-stream\r\n",
        target.path, target.authority,
    );
    if args.wire == Wire::Modern {
        head.push_str("MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: echo\r\n");
    }
    for header in &args.header {
        head.push_str(header);
        head.push_str("\r\n");
    }
    head.push_str("\r\n");
    head
}

fn chunk(bytes: &[u8]) -> Vec<u8> {
    let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
    chunk.extend_from_slice(bytes);
    chunk.extend_from_slice(b"\r\n");
    chunk
}
