//! A WebSocket's large frames in pieces, as if the client had sent them as fragments (RFC 6455 §5.4).
//!
//! The codec above makes room for a whole frame and keeps it for as long as the connection lives;
//! of pieces it keeps one. And here, where a frame's length is seen before its payload, a large
//! message can be made to wait. Whatever breaks the protocol is passed on for the codec to judge.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{self, AsyncBufRead, AsyncRead, AsyncWrite, BufReader, ReadBuf};

use super::budget::Share;

/// The longest payload of a frame that is passed on; a multiple of the mask's four bytes, so that
/// the mask fits each piece.
pub(crate) const PIECE_BYTES: usize = 64 * 1024;
/// The longest head of a frame, in bytes.
const HEAD_BYTES: usize = 14;
const FIN: u8 = 0x80;
/// The bit of the opcode that control frames have.
const CONTROL: u8 = 0x08;

/// The stream of a client's frames.
#[derive(Debug)]
pub(crate) struct Pieces<S> {
    inner: BufReader<S>,
    share: Arc<Share>,
    max_message: usize,
    /// The head that is being read, and how much of it has come.
    head: ([u8; HEAD_BYTES], usize),
    /// The head of a piece that is to be passed on.
    out: Vec<u8>,
    /// Payload that is to come: of this piece, and of the frame after it.
    piece: usize,
    rest: usize,
    mask: Vec<u8>,
    fin: u8,
}

impl<S: AsyncRead + Unpin> Pieces<S> {
    pub(crate) fn new(inner: S, buffer: usize, max_message: usize, share: Arc<Share>) -> Self {
        Self {
            inner: BufReader::with_capacity(buffer, inner),
            share,
            max_message,
            head: ([0; HEAD_BYTES], 0),
            out: Vec::new(),
            piece: 0,
            rest: 0,
            mask: Vec::new(),
            fin: 0,
        }
    }

    /// Takes one byte of a frame's head; once it is whole, `out` has the head of its first piece.
    fn take_head(&mut self, byte: u8) {
        let (head, have) = &mut self.head;
        head[*have] = byte;
        *have += 1;
        if *have < 2 {
            return;
        }
        let extended = match head[1] & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let mask = if head[1] & 0x80 == 0 { 0 } else { 4 };
        if *have < 2 + extended + mask {
            return;
        }
        let length = match extended {
            0 => u64::from(head[1] & 0x7f),
            _ => head[2..2 + extended].iter().fold(0, |length, &byte| length << 8 | u64::from(byte)),
        };
        let (first, whole) = (head[0], head[..*have].to_vec());
        *have = 0;
        // Past what memory holds, the codec refuses it by its head.
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        (self.piece, self.rest) = (length, 0);
        self.out = whole;
        if first & CONTROL != 0 || length > self.max_message {
            return;
        }
        self.share.grow(length);
        if length > PIECE_BYTES {
            self.fin = first & FIN;
            self.mask = self.out[2 + extended..].to_vec();
            (self.piece, self.rest) = (PIECE_BYTES, length - PIECE_BYTES);
            self.head_of_piece(first & !FIN);
        }
    }

    fn next_piece(&mut self) {
        self.piece = self.rest.min(PIECE_BYTES);
        self.rest -= self.piece;
        self.head_of_piece(if self.rest == 0 { self.fin } else { 0 });
    }

    fn head_of_piece(&mut self, first: u8) {
        let masked = if self.mask.is_empty() { 0 } else { 0x80 };
        self.out = vec![first, masked | 127];
        self.out.extend_from_slice(&(self.piece as u64).to_be_bytes());
        self.out.extend_from_slice(&self.mask);
    }

