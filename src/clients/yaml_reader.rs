//! YAML with the bytes of every node: the parser's starts, and ends of our own, since its ends take
//! in the comments and white space behind.

use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput};

use super::error::{EditError, Spot};
use super::node::{Data, Member, Node};
use super::splice::spot;
use super::value::Value;

/// How deep lists and maps may nest.
const MAX_DEPTH: usize = 100;

/// Reads a text that holds one document, or none.
pub(super) fn read(text: &str) -> Result<Node, EditError> {
    document(text).map(|(root, _)| root)
}

/// The bytes of every node that stands elsewhere too, by an alias.
pub(super) fn repeated(text: &str) -> Result<Vec<Range<usize>>, EditError> {
    let (_, Marks { anchors, aliases }) = document(text)?;
    Ok(anchors.into_iter().filter(|(id, _)| aliases.contains(id)).map(|(_, span)| span).collect())
}

fn document(text: &str) -> Result<(Node, Marks), EditError> {
    let bytes = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
    let mut reader = Reader { text, bytes, parser: Parser::new_from_str(text), marks: Marks::default() };
    let mut root = None;
    while let Some((event, span)) = reader.next()? {
        match event {
            Event::DocumentStart(_) if root.is_some() => {
                return Err(broken(spot(text, span.start), "this is a second document"));
            }
            Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::StreamStart
            | Event::StreamEnd
            | Event::Nothing => {}
            event => root = Some(reader.node(&event, span, text.len(), 0)?),
        }
    }
    let nothing = || Node { span: text.len()..text.len(), data: Data::Scalar(Value::Null), flow: false };
    Ok((root.unwrap_or_else(nothing), reader.marks))
}

/// The parser's numbers of anchors: with the bytes of their nodes, and where they were named again.
#[derive(Default)]
struct Marks {
    anchors: Vec<(usize, Range<usize>)>,
    aliases: Vec<usize>,
}

struct Reader<'t> {
    text: &'t str,
    /// The byte of each character.
    bytes: Vec<usize>,
    parser: Parser<'t, StrInput<'t>>,
    marks: Marks,
}

impl<'t> Reader<'t> {
    fn next(&mut self) -> Result<Option<(Event<'t>, Range<usize>)>, EditError> {
        match self.parser.next_event() {
            None => Ok(None),
            Some(Ok((event, span))) => Ok(Some((event, self.range(span)))),
            Some(Err(error)) => Err(refused(&error)),
        }
    }

    fn must(&mut self) -> Result<(Event<'t>, Range<usize>), EditError> {
        let end = spot(self.text, self.text.len());
        self.next()?.ok_or_else(|| broken(end, "it ends too early"))
    }

    fn range(&self, span: Span) -> Range<usize> {
        let byte = |index: usize| self.bytes.get(index).copied().unwrap_or(self.text.len());
        byte(span.start.index())..byte(span.end.index())
    }

    /// A node; where it is written as nothing at all, it stands at `nowhere`.
    fn node(
        &mut self,
        event: &Event<'t>,
        span: Range<usize>,
        nowhere: usize,
        depth: usize,
    ) -> Result<Node, EditError> {
        let node = self.unmarked(event, span, nowhere, depth)?;
        match event {
            Event::Scalar(_, _, id, _) | Event::SequenceStart(id, _) | Event::MappingStart(id, _)
                if *id > 0 =>
            {
                self.marks.anchors.push((*id, node.span.clone()));
            }
            Event::Alias(id) => self.marks.aliases.push(*id),
            _ => {}
        }
        Ok(node)
    }

