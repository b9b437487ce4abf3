//! YAML text → a tree whose every node knows its place. Knows no setting.
//!
//! Anchors share what they name, so that aliases of aliases cost nothing, and the depth is
//! bounded while reading. Scalars keep their spelling (`2.0` stays `2.0`); what a scalar means is
//! the setting's to say. Nothing of the text appears in an error.

use std::collections::HashMap;
use std::rc::Rc;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Tag};

/// A place in a text, both counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Spot {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

impl From<Marker> for Spot {
    fn from(marker: Marker) -> Self {
        Self { line: marker.line(), column: marker.col() + 1 }
    }
}

/// A node and where it starts. No `Debug`: it may hold secrets.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) spot: Spot,
    pub(crate) data: Data,
}

/// What a node holds.
#[derive(Clone)]
pub(crate) enum Data {
    /// Nothing, `~` or `null`.
    Null,
    /// A scalar as it is spelt, without quotes.
    Scalar(Rc<str>),
    /// A sequence.
    List(Rc<[Node]>),
    /// A mapping, in the order of the text, duplicates and all.
    Map(Rc<[(Key, Node)]>),
}

/// The key of an entry.
#[derive(Clone)]
pub(crate) struct Key {
    pub(crate) spot: Spot,
    pub(crate) name: Rc<str>,
}

/// Why a text is no tree, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NotATree {
    pub(crate) spot: Spot,
    pub(crate) message: String,
}

/// How deep lists and maps may nest.
const MAX_DEPTH: usize = 16;

/// Reads a text that holds one document, or none.
pub(crate) fn read(text: &str) -> Result<Node, NotATree> {
    build(text, Builder::default())
}

/// As [`read()`], for a text of somebody else's: tags of its own are passed over.
pub(crate) fn read_foreign(text: &str) -> Result<Node, NotATree> {
    build(text, Builder { foreign: true, ..Builder::default() })
}

fn build(text: &str, mut builder: Builder) -> Result<Node, NotATree> {
    let mut parser = Parser::new_from_str(text.strip_prefix('\u{feff}').unwrap_or(text));
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| NotATree {
            spot: (*error.marker()).into(),
            message: format!("this is not YAML: {}", plain(error.info())),
        })?;
        builder.take(event, span.start.into())?;
    }
    Ok(builder.root.unwrap_or(Node { spot: Spot { line: 1, column: 1 }, data: Data::Null }))
}

/// The parser's words without the one quotation of the text that they can hold.
fn plain(info: &str) -> &str {
    if info.starts_with("unexpected character") { "unexpected character" } else { info }
}

#[derive(Default)]
struct Builder {
    foreign: bool,
    open: Vec<Open>,
    anchors: HashMap<usize, Data>,
    root: Option<Node>,
}

struct Open {
    spot: Spot,
    anchor: usize,
    inner: Inner,
}

enum Inner {
    List(Vec<Node>),
    Map(Vec<(Key, Node)>, Option<Key>),
}

