//! What a document says, without how it is written.

/// A value with the order of its members. No `Debug`: it may hold secrets.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Value {
    Null,
    Bool(bool),
    /// A number, or anything else that is spelt without quotes, as it is spelt.
    Bare(String),
    Text(String),
    List(Vec<Value>),
    Map(Vec<(String, Value)>),
}

impl Value {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    pub(super) fn texts(texts: &[String]) -> Self {
        Self::List(texts.iter().map(Self::text).collect())
    }

    pub(super) fn members(&self) -> &[(String, Value)] {
        if let Self::Map(members) = self { members } else { &[] }
    }

    pub(super) fn items(&self) -> &[Value] {
        if let Self::List(items) = self { items } else { &[] }
    }

    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        self.members().iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    pub(super) fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// A text, or what a person would take for one: YAML reads a bare `8080` as a number.
    pub(super) fn spelt(&self) -> Option<String> {
        match self {
            Self::Text(text) | Self::Bare(text) => Some(text.clone()),
            Self::Bool(value) => Some(value.to_string()),
            Self::Null | Self::List(_) | Self::Map(_) => None,
        }
    }

    /// Nothing, or a collection of nothing: what an entry can be put into whatever its kind.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Null => true,
            Self::List(items) => items.is_empty(),
            Self::Map(members) => members.is_empty(),
            Self::Bool(_) | Self::Bare(_) | Self::Text(_) => false,
        }
    }

    pub(super) fn is_collection(&self) -> bool {
        matches!(self, Self::List(_) | Self::Map(_))
    }

    /// Whether any text in it has this in it.
    pub(super) fn mentions(&self, what: &str) -> bool {
        match self {
            Self::Text(text) => text.contains(what),
            Self::List(items) => items.iter().any(|item| item.mentions(what)),
            Self::Map(members) => members.iter().any(|(_, value)| value.mentions(what)),
            Self::Null | Self::Bool(_) | Self::Bare(_) => false,
        }
    }

    /// The same with every map's members in the order of their names.
    pub(super) fn sorted(self) -> Self {
        match self {
            Self::List(items) => Self::List(items.into_iter().map(Self::sorted).collect()),
            Self::Map(members) => {
                let mut members: Vec<_> =
                    members.into_iter().map(|(name, value)| (name, value.sorted())).collect();
                members.sort_by(|a, b| a.0.cmp(&b.0));
                Self::Map(members)
            }
            other => other,
        }
    }
}

/// A text between double quotes, escaped so that JSON, YAML and TOML all read the same.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    for c in serde_json::Value::from(text).to_string().chars() {
        match c {
            '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
                out.extend(["\\u".to_owned(), format!("{:04x}", u32::from(c))]);
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_of_the_languages_would_not_take_raw_is_escaped() {
        assert_eq!(quoted("a\"\\\n\u{7f}\u{85}\u{feff}ü😀"), "\"a\\\"\\\\\\n\\u007f\\u0085\\ufeffü😀\"");
    }
}
