//! The lines of a token file. Pure; no message repeats what a line says, for it may be a secret.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::access::Access;

/// The most lines that name somebody.
pub(crate) const MAX_ENTRIES: usize = 1000;
/// The longest name.
const NAME_BYTES: usize = 64;
/// The shortest token: 16 hexadecimal digits take 2^63 guesses.
const TOKEN_MIN: usize = 16;
/// The longest token.
pub(crate) const TOKEN_MAX: usize = 512;
/// What a line has instead of a token for somebody who shows a client certificate.
const BY_CERTIFICATE: &str = "certificate";

/// A token's SHA-256. Not shown.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Fingerprint([u8; 32]);

impl Fingerprint {
    fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }

    fn from_hex(hex: &str) -> Option<Self> {
        let mut digest = [0; 32];
        if hex.len() != 64 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        for (byte, at) in digest.iter_mut().zip((0..).step_by(2)) {
            *byte = u8::from_str_radix(hex.get(at..at + 2)?, 16).ok()?;
        }
        Some(Self(digest))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fingerprint(..)")
    }
}

/// Somebody whom a token lets in.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) name: Arc<str>,
    pub(crate) digest: Fingerprint,
    pub(crate) access: Arc<Access>,
}

/// What a token file says.
#[derive(Clone, Default)]
pub(crate) struct Entries {
    tokens: Vec<Entry>,
    certificates: HashMap<String, Arc<Access>>,
    in_clear: bool,
}

impl Entries {
    /// Reads `name token [tools]` and its kin, one a line. The problems come with their lines, which
    /// count from 1; line 0 is the whole file.
    pub(crate) fn parse(text: &str) -> Result<Self, Vec<(usize, String)>> {
        let mut reader = Reader::default();
        for (line, words) in (1..).zip(text.lines()) {
            if let Err(problem) = reader.read(line, words.trim()) {
                reader.problems.push((line, problem));
            }
        }
        if reader.names.is_empty() && reader.problems.is_empty() {
            reader.problems.push((0, "nobody is named in it".to_owned()));
        }
        if reader.names.len() > MAX_ENTRIES {
            reader.problems.push((0, format!("it names more than {MAX_ENTRIES}")));
        }
        if reader.problems.is_empty() { Ok(reader.entries) } else { Err(reader.problems) }
    }

    /// Whom a token lets in. Takes as long for every token of one length.
    pub(crate) fn find(&self, token: &str) -> Option<&Entry> {
        let shown = Fingerprint::of(token);
        // Every digest is looked at, whichever it is.
        let mut found = None;
        for entry in &self.tokens {
            if bool::from(entry.digest.0.ct_eq(&shown.0)) {
                found = Some(entry);
            }
        }
        found
    }

    /// Whether a line lets in the bearer of this token, with these tools.
    pub(crate) fn has(&self, digest: &Fingerprint, access: &Access) -> bool {
        self.tokens.iter().any(|entry| entry.digest == *digest && *entry.access == *access)
    }

    /// The tools of somebody with a certificate; of whom no line names, all.
    pub(crate) fn access_of(&self, name: &str) -> Arc<Access> {
        self.certificates.get(name).map(Arc::clone).unwrap_or_default()
    }

    /// How many are let in by a token.
    #[cfg(test)]
    pub(crate) fn tokens(&self) -> usize {
        self.tokens.len()
    }

    /// Whether the file holds a token itself rather than its digest.
    pub(crate) fn is_secret(&self) -> bool {
        self.in_clear
    }
}

#[derive(Default)]
struct Reader {
    entries: Entries,
    /// The line of each name, and of each token.
    names: HashMap<(bool, String), usize>,
    digests: HashMap<Fingerprint, usize>,
    problems: Vec<(usize, String)>,
}

impl Reader {
    fn read(&mut self, line: usize, words: &str) -> Result<(), String> {
        if words.is_empty() || words.starts_with('#') {
            return Ok(());
        }
        let mut words = words.split_whitespace();
        let (Some(name), Some(token)) = (words.next(), words.next()) else {
            return Err("write a name and a token, with a space between them".to_owned());
        };
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"._@-".contains(&b);
        if name.len() > NAME_BYTES || !name.bytes().all(plain) {
            return Err(format!("the name is not 1 to {NAME_BYTES} letters, digits, dots, _, @ and -"));
        }
        let access = Arc::new(words.next().map_or_else(|| Ok(Access::default()), Access::parse)?);
        if words.next().is_some() {
            return Err(
                "there is more than a name, a token and a list of tools (with commas, no spaces)".into()
            );
        }
        let by_certificate = token == BY_CERTIFICATE;
        let before = self.names.insert((by_certificate, name.to_owned()), line);
        if by_certificate {
            self.entries.certificates.insert(name.to_owned(), access);
        } else {
            let digest = self.digest(token)?;
            if let Some(first) = self.digests.insert(digest, line) {
                return Err(format!("the token is that of line {first}"));
            }
            self.entries.tokens.push(Entry { name: name.into(), digest, access });
        }
        before.map_or(Ok(()), |first| Err(format!("the name is that of line {first}")))
    }

