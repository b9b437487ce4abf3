//! Large frames of a WebSocket become fragments of at most a piece, all else passes as it is, and how the
//! bytes come in changes nothing.

use tokio::io::AsyncReadExt;

use super::chunks::{Chunks, at_once};
use super::source::Source;
use crate::bridge::budget::Budget;
use crate::bridge::pieces::{PIECE_BYTES, Pieces};

const MAX: usize = 3 * PIECE_BYTES;
/// Of more frames nothing new is learnt.
const FRAMES: usize = 6;

#[derive(Debug)]
struct Frame {
    first: u8,
    mask: Option<[u8; 4]>,
    /// How many bytes say its length.
    extended: usize,
    length: usize,
}

impl Frame {
    fn invented(source: &mut Source<'_>) -> Self {
        let first = source.byte();
        let mask = source.is().then(|| [source.byte(), source.byte(), source.byte(), source.byte()]);
        let near = source.below(8);
        let length = match source.below(9) {
            0 => near,
            1 => 122 + near,
            2 => 1000 + near,
            3 => PIECE_BYTES - 4 + near,
            4 => 2 * PIECE_BYTES - 4 + near,
            5 => MAX - 4 + near,
            6 => PIECE_BYTES + PIECE_BYTES / 2,
            7 => 0xfffc + near,
            _ => 120,
        };
        let least = if length < 126 { 0 } else { 2 };
        let extended = if length > 0xffff || source.below(4) == 3 { 8 } else { least };
        Self { first, mask, extended, length }
    }

    fn head(&self, first: u8, extended: usize, length: usize) -> Vec<u8> {
        let masked = if self.mask.is_some() { 0x80 } else { 0 };
        let mut head = vec![first];
        let length = (length as u64).to_be_bytes();
        match extended {
            0 => head.push(masked | length[7]),
            2 => head.extend([masked | 0x7e, length[6], length[7]]),
            _ => head.extend([&[masked | 0x7f][..], &length].concat()),
        }
        head.extend(self.mask.iter().flatten());
        head
    }

    fn payload(&self) -> Vec<u8> {
        (0..self.length).map(|at| at.to_le_bytes()[0] ^ at.to_le_bytes()[1]).collect()
    }

    fn whole(&self) -> Vec<u8> {
        [self.head(self.first, self.extended, self.length), self.payload()].concat()
    }

    /// What is to be passed on.
    fn expected(&self) -> Vec<u8> {
        let is_control = self.first & 0x08 != 0;
        if is_control || self.length <= PIECE_BYTES || self.length > MAX {
            return self.whole();
        }
        let payload = self.payload();
        let pieces = payload.chunks(PIECE_BYTES);
        let last = pieces.len() - 1;
        let piece = |(at, piece): (usize, &[u8])| {
            let begins = if at == 0 { self.first & 0x7f } else { 0 };
            let ends = if at == last { self.first & 0x80 } else { 0 };
            [&self.head(begins | ends, 8, piece.len()), piece].concat()
        };
        pieces.enumerate().flat_map(piece).collect()
    }
}

pub(super) fn check(data: &[u8]) {
    let mut source = Source::of(data);
    let (buffer, sizes, room) = (1 + source.below(256), source.take(8), 1 + 64 * source.below(256));
    let missing = source.below(8);
    let mut frames = Vec::new();
    while !source.is_empty() && frames.len() < FRAMES {
        frames.push(Frame::invented(&mut source));
    }
    let mut bytes = frames.iter().flat_map(Frame::whole).collect::<Vec<u8>>();
    bytes.truncate(bytes.len().saturating_sub(missing));
    let expected = frames.iter().flat_map(Frame::expected).collect::<Vec<u8>>();
    let out = read(&bytes, sizes, buffer, room);
    // The stream may break off in a frame's head; what of its payload had come is passed on.
    let at_least = expected.len().saturating_sub(missing + 14);
    let is_beginning = expected.starts_with(&out) && out.len() >= at_least;
    assert!(is_beginning && (missing > 0 || out.len() == expected.len()), "{missing} missing of {frames:?}");
}

fn read(bytes: &[u8], sizes: &[u8], buffer: usize, room: usize) -> Vec<u8> {
    let share = Budget::new(MAX, MAX).share();
    let mut pieces = Pieces::new(Chunks::new(bytes, sizes), buffer, MAX, share);
    let (mut out, mut into) = (Vec::new(), vec![0; room]);
    loop {
        match at_once(pieces.read(&mut into)) {
            None => {}
            Some(Ok(0)) => return out,
            Some(Ok(count)) => out.extend_from_slice(&into[..count]),
            Some(Err(error)) => panic!("the stream does not fail: {error}"),
        }
    }
}
