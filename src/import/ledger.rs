//! What is told besides the file that is written.

use std::collections::BTreeSet;

use crate::model::is_known_secret;

/// The most notes that are kept; of the others only the number is told.
pub(super) const MAX_NOTES: usize = 200;

/// Something that the `mcpo.yaml` does not say.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Note {
    /// The line, from 1; 0 where it is about no line.
    pub line: usize,
    /// What it is about, such as `services.web.labels`.
    pub what: String,
    /// Why, and what to do. No value of a variable.
    pub why: String,
}

/// Something that was asked for by name and is weaker than the defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The key of `mcpo.yaml`.
    pub key: &'static str,
    /// What it is now.
    pub value: String,
    /// What that gives away.
    pub what: String,
}

/// What was found so far.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    notes: Vec<Note>,
    seen: BTreeSet<(String, String)>,
    more: usize,
    pub(super) kept: Vec<Kept>,
}

impl Ledger {
    /// Notes something, once.
    pub(super) fn note(&mut self, line: usize, what: impl Into<String>, why: impl Into<String>) {
        let (what, why) = (clean(&what.into()), clean(&why.into()));
        if self.notes.len() >= MAX_NOTES {
            self.more += 1;
        } else if self.seen.insert((what.clone(), why.clone())) {
            self.notes.push(Note { line, what, why });
        }
    }

    /// Forgets what was noted about something that is passed over as a whole.
    pub(super) fn drop_below(&mut self, path: &str) {
        let path = clean(path);
        self.notes.retain(|note| {
            !note.what.strip_prefix(&path).is_some_and(|rest| {
                rest.is_empty() || rest.starts_with('.') || (rest.starts_with(' ') && !rest.starts_with(" ("))
            })
        });
    }

    pub(super) fn keep(&mut self, key: &'static str, value: impl Into<String>, what: impl Into<String>) {
        self.kept.push(Kept { key, value: clean(&value.into()), what: what.into() });
    }

    /// What was kept, and the notes in the order of the text.
    pub(super) fn told(mut self) -> (Vec<Kept>, Vec<Note>) {
        self.notes.sort_by_key(|note| note.line);
        if self.more > 0 {
            let why = format!("{} further notes are left out", self.more);
            self.notes.push(Note { line: 0, what: "notes".to_owned(), why });
        }
        (self.kept, self.notes)
    }
}

/// On one line, without control characters, short, and without words that may be secrets.
pub(super) fn clean(text: &str) -> String {
    const MAX: usize = 240;
    let words = text.split(' ').map(|word| if is_known_secret(word) { "[secret]" } else { word });
    let text = words.collect::<Vec<_>>().join(" ");
    let shown = |c: char| if c.is_control() || is_hidden(c) { '\u{fffd}' } else { c };
    let mut cut: String = text.chars().take(MAX).map(shown).collect();
    if text.chars().nth(MAX).is_some() {
        cut.push('…');
    }
    cut
}

/// Whether a character ends a line, or changes the order of what is seen, without being seen.
fn is_hidden(c: char) -> bool {
    matches!(u32::from(c), 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0xfeff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_on_one_line_without_secrets_and_are_bounded() {
        let mut ledger = Ledger::default();
        ledger.note(1, "a\nb", "must be a size, not sk-proj-abcdefgh; or so");
        ledger.note(1, "a\nb", "must be a size, not sk-proj-abcdefgh; or so");
        for number in 0..MAX_NOTES {
            ledger.note(2, format!("n{number}"), "x");
        }
        let (_, notes) = ledger.told();
        assert_eq!(
            (notes[0].what.as_str(), notes[0].why.as_str()),
            ("a\u{fffd}b", "must be a size, not [secret] or so")
        );
        assert_eq!(notes.len(), MAX_NOTES + 1);
        assert_eq!(notes[MAX_NOTES].why, "1 further notes are left out");
    }
}
