//! A server's stderr: read to the end, so that it never fills, and passed on line by line.

use std::convert::Infallible;
use std::fmt::Write;

use tokio::io::{AsyncRead, AsyncReadExt};

/// The longest line that is passed on whole, in bytes; the rest of a longer one is dropped.
const LINE_BYTES: usize = 8 * 1024;
/// What is read at once, in bytes.
const CHUNK_BYTES: usize = 4 * 1024;

/// Reads a stream and hands its lines, made safe to show, to the log.
#[derive(Debug)]
pub(crate) struct Stderr<R> {
    inner: R,
    line: Vec<u8>,
    cut: bool,
    ended: bool,
    pid: u32,
}

impl<R: AsyncRead + Unpin> Stderr<R> {
    pub(crate) fn new(inner: R, pid: u32) -> Self {
        Self { inner, line: Vec::new(), cut: false, ended: false, pid }
    }

    /// Passes lines on for as long as it is polled. Safe to cancel.
    pub(crate) async fn drain(&mut self) -> Infallible {
        let pid = self.pid;
        self.drain_to(|line| tracing::info!("server[{pid}]: {line}")).await
    }

    async fn drain_to(&mut self, mut out: impl FnMut(&str)) -> Infallible {
        let mut chunk = [0; CHUNK_BYTES];
        while !self.ended {
            match self.inner.read(&mut chunk).await {
                Ok(0) | Err(_) => {
                    self.ended = true;
                    if !self.line.is_empty() {
                        self.emit(&mut out);
                    }
                }
                Ok(count) => self.take(&chunk[..count], &mut out),
            }
        }
        std::future::pending().await
    }

    fn take(&mut self, bytes: &[u8], out: &mut impl FnMut(&str)) {
        for piece in bytes.split_inclusive(|&b| b == b'\n') {
            let (text, ended) = match piece.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (piece, false),
            };
            let room = LINE_BYTES - self.line.len();
            self.cut |= text.len() > room;
            self.line.extend_from_slice(&text[..text.len().min(room)]);
            if ended {
                self.emit(out);
            }
        }
    }

    fn emit(&mut self, out: &mut impl FnMut(&str)) {
        let mut shown = shown(self.line.trim_ascii_end());
        if self.cut {
            shown.push_str(" … (cut)");
        }
        out(&shown);
        self.line.clear();
        self.cut = false;
    }
}

/// A line as it may be shown on a terminal: control characters, with which a server could rewrite
/// the screen or forge lines of ours, are spelt out.
fn shown(line: &[u8]) -> String {
    let mut safe = String::with_capacity(line.len());
    for c in String::from_utf8_lossy(line).chars() {
        if c.is_control() && c != '\t' {
            // Writing to a String cannot fail.
            let _ = write!(safe, "{}", c.escape_default());
        } else {
            safe.push(c);
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn lines_of(bytes: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        let mut stderr = Stderr::new(bytes, 1);
        tokio::select! {
            biased;
            never = stderr.drain_to(|line| lines.push(line.to_owned())) => match never {},
            () = std::future::ready(()) => {}
        }
        lines
    }

    #[tokio::test]
    async fn lines_are_passed_on_and_the_last_one_needs_no_end() {
        assert_eq!(lines_of(b"one\r\ntwo\nlast").await, ["one", "two", "last"]);
    }

    #[tokio::test]
    async fn a_line_past_the_bound_is_cut_and_the_next_one_is_whole() {
        let mut bytes = vec![b'x'; LINE_BYTES];
        bytes.extend_from_slice(b"\n");
        bytes.extend(std::iter::repeat_n(b'y', LINE_BYTES + 1));
        bytes.extend_from_slice(b"\nnext\n");
        let lines = lines_of(&bytes).await;
        assert_eq!(lines[0], "x".repeat(LINE_BYTES));
        assert_eq!(lines[1], format!("{} … (cut)", "y".repeat(LINE_BYTES)));
        assert_eq!(lines[2], "next");
    }

    #[tokio::test]
    async fn control_characters_are_spelt_out() {
        assert_eq!(lines_of(b"\x1b[2Jgone\xff\n").await, ["\\u{1b}[2Jgone\u{fffd}"]);
    }
}
