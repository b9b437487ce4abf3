//! What programs say, without the values that were given to them.

use std::collections::BTreeSet;

use super::container::Container;
use crate::model::Secret;

/// Takes a container's values out of text. Built once, for as many lines as there are.
#[derive(Debug, Clone, Default)]
pub struct Redactor {
    /// The longest first: one may hold another.
    values: Vec<Secret>,
}

impl Redactor {
    /// Shorter values, in bytes, are words that occur by chance, and hide nothing worth hiding.
    const SHORT: usize = 6;

    /// For what `container` says. Our own settings stay: a folder's name in an error is what helps.
    #[must_use]
    pub fn of(container: &Container) -> Self {
        Self::hiding(container.given())
    }

    /// For what whoever was given these values says.
    pub fn hiding<'a>(values: impl IntoIterator<Item = &'a Secret>) -> Self {
        let forms: BTreeSet<Secret> = values.into_iter().flat_map(|value| forms(value.expose())).collect();
        let mut values: Vec<Secret> =
            forms.into_iter().filter(|value| value.expose().len() >= Self::SHORT).collect();
        values.sort_by_key(|value| std::cmp::Reverse(value.expose().len()));
        Self { values }
    }

    /// The text with `[secret]` in the place of each value.
    #[must_use]
    pub fn redacted(&self, text: &str) -> String {
        self.values.iter().map(Secret::expose).fold(text.to_owned(), |text, value| {
            if text.contains(value) { text.replace(value, "[secret]") } else { text }
        })
    }
}

/// A value in the forms in which a program may print it: as it is, without the blanks around it and
/// the quotes that an env file keeps, each line of it, and within JSON.
fn forms(value: &str) -> BTreeSet<Secret> {
    let bare = unquoted(value.trim()).trim();
    let plain: BTreeSet<&str> =
        [value, value.trim(), bare].into_iter().chain(value.lines().map(str::trim)).collect();
    let in_json = plain.iter().map(|text| {
        let json = serde_json::Value::from(*text).to_string();
        unquoted(&json).to_owned()
    });
    in_json.chain(plain.iter().map(|text| (*text).to_owned())).map(Secret::new).collect()
}

fn unquoted(text: &str) -> &str {
    let within = ['"', '\''].into_iter().find_map(|quote| text.strip_prefix(quote)?.strip_suffix(quote));
    within.unwrap_or(text)
}
