//! TOML as its author wrote it: headers and pairs with their places, besides what they add up to.

use std::ops::Range;

use toml_edit::{Document, InlineTable, Item, Table, Value as Written};

use super::error::EditError;
use super::node::{Data, Member, Node};
use super::splice::{line_end, line_start, spot};
use super::value::Value;

/// `[a.b]`, or one of several `[[a.b]]`.
pub(super) struct Header {
    pub(super) path: Vec<String>,
    /// From the start of its line to its last bracket.
    pub(super) span: Range<usize>,
}

/// `a.b = value`, its path from the root of the document.
pub(super) struct Pair {
    pub(super) path: Vec<String>,
    /// From the start of its line to the end of its value.
    pub(super) span: Range<usize>,
}

/// Both in the order of the text.
#[derive(Default)]
pub(super) struct Statements {
    pub(super) headers: Vec<Header>,
    pub(super) pairs: Vec<Pair>,
}

impl Statements {
    /// The header that a byte is below, if any.
    pub(super) fn header_of(&self, at: usize) -> Option<&Header> {
        self.headers.iter().rfind(|header| header.span.start <= at)
    }

    /// The pairs right below a header, and none of the next one's.
    pub(super) fn below(&self, header: &Header) -> impl Iterator<Item = &Pair> {
        let start = header.span.start;
        let next = self.headers.iter().map(|other| other.span.start).find(|other| *other > start);
        let end = next.unwrap_or(usize::MAX);
        self.pairs.iter().filter(move |pair| pair.span.start > start && pair.span.start < end)
    }

    /// From a header's line to behind its last pair's.
    pub(super) fn section(&self, text: &str, header: &Header) -> Range<usize> {
        let last = self.below(header).last().map_or(header.span.end, |pair| pair.span.end);
        header.span.start..line_end(text, last)
    }
}

pub(super) fn read(text: &str) -> Result<(Node, Statements), EditError> {
    let document = Document::parse(text).map_err(|error| {
        let spot = spot(text, error.span().map_or(0, |span| span.start));
        EditError::Broken { language: "TOML", spot, what: error.message().to_owned() }
    })?;
    let mut statements = Statements::default();
    let root = table(text, document.as_table(), &mut Vec::new(), &mut statements);
    statements.headers.sort_by_key(|header| header.span.start);
    statements.pairs.sort_by_key(|pair| pair.span.start);
    Ok((root, statements))
}

fn table(text: &str, table: &Table, path: &mut Vec<String>, out: &mut Statements) -> Node {
    let mut members = Vec::new();
    for (name, _) in table {
        let Some((key, item)) = table.get_key_value(name) else { continue };
        let name_span = key.span().unwrap_or_default();
        path.push(name.to_owned());
        let node = match item {
            Item::Value(value) => {
                let node = written(value);
                let span = line_start(text, name_span.start)..node.span.end;
                out.pairs.push(Pair { path: path.clone(), span });
                node
            }
            Item::Table(inner) => {
                header(text, inner, path, out);
                self::table(text, inner, path, out)
            }
            Item::ArrayOfTables(tables) => {
                let mut items = Vec::new();
                for inner in tables {
                    header(text, inner, path, out);
                    items.push(self::table(text, inner, path, out));
                }
                Node { span: name_span.clone(), data: Data::List(items), flow: false }
            }
            Item::None => Node { span: name_span.clone(), data: Data::Scalar(Value::Null), flow: false },
        };
        path.pop();
        members.push(Member { key: name.to_owned(), name: name_span, node });
    }
    let span = table.span().or_else(|| members.first().map(|member| member.name.clone())).unwrap_or_default();
    Node { span, data: Data::Map(members), flow: false }
}

fn header(text: &str, table: &Table, path: &[String], out: &mut Statements) {
    if let (false, false, Some(span)) = (table.is_implicit(), table.is_dotted(), table.span()) {
        let span = line_start(text, span.start)..span.end;
        out.headers.push(Header { path: path.to_vec(), span });
    }
}

fn written(value: &Written) -> Node {
    let span = value.span().unwrap_or_default();
    let data = match value {
        Written::String(text) => Data::Scalar(Value::text(text.value())),
        Written::Boolean(flag) => Data::Scalar(Value::Bool(*flag.value())),
        Written::Integer(number) => Data::Scalar(Value::Bare(number.value().to_string())),
        Written::Float(number) => Data::Scalar(Value::Bare(number.value().to_string())),
        Written::Datetime(time) => Data::Scalar(Value::Bare(time.value().to_string())),
        Written::Array(items) => Data::List(items.iter().map(written).collect()),
        Written::InlineTable(table) => return inline(table),
    };
    Node { span, data, flow: true }
}

fn inline(table: &InlineTable) -> Node {
    let mut members = Vec::new();
    for (name, value) in table {
        let span = table.key(name).and_then(toml_edit::Key::span).unwrap_or_default();
        members.push(Member { key: name.to_owned(), name: span, node: written(value) });
    }
    let dotted = || {
        let first = members.first().map_or(0, |member| member.name.start);
        first..members.last().map_or(first, |member| member.node.span.end)
    };
    let span = table.span().filter(|_| !table.is_dotted()).unwrap_or_else(dotted);
    Node { span, data: Data::Map(members), flow: true }
}
