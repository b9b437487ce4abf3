//! `docker run …` lines → a [`Project`].

use super::error::ImportError;
use super::ledger::Ledger;
use super::reader::Reader;
use super::run_options::{self, FLAGS, UNKNOWN, of_letter, takes_value};
use super::service::{Project, Service};
use super::words::{Unclosed, Word, commands};

const PROGRAMS: [&str; 4] = ["docker", "podman", "nerdctl", "docker.exe"];

/// The most lines that are read.
const MAX_LINES: usize = 100;

/// Reads a text with lines that run containers.
pub(super) fn project(text: &str, file: &str, ledger: &mut Ledger) -> Result<Project, ImportError> {
    let has_line = text.contains("run") && PROGRAMS.iter().any(|program| text.contains(program));
    let commands = match commands(text) {
        Ok(commands) => commands,
        Err(Unclosed(line)) if has_line => {
            let message = "the quote that opens here is never closed".to_owned();
            return Err(ImportError::Broken { file: file.to_owned(), line, message });
        }
        Err(_) => return Err(ImportError::Neither { file: file.to_owned() }),
    };
    let runs: Vec<&[Word]> =
        commands.iter().filter_map(|command| after_run(command)).take(MAX_LINES).collect();
    if runs.is_empty() {
        return Err(ImportError::Neither { file: file.to_owned() });
    }
    let mut reader = Reader::new(ledger);
    let mut project = Project::default();
    for (at, words) in runs.iter().enumerate() {
        let path = if at == 0 { "docker run".to_owned() } else { format!("docker run ({})", at + 1) };
        let line = words.first().map_or(1, |word| word.line);
        let service = Service { path, line, ..Service::default() };
        project.services.push(Line { words, at: 0, service, reader: &mut reader }.read(file)?);
    }
    Ok(project)
}

/// What follows `docker run`, where a command has it.
fn after_run(command: &[Word]) -> Option<&[Word]> {
    let program = command
        .iter()
        .position(|word| PROGRAMS.contains(&word.text.rsplit('/').next().unwrap_or_default()))?;
    let rest = &command[program + 1..];
    // `docker --context x container run`: what stands before is the client's own.
    let run = rest.iter().position(|word| word.text == "run")?;
    let before = &rest[..run];
    let value_or_option = |at: usize| {
        before[at].text.starts_with('-')
            || (at > 0 && before[at - 1].text.starts_with('-'))
            || before[at].text == "container"
    };
    (0..before.len()).all(value_or_option).then(|| &rest[run + 1..])
}

struct Line<'w, 'r, 'l> {
    words: &'w [Word],
    at: usize,
    service: Service,
    reader: &'r mut Reader<'l>,
}

impl Line<'_, '_, '_> {
    fn read(mut self, file: &str) -> Result<Service, ImportError> {
        while let Some(word) = self.words.get(self.at) {
            self.at += 1;
            match word.text.strip_prefix('-') {
                Some("-") => break,
                Some(long) if long.starts_with('-') => self.long(&long[1..], word.line),
                Some(letters) if !letters.is_empty() => self.letters(letters, word.line),
                _ => {
                    self.at -= 1;
                    break;
                }
            }
        }
        let broken = |line: usize, message: &str| {
            Err(ImportError::Broken { file: file.to_owned(), line, message: message.to_owned() })
        };
        let Some(image) = self.words.get(self.at).filter(|image| !image.text.is_empty()) else {
            return broken(self.service.line, "the `docker run` line names no image");
        };
        let path = self.service.path.clone();
        self.service.image = self.reader.replaced(&image.text, image.line, &format!("{path} image"));
        let rest = &self.words[self.at + 1..];
        if let Some(first) = rest.first() {
            let at = format!("{path} command");
            let words: Vec<String> =
                rest.iter().filter_map(|word| self.reader.replaced(&word.text, word.line, &at)).collect();
            if words.len() == rest.len() {
                self.service.command = Some(words);
            } else {
                self.reader.ledger.note(first.line, at, "it is not taken over in part");
            }
        }
        self.service.name = self.service.image.as_deref().map(short_name).unwrap_or_default();
        Ok(self.service)
    }

    /// `--name`, `--name=value` or `--name value`.
    fn long(&mut self, text: &str, line: usize) {
        let (name, inline) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (text, None),
        };
        if FLAGS.contains(&name) {
            let on = inline
                .is_none_or(|value| !matches!(value.as_str(), "false" | "0" | "f" | "F" | "FALSE" | "False"));
            return run_options::flag(self.reader, &mut self.service, name, on, line);
        }
        let known = takes_value(name);
        let value = match inline {
            Some(value) => Some(value),
            None if known || self.is_followed_by_value() => self.next(),
            None => None,
        };
        if let Some(value) = value {
            self.take(name, &value, line);
        } else {
            let path = run_options::path(&self.service, &shown(name));
            self.reader.ledger.note(line, path, UNKNOWN);
        }
    }

    /// `-it`, `-eNAME=value`, `-p 80:80`.
    fn letters(&mut self, text: &str, line: usize) {
        for (at, letter) in text.char_indices() {
            let Some(name) = of_letter(letter) else {
                let path = format!("{} -{}", self.service.path, shown(&letter.to_string()));
                return self.reader.ledger.note(line, path, UNKNOWN);
            };
            let rest = &text[at + letter.len_utf8()..];
            if FLAGS.contains(&name) {
                if let Some(value) = rest.strip_prefix('=') {
                    return run_options::flag(self.reader, &mut self.service, name, value != "false", line);
                }
                run_options::flag(self.reader, &mut self.service, name, true, line);
                continue;
            }
            let value = match rest.strip_prefix('=').unwrap_or(rest) {
                "" => self.next(),
                rest => Some(rest.to_owned()),
            };
            if let Some(value) = value {
                self.take(name, &value, line);
            }
            return;
        }
    }

    fn take(&mut self, name: &str, value: &str, line: usize) {
        let name = if takes_value(name) { name.to_owned() } else { shown(name) };
        run_options::value(self.reader, &mut self.service, &name, value, line);
    }

    fn next(&mut self) -> Option<String> {
        let word = self.words.get(self.at)?;
        self.at += 1;
        Some(word.text.clone())
    }

    /// Whether an option that nobody knows seems to have a value: a word, and an image behind it.
    fn is_followed_by_value(&self) -> bool {
        let is_word = |word: &Word| !word.text.starts_with('-');
        let rest = &self.words[self.at..];
        rest.first().is_some_and(is_word) && rest.iter().skip(1).any(is_word)
    }
}

/// The name of an option that nobody knows, unless it could be something else.
fn shown(name: &str) -> String {
    let plain = name.len() <= 40 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if plain && !crate::model::is_secret_value(name) { name.to_owned() } else { "…".to_owned() }
}

/// `example.org/team/server:1` is called `server`.
fn short_name(image: &str) -> String {
    let name = image.split('@').next().unwrap_or(image);
    let name = name.rsplit('/').next().unwrap_or(name);
    name.split(':').next().unwrap_or(name).to_owned()
}
