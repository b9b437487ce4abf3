//! A digest in the head of a rendered file tells whether a person has changed it since.

use crate::plan::DigestOf;

/// Whose a file's text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seal {
    /// It is as it was rendered.
    Ours,
    /// It was rendered, and changed afterwards.
    Edited,
    /// It was never rendered.
    Foreign,
}

const MARK: &str = "# digest: ";

/// The text with the digest of everything else in a line after its first comment lines.
#[must_use]
pub fn seal(text: &str) -> String {
    let head =
        text.lines().take_while(|line| line.starts_with('#')).map(|line| line.len() + 1).sum::<usize>();
    let (head, body) = text.split_at(head.min(text.len()));
    format!("{head}{MARK}{}\n{body}", digest(text))
}

/// A file's text without its digest, where it has one.
#[must_use]
pub fn unsealed(text: &str) -> String {
    let text = &in_lines(text);
    find(text).map_or_else(|| text.to_owned(), |(rest, _)| rest)
}

/// Whether a file's text is still what was rendered.
#[must_use]
pub fn seal_of(text: &str) -> Seal {
    match find(&in_lines(text)) {
        None => Seal::Foreign,
        Some((rest, found)) if found == digest(&rest) => Seal::Ours,
        Some(_) => Seal::Edited,
    }
}

/// With the line ends that it was rendered with: Git may have changed them.
fn in_lines(text: &str) -> String {
    text.replace("\r\n", "\n")
}

/// The text around the digest in the head, and the digest.
fn find(text: &str) -> Option<(String, &str)> {
    let mut at = 0;
    for line in text.split_inclusive('\n').take_while(|line| line.starts_with('#')) {
        if let Some(found) = line.strip_prefix(MARK) {
            return Some((format!("{}{}", &text[..at], &text[at + line.len()..]), found.trim_end()));
        }
        at += line.len();
    }
    None
}

fn digest(text: &str) -> String {
    DigestOf::default().part("rendered", text.as_bytes()).finish().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_line_breaks_the_seal_and_nothing_else_does() {
        let text = "# a\n# b\nname: demo\n# c\n";
        let sealed = seal(text);
        assert!(sealed.starts_with("# a\n# b\n# digest: sha256:") && sealed.ends_with("\nname: demo\n# c\n"));
        assert_eq!(seal_of(&sealed), Seal::Ours);
        assert_eq!(seal_of(&sealed.replace("demo", "other")), Seal::Edited);
        assert_eq!(seal_of(&sealed.replace("# a", "# z")), Seal::Edited);
        assert_eq!(seal_of(&format!("{sealed}# more\n")), Seal::Edited);
        assert_eq!(seal_of(text), Seal::Foreign);
        assert_eq!(seal_of(""), Seal::Foreign);
        // The digest only counts in the head.
        assert_eq!(seal_of(&format!("a: b\n{sealed}")), Seal::Foreign);
    }
}
