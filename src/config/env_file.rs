//! Env files, read exactly as `docker run --env-file` reads them (docker/cli `pkg/kvfile`).
//!
//! No quotes, no interpolation, no comments behind a value: what follows the first `=` is the
//! value, byte for byte. No message holds a value, nor a line that may be one.

use std::collections::BTreeMap;

use super::shape::is_variable;
use crate::env::Env;
use crate::model::Secret;

/// The longest line, in bytes, without its end: what Docker's scanner takes.
pub(super) const MAX_LINE: usize = 65_535;

/// What an env file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Parsed {
    pub(super) variables: BTreeMap<String, Secret>,
    pub(super) remarks: Vec<Remark>,
}

/// What is wrong with a line, or worth knowing about it. Holds no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Remark {
    /// The line, from 1.
    pub(super) line: usize,
    /// In words that follow a key and a colon.
    pub(super) message: String,
}

/// Reads an env file. Errors are all the lines that Docker, or the kernel, would refuse.
pub(super) fn parse(bytes: &[u8], env: &Env) -> Result<Parsed, Vec<Remark>> {
    let mut parsed = Parsed::default();
    let mut faults = Vec::new();
    for (number, bytes) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
        match line(number, bytes, env) {
            Ok(None) => {}
            Ok(Some((key, value))) => parsed.add(number, key, value),
            Err(message) => faults.push(Remark { line: number, message }),
        }
    }
    if faults.is_empty() { Ok(parsed) } else { Err(faults) }
}

/// The variable that a line sets, if it sets one.
fn line(number: usize, bytes: &[u8], env: &Env) -> Result<Option<(String, String)>, String> {
    if bytes.len() > MAX_LINE {
        return Err(format!("the line is longer than {MAX_LINE} bytes"));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| "the line is not UTF-8".to_owned())?;
    let text = text.strip_suffix('\r').unwrap_or(text);
    let text = if number == 1 { text.strip_prefix('\u{feff}').unwrap_or(text) } else { text };
    let text = text.trim_start();
    if text.is_empty() || text.starts_with('#') {
        return Ok(None);
    }
    let (key, value) = match text.split_once('=') {
        Some((key, value)) => (key, Some(value)),
        None => (text, None),
    };
    if key.is_empty() {
        return Err("there is no name before the `=`".to_owned());
    }
    if key.contains([' ', '\t']) {
        let shell = if key.starts_with("export ") { " (`export` belongs to shells)" } else { "" };
        return Err(format!("the name of the variable contains a space or tab{shell}; write NAME=value"));
    }
    if text.contains('\0') {
        return Err("the line contains a NUL character, which no variable can hold".to_owned());
    }
    // A name alone takes its value from the environment, the empty one too, or is left out.
    let value = value.or_else(|| env.get_raw(key));
    Ok(value.map(|value| (key.to_owned(), value.to_owned())))
}

impl Parsed {
    fn add(&mut self, line: usize, key: String, value: String) {
        // Something that is no name may be half of a secret.
        let name = if is_variable(&key) { format!("`{key}`") } else { "this variable".to_owned() };
        let mut remark = |message: String| self.remarks.push(Remark { line, message });
        if is_quoted(&value) {
            remark(format!(
                "the value of {name} is in quotes, and Docker keeps them as a part of it; remove them"
            ));
        }
        if self.variables.contains_key(&key) {
            remark(format!("{name} is set twice; this line, the later one, counts"));
        }
        self.variables.insert(key, Secret::new(value));
    }
}

fn is_quoted(value: &str) -> bool {
    let value = value.trim();
    value.len() >= 2 && ['"', '\''].iter().any(|quote| value.starts_with(*quote) && value.ends_with(*quote))
}

/// The required variables that a container would not have, in order. One that is set to nothing
/// counts as missing: no service takes an empty key.
pub(super) fn missing<'a>(
    required: &'a [String],
    file: &'a BTreeMap<String, Secret>,
    environment: &'a BTreeMap<String, Secret>,
) -> impl Iterator<Item = &'a str> {
    let present = |key: &String| {
        let value = environment.get(key).or_else(|| file.get(key));
        value.is_some_and(|value| !value.expose().trim().is_empty())
    };
    required.iter().filter(move |key| !present(key)).map(String::as_str)
}

#[cfg(test)]
#[path = "env_file_tests.rs"]
mod tests;