    fn unmarked(
        &mut self,
        event: &Event<'t>,
        span: Range<usize>,
        nowhere: usize,
        depth: usize,
    ) -> Result<Node, EditError> {
        if depth > MAX_DEPTH {
            return Err(broken(spot(self.text, span.start), "it nests too deep"));
        }
        match event {
            Event::Scalar(text, style, _, tag) => {
                let span = if text.is_empty() && *style == ScalarStyle::Plain {
                    nowhere..nowhere
                } else {
                    self.scalar_span(span, *style)
                };
                let value = match style {
                    ScalarStyle::Plain if tag.is_none() => plain(text),
                    _ => Value::text(text.as_ref()),
                };
                Ok(Node { span, data: Data::Scalar(value), flow: false })
            }
            Event::Alias(_) => {
                let rest = &self.text[span.start..];
                let length = rest.find([' ', '\t', '\r', '\n', ',', ']', '}']).unwrap_or(rest.len());
                let value = Value::Bare(rest[..length].to_owned());
                Ok(Node { span: span.start..span.start + length, data: Data::Scalar(value), flow: false })
            }
            Event::SequenceStart(..) => {
                let (start, flow) = self.collection(span.start, '[');
                let (mut items, mut end) = (Vec::new(), start);
                loop {
                    let (event, span) = self.must()?;
                    if event == Event::SequenceEnd {
                        end = if flow { span.start + 1 } else { end };
                        return Ok(Node { span: start..end, data: Data::List(items), flow });
                    }
                    let nowhere = self.text[..span.start].trim_end().len();
                    let item = self.node(&event, span, nowhere, depth + 1)?;
                    end = item.span.end;
                    items.push(item);
                }
            }
            Event::MappingStart(..) => {
                let (start, flow) = self.collection(span.start, '{');
                let (mut members, mut end) = (Vec::new(), start);
                loop {
                    let (event, span) = self.must()?;
                    if event == Event::MappingEnd {
                        end = if flow { span.start + 1 } else { end };
                        return Ok(Node { span: start..end, data: Data::Map(members), flow });
                    }
                    let name = self.node(&event, span, end, depth + 1)?;
                    let colon = after_colon(self.text, name.span.end).unwrap_or(name.span.end);
                    let (event, span) = self.must()?;
                    let node = self.node(&event, span, colon, depth + 1)?;
                    end = node.span.end.max(name.span.end);
                    let key = name.value().spelt().unwrap_or_default();
                    members.push(Member { key, name: name.span, node });
                }
            }
            _ => Err(broken(spot(self.text, span.start), "there is no value here")),
        }
    }

    /// Where a collection starts, past its anchor and tag, and whether it is between brackets.
    fn collection(&self, start: usize, bracket: char) -> (usize, bool) {
        let past = self.past_properties(start);
        if self.text[past..].starts_with(bracket) { (past, true) } else { (start, false) }
    }

    fn past_properties(&self, mut at: usize) -> usize {
        while self.text[at..].starts_with(['&', '!']) {
            let rest = &self.text[at..];
            let word = rest.find(char::is_whitespace).unwrap_or(rest.len());
            let space = rest[word..].len() - rest[word..].trim_start().len();
            at += word + space;
        }
        at
    }

    fn scalar_span(&self, span: Range<usize>, style: ScalarStyle) -> Range<usize> {
        let start = self.past_properties(span.start);
        let end = match style {
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => end_of_quoted(self.text, start),
            ScalarStyle::Plain => {
                let end = span.end.max(start);
                start + self.text[start..end].trim_end().len()
            }
            // Its last line break is its own.
            ScalarStyle::Literal | ScalarStyle::Folded => span.end.max(start),
        };
        span.start..end
    }
}

/// Behind the colon that follows a key at once, which an explicit key (`? key`) has not.
pub(super) fn after_colon(text: &str, at: usize) -> Option<usize> {
    let rest = &text[at..];
    let colon = at + rest.len() - rest.trim_start_matches([' ', '\t']).len();
    text[colon..].starts_with(':').then_some(colon + 1)
}

fn end_of_quoted(text: &str, start: usize) -> usize {
    let bytes = text.as_bytes();
    let quote = bytes.get(start).copied().unwrap_or(b'"');
    let mut at = start + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' if quote == b'"' => at += 1,
            byte if *byte == quote && quote == b'\'' && bytes.get(at + 1) == Some(&quote) => at += 1,
            byte if *byte == quote => return at + 1,
            _ => {}
        }
        at += 1;
    }
    text.len()
}

/// What a scalar without quotes means, by the core schema.
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        number if number.parse::<f64>().is_ok() => Value::Bare(number.to_owned()),
        text => Value::text(text),
    }
}

fn refused(error: &ScanError) -> EditError {
    let (info, marker) = (error.info(), error.marker());
    // The one quotation of the text that the parser's words can hold.
    let what = if info.starts_with("unexpected character") { "unexpected character" } else { info };
    broken(Spot { line: marker.line(), column: marker.col() + 1 }, what)
}

fn broken(spot: Spot, what: &str) -> EditError {
    EditError::Broken { language: "YAML", spot, what: what.to_owned() }
}
