//! Edits of TOML, by the statement: `toml_edit`'s own writing would make every line end alike.

use super::error::EditError;
use super::flow::Flow;
use super::json::{children, misfit};
use super::node::{Data, Node, Step, shown, wrapped};
use super::splice::{Splice, eol, line_end, lines_at, lines_gone, spot};
use super::toml_statements::{Header, Statements};
use super::value::{Value, quoted};

/// Refuses a path through a dotted key between brackets (`{ a.b = 1 }`): it has no place of its own.
pub(super) fn check(text: &str, root: &Node, path: &[Step]) -> Result<(), EditError> {
    for depth in 1..=path.len() {
        let Some(node) = root.at(&path[..depth]) else { return Ok(()) };
        if node.flow && matches!(node.data, Data::Map(_)) && !text[node.span.start..].starts_with('{') {
            return Err(EditError::Unusual {
                place: shown(&path[..depth]),
                how: "a dotted key between brackets",
                spot: spot(text, node.span.start),
            });
        }
    }
    Ok(())
}

/// Puts a value at a path; its parents come into being.
pub(super) fn set(text: &str, root: &Node, all: &Statements, path: &[Step], value: &Value) -> Vec<Splice> {
    let (parent, depth) = root.deepest(path);
    let missing = &path[depth..];
    if missing.is_empty() && !parent.flow {
        return replace(text, root, all, path, value);
    }
    if missing.is_empty() || (parent.flow && misfit(parent, missing)) {
        return vec![(parent.span.clone(), inline(&wrapped(missing, value)))];
    }
    let (keys, new) = (names(path), wrapped(&missing[1..], value));
    if parent.flow {
        let pair = if matches!(parent.data, Data::Map(_)) {
            format!("{} = {}", name(&keys[depth]), inline(&new))
        } else {
            inline(&new)
        };
        return brackets(text, parent).insert(&|_| pair.clone());
    }
    let header = all.headers.iter().find(|header| header.path == keys[..depth]);
    let own = header.and_then(|header| all.below(header).last());
    if matches!(value, Value::Map(_)) && own.is_none() {
        let under = |path: &[String]| depth > 0 && path.starts_with(&keys[..depth]);
        let ends = all.headers.iter().filter(|header| under(&header.path));
        let ends = ends.map(|header| all.section(text, header).end);
        let pairs = all.pairs.iter().filter(|pair| under(&pair.path));
        let last = ends.chain(pairs.map(|pair| section_end(text, all, pair.span.start))).max();
        return vec![new_section(text, last.unwrap_or(text.len()), &keys, value)];
    }
    let sibling = all.pairs.iter().rfind(|pair| pair.path.starts_with(&keys[..depth]));
    let (at, above) = match (header, own.or(sibling)) {
        (Some(header), None) => (header.span.end, header.path.len()),
        (Some(header), Some(pair)) if own.is_some() => (pair.span.end, header.path.len()),
        (_, Some(pair)) => {
            (pair.span.end, all.header_of(pair.span.start).map_or(0, |header| header.path.len()))
        }
        (None, None) => (0, 0),
    };
    let at = if at == 0 { 0 } else { line_end(text, at) };
    let pair = format!("{} = {}{}", dotted(&keys[above..=depth]), inline(&new), eol(text));
    vec![lines_at(text, at, &pair)]
}

/// Takes away what is at a path.
pub(super) fn remove(text: &str, root: &Node, all: &Statements, path: &[Step]) -> Vec<Splice> {
    let Some((last, parents)) = path.split_last() else { return Vec::new() };
    let Some(parent) = root.at(parents) else { return Vec::new() };
    let Some((index, _)) = parent.child(last) else { return Vec::new() };
    if parent.flow {
        return brackets(text, parent).remove(index);
    }
    let keys = names(path);
    let sections: Vec<_> = all
        .headers
        .iter()
        .filter(|header| header.path.starts_with(&keys))
        .map(|header| with_blank_before(text, all.section(text, header)))
        .collect();
    let pairs = all.pairs.iter().filter(|pair| pair.path.starts_with(&keys));
    let pairs = pairs.filter(|pair| !sections.iter().any(|section| section.contains(&pair.span.start)));
    let pairs = pairs.map(|pair| pair.span.start..line_end(text, pair.span.end));
    pairs.chain(sections.clone()).map(|gone| lines_gone(text, gone)).collect()
}

