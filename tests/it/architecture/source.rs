//! Just enough of Rust's grammar to find paths: words and punctuation, without comments and texts.

/// A word, `::`, or one character of punctuation.
pub(super) struct Token {
    pub(super) text: String,
    pub(super) line: usize,
}

/// A file of `src/`, cut into tokens.
pub(super) struct Source {
    pub(super) tokens: Vec<Token>,
    /// The module that the file is, from the crate's root.
    module: Vec<String>,
}

/// The layer that a file of `src/` belongs to: its folder, or itself.
pub(super) fn layer(path: &str) -> &str {
    path.split_once('/').map_or(path.trim_end_matches(".rs"), |(folder, _)| folder)
}

impl Source {
    pub(super) fn of(path: &str, text: &str) -> Self {
        let mut module: Vec<String> = path.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
        if module.last().is_some_and(|last| last == "mod") {
            module.pop();
        }
        // `schema_tests.rs` is `schema`'s module `tests`.
        if module.last().is_some_and(|last| last.ends_with("_tests")) {
            module.push("tests".to_owned());
        }
        Self { tokens: tokens(text), module }
    }

    /// The layers that are named by a path from the crate's root, each with its line: `crate::x`,
    /// `crate::{x, y}`, `mcpo_deploy::x`, and as many `super` as lead there. Where a path takes
    /// everything, or the root itself, the layer is `*`.
    pub(super) fn imports(&self) -> Vec<(String, usize)> {
        let mut found = Vec::new();
        // How deep in braces, and the depth at which each module that is written inline began.
        let (mut depth, mut inline) = (0_usize, Vec::new());
        let mut at = 0;
        while let Some(token) = self.tokens.get(at) {
            match token.text.as_str() {
                "{" => depth += 1,
                "}" => {
                    depth = depth.saturating_sub(1);
                    inline.pop_if(|began| *began == depth);
                }
                "mod" if self.word(at + 2) == "{" => inline.push(depth),
                "crate" | "mcpo_deploy" if self.word(at + 1) == "::" => found.extend(self.heads(at + 2)),
                "crate" if self.word(at + 1) == "as" => found.push(("*".to_owned(), token.line)),
                "super" => {
                    let mut climbed = 1;
                    while self.word(at + 1) == "::" && self.word(at + 2) == "super" {
                        climbed += 1;
                        at += 2;
                    }
                    if climbed == self.module.len() + inline.len() && self.word(at + 1) == "::" {
                        found.extend(self.heads(at + 2));
                    }
                }
                _ => {}
            }
            at += 1;
        }
        found
    }

    /// The first words of what follows a path's root: one, or those of a group.
    fn heads(&self, at: usize) -> Vec<(String, usize)> {
        let head = |at: usize| {
            let token = &self.tokens[at];
            let is_word = token.text.starts_with(|c: char| c.is_alphabetic() || c == '_');
            (if is_word { token.text.clone() } else { "*".to_owned() }, token.line)
        };
        if self.word(at) != "{" {
            return vec![head(at)];
        }
        let (mut heads, mut depth, mut at) = (vec![head(at + 1)], 1, at + 1);
        while depth > 0 && at < self.tokens.len() {
            match self.word(at) {
                "{" => depth += 1,
                "}" => depth -= 1,
                "," if depth == 1 && self.word(at + 1) != "}" => heads.push(head(at + 1)),
                _ => {}
            }
            at += 1;
        }
        heads
    }

    fn word(&self, at: usize) -> &str {
        self.tokens.get(at).map_or("", |token| token.text.as_str())
    }
}

fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = text;
    let mut line = 1;
    while let Some(first) = rest.chars().next() {
        let length = match rest.strip_prefix("r#").and_then(|raw| raw.chars().next()) {
            // A raw word: the mark is left out.
            Some(letter) if letter.is_alphabetic() => 2,
            _ => skipped(rest),
        };
        let taken = if length > 0 {
            length
        } else if first.is_alphanumeric() || first == '_' {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            tokens.push(Token { text: rest[..end].to_owned(), line });
            end
        } else {
            let end = if rest.starts_with("::") { 2 } else { first.len_utf8() };
            tokens.push(Token { text: rest[..end].to_owned(), line });
            end
        };
        line += rest[..taken].matches('\n').count();
        rest = &rest[taken..];
    }
    tokens
}

/// How many bytes of the start are blank, a comment, a text, a character or a lifetime.
fn skipped(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    if bytes[0].is_ascii_whitespace() {
        return 1;
    }
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return comment(rest);
    }
    let text = rest.trim_start_matches(['b', 'c']);
    let prefix = rest.len() - text.len();
    let hashes = text.strip_prefix('r').map_or(0, |raw| raw.len() - raw.trim_start_matches('#').len());
    if prefix < 2 && text.strip_prefix('r').is_some_and(|raw| raw[hashes..].starts_with('"')) {
        let open = 1 + hashes + 1;
        let close = format!("\"{}", "#".repeat(hashes));
        return prefix + text[open..].find(&close).map_or(text.len(), |at| open + at + close.len());
    }
    if prefix < 2 && text.starts_with('"') {
        return prefix + quoted(text, '"');
    }
    if prefix < 2 && text.starts_with('\'') {
        let mut chars = text.chars().skip(1);
        let (one, two) = (chars.next(), chars.next());
        // `'a` that no quote follows is a lifetime.
        return prefix + if one == Some('\\') || two == Some('\'') { quoted(text, '\'') } else { 1 };
    }
    0
}

fn comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        let mark = rest.as_bytes().get(at..at + 2);
        depth = match mark {
            Some(b"/*") => depth + 1,
            Some(b"*/") => depth - 1,
            _ => {
                at += 1;
                continue;
            }
        };
        at += 2;
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

/// The length of a text in quotes, those included.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    text.len()
}
