//! JSON as clients read it: with comments and trailing commas, without JSON5's other liberties.

use std::ops::Range;

use jsonc_parser::ast::{self, ObjectPropName};
use jsonc_parser::common::Ranged;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};

use super::error::EditError;
use super::flow::{Flow, Layout};
use super::node::{Data, Member, Node, Step, wrapped};
use super::splice::{Splice, eol, indent, spot, starts_line};
use super::value::{Value, quoted};

/// How long a line with a list on it may get.
const WIDTH: usize = 100;

const OPTIONS: ParseOptions = ParseOptions {
    allow_comments: true,
    allow_loose_object_property_names: false,
    allow_trailing_commas: true,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

pub(super) fn read(text: &str) -> Result<Node, EditError> {
    let parsed = parse_to_ast(text, &CollectOptions::default(), &OPTIONS).map_err(|error| {
        let spot = spot(text, error.range().start);
        EditError::Broken { language: "JSON", spot, what: error.kind().to_string() }
    })?;
    let nothing = || Node { span: text.len()..text.len(), data: Data::Scalar(Value::Null), flow: true };
    let root = parsed.value.map_or_else(nothing, node);
    match raw(text, &root) {
        None => Ok(root),
        Some(at) => {
            let what = "Control character in a string".to_owned();
            Err(EditError::Broken { language: "JSON", spot: spot(text, at), what })
        }
    }
}

/// The first control character within a string, which the parser lets pass and no client does.
fn raw(text: &str, node: &Node) -> Option<usize> {
    let control = |span: &Range<usize>| {
        let at = text[span.clone()].bytes().position(|byte| byte < b' ');
        at.map(|at| span.start + at)
    };
    match &node.data {
        Data::Scalar(_) => control(&node.span),
        Data::List(items) => items.iter().find_map(|item| raw(text, item)),
        Data::Map(members) => {
            members.iter().find_map(|member| control(&member.name).or_else(|| raw(text, &member.node)))
        }
    }
}

fn node(value: ast::Value<'_>) -> Node {
    let range = value.range();
    let data = match value {
        ast::Value::StringLit(text) => Data::Scalar(Value::Text(text.value.into_owned())),
        ast::Value::NumberLit(number) => Data::Scalar(Value::Bare(number.value.to_owned())),
        ast::Value::BooleanLit(flag) => Data::Scalar(Value::Bool(flag.value)),
        ast::Value::NullKeyword(_) => Data::Scalar(Value::Null),
        ast::Value::Array(array) => Data::List(array.elements.into_iter().map(node).collect()),
        ast::Value::Object(object) => Data::Map(object.properties.into_iter().map(member).collect()),
    };
    Node { span: range.start..range.end, data, flow: true }
}

fn member(property: ast::ObjectProp<'_>) -> Member {
    let range = property.name.range();
    let key = match property.name {
        ObjectPropName::String(text) => text.value.into_owned(),
        ObjectPropName::Word(word) => word.value.to_owned(),
    };
    Member { key, name: range.start..range.end, node: node(property.value) }
}

/// Puts a value at a path; its parents come into being.
pub(super) fn set(text: &str, root: &Node, path: &[Step], value: &Value) -> Vec<Splice> {
    let style = Style { unit: unit(text, root), eol: eol(text) };
    if root.span.is_empty() {
        let whole = style.lines(&wrapped(path, value), "");
        let before = if text.is_empty() || text.ends_with('\n') { "" } else { style.eol };
        let start = if text.trim().is_empty() { 0 } else { text.len() };
        let before = if start == 0 { "" } else { before };
        return vec![(start..text.len(), format!("{before}{whole}{}", style.eol))];
    }
    let (parent, depth) = root.deepest(path);
    let missing = &path[depth..];
    let (Some(step), false) = (missing.first(), misfit(parent, missing)) else {
        let value = wrapped(missing, value);
        return vec![(parent.span.clone(), style.lines(&value, indent(text, parent.span.start)))];
    };
    let value = wrapped(&missing[1..], value);
    let key = if let Step::Key(key) = step { format!("{}: ", quoted(key)) } else { String::new() };
    flow(text, parent, &style).insert(&|layout| match layout {
        Layout::Line => format!("{key}{}", line(&value)),
        Layout::Lines(indent) => format!("{key}{}", style.lines(&value, indent)),
    })
}

/// Takes away what is at a path.
pub(super) fn remove(text: &str, root: &Node, path: &[Step]) -> Vec<Splice> {
    let Some((last, parents)) = path.split_last() else { return Vec::new() };
    let Some(parent) = root.at(parents) else { return Vec::new() };
    let style = Style { unit: String::new(), eol: eol(text) };
    parent.child(last).map_or_else(Vec::new, |(index, _)| flow(text, parent, &style).remove(index))
}

/// Whether a node is not of the kind that the next step needs; it is empty then.
pub(super) fn misfit(node: &Node, missing: &[Step]) -> bool {
    match missing.first() {
        Some(Step::Key(_)) => !matches!(node.data, Data::Map(_)),
        Some(Step::At(_)) => !matches!(node.data, Data::List(_)),
        None => false,
    }
}

fn flow<'t>(text: &'t str, node: &Node, style: &'t Style) -> Flow<'t> {
    Flow {
        text,
        span: node.span.clone(),
        items: children(node),
        comment: "//",
        unit: Some(&style.unit),
        eol: style.eol,
        pad: "",
    }
}

/// The bytes of each child, from its key on.
pub(super) fn children(node: &Node) -> Vec<Range<usize>> {
    match &node.data {
        Data::Map(members) => members.iter().map(|member| member.name.start..member.node.span.end).collect(),
        Data::List(items) => items.iter().map(|item| item.span.clone()).collect(),
        Data::Scalar(_) => Vec::new(),
    }
}

/// What the file's author indents by: what its first nested member is deeper than its parent.
fn unit(text: &str, root: &Node) -> String {
    let mut open = vec![root];
    while let Some(node) = open.pop() {
        if let Some(first) = children(node).first().filter(|first| starts_line(text, first.start)) {
            let (outer, inner) = (indent(text, node.span.start), indent(text, first.start));
            if let Some(unit) = inner.strip_prefix(outer).filter(|unit| !unit.is_empty()) {
                return unit.to_owned();
            }
        }
        open.extend(node.members().iter().rev().map(|member| &member.node));
    }
    "  ".to_owned()
}

struct Style {
    unit: String,
    eol: &'static str,
}

impl Style {
    fn lines(&self, value: &Value, indent: &str) -> String {
        let inner = format!("{indent}{}", self.unit);
        let items: Vec<String> = match value {
            Value::List(items) => {
                let line = line(value);
                if items.iter().all(|item| !item.is_collection()) && indent.len() + line.len() <= WIDTH {
                    return line;
                }
                items.iter().map(|item| self.lines(item, &inner)).collect()
            }
            Value::Map(members) if !members.is_empty() => {
                let member = |(key, value): &(String, Value)| {
                    format!("{}: {}", quoted(key), self.lines(value, &inner))
                };
                members.iter().map(member).collect()
            }
            scalar => return line(scalar),
        };
        let (open, close) = if matches!(value, Value::Map(_)) { ('{', '}') } else { ('[', ']') };
        let between = format!(",{}{inner}", self.eol);
        format!("{open}{eol}{inner}{}{eol}{indent}{close}", items.join(&between), eol = self.eol)
    }
}

fn line(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Bare(number) => number.clone(),
        Value::Text(text) => quoted(text),
        Value::List(items) => format!("[{}]", items.iter().map(line).collect::<Vec<_>>().join(", ")),
        Value::Map(members) => {
            let members: Vec<String> =
                members.iter().map(|(key, value)| format!("{}: {}", quoted(key), line(value))).collect();
            if members.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", members.join(", ")) }
        }
    }
}
