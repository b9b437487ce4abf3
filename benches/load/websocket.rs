//! A WebSocket client of its own (RFC 6455), without extensions, which reuses its buffers.

use std::io;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::http::{self, Target};

/// Room made for each read.
const READ: usize = 64 * 1024;
/// A mask has to be unpredictable only where a browser's page chooses the bytes.
const MASK: [u8; 4] = [0x5a, 0x13, 0xc7, 0x2e];

/// The bit of a message's last frame.
const FINAL: u8 = 0x80;
const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

#[derive(Debug)]
pub(crate) struct WebSocket {
    stream: TcpStream,
    input: BytesMut,
    message: Vec<u8>,
    output: Vec<u8>,
}

impl WebSocket {
    pub(crate) async fn open(target: &Target, headers: &[String]) -> io::Result<Self> {
        let stream = http::connect(target).await?;
        let mut socket = Self { stream, input: BytesMut::new(), message: Vec::new(), output: Vec::new() };
        let mut request = format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
            target.path, target.authority,
        );
        for header in headers {
            request.push_str(header);
            request.push_str("\r\n");
        }
        request.push_str("\r\n");
        socket.stream.write_all(request.as_bytes()).await?;
        let head = http::read_head(&mut socket.stream, &mut socket.input).await?;
        if head.status == 101 {
            Ok(socket)
        } else {
            Err(io::Error::other(format!("no upgrade: status {}", head.status)))
        }
    }

    /// The connection alone, for what is no proper message.
    pub(crate) fn into_stream(self) -> TcpStream {
        self.stream
    }

    pub(crate) async fn send(&mut self, message: &[u8]) -> io::Result<()> {
        self.frame(TEXT, message).await
    }

    /// The next message; pings are answered on the way.
    pub(crate) async fn receive(&mut self) -> io::Result<&[u8]> {
        self.message.clear();
        loop {
            let (first, length) = self.frame_head().await?;
            self.fill(length).await?;
            match first & 0x0f {
                PING => {
                    let payload = self.input.split_to(length);
                    self.frame(PONG, &payload).await?;
                }
                PONG => self.input.advance(length),
                CLOSE => {
                    let code = if length >= 2 { self.input.get_u16() } else { 1005 };
                    return Err(io::Error::other(format!("closed with {code}")));
                }
                _ => {
                    self.message.extend_from_slice(&self.input[..length]);
                    self.input.advance(length);
                    if first & FINAL != 0 {
                        return Ok(&self.message);
                    }
                }
            }
        }
    }

    pub(crate) async fn close(mut self) {
        // The peer may be gone already. What it still says does not matter, that it hangs up does.
        if self.frame(CLOSE, &1000_u16.to_be_bytes()).await.is_ok() {
            while self.receive().await.is_ok() {}
        }
    }

    async fn frame(&mut self, kind: u8, payload: &[u8]) -> io::Result<()> {
        self.output.clear();
        append(&mut self.output, FINAL | kind, payload);
        self.stream.write_all(&self.output).await
    }

    /// The first byte and the payload's length, taken from the input.
    async fn frame_head(&mut self) -> io::Result<(u8, usize)> {
        self.fill(2).await?;
        let (first, second) = (self.input.get_u8(), self.input.get_u8());
        let length = match second & 0x7f {
            126 => {
                self.fill(2).await?;
                u64::from(self.input.get_u16())
            }
            127 => {
                self.fill(8).await?;
                self.input.get_u64()
            }
            short => u64::from(short),
        };
        usize::try_from(length).map(|length| (first, length)).map_err(io::Error::other)
    }

    async fn fill(&mut self, length: usize) -> io::Result<()> {
        while self.input.len() < length {
            self.input.reserve(READ.max(length - self.input.len()));
            if self.stream.read_buf(&mut self.input).await? == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "closed without a word"));
            }
        }
        Ok(())
    }
}

/// A frame that is not its message's last.
pub(crate) fn fragment(first: bool, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    append(&mut frame, if first { TEXT } else { CONTINUATION }, payload);
    frame
}

/// Of a close frame that `bytes` begin with.
pub(crate) fn close_code(bytes: &[u8]) -> Option<u16> {
    match bytes {
        [kind, length, high, low, ..] if *kind == FINAL | CLOSE && *length >= 2 => {
            Some(u16::from_be_bytes([*high, *low]))
        }
        _ => None,
    }
}

/// Always masked, which is the highest bit of the length's first byte.
fn append(output: &mut Vec<u8>, first: u8, payload: &[u8]) {
    output.push(first);
    match payload.len() {
        length @ 0..=125 => output.push(0x80 | u8::try_from(length).unwrap_or_default()),
        length @ 126..=0xffff => {
            output.push(0xfe);
            output.extend_from_slice(&u16::try_from(length).unwrap_or_default().to_be_bytes());
        }
        length => {
            output.push(0xff);
            output.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    output.extend_from_slice(&MASK);
    let start = output.len();
    output.extend_from_slice(payload);
    mask(&mut output[start..]);
}

fn mask(payload: &mut [u8]) {
    let (words, rest) = payload.as_chunks_mut::<4>();
    for word in words {
        *word = (u32::from_ne_bytes(*word) ^ u32::from_ne_bytes(MASK)).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(MASK) {
        *byte ^= mask;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_masked_and_its_length_written_as_short_as_can_be() {
        for (length, head) in [(5, 6), (125, 6), (126, 8), (65_535, 8), (65_536, 14)] {
            let payload = vec![b'a'; length];
            let frame = fragment(true, &payload);
            assert_eq!(frame.len(), head + length);
            let unmasked = frame[head..].iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask);
            assert!(unmasked.eq(payload), "{length}");
        }
    }

    #[test]
    fn a_close_frame_says_its_code() {
        assert_eq!(close_code(&[0x88, 2, 0x03, 0xf1]), Some(1009));
        assert_eq!(close_code(&[0x81, 2, 0x03, 0xf1]), None);
    }
}