    fn digest(&mut self, token: &str) -> Result<Fingerprint, String> {
        if let Some(hex) = token.strip_prefix("sha256:") {
            return Fingerprint::from_hex(hex)
                .ok_or_else(|| "sha256: is not followed by 64 hexadecimal digits".to_owned());
        }
        if !(TOKEN_MIN..=TOKEN_MAX).contains(&token.len()) {
            return Err(format!("the token has not {TOKEN_MIN} to {TOKEN_MAX} characters"));
        }
        // RFC 6750 §2.1
        let bare = token.trim_end_matches('=');
        if !bare.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~+/".contains(&b)) {
            return Err(
                "the token has characters other than letters, digits and -._~+/, with = at its end".into()
            );
        }
        self.entries.in_clear = true;
        Ok(Fingerprint::of(token))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:b84f6fd4f5c0e8c1a7ef4b9a5a4f3d5c9a4a4d5d8f28cb6c9a6e9d6cbf5f2f10";

    fn problems(text: &str) -> String {
        let problems = Entries::parse(text).err().expect("a problem");
        problems.iter().map(|(line, words)| format!("{line}: {words}")).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_token_is_found_by_itself_and_by_its_digest() {
        // printf abcdefghijklmnop | sha256sum
        let text = "# ours\n\nplain 0123456789abcdef==\r\n  hashed\tsha256:F39DAC6CBABA535E2C207CD0CD8F154974223C848F727F98B3564CEA569B41CF read_*\n";
        let entries = Entries::parse(text).expect("entries");
        assert!(entries.is_secret());
        let name = |token: &str| entries.find(token).map(|entry| entry.name.to_string());
        assert_eq!(name("0123456789abcdef==").as_deref(), Some("plain"));
        assert_eq!(name("abcdefghijklmnop").as_deref(), Some("hashed"));
        assert!(entries.find("abcdefghijklmnop").is_some_and(|entry| !entry.access.permits("write")));
        for wrong in ["", "0123456789abcdef", "plain", "abcdefghijklmnopq", text] {
            assert_eq!(name(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_file_of_digests_holds_no_secret() {
        let entries = Entries::parse(&format!("a {DIGEST}\nb certificate !x\n")).expect("entries");
        assert!(!entries.is_secret());
        assert_eq!(entries.tokens(), 1);
        assert!(!entries.access_of("b").permits("x"));
        assert!(entries.access_of("a").permits("x"), "a token's name is nobody's certificate");
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once_and_no_line_is_repeated() {
        let text = format!(
            "alone\nna/me 0123456789abcdef\nshort 0123456789abcde\nspelt 0123456789abcdeü\na {DIGEST}\n\
             a 0123456789abcdef\nb {DIGEST}\nc sha256:12\nd 0123456789abcdeg a,,b\ne 0123456789abcdeh a b\n"
        );
        insta::assert_snapshot!(problems(&text), @r"
        1: write a name and a token, with a space between them
        2: the name is not 1 to 64 letters, digits, dots, _, @ and -
        3: the token has not 16 to 512 characters
        4: the token has characters other than letters, digits and -._~+/, with = at its end
        6: the name is that of line 5
        7: the token is that of line 5
        8: sha256: is not followed by 64 hexadecimal digits
        9: the list of tools has an entry that is not a name of 1 to 128 bytes, with ! before or * after it at most
        10: there is more than a name, a token and a list of tools (with commas, no spaces)
        ");
        assert!(!problems(&text).contains("abcde"));
        insta::assert_snapshot!(problems("# nobody\n"), @"0: nobody is named in it");
    }

    #[test]
    fn a_thousand_are_the_most() {
        let line = |n: usize| format!("n{n} {n:016}");
        let file = |count: usize| (0..count).map(line).collect::<Vec<_>>().join("\n");
        assert_eq!(Entries::parse(&file(MAX_ENTRIES)).map(|all| all.tokens()).ok(), Some(MAX_ENTRIES));
        assert_eq!(problems(&file(MAX_ENTRIES + 1)), "0: it names more than 1000");
    }

    proptest::proptest! {
        #[test]
        fn no_problem_repeats_a_word_of_its_line(
            words in proptest::collection::vec("[A-Z]{8}[a-z0-9!/=*,:ü]{0,40}", 1..6),
        ) {
            let line = words.join(" ");
            if let Err(problems) = Entries::parse(&line) {
                for (_, told) in problems {
                    for word in &words {
                        proptest::prop_assert!(!told.contains(&word[..8]), "{told}");
                    }
                }
            }
        }

        #[test]
        fn a_token_that_is_taken_is_found_and_no_other(token in "[A-Za-z0-9._~+/-]{16,40}={0,2}") {
            let entries = Entries::parse(&format!("a {token}")).expect("an entry");
            proptest::prop_assert!(entries.find(&token).is_some());
            let other = format!("{token}x");
            proptest::prop_assert!(entries.find(&other).is_none());
            proptest::prop_assert!(entries.find(&token[1..]).is_none());
        }
    }
}