    /// Payload that has come already.
    fn pass_on(&mut self, into: &mut ReadBuf<'_>) {
        let bytes = self.inner.buffer();
        let count = bytes.len().min(self.piece).min(into.remaining());
        into.put_slice(&bytes[..count]);
        Pin::new(&mut self.inner).consume(count);
        self.piece -= count;
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Pieces<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        // Never past the end of a frame: the next one is looked at when this one has been passed on.
        loop {
            if !this.out.is_empty() {
                let count = this.out.len().min(into.remaining());
                into.put_slice(&this.out[..count]);
                this.out.drain(..count);
                // What came with the head goes with it.
                if this.out.is_empty() && this.piece > 0 && this.share.poll_room(cx).is_ready() {
                    this.pass_on(into);
                }
                return Poll::Ready(Ok(()));
            }
            if this.piece == 0 && this.rest > 0 {
                this.next_piece();
                continue;
            }
            if this.piece > 0 {
                ready!(this.share.poll_room(cx));
                // Past what came with the head, payload needs no buffer of ours.
                if this.inner.buffer().is_empty() {
                    let most = this.piece.min(into.remaining());
                    let mut direct = ReadBuf::new(into.initialize_unfilled_to(most));
                    ready!(Pin::new(this.inner.get_mut()).poll_read(cx, &mut direct))?;
                    let count = direct.filled().len();
                    into.advance(count);
                    this.piece -= count;
                } else {
                    this.pass_on(into);
                }
                return Poll::Ready(Ok(()));
            }
            let bytes = ready!(Pin::new(&mut this.inner).poll_fill_buf(cx))?;
            let Some(&byte) = bytes.first() else { return Poll::Ready(Ok(())) };
            Pin::new(&mut this.inner).consume(1);
            this.take_head(byte);
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Pieces<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridge::budget::Budget;
    use tokio::io::AsyncReadExt;

    const MAX: usize = 1 << 20;

    fn frame(first: u8, length: usize) -> Vec<u8> {
        let mut frame = vec![first];
        match u16::try_from(length) {
            Ok(short @ ..126) => frame.push(0x80 | short.to_be_bytes()[1]),
            Ok(middle) => frame.extend([&[0xfe][..], &middle.to_be_bytes()].concat()),
            Err(_) => frame.extend([&[0xff][..], &(length as u64).to_be_bytes()].concat()),
        }
        frame.extend([1, 2, 3, 4]);
        frame.extend((0..length).map(|at| at.to_le_bytes()[0]));
        frame
    }

    async fn pieces_of(bytes: &[u8]) -> Vec<u8> {
        let mut pieces = Pieces::new(bytes, 1000, MAX, Budget::new(MAX, MAX).share());
        let mut out = Vec::new();
        pieces.read_to_end(&mut out).await.expect("bytes");
        out
    }

    #[tokio::test]
    async fn what_is_not_large_is_passed_on_as_it_is() {
        // Texts of every form of length, a ping in between, and a frame that is too large to be taken.
        let frames =
            [(0x81, 0), (0x81, 125), (0x89, 4), (0x81, 126), (0x01, PIECE_BYTES), (0x80, 3), (0x81, MAX + 1)];
        let bytes = frames.map(|(first, length)| frame(first, length)).concat();
        assert!(pieces_of(&bytes).await == bytes);
    }

    #[tokio::test]
    async fn payload_that_came_with_its_head_goes_with_it_and_not_the_frame_after_it() {
        let bytes = [frame(0x81, 500), frame(0x81, 3)].concat();
        let mut pieces = Pieces::new(&bytes[..], 1000, MAX, Budget::new(MAX, MAX).share());
        let mut into = [0; 1000];
        for from in [0..508, 508..517] {
            let count = pieces.read(&mut into).await.expect("bytes");
            assert_eq!(into[..count], bytes[from]);
        }
    }

    #[tokio::test]
    async fn a_large_frame_comes_as_fragments_of_the_same_message() {
        for (first, last) in [(0x81, 0x80), (0x01, 0x00), (0x80, 0x80)] {
            let whole = frame(first, 2 * PIECE_BYTES + 5);
            let payload = &whole[14..];
            let piece = |first: u8, from: usize, to: usize| {
                let length = (to - from) as u64;
                [&[first, 0xff][..], &length.to_be_bytes(), &[1, 2, 3, 4], &payload[from..to]].concat()
            };
            let expected = [
                piece(first & 0x7f, 0, PIECE_BYTES),
                piece(0, PIECE_BYTES, 2 * PIECE_BYTES),
                piece(last, 2 * PIECE_BYTES, payload.len()),
            ];
            let next = frame(0x81, 2);
            assert!(
                pieces_of(&[whole.clone(), next.clone()].concat()).await
                    == [expected.concat(), next].concat()
            );
        }
    }
}
