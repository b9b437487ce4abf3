//! A server's stderr: read to the end, so that it never fills, and passed on line by line.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt::Write;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::{Instant, timeout};

/// The longest line that is passed on whole, in bytes; the rest of a longer one is dropped.
const LINE_BYTES: usize = 8 * 1024;
/// What is read at once, in bytes. Held by every server's owner.
const CHUNK_BYTES: usize = 1024;
/// Lines that are passed on at once, and then in each second: a flood is not to fill the log, nor to hold
/// up everybody until the log has been written.
const BURST: u32 = 500;
const PER_SECOND: u32 = 50;
/// The last lines, which are kept to be shown when the server has failed.
const RECENT_LINES: usize = 20;
/// So much of each, in bytes.
const RECENT_BYTES: usize = 1024;

/// Reads a stream and hands its lines, made safe to show, to the log.
#[derive(Debug)]
pub(crate) struct Stderr<R> {
    inner: R,
    line: Vec<u8>,
    cut: bool,
    ended: bool,
    pid: u32,
    recent: VecDeque<String>,
    /// How many lines may be passed on now, as of when, and how many were not.
    allowance: (u32, Instant),
    left_out: u64,
}

impl<R: AsyncRead + Unpin> Stderr<R> {
    pub(crate) fn new(inner: R, pid: u32) -> Self {
        Self {
            inner,
            line: Vec::new(),
            cut: false,
            ended: false,
            pid,
            recent: VecDeque::new(),
            allowance: (BURST, Instant::now()),
            left_out: 0,
        }
    }

    /// Passes lines on for as long as it is polled. Safe to cancel.
    pub(crate) async fn drain(&mut self) -> Infallible {
        let pid = self.pid;
        self.drain_to(|line| tracing::info!("server[{pid}]: {line}")).await
    }

    /// What is still to come of one that has ended, and then the last lines of all.
    pub(crate) async fn recent(&mut self, patience: Duration) -> Vec<String> {
        let pid = self.pid;
        let rest = self.read_to_end(|line| tracing::info!("server[{pid}]: {line}"));
        // Somebody else may hold it open.
        let _ = timeout(patience, rest).await;
        std::mem::take(&mut self.recent).into()
    }

    async fn drain_to(&mut self, out: impl FnMut(&str)) -> Infallible {
        self.read_to_end(out).await;
        std::future::pending().await
    }

    async fn read_to_end(&mut self, mut out: impl FnMut(&str)) {
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

    fn pass_on(&mut self, line: &str, out: &mut impl FnMut(&str)) {
        let (lines, since) = &mut self.allowance;
        let earned = since.elapsed().as_secs() * u64::from(PER_SECOND);
        if let Ok(earned @ 1..) = u32::try_from(earned) {
            *lines = lines.saturating_add(earned).min(BURST);
            *since = Instant::now();
        }
        if *lines == 0 {
            self.left_out += 1;
            return;
        }
        *lines -= 1;
        if self.left_out > 0 {
            out(&format!("… ({} lines left out)", std::mem::take(&mut self.left_out)));
        }
        out(line);
    }

    fn emit(&mut self, out: &mut impl FnMut(&str)) {
        let mut shown = shown(self.line.trim_ascii_end());
        if self.cut {
            shown.push_str(" … (cut)");
        }
        self.pass_on(&shown, out);
        if self.recent.len() == RECENT_LINES {
            self.recent.pop_front();
        }
        shown.truncate(shown.floor_char_boundary(RECENT_BYTES));
        self.recent.push_back(shown);
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
    async fn of_a_flood_the_last_lines_are_kept_and_of_each_its_beginning() {
        let mut bytes: Vec<u8> = (0..100).flat_map(|n| format!("line {n}\n").into_bytes()).collect();
        bytes.extend_from_slice("é".repeat(RECENT_BYTES).as_bytes());
        let recent = Stderr::new(&bytes[..], 1).recent(Duration::from_secs(20)).await;
        assert_eq!(recent.len(), RECENT_LINES);
        assert_eq!(recent[0], "line 81");
        assert_eq!(recent[RECENT_LINES - 1], "é".repeat(RECENT_BYTES / 2));
    }

    #[tokio::test]
    async fn of_a_flood_so_many_lines_are_passed_on_and_the_rest_is_counted() {
        let flood = b"e\n".repeat(BURST as usize + 70);
        assert_eq!(lines_of(&flood).await.len(), BURST as usize);
        let (mut lines, mut stderr) = (Vec::new(), Stderr::new(&flood[..], 1));
        stderr.read_to_end(|line| lines.push(line.to_owned())).await;
        stderr.allowance.1 -= Duration::from_secs(1);
        stderr.take(b"calm\n", &mut |line: &str| lines.push(line.to_owned()));
        assert_eq!(lines[BURST as usize..], ["… (70 lines left out)", "calm"]);
    }

    #[tokio::test]
    async fn control_characters_are_spelt_out() {
        assert_eq!(lines_of(b"\x1b[2Jgone\xff\n").await, ["\\u{1b}[2Jgone\u{fffd}"]);
    }
}
