//! A server's words without the values that its environment holds: any of them may be a secret.

use std::fmt;

use crate::model::Secret;

/// What stands in the place of a value.
const HIDDEN: &str = "[secret]";
/// The shortest value that is looked for, in bytes: shorter ones are words of every text.
const SHORTEST: usize = 8;

/// The values that are not shown.
#[derive(Clone, Default)]
pub struct Redaction(Vec<Secret>);

impl Redaction {
    /// Of the values of variables; of one with several lines, each line.
    pub fn of<'a>(values: impl Iterator<Item = &'a str>) -> Self {
        let lines = values.flat_map(str::lines).map(str::trim);
        let mut values: Vec<&str> = lines.filter(|line| line.len() >= SHORTEST).collect();
        // The longest first: one may be a part of another.
        values.sort_unstable_by_key(|value| (std::cmp::Reverse(value.len()), *value));
        values.dedup();
        Self(values.into_iter().map(|value| Secret::new(value.to_owned())).collect())
    }

    /// The text without them.
    pub(crate) fn redact(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, value| match value.expose() {
            value if text.contains(value) => text.replace(value, HIDDEN),
            _ => text,
        })
    }
}

impl fmt::Debug for Redaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Redaction({} values)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_of_the_environment_is_not_shown_and_short_words_are() {
        let values = ["hunter22", "hunter22-and-more", "short", "-----BEGIN-----\nMIIBVgIBADAN\n"];
        let redaction = Redaction::of(values.into_iter());
        for (text, shown) in [
            ("key=hunter22 is wrong", "key=[secret] is wrong"),
            ("hunter22-and-more", "[secret]"),
            ("a short MIIBVgIBADAN", "a short [secret]"),
        ] {
            assert_eq!(redaction.redact(text), shown);
        }
        assert_eq!(format!("{redaction:?}"), "Redaction(4 values)");
    }
}