/// Another value for what is written as a table over one or more statements.
fn replace(text: &str, root: &Node, all: &Statements, path: &[Step], value: &Value) -> Vec<Splice> {
    let keys = names(path);
    let mut splices = remove(text, root, all, path);
    splices.sort_by_key(|(range, _)| range.start);
    let header = all.headers.iter().find(|header| header.path.starts_with(&keys));
    let header = header.filter(|_| matches!(value, Value::Map(_))).map(|header| header.span.start);
    let place = splices.iter_mut().find(|(range, _)| header.is_none_or(|at| range.contains(&at)));
    if let Some((range, new)) = place {
        *new = if let Some(at) = header {
            format!("{}{}", &text[range.start..at], section(&keys, value, eol(text)))
        } else {
            let above = all.header_of(range.start).map_or(0, |header: &Header| header.path.len());
            format!("{} = {}{}", dotted(&keys[above.min(keys.len() - 1)..]), inline(value), eol(text))
        };
    }
    splices
}

fn section_end(text: &str, all: &Statements, at: usize) -> usize {
    all.header_of(at).map_or_else(
        || {
            let first = all.headers.first().map_or(text.len(), |header| header.span.start);
            let last = all.pairs.iter().rfind(|pair| pair.span.start < first);
            last.map_or(0, |pair| line_end(text, pair.span.end))
        },
        |header| all.section(text, header).end,
    )
}

fn new_section(text: &str, at: usize, keys: &[String], value: &Value) -> Splice {
    let eol = eol(text);
    let blank = if text[..at].trim().is_empty() { "" } else { eol };
    let at = if text.trim().is_empty() { text.len() } else { at };
    lines_at(text, at, &format!("{blank}{}", section(keys, value, eol)))
}

fn section(keys: &[String], value: &Value, eol: &str) -> String {
    let mut out = format!("[{}]{eol}", dotted(keys));
    for (key, value) in value.members() {
        out.extend([name(key), " = ".to_owned(), inline(value), eol.to_owned()]);
    }
    out
}

/// With one blank line above, which came with the section.
fn with_blank_before(text: &str, section: std::ops::Range<usize>) -> std::ops::Range<usize> {
    let before = &text[..section.start];
    let Some(above) = before.strip_suffix('\n') else { return section };
    let above = above.strip_suffix('\r').unwrap_or(above);
    if above.is_empty() || above.ends_with('\n') { above.len()..section.end } else { section }
}

fn names(path: &[Step]) -> Vec<String> {
    path.iter()
        .map(|step| match step {
            Step::Key(key) => key.clone(),
            Step::At(at) => at.to_string(),
        })
        .collect()
}

fn dotted(keys: &[String]) -> String {
    keys.iter().map(|key| name(key)).collect::<Vec<_>>().join(".")
}

fn name(key: &str) -> String {
    let bare = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    if !key.is_empty() && key.bytes().all(bare) { key.to_owned() } else { quoted(key) }
}

/// A value on one line. TOML has no null; an empty text is the nearest.
fn inline(value: &Value) -> String {
    match value {
        Value::Null => "\"\"".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Bare(bare) => bare.clone(),
        Value::Text(text) => quoted(text),
        Value::List(items) => format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", ")),
        Value::Map(members) if members.is_empty() => "{}".to_owned(),
        Value::Map(members) => {
            let pairs: Vec<String> =
                members.iter().map(|(key, value)| format!("{} = {}", name(key), inline(value))).collect();
            format!("{{ {} }}", pairs.join(", "))
        }
    }
}

fn brackets<'t>(text: &'t str, node: &Node) -> Flow<'t> {
    let pad = if matches!(node.data, Data::Map(_)) { " " } else { "" };
    Flow {
        text,
        span: node.span.clone(),
        items: children(node),
        comment: "#",
        unit: None,
        eol: eol(text),
        pad,
    }
}
