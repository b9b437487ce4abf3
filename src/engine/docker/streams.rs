//! The standard streams of a container for threads that block: a byte that comes goes on at once, by the
//! thread that read it. Over a local socket the engine's stream is spoken as it is
//! (`POST /containers/…/attach`, "Stream format" of the Engine API); over everything else by the library.

use std::io::{self, Read};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use bollard::container::LogOutput;
use futures_util::{Stream, StreamExt};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::runtime::Handle;

use super::Docker;
use crate::engine::error::EngineError;

/// The streams of a container that was created and not started yet.
pub struct Streams {
    /// Its standard input.
    pub input: Arc<dyn Input>,
    /// Its standard output and standard error.
    pub output: Box<dyn Output>,
}

/// The way into a container.
pub trait Input: Send + Sync {
    /// Writes all of it.
    fn write(&self, bytes: &[u8]) -> io::Result<()>;
    /// Half-closes: the program sees the end of its input.
    fn close(&self);
}

/// The way out of a container.
pub trait Output: Send {
    /// Hands everything that it writes to `sink` until it has ended, or `sink` fails.
    fn copy(self: Box<Self>, sink: &mut Sink<'_>) -> io::Result<()>;
}

/// Where output goes.
pub type Sink<'a> = dyn FnMut(Standard, &[u8]) -> io::Result<()> + 'a;

/// A stream that a program writes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standard {
    /// Standard output.
    Out,
    /// Standard error.
    Error,
}

/// How much is read at a time.
pub(super) const BUFFER: usize = 64 * 1024;
/// A frame's head: which stream, three zeros, and the length of what follows.
const HEAD: usize = 8;

impl Docker {
    /// Attaches to a container that was created and not started, so that nothing is missed.
    pub async fn streams(&self, name: &str) -> Result<Streams, EngineError> {
        #[cfg(unix)]
        if let Some(socket) = self.endpoint.socket() {
            return super::local::attach(socket, name).await.map_err(|reason| EngineError::Failed {
                what: format!("attach to container {name}"),
                reason: crate::engine::error::Reason(reason.to_string()),
            });
        }
        let attached = self.attached(name).await?;
        Ok(Streams {
            input: Arc::new(AnyInput { way: Mutex::new(attached.input), runtime: Handle::current() }),
            output: Box::new(AnyOutput { frames: attached.output, runtime: Handle::current() }),
        })
    }
}

/// By way of the library.
struct AnyInput {
    way: Mutex<Pin<Box<dyn AsyncWrite + Send>>>,
    runtime: Handle,
}

impl Input for AnyInput {
    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let mut way = self.way.lock().unwrap_or_else(PoisonError::into_inner);
        self.runtime.block_on(async {
            way.write_all(bytes).await?;
            way.flush().await
        })
    }

    fn close(&self) {
        let mut way = self.way.lock().unwrap_or_else(PoisonError::into_inner);
        // One that is closed already is fine.
        let _ = self.runtime.block_on(way.shutdown());
    }
}

struct AnyOutput {
    frames: Pin<Box<dyn Stream<Item = Result<LogOutput, bollard::errors::Error>> + Send>>,
    runtime: Handle,
}

