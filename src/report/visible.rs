//! What others said, for a terminal.

/// The text without what a terminal would obey.
#[must_use]
pub fn visible(text: &str) -> String {
    let shown =
        |c: char| if c.is_control() && c != '\n' && c != '\t' { char::REPLACEMENT_CHARACTER } else { c };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_told_nothing() {
        assert_eq!(visible("a\u{1b}[2Jb\tc\n\u{9b}"), "a\u{fffd}[2Jb\tc\n\u{fffd}");
    }
}