impl Builder {
    fn take(&mut self, event: Event<'_>, spot: Spot) -> Result<(), NotATree> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.check_tag(tag.as_deref(), spot)?;
                let untagged = tag.is_none() && style == ScalarStyle::Plain;
                let null = untagged && matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
                let data = if null { Data::Null } else { Data::Scalar(text.into()) };
                self.put(data, anchor, spot)
            }
            Event::SequenceStart(anchor, tag) => {
                self.check_tag(tag.as_deref(), spot)?;
                self.open(Inner::List(Vec::new()), anchor, spot)
            }
            Event::MappingStart(anchor, tag) => {
                self.check_tag(tag.as_deref(), spot)?;
                self.open(Inner::Map(Vec::new(), None), anchor, spot)
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(Open { spot, anchor, inner: Inner::List(items) }) => {
                    self.put(Data::List(items.into()), anchor, spot)
                }
                Some(Open { spot, anchor, inner: Inner::Map(entries, _) }) => {
                    self.put(Data::Map(entries.into()), anchor, spot)
                }
                None => Ok(()),
            },
            Event::Alias(anchor) => match self.anchors.get(&anchor) {
                Some(data) => self.put(data.clone(), 0, spot),
                None => Err(wrong(spot, "this alias stands within what it stands for")),
            },
            Event::DocumentStart(_) if self.root.is_some() => {
                Err(wrong(spot, "this is a second document; there can be only one"))
            }
            Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::StreamStart
            | Event::StreamEnd
            | Event::Nothing => Ok(()),
        }
    }

    fn open(&mut self, inner: Inner, anchor: usize, spot: Spot) -> Result<(), NotATree> {
        if self.open.len() >= MAX_DEPTH {
            return Err(wrong(spot, &format!("lists and maps are nested more than {MAX_DEPTH} deep")));
        }
        self.open.push(Open { spot, anchor, inner });
        Ok(())
    }

    fn put(&mut self, data: Data, anchor: usize, spot: Spot) -> Result<(), NotATree> {
        if anchor > 0 {
            self.anchors.insert(anchor, data.clone());
        }
        match self.open.last_mut().map(|open| &mut open.inner) {
            None => self.root = Some(Node { spot, data }),
            Some(Inner::List(items)) => items.push(Node { spot, data }),
            Some(Inner::Map(entries, key)) => match (key.take(), data) {
                (Some(name), data) => entries.push((name, Node { spot, data })),
                (None, Data::Scalar(name)) => *key = Some(Key { spot, name }),
                (None, Data::Null) => *key = Some(Key { spot, name: "".into() }),
                (None, _) => return Err(wrong(spot, "a key must be a word, not a list or a map")),
            },
        }
        Ok(())
    }

    fn check_tag(&self, tag: Option<&Tag>, spot: Spot) -> Result<(), NotATree> {
        match tag {
            Some(tag) if !self.foreign && !tag.is_yaml_core_schema() => {
                Err(wrong(spot, "tags of one's own are not supported"))
            }
            _ => Ok(()),
        }
    }
}

fn wrong(spot: Spot, message: &str) -> NotATree {
    NotATree { spot, message: message.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outline(node: &Node) -> String {
        match &node.data {
            Data::Null => "null".to_owned(),
            Data::Scalar(text) => format!("{text}@{}:{}", node.spot.line, node.spot.column),
            Data::List(items) => format!("[{}]", items.iter().map(outline).collect::<Vec<_>>().join(" ")),
            Data::Map(entries) => {
                let entry = |(key, value): &(Key, Node)| format!("{}={}", key.name, outline(value));
                format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(" "))
            }
        }
    }

    #[test]
    fn a_tree_keeps_spelling_place_and_order() {
        let tree =
            read("b: 2.0\na:\n  - \"1\"\n  - &x y\n  - *x\nc: ~\nb: {k: no}\n").map(|tree| outline(&tree));
        assert_eq!(tree.as_deref(), Ok("{b=2.0@1:4 a=[1@3:5 y@4:5 y@5:5] c=null b={k=no@7:8}}"));
        assert_eq!(read("# nothing\n").map(|tree| outline(&tree)).as_deref(), Ok("null"));
    }

    #[test]
    fn an_alias_bomb_costs_nothing() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..60 {
            let below = vec![format!("*a{}", level - 1); 9].join(", ");
            let _ = std::fmt::Write::write_fmt(&mut text, format_args!("a{level}: &a{level} [{below}]\n"));
        }
        assert!(read(&text).is_ok());
    }

    #[test]
    fn depth_second_documents_loops_and_own_tags_are_refused() {
        let deep = "[".repeat(17);
        for (text, message) in [
            (deep.as_str(), "lists and maps are nested more than 16 deep"),
            ("a: 1\n---\nb: 2\n", "this is a second document; there can be only one"),
            ("a: &x [*x]\n", "this alias stands within what it stands for"),
            ("a: !mine 1\n", "tags of one's own are not supported"),
            ("? [a]\n: b\n", "a key must be a word, not a list or a map"),
        ] {
            let error = read(text).map(|_| ()).map_err(|error| error.message);
            assert_eq!(error, Err(message.to_owned()));
        }
        for very_deep in ["[", "{a: ", "- ", "? "] {
            assert!(read(&very_deep.repeat(200_000)).is_err(), "{very_deep}");
        }
        let error = read("a: b\n c: d: e\n").map(|_| ()).map_err(|error| error.spot.line);
        assert!(error.is_err());
    }
}
