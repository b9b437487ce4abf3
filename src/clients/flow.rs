//! Members between brackets: JSON's, YAML's flow style, TOML's inline tables and arrays.

use std::ops::Range;

use super::splice::{Splice, indent, starts_line};

/// How a new member is laid out: on one line, or over several from this indentation.
pub(super) enum Layout<'t> {
    Line,
    Lines(&'t str),
}

/// A collection between brackets.
pub(super) struct Flow<'t> {
    pub(super) text: &'t str,
    /// With the brackets.
    pub(super) span: Range<usize>,
    /// Every member or item.
    pub(super) items: Vec<Range<usize>>,
    /// What a comment to the end of the line starts with.
    pub(super) comment: &'static str,
    /// How much deeper a member of an empty collection goes; without it, it goes onto the same line.
    pub(super) unit: Option<&'t str>,
    pub(super) eol: &'static str,
    /// What is between the brackets and a lone member on one line.
    pub(super) pad: &'static str,
}

impl Flow<'_> {
    /// A new last member.
    pub(super) fn insert(&self, member: &dyn Fn(&Layout<'_>) -> String) -> Vec<Splice> {
        let (text, open, close) = (self.text, self.span.start + 1, self.span.end - 1);
        let tail = open + text[open..close].trim_end().len();
        let eol = self.eol;
        let Some(last) = self.items.last() else {
            let commented = tail > open;
            let Some(unit) = self.unit.or(commented.then_some("  ")) else {
                let item = member(&Layout::Line);
                return vec![(open..close, format!("{}{item}{}", self.pad, self.pad))];
            };
            let outer = indent(text, self.span.start);
            let inner = format!("{outer}{unit}");
            let item = member(&Layout::Lines(&inner));
            return vec![(tail..close, format!("{eol}{inner}{item}{eol}{outer}"))];
        };
        let comma = self.comma_after(last.end, close);
        let (before, after) = if comma.is_some() { ("", ",") } else { (",", "") };
        let end = comma.map_or(last.end, |at| at + 1);
        if starts_line(text, last.start) {
            let inner = indent(text, last.start);
            let item = member(&Layout::Lines(inner));
            return vec![
                (last.end..last.end, before.to_owned()),
                (tail.max(end)..tail.max(end), format!("{eol}{inner}{item}{after}")),
            ];
        }
        vec![(end..end, format!("{before} {}{after}", member(&Layout::Line)))]
    }

    /// Without one member; comments stay.
    pub(super) fn remove(&self, index: usize) -> Vec<Splice> {
        let (text, open, close) = (self.text, self.span.start + 1, self.span.end - 1);
        let item = self.items[index].clone();
        if self.items.len() == 1 {
            let rest = format!("{}{}", &text[open..item.start], &text[item.end..close]);
            if rest.trim_matches([' ', '\t', '\r', '\n', ',']).is_empty() {
                return vec![(open..close, String::new())];
            }
        }
        let mut gone = Vec::new();
        let own = self.comma_after(item.end, close);
        match own {
            Some(comma) => gone.push((comma..comma + 1, String::new())),
            None if index > 0 => {
                let previous = self.comma_after(self.items[index - 1].end, item.start);
                gone.extend(previous.map(|comma| (comma..comma + 1, String::new())));
            }
            None => {}
        }
        let end = own.map_or(item.end, |comma| comma + 1);
        let rest = &text[end..close];
        let clean = rest.trim_start_matches([' ', '\t', '\r']).starts_with('\n') || rest.trim().is_empty();
        let blank = |from: &str| from.len() - from.trim_end_matches([' ', '\t', '\r', '\n']).len();
        let before = if starts_line(text, item.start) {
            if clean && rest.contains('\n') { blank(&text[open..item.start]) } else { 0 }
        } else if index > 0 {
            let from = &text[open..item.start];
            from.len() - from.trim_end_matches([' ', '\t']).len()
        } else {
            0
        };
        let mut start = item.start - before;
        if before > 0 && starts_line(text, item.start) {
            // Blank lines before it stay: only its own line goes.
            let run = &text[start..item.start];
            let newline = run.rfind('\n').unwrap_or(0);
            start += if run[..newline].ends_with('\r') { newline - 1 } else { newline };
        }
        gone.push((start..item.end, String::new()));
        if before == 0 {
            let spaces = rest.len() - rest.trim_start_matches([' ', '\t']).len();
            gone.push((end..end + spaces, String::new()));
        }
        gone
    }

    /// The comma behind a member, past comments.
    fn comma_after(&self, mut at: usize, close: usize) -> Option<usize> {
        while at < close {
            let rest = &self.text[at..close];
            if rest.starts_with(',') {
                return Some(at);
            }
            at += if rest.starts_with(self.comment) {
                rest.find('\n')?
            } else if self.comment == "//" && rest.starts_with("/*") {
                rest.find("*/")? + 2
            } else {
                rest.chars().next()?.len_utf8()
            };
        }
        None
    }
}
