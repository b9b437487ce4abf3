//! Any text as one YAML scalar of a Compose file, which is that text again when Compose has read it.

use std::fmt::Write as _;
use std::io::{self, Write};

/// Writes `text` as a scalar: plain where everybody reads a plain one as that very text, else
/// between double quotes. A `$` is doubled, since Compose replaces variables in every value.
pub(super) fn escape(text: &str, to: &mut dyn Write) -> io::Result<()> {
    to.write_all(scalar(text).as_bytes())
}

/// As [`escape`] writes it.
pub(super) fn scalar(text: &str) -> String {
    if is_plain(text) { text.to_owned() } else { quoted(&text.replace('$', "$$")) }
}

/// Between double quotes, with nothing doubled: for text with variables that Compose is to replace.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            // Printable by YAML 1.2, §5.1, less what changes lines or directions on a screen.
            ' '..='~'
            | '\u{a1}'..='\u{200a}'
            | '\u{2030}'..='\u{205f}'
            | '\u{2070}'..='\u{d7ff}'
            | '\u{e000}'..='\u{fdff}'
            | '\u{fe70}'..='\u{fefe}'
            | '\u{ff01}'..='\u{ffef}'
            | '\u{1f300}'..='\u{1faff}' => quoted.push(c),
            other => {
                // Writing to a string cannot fail.
                let _ = write!(quoted, "\\U{:08X}", u32::from(other));
            }
        }
    }
    quoted.push('"');
    quoted
}

/// Whether every reader of YAML 1.1 and 1.2 takes `text` for that very string, in block and flow.
fn is_plain(text: &str) -> bool {
    const WORDS: [&str; 13] =
        ["true", "false", "yes", "no", "on", "off", "y", "n", "null", "none", "nan", ".nan", ".inf"];
    // Longer ones would be folded by some writers, and nobody reads them.
    const LONGEST: usize = 120;
    let mut bytes = text.bytes();
    let first = bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'/' || b == b'.');
    let second = bytes.next().is_none_or(|b| !b.is_ascii_digit() || !text.starts_with('.'));
    let rest = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._-:=@+%".contains(&b));
    let lower = text.to_ascii_lowercase();
    first && second && rest && !text.ends_with(':') && text.len() <= LONGEST && !WORDS.contains(&&*lower)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> String {
        let value: serde_yaml::Value = serde_yaml::from_str(&format!("a: {}\n", scalar(text))).expect("YAML");
        value["a"].as_str().unwrap_or_else(|| panic!("{text:?} became {value:?}")).replace("$$", "$")
    }

    #[test]
    fn what_people_write_stays_readable() {
        for text in ["mcp-bridge:latest", "/app/logs", "../logs", ".env", "KEY=value", "unless-stopped"] {
            assert_eq!(scalar(text), text);
        }
    }

    #[test]
    fn what_would_be_something_else_is_quoted() {
        for (text, scalar_of_it) in [
            ("65532:65532", "\"65532:65532\""),
            ("", "\"\""),
            ("yes", "\"yes\""),
            ("Null", "\"Null\""),
            (".5", "\".5\""),
            ("~", "\"~\""),
            ("a: b", "\"a: b\""),
            ("a:", "\"a:\""),
            ("a #b", "\"a #b\""),
            ("$HOME", "\"$$HOME\""),
            ("a\nprivileged: true", "\"a\\nprivileged: true\""),
            ("\u{1b}[31m", "\"\\U0000001B[31m\""),
            ("!!binary x", "\"!!binary x\""),
            ("&a *b", "\"&a *b\""),
            ("\u{202e}abc", "\"\\U0000202Eabc\""),
            ("\u{feff}", "\"\\U0000FEFF\""),
        ] {
            assert_eq!(scalar(text), scalar_of_it);
            assert_eq!(read(text), text);
        }
        let long = "a".repeat(10_240);
        assert_eq!(read(&long), long);
    }

    proptest! {
        #[test]
        fn any_text_is_read_back_as_it_was(text in any::<String>()) {
            prop_assume!(!text.contains("$$") && !text.ends_with('$'));
            prop_assert_eq!(read(&text), text);
        }
    }
}
