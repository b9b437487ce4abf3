//! Changes to a text by the byte, and what its lines look like.

use std::ops::Range;

use super::error::Spot;

/// Bytes, and what stands there afterwards.
pub(super) type Splice = (Range<usize>, String);

/// The text with every splice done. They do not overlap; of two at one place the first stays first.
pub(super) fn spliced(text: &str, mut splices: Vec<Splice>) -> String {
    splices.sort_by_key(|(range, _)| (range.start, range.end));
    let mut out = String::with_capacity(text.len() + 256);
    let mut done = 0;
    for (range, new) in splices {
        out.push_str(&text[done.min(range.start)..range.start]);
        out.push_str(&new);
        done = range.end.max(done);
    }
    out.push_str(&text[done..]);
    out
}

/// Where the line of a byte starts.
pub(super) fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |newline| newline + 1)
}

/// Where the line after that of a byte starts.
pub(super) fn line_end(text: &str, at: usize) -> usize {
    text[at..].find('\n').map_or(text.len(), |newline| at + newline + 1)
}

/// The white space that the line of a byte starts with.
pub(super) fn indent(text: &str, at: usize) -> &str {
    let line = &text[line_start(text, at)..];
    &line[..line.len() - line.trim_start_matches([' ', '\t']).len()]
}

/// Whether nothing but white space is before a byte on its line.
pub(super) fn starts_line(text: &str, at: usize) -> bool {
    text[line_start(text, at)..at].bytes().all(|byte| matches!(byte, b' ' | b'\t'))
}

/// Whole lines at a place where a line starts or the text ends.
pub(super) fn lines_at(text: &str, at: usize, lines: &str) -> Splice {
    if at > 0 && !text[..at].ends_with('\n') {
        let eol = eol(text);
        (at..at, format!("{eol}{}", lines.strip_suffix(eol).unwrap_or(lines)))
    } else {
        (at..at, lines.to_owned())
    }
}

/// Whole lines that go. Where the text ends without a line break, the line that is its last one then
/// has none either.
pub(super) fn lines_gone(text: &str, lines: Range<usize>) -> Splice {
    let mut start = lines.start;
    if lines.end == text.len() && !text.ends_with('\n') {
        start = text[..start]
            .strip_suffix('\n')
            .map_or(start, |rest| rest.strip_suffix('\r').unwrap_or(rest).len());
    }
    (start..lines.end, String::new())
}

/// How the lines of a text end.
pub(super) fn eol(text: &str) -> &'static str {
    match text.find('\n') {
        Some(at) if text[..at].ends_with('\r') => "\r\n",
        _ => "\n",
    }
}

/// The line and column of a byte.
pub(super) fn spot(text: &str, at: usize) -> Spot {
    let at = text.floor_char_boundary(at);
    let start = line_start(text, at);
    Spot {
        line: text[..at].bytes().filter(|byte| *byte == b'\n').count() + 1,
        column: text[start..at].chars().count() + 1,
    }
}
