//! A text of shell commands → their words.

/// A word of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    /// The text, quotes taken away; a `$` that a shell would replace is `$`, any other is `$$`.
    pub(super) text: String,
    /// The line that it starts in, from 1.
    pub(super) line: usize,
}

/// A quote that is never closed; the line that it opens in, from 1.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unclosed(pub(super) usize);

/// Commands, cut at the ends of lines, `|`, `;` and `&`. Comments, continued lines and `$(pwd)` are
/// what they are to a shell; nothing is executed or replaced.
pub(super) fn commands(text: &str) -> Result<Vec<Vec<Word>>, Unclosed> {
    let mut cutter = Cutter { rest: text, line: 1, commands: vec![Vec::new()], word: None };
    while cutter.step()? {}
    cutter.end_word();
    cutter.commands.retain(|command| !command.is_empty());
    Ok(cutter.commands)
}

/// The words of a command that is one text in a compose file: quotes, and nothing else of a shell.
/// `None` where a quote is never closed.
pub(super) fn split(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            c if c.is_whitespace() => words.extend(word.take()),
            '\'' | '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next()? {
                        end if end == c => break,
                        '\\' if c == '"' => match chars.next()? {
                            kept @ ('"' | '\\' | '$' | '`') => word.push(kept),
                            other => word.extend(['\\', other]),
                        },
                        inner => word.push(inner),
                    }
                }
            }
            '\\' => word.get_or_insert_default().extend(chars.next().filter(|next| *next != '\n')),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Some(words)
}

struct Cutter<'t> {
    rest: &'t str,
    line: usize,
    commands: Vec<Vec<Word>>,
    word: Option<Word>,
}

/// What stands for the current folder.
const HERE: [&str; 6] = ["$(pwd)", "${PWD}", "`pwd`", "%cd%", "${pwd}", "$(PWD)"];
/// What stands for the home folder.
const HOME: [&str; 2] = ["${HOME}", "$HOME"];

/// In one spelling: where a path of the host's stands it is known what they mean, elsewhere not.
const PWD_VARIABLE: &str = "${PWD}";
const HOME_VARIABLE: &str = "${HOME}";

/// A path of the host's, from the current or the home folder on.
pub(super) fn host_path(text: &str) -> String {
    text.replace(PWD_VARIABLE, ".").replace(HOME_VARIABLE, "~")
}

