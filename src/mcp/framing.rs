//! One message per line, bounded, and safe to cancel.

use std::fmt;
use std::future::Future;
use std::io;

use memchr::{memchr, memchr2};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Why no further line can be read.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// A line grew past the bound before its end was seen.
    #[error("a line is longer than {max} bytes")]
    TooLong {
        /// The bound, in bytes, without the line feed.
        max: usize,
    },
    /// A line is not UTF-8, which every message of MCP is.
    #[error("a line is not UTF-8")]
    NotUtf8,
    /// The stream failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The transport answered with something that is no message.
    #[error(transparent)]
    Transport(#[from] TransportError),
}

/// What a transport says in a message's place, in its own words.
#[derive(Debug)]
pub struct TransportError {
    /// Its own error, by which somebody who knows the transport may know more.
    pub error: Box<dyn std::error::Error + Send + Sync>,
    /// Whether it was this message that it did not take, so that another one may fare better.
    pub of_message: bool,
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for TransportError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}

/// Makes a message one line: between the tokens of JSON a line's end is a space like any other, and within
/// a string there is none.
pub fn blank_line_ends(message: &mut [u8]) {
    let mut from = 0;
    while let Some(at) = memchr2(b'\n', b'\r', &message[from..]) {
        message[from + at] = b' ';
        from += at + 1;
    }
}

/// What is read at once of somebody who says much, in bytes. A line of up to so many is copied: the buffer
/// stays, and the line holds no more than itself for as long as somebody keeps it. A longer one takes the
/// buffer along.
const READ: usize = 8 * 1024;
/// What is read at once of all others: thousands of them may wait.
const FIRST_READ: usize = 2 * 1024;

/// Reads lines up to a bound. Dropping the future of [`LineReader::next`] loses nothing: what was
/// read stays in the reader.
#[derive(Debug)]
pub struct LineReader<R> {
    inner: R,
    buffer: Vec<u8>,
    /// Where in `buffer` the next line begins.
    start: usize,
    /// The bytes of `buffer` before this hold no line feed that was not passed.
    scanned: usize,
    max: usize,
    /// Where the line ends that [`LineReader::next_in_place`] has handed out.
    handed_out: Option<usize>,
    /// Whether the last read took all that there was room for.
    filled: bool,
    ended: bool,
}

impl<R: AsyncRead + Unpin> LineReader<R> {
    /// A reader whose lines are at most `max` bytes long, line feed not counted.
    pub fn new(inner: R, max: usize) -> Self {
        Self {
            inner,
            buffer: Vec::new(),
            start: 0,
            scanned: 0,
            max,
            handed_out: None,
            filled: false,
            ended: false,
        }
    }

    /// The next line without its line feed (and without a carriage return before it), or `None`
    /// at the end. A last line without a line feed counts as one. Empty lines are passed over.
    pub async fn next(&mut self) -> Result<Option<String>, FrameError> {
        // Lines that are there already come without a wait: whoever writes them without an end would
        // otherwise be the only one who is heard.
        tokio::task::coop::consume_budget().await;
        self.pass_handed_out();
        loop {
            while let Some(end) = self.find_line()? {
                let line = self.take_line(end)?;
                if !line.is_empty() {
                    return Ok(Some(line));
                }
            }
            if self.ended {
                return Ok(None);
            }
            self.read().await?;
        }
    }

    /// The same, and the line stays where it was read until the next call.
    pub async fn next_in_place(&mut self) -> Result<Option<&str>, FrameError> {
        tokio::task::coop::consume_budget().await;
        self.pass_handed_out();
        let end = loop {
            match self.find_line()? {
                Some(end) => {
                    self.handed_out = Some(end);
                    if !self.without_return(end).is_empty() {
                        break end;
                    }
                    self.pass_handed_out();
                }
                None if self.ended => return Ok(None),
                None => self.read().await?,
            }
        };
        std::str::from_utf8(self.without_return(end)).map(Some).map_err(|_| FrameError::NotUtf8)
    }

    fn without_return(&self, end: usize) -> &[u8] {
        let line = &self.buffer[self.start..end];
        line.strip_suffix(b"\r").unwrap_or(line)
    }

    fn pass_handed_out(&mut self) {
        let Some(end) = self.handed_out.take() else { return };
        let length = end - self.start;
        self.pass(end + 1);
        if length > READ {
            self.buffer = self.buffer.split_off(self.start);
            (self.start, self.scanned) = (0, 0);
        }
    }