impl Output for AnyOutput {
    fn copy(mut self: Box<Self>, sink: &mut Sink<'_>) -> io::Result<()> {
        while let Some(frame) = self.runtime.block_on(self.frames.next()) {
            match frame.map_err(io::Error::other)? {
                LogOutput::StdErr { message } => sink(Standard::Error, &message)?,
                LogOutput::StdOut { message } => sink(Standard::Out, &message)?,
                // Half a frame, where the connection was cut.
                LogOutput::Console { .. } | LogOutput::StdIn { .. } => {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
        }
        Ok(())
    }
}

/// A connection that frames come from.
pub(super) struct Frames<R> {
    reader: R,
    buffer: Vec<u8>,
    /// What was read and not handed on.
    read: std::ops::Range<usize>,
}

impl<R: Read> Frames<R> {
    /// `begun` was read already, no more than [`BUFFER`].
    pub(super) fn new(reader: R, begun: &[u8]) -> Self {
        let mut buffer = vec![0; BUFFER];
        buffer[..begun.len()].copy_from_slice(begun);
        Self { reader, buffer, read: 0..begun.len() }
    }

    /// Reads on; `false` at the end.
    fn fill(&mut self) -> io::Result<bool> {
        if self.read.start > 0 {
            self.buffer.copy_within(self.read.clone(), 0);
            self.read = 0..self.read.len();
        }
        loop {
            match self.reader.read(&mut self.buffer[self.read.end..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                count => {
                    let count = count?;
                    self.read.end += count;
                    return Ok(count > 0);
                }
            }
        }
    }

    pub(super) fn copy_all(mut self, sink: &mut Sink<'_>) -> io::Result<()> {
        // Of the frame that is being read: where it goes, and how much of it is to come.
        let (mut to, mut left) = (Standard::Out, 0);
        loop {
            let ready = &self.buffer[self.read.clone()];
            if left > 0 && !ready.is_empty() {
                let count = ready.len().min(left);
                sink(to, &ready[..count])?;
                left -= count;
                self.read.start += count;
            } else if left == 0
                && let Some((head, _)) = ready.split_first_chunk::<HEAD>()
            {
                to = if head[0] == 2 { Standard::Error } else { Standard::Out };
                left = u32::from_be_bytes([head[4], head[5], head[6], head[7]]) as usize;
                self.read.start += HEAD;
            } else if !self.fill()? {
                let whole = left == 0 && self.read.is_empty();
                return if whole { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame(stream: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).expect("a short payload").to_be_bytes();
        [&[stream, 0, 0, 0], &length[..], payload].concat()
    }

    /// Gives its bytes in pieces of the sizes that it is told.
    struct Pieces<'a> {
        bytes: &'a [u8],
        sizes: std::iter::Cycle<std::vec::IntoIter<usize>>,
    }

    impl Read for Pieces<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let size = self.sizes.next().unwrap_or(1).min(self.bytes.len()).min(into.len());
            let (now, later) = self.bytes.split_at(size);
            into[..size].copy_from_slice(now);
            self.bytes = later;
            Ok(size)
        }
    }

    fn copied(frames: Frames<impl Read>) -> (Vec<u8>, Vec<u8>, io::Result<()>) {
        let (mut out, mut error) = (Vec::new(), Vec::new());
        let ended = frames.copy_all(&mut |to, bytes| {
            if to == Standard::Out { &mut out } else { &mut error }.extend_from_slice(bytes);
            Ok(())
        });
        (out, error, ended)
    }

    proptest! {
        #[test]
        fn what_comes_in_whatever_pieces_goes_where_it_belongs(
            frames in proptest::collection::vec((1u8..=2, proptest::collection::vec(any::<u8>(), 0..200)), 0..20),
            sizes in proptest::collection::vec(1usize..64, 1..8),
            begun in 0usize..32,
        ) {
            let bytes: Vec<u8> = frames.iter().flat_map(|(stream, payload)| frame(*stream, payload)).collect();
            let (begun, rest) = bytes.split_at(begun.min(bytes.len()));
            let pieces = Pieces { bytes: rest, sizes: sizes.into_iter().cycle() };
            let (out, error, ended) = copied(Frames::new(pieces, begun));
            let of = |stream: u8| -> Vec<u8> {
                frames.iter().filter(|frame| frame.0 == stream).flat_map(|frame| frame.1.clone()).collect()
            };
            prop_assert!(ended.is_ok());
            prop_assert_eq!((out, error), (of(1), of(2)));
        }
    }

    #[test]
    fn a_frame_that_is_longer_than_the_buffer_goes_through_in_parts() {
        let payload = vec![b'x'; 3 * BUFFER + 5];
        let bytes = frame(1, &payload);
        let (out, _, ended) = copied(Frames::new(&bytes[..], b""));
        assert!(ended.is_ok());
        assert_eq!(out.len(), payload.len());
    }

    #[test]
    fn a_connection_that_ends_within_a_frame_was_cut() {
        for bytes in [&frame(1, b"whole")[..9], &frame(1, b"")[..5]] {
            let (_, _, ended) = copied(Frames::new(bytes, b""));
            assert_eq!(ended.expect_err("it was cut").kind(), io::ErrorKind::UnexpectedEof);
        }
    }
}