impl Cutter<'_> {
    /// Takes what comes next; whether there was something.
    fn step(&mut self) -> Result<bool, Unclosed> {
        if self.word.is_none() && self.rest.starts_with("```") {
            // The fence of a code block, with its language.
            self.skip_line();
            return Ok(true);
        }
        if self.variable() {
            return Ok(true);
        }
        let Some(c) = self.take() else { return Ok(false) };
        match c {
            '\n' | ';' | '|' | '&' => self.end_command(),
            '\r' | ' ' | '\t' => self.end_word(),
            '<' | '>' if self.redirects() => {
                self.word = None;
                self.end_command();
            }
            '#' if self.word.is_none() => self.skip_line(),
            // The end of the line is continued; that there is a space behind it is a common slip.
            '\\' => match self.rest.trim_start_matches([' ', '\t', '\r']).strip_prefix('\n') {
                Some(next) => {
                    self.rest = next;
                    self.line += 1;
                    self.end_word();
                }
                None => {
                    if let Some(kept) = self.take() {
                        self.push_literal(kept);
                    }
                }
            },
            '\'' => self.single()?,
            '"' => self.double()?,
            c if c.is_whitespace() => self.end_word(),
            c => self.push(c),
        }
        Ok(true)
    }

    fn single(&mut self) -> Result<(), Unclosed> {
        let line = self.line;
        self.start();
        loop {
            match self.take() {
                None => return Err(Unclosed(line)),
                Some('\'') => return Ok(()),
                Some(c) => self.push_literal(c),
            }
        }
    }

    fn double(&mut self) -> Result<(), Unclosed> {
        let line = self.line;
        self.start();
        loop {
            if self.variable() {
                continue;
            }
            match self.take() {
                None => return Err(Unclosed(line)),
                Some('"') => return Ok(()),
                Some('\\') => match self.take() {
                    None => return Err(Unclosed(line)),
                    Some('\n') => {}
                    Some(c @ ('"' | '\\' | '$' | '`')) => self.push_literal(c),
                    Some(c) => {
                        self.push('\\');
                        self.push_literal(c);
                    }
                },
                Some(c) => self.push(c),
            }
        }
    }

    /// Takes a name of the current or the home folder, if one comes next.
    fn variable(&mut self) -> bool {
        let ends = |rest: &str| !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        if let Some(rest) = HERE.iter().find_map(|name| self.rest.strip_prefix(name)) {
            self.replace(PWD_VARIABLE, rest.len())
        } else if let Some(rest) = self.rest.strip_prefix("$PWD").filter(|rest| ends(rest)) {
            self.replace(PWD_VARIABLE, rest.len())
        } else if let Some(rest) =
            HOME.iter().find_map(|name| self.rest.strip_prefix(name)).filter(|rest| ends(rest))
        {
            self.replace(HOME_VARIABLE, rest.len())
        } else {
            false
        }
    }

    fn replace(&mut self, with: &str, left: usize) -> bool {
        self.rest = &self.rest[self.rest.len() - left..];
        self.start().push_str(with);
        true
    }

    fn take(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.rest = &self.rest[c.len_utf8()..];
        if c == '\n' {
            self.line += 1;
        }
        Some(c)
    }

    /// Whether the `<` or `>` that was taken is a shell's, and not that of a `<placeholder>`.
    fn redirects(&self) -> bool {
        match &self.word {
            None => self.rest.starts_with(['>', '<', '&', ' ', '\t', '/', '.']),
            Some(word) => word.text.bytes().all(|b| b.is_ascii_digit()),
        }
    }

    fn start(&mut self) -> &mut String {
        let line = self.line;
        &mut self.word.get_or_insert_with(|| Word { text: String::new(), line }).text
    }

    fn push(&mut self, c: char) {
        self.start().push(c);
    }

    fn push_literal(&mut self, c: char) {
        self.push(c);
        if c == '$' {
            self.push(c);
        }
    }

    fn end_word(&mut self) {
        if let (Some(word), Some(command)) = (self.word.take(), self.commands.last_mut()) {
            command.push(word);
        }
    }

    fn end_command(&mut self) {
        self.end_word();
        self.commands.push(Vec::new());
    }

    fn skip_line(&mut self) {
        let end = self.rest.find('\n').unwrap_or(self.rest.len());
        self.rest = &self.rest[end..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<Vec<String>> {
        let commands = commands(text).expect("closed");
        commands.into_iter().map(|words| words.into_iter().map(|word| word.text).collect()).collect()
    }

    #[test]
    fn words_are_what_a_shell_makes_of_them() {
        assert_eq!(texts("a 'b c' \"d\\\"e\" f\\ g"), [["a", "b c", "d\"e", "f g"]]);
        assert_eq!(texts("a \\\n  b # no\nc | d"), [vec!["a", "b"], vec!["c"], vec!["d"]]);
        assert_eq!(
            texts("x \"$(pwd)/l\" $PWD/m ${PWD}/n $HOME/o"),
            [["x", "${PWD}/l", "${PWD}/m", "${PWD}/n", "${HOME}/o"]]
        );
        assert_eq!(host_path("${PWD}/l:/x"), "./l:/x");
        assert_eq!(host_path("type=bind,source=${HOME}/l"), "type=bind,source=~/l");
        assert_eq!(texts("-e A=$A '$B' \"\\$C\" $PWDX"), [["-e", "A=$A", "$$B", "$$C", "$PWDX"]]);
        assert_eq!(texts("a <b> > c"), [vec!["a", "<b>"], vec!["c"]]);
        assert_eq!(texts("a b 2>&1"), [vec!["a", "b"], vec!["1"]]);
        assert_eq!(texts("```bash\nrun ''\n```"), [["run", ""]]);
        assert_eq!(commands("a\n'b"), Err(Unclosed(2)));
    }

    #[test]
    fn a_text_in_a_compose_file_is_cut_at_spaces_and_nothing_else() {
        assert_eq!(
            split("a 'b c' \"d $e\" | f"),
            Some(["a", "b c", "d $e", "|", "f"].map(str::to_owned).into())
        );
        assert_eq!(split("a 'b"), None);
    }
}