    /// Passes over the line that was [`FrameError::TooLong`], its line feed included, keeping none of
    /// it. Safe to cancel: called again, it goes on.
    pub async fn skip_line(&mut self) -> Result<(), FrameError> {
        self.pass_handed_out();
        loop {
            if let Some(end) = memchr(b'\n', &self.buffer[self.start..]) {
                self.pass(self.start + end + 1);
                return Ok(());
            }
            self.pass(self.buffer.len());
            self.buffer.shrink_to(READ);
            if self.ended {
                return Ok(());
            }
            self.read().await?;
        }
    }

    async fn read(&mut self) -> Result<(), FrameError> {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.scanned -= self.start;
            self.start = 0;
        }
        let read = if self.filled { READ } else { FIRST_READ };
        let (length, room) = (self.buffer.len(), self.buffer.capacity());
        // Exactly, so that what is doubled later stays a power of two: of other large sizes glibc keeps the
        // room once they have gone.
        if room < read {
            self.buffer.reserve_exact(read - length);
        } else if room - length < read / 2 {
            self.buffer.reserve(read);
        }
        self.ended = self.inner.read_buf(&mut self.buffer).await? == 0;
        self.filled = self.buffer.len() == self.buffer.capacity();
        Ok(())
    }

    /// For how many bytes there is room.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn room(&self) -> usize {
        self.buffer.capacity()
    }

    /// Where the next line ends, as far as has been read.
    fn find_line(&mut self) -> Result<Option<usize>, FrameError> {
        let end = match memchr(b'\n', &self.buffer[self.scanned..]) {
            Some(found) => self.scanned + found,
            None if self.ended || self.buffer.len() - self.start > self.max => self.buffer.len(),
            None => {
                self.scanned = self.buffer.len();
                return Ok(None);
            }
        };
        if end - self.start > self.max {
            return Err(FrameError::TooLong { max: self.max });
        }
        if end == self.start && end == self.buffer.len() {
            return Ok(None);
        }
        Ok(Some(end))
    }

    fn take_line(&mut self, end: usize) -> Result<String, FrameError> {
        let mut line = if end - self.start <= READ {
            let line = self.buffer[self.start..end].to_vec();
            self.pass(end + 1);
            line
        } else {
            let rest = self.buffer.split_off((end + 1).min(self.buffer.len()));
            let mut line = std::mem::replace(&mut self.buffer, rest);
            line.truncate(end);
            line.drain(..self.start);
            (self.start, self.scanned) = (0, 0);
            line
        };
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        // Some are kept for long: not with the room of all that was read with them.
        line.shrink_to_fit();
        String::from_utf8(line).map_err(|_| FrameError::NotUtf8)
    }

    /// The next line begins there, or at the end.
    fn pass(&mut self, next: usize) {
        self.start = next;
        if next >= self.buffer.len() {
            self.buffer.clear();
            self.start = 0;
        }
        self.scanned = self.start;
    }
}

/// A message as the line that a server reads. Between the tokens of JSON a line feed is a space like any
/// other, and within a string there is none; left where it is, it would end the line, and what stands
/// after it would be a message that nobody looked at.
#[must_use]
pub fn framed(text: String) -> Vec<u8> {
    let mut line = text.into_bytes();
    blank_line_ends(&mut line);
    line.push(b'\n');
    line
}

/// A duplex stream of lines: a server's stdin and stdout, or a WebSocket.
pub trait Lines: Send {
    /// Sends one line, which holds no line feed.
    fn send(&mut self, line: &str) -> impl Future<Output = io::Result<()>> + Send;

    /// The next line, or `None` at the end. Safe to cancel.
    fn receive(&mut self) -> impl Future<Output = Result<Option<String>, FrameError>> + Send;

    /// Takes the request back that was sent last, where the transport has a way of its own to say so;
    /// `false` where only a message can.
    fn withdraw(&mut self) -> bool {
        false
    }

    /// Says goodbye, where the transport has a word for it. Without a deadline of its own.
    fn close(&mut self) -> impl Future<Output = ()> + Send {
        async {}
    }
}

/// [`Lines`] over a byte stream in each direction.
#[derive(Debug)]
pub struct StdioLines<R, W> {
    reader: LineReader<R>,
    writer: W,
}

impl<R: AsyncRead + Unpin + Send, W: AsyncWrite + Unpin + Send> StdioLines<R, W> {
    /// Lines that come from `reader` (a server's stdout) and go to `writer` (its stdin); `max` bounds
    /// an incoming line, in bytes.
    pub fn new(reader: R, writer: W, max: usize) -> Self {
        Self { reader: LineReader::new(reader, max), writer }
    }
}

impl<R: AsyncRead + Unpin + Send, W: AsyncWrite + Unpin + Send> Lines for StdioLines<R, W> {
    async fn send(&mut self, line: &str) -> io::Result<()> {
        let mut framed = Vec::with_capacity(line.len() + 1);
        framed.extend_from_slice(line.as_bytes());
        framed.push(b'\n');
        self.writer.write_all(&framed).await?;
        self.writer.flush().await
    }

