//! Edits of YAML: by lines where the author wrote lines, between brackets where there are brackets.

use super::error::EditError;
use super::flow::{Flow, Layout};
use super::json::{children, misfit};
use super::node::{Data, Node, Step, shown, wrapped};
use super::splice::{Splice, eol, line_end, line_start, lines_at, lines_gone, spot, starts_line};
use super::value::Value;
use super::yaml_reader::{after_colon, repeated};
use super::yaml_writer::{below, block, flow, member, name, scalar};

/// Puts a value at a path; its parents come into being.
pub(super) fn set(text: &str, root: &Node, path: &[Step], value: &Value) -> Result<Vec<Splice>, EditError> {
    alone(text, root, path)?;
    let eol = eol(text);
    let (parent, depth) = root.deepest(path);
    let missing = &path[depth..];
    let (Some(step), false) = (missing.first(), misfit(parent, missing)) else {
        return replace(text, root, &path[..depth], &wrapped(missing, value));
    };
    if parent.is_empty() && !within_flow(root, &path[..depth]) {
        return replace(text, root, &path[..depth], &wrapped(missing, value));
    }
    let value = wrapped(&missing[1..], value);
    if parent.flow {
        let insert = |_: &Layout<'_>| match step {
            Step::Key(key) => member(key, &value),
            Step::At(_) => flow(&value),
        };
        return Ok(brackets(text, parent, eol).insert(&insert));
    }
    let (column, line) = match step {
        Step::Key(key) => {
            let first = &parent.members()[0].name;
            if first.is_empty() {
                return Err(explicit(text, first.start, path));
            }
            let column = column(text, first.start);
            (column, format!("{}:{}", name(key), below(&value, column, eol)))
        }
        Step::At(_) => {
            let column = column(text, dash(text, &parent.items()[0], path)?);
            (column, format!("- {}", block(&value, column + 2, eol)))
        }
    };
    let lines = format!("{}{line}{eol}", " ".repeat(column));
    Ok(vec![lines_at(text, behind(text, parent), &lines)])
}

/// Takes away what is at a path.
pub(super) fn remove(text: &str, root: &Node, path: &[Step]) -> Result<Vec<Splice>, EditError> {
    let Some((last, parents)) = path.split_last() else { return Ok(Vec::new()) };
    let Some(parent) = root.at(parents) else { return Ok(Vec::new()) };
    let Some((index, node)) = parent.child(last) else { return Ok(Vec::new()) };
    alone(text, root, path)?;
    if parent.flow {
        return Ok(brackets(text, parent, eol(text)).remove(index));
    }
    let (start, next) = match &parent.data {
        Data::Map(members) => {
            (members[index].name.start, members.get(index + 1).map(|member| member.name.start))
        }
        _ => (dash(text, node, path)?, None),
    };
    let end = if node.span.is_empty() { line_end(text, start) } else { behind(text, node) };
    if !starts_line(text, start) {
        // On the line of a dash: what comes next takes its place.
        let put = if next.is_some() { "" } else { "{}" };
        let keep = if next.is_some() { 0 } else { text[..end].len() - text[..end].trim_end().len() };
        return Ok(vec![(start..next.unwrap_or(end - keep), put.to_owned())]);
    }
    let mut gone = vec![lines_gone(text, line_start(text, start)..end)];
    let alone = children(parent).len() == 1;
    if let (true, Some(member)) = (alone, member_of(root, parents)) {
        let colon =
            after_colon(text, member.name.end).ok_or_else(|| explicit(text, member.name.start, path))?;
        let empty = if matches!(parent.data, Data::Map(_)) { " {}" } else { " []" };
        gone.push((colon..colon, empty.to_owned()));
    }
    Ok(gone)
}

