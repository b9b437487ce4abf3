//! How an entry is written, both ways: a launch to the members of an entry, and back.

use std::collections::BTreeMap;

use super::entry::{Bearer, Entry, Launch};
use super::error::EditError;
use super::node::Step;
use super::remote::Remote;
use super::value::Value;

#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    /// The key that repeats the entry's name within it.
    pub(super) name: Option<&'static str>,
    /// The key that the launch is below.
    pub(super) inner: Option<&'static str>,
    /// The `type` of a program.
    pub(super) kind: Option<&'static str>,
    pub(super) command: Command,
    pub(super) env: &'static str,
    pub(super) url: Option<Remote>,
    /// What a new entry has besides; an old one keeps what it has.
    pub(super) fresh: &'static [(&'static str, Fresh)],
}

/// How a program and its arguments are written.
#[derive(Debug, Clone, Copy)]
pub(super) enum Command {
    /// The program under this key, its arguments under `args`.
    Split(&'static str),
    /// All of it as a list under `command`.
    Joined,
    /// All of it as a line for a shell under `command`.
    Line,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Fresh {
    Flag(bool),
    Number(&'static str),
    /// `["*"]`.
    Everything,
}

impl Shape {
    pub(super) fn takes_variable(&self) -> bool {
        self.url.is_some_and(Remote::takes_variable)
    }

    pub(super) fn reads_environment(&self) -> bool {
        self.url.is_some_and(Remote::reads_environment)
    }

    /// The members of an entry.
    pub(super) fn write(&self, entry: &Entry, client: &'static str) -> Result<Value, EditError> {
        let mut launch = match &entry.launch {
            Launch::Stdio { command, args, env } => self.program(command, args, env),
            Launch::Url { url, bearer } => {
                let remote = self.url.ok_or(EditError::NoUrl { client })?;
                remote.write(url, bearer.as_ref(), client)?
            }
        };
        if let Some(inner) = self.inner {
            launch = vec![(inner.to_owned(), Value::Map(launch))];
        }
        let name = self.name.map(|key| (key.to_owned(), Value::text(&entry.name)));
        Ok(Value::Map(name.into_iter().chain(launch).collect()))
    }

    fn program(
        &self,
        command: &str,
        args: &[String],
        env: &BTreeMap<String, crate::model::Secret>,
    ) -> Vec<(String, Value)> {
        let mut out = Vec::new();
        let mut put = |key: &str, value: Value| out.push((key.to_owned(), value));
        if let Some(kind) = self.kind {
            put("type", Value::text(kind));
        }
        let all = || [command.to_owned()].into_iter().chain(args.iter().cloned());
        match self.command {
            Command::Split(key) => {
                put(key, Value::text(command));
                put("args", Value::texts(args));
            }
            Command::Joined => put("command", Value::List(all().map(Value::Text).collect())),
            Command::Line => {
                put(
                    "command",
                    Value::Text(all().map(|word| word_of_shell(&word)).collect::<Vec<_>>().join(" ")),
                );
            }
        }
        if !env.is_empty() {
            let env = env.iter().map(|(name, value)| (name.clone(), Value::text(value.expose())));
            put(self.env, Value::Map(env.collect()));
        }
        out
    }

    /// What a new entry has besides.
    pub(super) fn fresh(&self) -> impl Iterator<Item = (String, Value)> {
        self.fresh.iter().map(|(key, fresh)| {
            let value = match fresh {
                Fresh::Flag(flag) => Value::Bool(*flag),
                Fresh::Number(number) => Value::Bare((*number).to_owned()),
                Fresh::Everything => Value::texts(&["*".to_owned()]),
            };
            ((*key).to_owned(), value)
        })
    }

    /// The launch of an entry, if it has one.
    pub(super) fn read(&self, entry: &Value) -> Option<Launch> {
        let entry = match self.inner {
            Some(inner) => entry.get(inner)?,
            None => entry,
        };
        if let Some(launch) = self.url.and_then(|remote| remote.read(entry)) {
            return Some(launch);
        }
        let texts = |value: &Value| value.items().iter().map(Value::spelt).collect::<Option<Vec<_>>>();
        let mut words = match self.command {
            Command::Split(key) => {
                let args = match entry.get("args") {
                    Some(args) => texts(args)?,
                    None => Vec::new(),
                };
                [entry.get(key)?.spelt()?].into_iter().chain(args).collect()
            }
            Command::Joined => texts(entry.get("command")?)?,
            Command::Line => words_of_shell(entry.get("command")?.as_text()?),
        };
        if words.is_empty() {
            return None;
        }
        let command = words.remove(0);
        let env = entry.get(self.env).map_or(&[][..], Value::members);
        let env =
            env.iter().filter_map(|(name, value)| Some((name.clone(), value.spelt()?.into()))).collect();
        Some(Launch::Stdio { command, args: words, env })
    }

    /// The path, within an entry, of something that an earlier launch left and this one has not.
    pub(super) fn stale(&self, found: &Value, wanted: &Value) -> Option<Vec<Step>> {
        let (found, wanted, prefix) = match self.inner {
            Some(inner) => (found.get(inner)?, wanted.get(inner)?, vec![Step::key(inner)]),
            None => (found, wanted, Vec::new()),
        };
        let below = |steps: Vec<Step>| prefix.iter().cloned().chain(steps).collect::<Vec<_>>();
        let program = match self.command {
            Command::Split(key) => [key, "args"],
            Command::Joined | Command::Line => ["command", "args"],
        };
        let command_goes = wanted.get(program[0]).is_none();
        let mut keys = Vec::new();
        if command_goes {
            keys.extend(program);
        }
        keys.push(self.env);
        if command_goes != found.get(program[0]).is_none() {
            keys.extend(["type", "transport"]);
        }
        if let Some(path) = self.url.and_then(|remote| remote.stale(found, wanted, command_goes)) {
            return Some(below(path));
        }
        let leaves =
            |key: &&str| wanted.get(key).is_none() && found.get(key).is_some_and(|value| !value.is_empty());
        if let Some(key) = keys.into_iter().find(leaves) {
            return Some(below(vec![Step::key(key)]));
        }
        let (env, wanted) = (found.get(self.env)?, wanted.get(self.env)?);
        let (gone, _) = env.members().iter().find(|(name, _)| wanted.get(name).is_none())?;
        Some(below(vec![Step::key(self.env), Step::key(gone)]))
    }
}

/// A word for a POSIX shell.
pub(super) fn word_of_shell(word: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./:=@%+,".contains(&b);
    if !word.is_empty() && word.bytes().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// The words of a line as a POSIX shell would take them, without replacing anything.
fn words_of_shell(line: &str) -> Vec<String> {
    let (mut words, mut word) = (Vec::new(), None::<String>);
    let mut chars = line.chars();
    let mut quote = None;
    while let Some(c) = chars.next() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            ('\\', None | Some('"')) => word.get_or_insert_default().extend(chars.next()),
            ('\'' | '"', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (c, None) if c.is_whitespace() => words.extend(word.take()),
            (c, _) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// The name of the token that an entry refers to, where it refers to one.
pub(super) fn variable(launch: &Launch) -> Option<&str> {
    match launch {
        Launch::Url { bearer: Some(Bearer::Variable(name)), .. } => Some(name),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_for_a_shell_comes_back_as_the_words_that_it_was_made_of() {
        let words = ["docker", "-e", "A=b c", "it's", "", "\"q\"", "back\\slash", "$HOME"].map(str::to_owned);
        let line = words.iter().map(|word| word_of_shell(word)).collect::<Vec<_>>().join(" ");
        assert_eq!(words_of_shell(&line), words);
    }
}
