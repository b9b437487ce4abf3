//! JSON-RPC messages whose parts stay as they stand in the text: a number of 30 digits, an escape or
//! a key that nobody knows is the same on the other side.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt::{self, Write};
use std::sync::LazyLock;

use memchr::memmem::Finder;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// A JSON-RPC message by its parts, borrowed from its text. Two members of one name are an error:
/// readers differ in which they take, and a check must not see another than the server does.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Envelope<'a> {
    #[serde(borrow, default)]
    jsonrpc: Option<&'a RawValue>,
    /// The id, a string or a number. `null` is none.
    #[serde(borrow, default)]
    pub id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    method: Option<&'a RawValue>,
    /// The parameters.
    #[serde(borrow, default)]
    pub params: Option<&'a RawValue>,
    /// `null` is one too.
    #[serde(borrow, default, deserialize_with = "present")]
    result: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

/// What a message is.
#[derive(Debug, Clone)]
pub enum Kind<'a> {
    /// A request, by its method; its id is the envelope's.
    Request(String),
    /// A notification, by its method.
    Notification(String),
    /// The answer to the request of the envelope's id.
    Response(Outcome<&'a RawValue>),
}

/// How a request went: `T` is the text of its result or of its error object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome<T> {
    /// The result.
    Result(T),
    /// The error object: code, message, data.
    Error(T),
}

/// Why a text is no message.
#[derive(Debug, thiserror::Error)]
pub enum MalformedMessage {
    /// It is no JSON, or not an object, or says something twice.
    #[error("it is no JSON object that says each thing once: {0}")]
    NotAnObject(#[from] serde_json::Error),
    /// It does not name its protocol.
    #[error("it does not say \"jsonrpc\": \"2.0\"")]
    NotJsonRpc,
    /// Its id is neither text nor a whole number.
    #[error("its id is neither text nor a whole number")]
    BadId,
    /// It is neither a request nor an answer.
    #[error("it has neither a method nor, with an id, one of result and error")]
    Neither,
    /// Its parameters are neither an object nor a list.
    #[error("its params are no object")]
    BadParams,
}

impl<'a> Envelope<'a> {
    /// Reads a message.
    pub fn read(text: &'a str) -> Result<(Self, Kind<'a>), MalformedMessage> {
        let envelope: Self = serde_json::from_str(text)?;
        if envelope.jsonrpc.is_none_or(|version| version.get() != "\"2.0\"") {
            return Err(MalformedMessage::NotJsonRpc);
        }
        if envelope.id.is_some_and(|id| !is_id(id.get())) {
            return Err(MalformedMessage::BadId);
        }
        if envelope.params.is_some_and(|params| !params.get().starts_with(['{', '['])) {
            return Err(MalformedMessage::BadParams);
        }
        let method = envelope.method.map(|method| serde_json::from_str::<String>(method.get())).transpose();
        let method = method.map_err(|_| MalformedMessage::Neither)?;
        // Some write both, and mean the error.
        let result = envelope.result.filter(|result| envelope.error.is_none() || result.get() != "null");
        let kind = match (method, envelope.id, result, envelope.error) {
            (Some(method), Some(_), None, None) => Kind::Request(method),
            (Some(method), None, None, None) => Kind::Notification(method),
            (None, Some(_), Some(result), None) => Kind::Response(Outcome::Result(result)),
            // An error to a request whose id could not be read has none.
            (None, _, None, Some(error)) => Kind::Response(Outcome::Error(error)),
            _ => return Err(MalformedMessage::Neither),
        };
        Ok((envelope, kind))
    }
}

/// A member that is there, whatever its value.
pub(super) fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// Text, or a whole number.
fn is_id(text: &str) -> bool {
    text.starts_with('"') || text.strip_prefix('-').unwrap_or(text).bytes().all(|b| b.is_ascii_digit())
}

/// What a line has besides its method and parameters, roughly, and the line feed after it.
const AROUND: usize = 64;

/// A request as one line. `id` is JSON, as is `params`.
#[must_use]
pub fn request_line(id: impl fmt::Display, method: &str, params: Option<&str>) -> String {
    line(format_args!(r#"{{"jsonrpc":"2.0","id":{id},"method":"#), method, params)
}

/// A notification as one line. `params` is JSON.
#[must_use]
pub fn notification_line(method: &str, params: Option<&str>) -> String {
    line(format_args!(r#"{{"jsonrpc":"2.0","method":"#), method, params)
}

fn line(start: fmt::Arguments<'_>, method: &str, params: Option<&str>) -> String {
    let mut line = String::with_capacity(AROUND + method.len() + params.map_or(0, str::len));
    // Writing to a string cannot fail.
    let _ = write!(line, "{start}{}", Quoted(method));
    if let Some(params) = params {
        line.push_str(r#","params":"#);
        line.push_str(params);
    }
    line.push('}');
    line
}

/// An answer as one line. `id` and what is in `outcome` are JSON.
#[must_use]
pub fn response_line(id: impl fmt::Display, outcome: &Outcome<impl AsRef<str>>) -> String {
    let text = match outcome {
        Outcome::Result(text) | Outcome::Error(text) => text.as_ref(),
    };
    let mut line = String::with_capacity(AROUND + text.len());
    begin_response(&mut line, id, outcome);
    line.push_str(text);
    line.push('}');
    line
}

/// The same in the place of the text that it is made of, if there is room as [`roomy`] leaves it.
#[must_use]
pub fn response_line_of(id: impl fmt::Display, outcome: Outcome<String>) -> String {
    let mut begin = String::with_capacity(AROUND);
    begin_response(&mut begin, id, &outcome);
    let (Outcome::Result(mut line) | Outcome::Error(mut line)) = outcome;
    line.insert_str(0, &begin);
    line.push('}');
    line
}

/// A copy with room for what a response has around it.
#[must_use]
pub fn roomy(text: &str) -> String {
    let mut copy = String::with_capacity(AROUND + text.len());
    copy.push_str(text);
    copy
}

fn begin_response<T>(line: &mut String, id: impl fmt::Display, outcome: &Outcome<T>) {
    let name = match outcome {
        Outcome::Result(_) => "result",
        Outcome::Error(_) => "error",
    };
    // Writing to a string cannot fail.
    let _ = write!(line, r#"{{"jsonrpc":"2.0","id":{id},"{name}":"#);
}

/// JSON's text for a string.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Most are words that stand as they are.
        if self.0.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/_-.".contains(&byte)) {
            return write!(f, "\"{}\"", self.0);
        }
        f.write_str(&json_text(&self.0))
    }
}

/// From so many members on, their names are looked up instead of compared.
const MANY: usize = 32;

/// The members of an object in their order, each value as it stands in the text.
#[derive(Debug, Clone, Default)]
pub struct Members<'a>(Vec<(Cow<'a, str>, Text<'a>)>);

/// A value's text, as it was or as it is to be.
#[derive(Debug, Clone)]
enum Text<'a> {
    Was(&'a RawValue),
    Is(String),
}

impl Text<'_> {
    fn get(&self) -> &str {
        match self {
            Self::Was(raw) => raw.get(),
            Self::Is(text) => text,
        }
    }
}

impl<'a> Members<'a> {
    /// Reads an object; `None` where the text is something else, or says something twice.
    #[must_use]
    pub fn read(text: &'a str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// A member's text.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        Some(self.0.iter().find(|(member, _)| member == name)?.1.get())
    }

    /// A member's value, where it is of that type.
    #[must_use]
    pub fn value<T: for<'de> Deserialize<'de>>(&self, name: &str) -> Option<T> {
        serde_json::from_str(self.get(name)?).ok()
    }

    /// A member's value, where it is a string.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<Cow<'_, str>> {
        serde_json::from_str::<Name<'_>>(self.get(name)?).ok().map(|Name(text)| text)
    }

    /// Sets a member to a text, which is JSON; a new one comes last.
    pub fn set(&mut self, name: &str, text: impl Into<String>) {
        let text = Text::Is(text.into());
        match self.0.iter_mut().find(|(member, _)| member == name) {
            Some((_, there)) => *there = text,
            None => self.0.push((Cow::Owned(name.to_owned()), text)),
        }
    }

    /// Takes a member out, and returns its text.
    pub fn remove(&mut self, name: &str) -> Option<String> {
        let at = self.0.iter().position(|(member, _)| member == name)?;
        Some(self.0.remove(at).1.get().to_owned())
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Their names and texts, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, text)| (name.as_ref(), text.get()))
    }
}

