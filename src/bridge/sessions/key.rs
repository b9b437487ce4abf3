//! JSON-RPC ids and progress tokens, compared by what they mean.

use serde_json::value::RawValue;

use crate::mcp::json_text;

/// An id or a token: a number as it stands in the text, or a string by its characters. `1` and `"1"` differ.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key(String);

impl Key {
    /// Of JSON text.
    pub(crate) fn of(text: &str) -> Self {
        // Escapes are another spelling of the same characters.
        if text.contains('\\')
            && let Ok(plain) = serde_json::from_str::<String>(text)
        {
            return Self(json_text(&plain));
        }
        Self(text.to_owned())
    }

    /// Of a part of a message.
    pub(crate) fn of_raw(raw: &RawValue) -> Self {
        Self::of(raw.get())
    }

    /// As JSON.
    pub(crate) fn as_json(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_is_the_same_however_it_is_escaped_and_no_number() {
        assert_eq!(Key::of(r#""\u0041\/""#), Key::of(r#""A/""#));
        assert_ne!(Key::of("1"), Key::of(r#""1""#));
        assert_ne!(Key::of("9007199254740993"), Key::of("9007199254740992"));
    }
}
