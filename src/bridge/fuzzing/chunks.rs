//! A stream whose bytes come in pieces, with pauses between them.

use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use tokio::io::{self, AsyncRead, ReadBuf};

/// Gives its bytes in pieces of these sizes, over and over; where a size is 0, nothing comes for once.
#[derive(Debug)]
pub(super) struct Chunks<'d> {
    bytes: &'d [u8],
    sizes: &'d [u8],
    at: usize,
}

impl<'d> Chunks<'d> {
    pub(super) fn new(bytes: &'d [u8], sizes: &'d [u8]) -> Self {
        // Of pauses alone nothing would ever come.
        let sizes = if sizes.iter().all(|size| *size == 0) { &[255] } else { sizes };
        Self { bytes, sizes, at: 0 }
    }
}

impl AsyncRead for Chunks<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let size = usize::from(self.sizes[self.at % self.sizes.len()]);
        self.at += 1;
        if size == 0 {
            return Poll::Pending;
        }
        // Large ones stand for what a pipe holds.
        let size = if size > 200 { size * 256 } else { size };
        let (now, later) = self.bytes.split_at(size.min(self.bytes.len()).min(into.remaining()));
        into.put_slice(now);
        self.bytes = later;
        Poll::Ready(Ok(()))
    }
}

/// What a future comes to without waiting; it is dropped where it would wait.
pub(super) fn at_once<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}