impl fmt::Display for Members<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (at, (name, text)) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(f, "{comma}{}:{}", Quoted(name), text.get())?;
        }
        f.write_str("}")
    }
}

/// A member's name, which most texts spell as it is.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::<(Cow<'de, str>, Text<'de>)>::new();
                let mut names = HashSet::new();
                while let Some((Name(name), value)) = map.next_entry::<Name<'de>, &'de RawValue>()? {
                    // To compare each with all is quickest for a few, and takes minutes for a million.
                    let is_new = match members.len() {
                        ..MANY => members.iter().all(|(member, _)| *member != name),
                        MANY => {
                            names.extend(members.iter().map(|(member, _)| member.clone()));
                            names.insert(name.clone())
                        }
                        _ => names.insert(name.clone()),
                    };
                    if !is_new {
                        return Err(serde::de::Error::custom(format!("{name:?} is said twice")));
                    }
                    members.push((name, Text::Was(value)));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

/// Words that many texts are searched for.
#[derive(Debug)]
pub struct Words(LazyLock<Finder<'static>, fn() -> Finder<'static>>);

impl Words {
    /// `words` says them; asked once.
    #[must_use]
    pub const fn new(words: fn() -> Finder<'static>) -> Self {
        Self(LazyLock::new(words))
    }

    /// Whether they are in a text: a first look that takes far less than reading it.
    #[must_use]
    pub fn are_in(&self, text: impl AsRef<[u8]>) -> bool {
        self.0.find(text.as_ref()).is_some()
    }
}

/// JSON of anything that serialises.
#[must_use]
pub fn json_text(value: &impl Serialize) -> String {
    // Only a map whose keys are no text, or a type that refuses, fails; neither is ever handed in.
    serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kind(text: &str) -> Result<String, String> {
        Envelope::read(text).map(|(_, kind)| format!("{kind:?}")).map_err(|error| error.to_string())
    }

    #[test]
    fn messages_are_told_apart() {
        let of = |text| kind(text).expect(text);
        assert_eq!(of(r#"{"jsonrpc":"2.0","id":1,"method":"a\u0062"}"#), r#"Request("ab")"#);
        assert_eq!(of(r#"{"jsonrpc":"2.0","id":null,"method":"n"}"#), r#"Notification("n")"#);
        assert!(of(r#"{"jsonrpc":"2.0","id":"x","result":{}}"#).starts_with("Response(Result"));
        assert!(of(r#"{"jsonrpc":"2.0","id":null,"error":{}}"#).starts_with("Response(Error"));
        assert!(of(r#"{"jsonrpc":"2.0","id":1,"result":null}"#).starts_with("Response(Result"));
        assert!(of(r#"{"jsonrpc":"2.0","id":1,"result":null,"error":{}}"#).starts_with("Response(Error"));
        assert!(of(r#"{"jsonrpc":"2.0","id":1,"result":{},"error":null}"#).starts_with("Response(Result"));
    }

    #[test]
    fn what_two_readers_would_read_differently_is_no_message() {
        for text in [
            r#"{"jsonrpc":"2.0","id":1,"method":"a","method":"b"}"#,
            r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"a"}"#,
            r#"{"jsonrpc":"2.0","id":1.5,"method":"a"}"#,
            r#"{"jsonrpc":"2.0","id":true,"method":"a"}"#,
            r#"{"jsonrpc":"2.0","id":{},"method":"a"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"a","result":{}}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{}}"#,
            r#"{"jsonrpc":"2.0","result":{}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":7}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"a","params":7}"#,
            r#"{"jsonrpc":"1.0","id":1,"method":"a"}"#,
            r#"{"id":1,"method":"a"}"#,
            r#"[{"jsonrpc":"2.0","id":1,"method":"a"}]"#,
            "7",
            "",
        ] {
            assert!(kind(text).is_err(), "{text}");
        }
    }

    #[test]
    fn parts_stay_as_they_stand_in_the_text() {
        let text = r#"{"jsonrpc":"2.0","id":123456789012345678901234567890,"method":"m","params":{"n": 1e999 , "s":"\u00e9"}}"#;
        let (envelope, _) = Envelope::read(text).expect("a message");
        assert_eq!(envelope.id.map(RawValue::get), Some("123456789012345678901234567890"));
        assert_eq!(envelope.params.map(RawValue::get), Some(r#"{"n": 1e999 , "s":"\u00e9"}"#));
    }

    #[test]
    fn members_are_changed_where_they_stand() {
        let mut members = Members::read(r#"{"b": 1.0,"a":{"x" :2}}"#).expect("an object");
        members.set("b", "2");
        members.set("c\"", "[]");
        assert_eq!(members.to_string(), r#"{"b":2,"a":{"x" :2},"c\"":[]}"#);
        assert_eq!(members.remove("a").as_deref(), Some(r#"{"x" :2}"#));
        assert!(Members::read(r#"{"a":1,"a":2}"#).is_none() && Members::read("[]").is_none());
    }

    #[test]
    fn of_a_great_many_members_too_each_is_there_once() {
        let text = |names: &mut dyn Iterator<Item = usize>| {
            format!("{{{}}}", names.map(|name| format!("\"{name}\":{name}")).collect::<Vec<_>>().join(","))
        };
        let many = text(&mut (0..300_000));
        let members = Members::read(&many).expect("an object");
        assert_eq!((members.iter().count(), members.get("299999")), (300_000, Some("299999")));
        for again in [0, MANY - 1, MANY, MANY + 1, 99] {
            assert!(Members::read(&text(&mut (0..100).chain([again]))).is_none(), "{again}");
        }
    }

    proptest! {
        #[test]
        fn a_line_that_is_made_of_parts_is_read_back_as_these_parts(
            method in any::<String>(),
            id in prop_oneof![any::<i64>().prop_map(|id| id.to_string()), any::<String>().prop_map(|id| json_text(&id))],
            params in proptest::option::of(any::<String>().prop_map(|text| format!("{{\"x\":{}}}", json_text(&text)))),
        ) {
            let line = request_line(&id, &method, params.as_deref());
            prop_assert!(!line.contains('\n'));
            let (envelope, kind) = Envelope::read(&line).expect("a message");
            prop_assert_eq!(envelope.id.map(RawValue::get), Some(id.as_str()));
            prop_assert_eq!(envelope.params.map(RawValue::get), params.as_deref());
            prop_assert!(matches!(kind, Kind::Request(found) if found == method));
        }
    }
}