    async fn receive(&mut self) -> Result<Option<String>, FrameError> {
        self.reader.next().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn lines_of(bytes: &[u8], max: usize) -> (Vec<String>, Option<String>) {
        let mut reader = LineReader::new(bytes, max);
        let mut lines = Vec::new();
        loop {
            match reader.next().await {
                Ok(Some(line)) => lines.push(line),
                Ok(None) => return (lines, None),
                Err(error) => return (lines, Some(error.to_string())),
            }
        }
    }

    #[tokio::test]
    async fn lines_end_at_a_line_feed_or_at_the_end() {
        let (lines, error) = lines_of(b"a\r\n\n\xc3\xa9 b\nlast", 64).await;
        assert_eq!((lines, error), (vec!["a".into(), "é b".into(), "last".into()], None));
    }

    #[tokio::test]
    async fn a_line_at_the_bound_passes_and_one_byte_more_is_refused() {
        assert_eq!(lines_of(b"1234\n", 4).await, (vec!["1234".into()], None));
        let (lines, error) = lines_of(b"ok\n12345\n", 4).await;
        assert_eq!((lines, error), (vec!["ok".into()], Some("a line is longer than 4 bytes".into())));
    }

    /// Sessions keep lines for clients that come again, and count the bytes of each.
    #[tokio::test]
    async fn a_line_holds_no_more_than_itself() {
        let text = format!("{{}}\n{}\n[]\n", "x".repeat(100_000));
        let mut reader = LineReader::new(text.as_bytes(), 1 << 20);
        while let Some(line) = reader.next().await.expect("a line") {
            assert!(line.capacity() <= line.len() + 1, "{} for {}", line.capacity(), line.len());
        }
    }

    #[tokio::test]
    async fn a_line_in_place_is_the_same_and_the_room_of_a_long_one_goes_with_it() {
        let long = "x".repeat(100_000);
        let text = format!("a\r\n\n{long}\nb\nc\n\u{c3}");
        let mut reader = LineReader::new(text.as_bytes(), 1 << 20);
        for line in ["a", &long, "b"] {
            assert_eq!(reader.next_in_place().await.expect("a line"), Some(line));
        }
        assert!(reader.buffer.capacity() <= 2 * READ, "{}", reader.buffer.capacity());
        assert_eq!(reader.next().await.expect("a line").as_deref(), Some("c"));
        assert_eq!(reader.next_in_place().await.expect("a line"), Some("\u{c3}"));
        assert_eq!(reader.next_in_place().await.expect("the end"), None);
    }

    #[tokio::test]
    async fn a_flood_without_a_line_feed_stops_near_the_bound() {
        let mut reader = LineReader::new(tokio::io::repeat(b'x'), 1024);
        assert!(matches!(reader.next().await, Err(FrameError::TooLong { max: 1024 })));
        assert!(reader.buffer.capacity() < 64 * 1024, "{}", reader.buffer.capacity());
    }

    #[tokio::test]
    async fn a_line_that_is_too_long_can_be_passed_over() {
        let long = "x".repeat(100_000);
        let text = format!("a\n{long}\nb\n{long}");
        let mut reader = LineReader::new(text.as_bytes(), 1024);
        assert_eq!(reader.next().await.expect("a line").as_deref(), Some("a"));
        assert!(matches!(reader.next().await, Err(FrameError::TooLong { .. })));
        reader.skip_line().await.expect("passed over");
        assert_eq!(reader.next().await.expect("a line").as_deref(), Some("b"));
        assert!(matches!(reader.next().await, Err(FrameError::TooLong { .. })));
        reader.skip_line().await.expect("passed over");
        assert_eq!(reader.next().await.expect("the end"), None);
    }

    #[test]
    fn a_message_that_was_laid_out_on_several_lines_is_one_line() {
        assert_eq!(framed("{\r\n \"a\": \"\\n\"}".to_owned()), b"{   \"a\": \"\\n\"}\n");
    }

    #[tokio::test]
    async fn a_cancelled_read_loses_no_byte() {
        let (mut server, client) = tokio::io::duplex(64);
        let mut reader = LineReader::new(client, 64);
        server.write_all(b"hal").await.expect("room");
        let cancelled = tokio::select! { biased; line = reader.next() => Some(line), () = tokio::task::yield_now() => None };
        assert!(cancelled.is_none());
        server.write_all(b"f\n").await.expect("room");
        assert_eq!(reader.next().await.expect("a line").as_deref(), Some("half"));
    }
}
