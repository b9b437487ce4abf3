//! Lines are the same in whatever pieces they come, and no more is held of them than may be.

use super::chunks::{Chunks, at_once};
use super::source::Source;
use crate::mcp::{FrameError, LineReader};

/// What a reader makes of a line.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    Line(String),
    TooLong,
    NotUtf8,
}

/// How a line is read.
#[derive(Debug, Clone, Copy)]
enum Way {
    Taken,
    InPlace,
}

pub(super) fn check(data: &[u8]) {
    let mut source = Source::of(data);
    let max = source.pick(&[0, 1, 4, 64, 1000, 9000, 70_000]);
    let sizes = source.take(8);
    let mut bytes = Vec::new();
    for &byte in source.rest() {
        match byte {
            // Long lines of few bytes.
            1 => bytes.resize(bytes.len() + 4096, b'x'),
            byte => bytes.push(byte),
        }
    }
    for ways in [&[Way::Taken][..], &[Way::InPlace], &[Way::InPlace, Way::Taken]] {
        let found = read(&bytes, sizes, max, ways);
        assert_eq!(found, naively(&bytes, max), "at most {max}, in pieces of {sizes:?}, {ways:?}");
    }
}

fn naively(bytes: &[u8], max: usize) -> Vec<Found> {
    let read = |line: &[u8]| {
        if line.len() > max {
            return Some(Found::TooLong);
        }
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let line = (!line.is_empty()).then(|| String::from_utf8(line.to_vec()))?;
        Some(line.map_or(Found::NotUtf8, Found::Line))
    };
    bytes.split(|&byte| byte == b'\n').filter_map(read).collect()
}

/// Every wait of the reader is cancelled; `ways` are taken in turn.
fn read(bytes: &[u8], sizes: &[u8], max: usize, ways: &[Way]) -> Vec<Found> {
    let mut reader = LineReader::new(Chunks::new(bytes, sizes), max);
    let mut found = Vec::new();
    for way in ways.iter().cycle() {
        let next = match way {
            Way::Taken => at_once(reader.next()),
            Way::InPlace => {
                at_once(async { reader.next_in_place().await.map(|line| line.map(str::to_owned)) })
            }
        };
        // What is read at once, and twice that where the buffer grows.
        assert!(reader.room() <= 2 * (max + 8 * 1024), "{} for lines of {max}", reader.room());
        match next {
            None => {}
            Some(Ok(None)) => return found,
            Some(Ok(Some(line))) => {
                assert!(line.capacity() <= line.len() + 1, "{} for {}", line.capacity(), line.len());
                found.push(Found::Line(line));
            }
            Some(Err(FrameError::NotUtf8)) => found.push(Found::NotUtf8),
            Some(Err(FrameError::TooLong { .. })) => {
                found.push(Found::TooLong);
                while at_once(reader.skip_line()).is_none() {
                    assert!(reader.room() <= 2 * (max + 8 * 1024), "{} is skipped", reader.room());
                }
            }
            Some(Err(error @ (FrameError::Io(_) | FrameError::Transport(_)))) => {
                panic!("the stream does not fail: {error}")
            }
        }
    }
    unreachable!("the ways go round")
}