/// Another value for what is there, or for what is written as nothing.
fn replace(text: &str, root: &Node, path: &[Step], value: &Value) -> Result<Vec<Splice>, EditError> {
    let eol = eol(text);
    let Some(old) = root.at(path) else { return Ok(Vec::new()) };
    let many = value.is_collection() && !value.is_empty();
    if within_flow(root, path) || (old.flow && !old.is_empty()) {
        return Ok(vec![(old.span.clone(), flow(value))]);
    }
    let Some(member) = member_of(root, path) else {
        if !path.is_empty() {
            let column = column(text, old.span.start);
            return Ok(vec![(old.span.clone(), block(value, column, eol))]);
        }
        let whole = block(value, 0, eol);
        return Ok(if !old.span.is_empty() {
            // Behind `---` there is no room for lines.
            let fits = column(text, old.span.start) == 0;
            vec![(old.span.clone(), if fits { whole } else { flow(value) })]
        } else if text.trim().is_empty() {
            vec![(0..text.len(), format!("{whole}{eol}"))]
        } else if text.lines().any(|line| line.trim_end() == "...") {
            let how = "an end of its own (...)";
            return Err(EditError::Unusual {
                place: "the file".to_owned(),
                how,
                spot: spot(text, text.len()),
            });
        } else {
            let lacks = if text.ends_with('\n') { "" } else { eol };
            vec![(text.len()..text.len(), format!("{lacks}{whole}{eol}"))]
        });
    };
    let colon = after_colon(text, member.name.end).ok_or_else(|| explicit(text, member.name.start, path))?;
    let one_line = !text[colon..old.span.end.max(colon)].contains('\n');
    if !many {
        let span = if one_line && !old.span.is_empty() {
            old.span.clone()
        } else {
            colon..end_of(text, old).max(colon)
        };
        let space = if span.start == colon { " " } else { "" };
        return Ok(vec![(span, format!("{space}{}", scalar(value)))]);
    }
    let outer = column(text, member.name.start);
    if one_line {
        // A comment behind it stays on the line of the key.
        let gone = colon..old.span.end.max(colon);
        let at = line_end(text, gone.end);
        let inner = below(value, outer, eol);
        let lines = format!("{}{eol}", inner.strip_prefix(eol).unwrap_or(&inner));
        return Ok(vec![(gone, String::new()), lines_at(text, at, &lines)]);
    }
    Ok(vec![(colon..end_of(text, old), below(value, outer, eol))])
}

/// Behind the last line of a block node.
fn behind(text: &str, node: &Node) -> usize {
    let end = node.span.end;
    if end > node.span.start && text[..end].ends_with('\n') { end } else { line_end(text, end) }
}

/// The end of a node without a line break of its own.
fn end_of(text: &str, node: &Node) -> usize {
    let end = node.span.end;
    let bare = text[..end].strip_suffix('\n').map_or(end, str::len);
    text[..bare].strip_suffix('\r').filter(|_| bare < end).map_or(bare, str::len)
}

/// The dash of an item.
fn dash(text: &str, item: &Node, path: &[Step]) -> Result<usize, EditError> {
    let before = text[..item.span.start].trim_end();
    match before.strip_suffix('-') {
        Some(rest) => Ok(rest.len()),
        None => Err(EditError::Unusual {
            place: shown(path),
            how: "something between a dash and its item",
            spot: spot(text, item.span.start),
        }),
    }
}

/// Refuses to edit what an alias repeats elsewhere, since that would change there, too; and lines that
/// end as nobody's have for decades.
fn alone(text: &str, root: &Node, path: &[Step]) -> Result<(), EditError> {
    if let Some(at) = text.find('\r').filter(|_| text.replace("\r\n", "").contains('\r')) {
        let how = "line breaks that are a carriage return alone";
        return Err(EditError::Unusual { place: shown(path), how, spot: spot(text, at) });
    }
    let end = root.deepest(path).1;
    for span in repeated(text)? {
        let around = (0..=end).any(|depth| root.at(&path[..depth]).is_some_and(|node| node.span == span));
        let name = member_of(root, path).map(|member| member.name.start);
        let within = root.at(path).is_some_and(|node| {
            (name.unwrap_or(node.span.start)..node.span.end).contains(&span.start)
                && span.end <= node.span.end
        });
        if around || within {
            let how = "an anchor that stands elsewhere too";
            return Err(EditError::Unusual { place: shown(path), how, spot: spot(text, span.start) });
        }
    }
    Ok(())
}

fn explicit(text: &str, at: usize, path: &[Step]) -> EditError {
    EditError::Unusual { place: shown(path), how: "an explicit key (?)", spot: spot(text, at) }
}

fn column(text: &str, at: usize) -> usize {
    text[line_start(text, at)..at].chars().count()
}

fn within_flow(root: &Node, path: &[Step]) -> bool {
    (0..path.len()).any(|depth| root.at(&path[..depth]).is_some_and(|node| node.flow))
}

fn member_of<'n>(root: &'n Node, path: &[Step]) -> Option<&'n super::node::Member> {
    let (last, parents) = path.split_last()?;
    let Step::Key(key) = last else { return None };
    root.at(parents)?.members().iter().find(|member| member.key == *key)
}

fn brackets<'t>(text: &'t str, node: &Node, eol: &'static str) -> Flow<'t> {
    let pad = if matches!(node.data, Data::Map(_)) { " " } else { "" };
    Flow { text, span: node.span.clone(), items: children(node), comment: "#", unit: None, eol, pad }
}
