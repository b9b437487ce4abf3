//! `mcpo.yaml`, the environment and flags → a checked [`Stack`], or everything that is wrong.

use std::path::{Path, PathBuf};

use super::assemble::Assembly;
use super::files::{self, shown};
use super::find::find;
use super::kind::Kind;
use super::layers::{Layers, Override};
use super::problem::{ConfigError, Place, Problem, Warning, sort};
use super::settings::{self, SETTINGS};
use super::stack::Stack;
use super::tree::{self, Node, NotATree};
use super::values::{Value, Values, node_of_text, read};
use crate::env::Env;

/// What a description is made from.
#[derive(Debug, Clone)]
pub struct Input<'a> {
    /// The file that was named on the command line; it must be there.
    pub file: Option<PathBuf>,
    /// The project that was named on the command line.
    pub project: Option<String>,
    /// Settings from the command line, later ones beating earlier ones.
    pub overrides: Vec<Override>,
    /// The environment and the current folder.
    pub env: &'a Env,
}

impl<'a> Input<'a> {
    /// Nothing on the command line.
    #[must_use]
    pub fn new(env: &'a Env) -> Self {
        Self { file: None, project: None, overrides: Vec::new(), env }
    }
}

/// A description that holds together.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolved {
    /// The description.
    pub stack: Stack,
    /// What is worth knowing about it, in the order of the file, the env file, the environment.
    pub warnings: Vec<Warning>,
    /// Every setting that has a value, in the order of the table.
    pub settings: Vec<Setting>,
}

/// A setting as `mcpo-deploy config` shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// The key.
    pub key: &'static str,
    /// The value; a secret one is `[secret]`.
    pub value: serde_json::Value,
    /// Where it came from.
    pub origin: Place,
}

/// What a secret is shown as.
const SECRET: &str = "[secret]";

/// Reads and checks a whole description. Flags beat the environment, which beats the file, which
/// beats the defaults. The only effects are reads of the files that it names.
pub fn resolve(input: &Input<'_>) -> Result<Resolved, ConfigError> {
    let mut layers = Layers::new(input.env);
    let found = find(input.file.as_deref(), input.env).unwrap_or_else(|problem| {
        layers.problems.push(problem);
        None
    });
    let tree = found.as_ref().and_then(|(path, place)| read_tree(path, place, &mut layers));
    let whole = layers.problems.is_empty();
    if let (Some(tree), Some((path, _))) = (&tree, &found) {
        layers.lay_file(tree, &shown(path, input.env));
    }
    layers.lay_env();
    layers.lay_flags(&input.overrides);
    if let Some(project) = &input.project {
        let key = "project".to_owned();
        layers.lay_flags(&[Override { key, value: project.clone(), flag: "-p".to_owned() }]);
    }
    if !whole {
        // Half a description is not judged as a whole.
        return Err(layers.problems.into_error());
    }
    assembled(layers, found.map(|(path, _)| path))
}

/// Checks the text of a file that may not be there yet: as [`resolve()`], with neither flags nor
/// `MCPO_…` variables. `file` is where it will lie, absolute.
pub fn resolve_text(text: &str, file: &Path, env: &Env) -> Result<Resolved, ConfigError> {
    let mut layers = Layers::new(env);
    let name = shown(file, env);
    match tree::read(text) {
        Ok(tree) => layers.lay_file(&tree, &name),
        Err(error) => {
            layers.problems.push(not_a_tree(name, error));
            return Err(layers.problems.into_error());
        }
    }
    assembled(layers, Some(file.to_owned()))
}

fn assembled(mut layers: Layers<'_>, file: Option<PathBuf>) -> Result<Resolved, ConfigError> {
    layers.values.fill(layers.env);
    let folder = file.as_deref().and_then(Path::parent).unwrap_or(&layers.env.folder).to_owned();
    let stack = Assembly { layers: &mut layers, folder }.stack(file);
    let stack = match stack {
        Ok(stack) if layers.problems.is_empty() => stack,
        Ok(_) => return Err(layers.problems.into_error()),
        Err(bug) => {
            layers.problems.push(bug);
            return Err(layers.problems.into_error());
        }
    };
    sort(&mut layers.warnings);
    let settings = listed(&layers.values);
    Ok(Resolved { stack, warnings: layers.warnings, settings })
}

fn read_tree(path: &Path, place: &Place, layers: &mut Layers<'_>) -> Option<Node> {
    let name = shown(path, layers.env);
    let text = match files::read(path) {
        Ok((bytes, _)) => String::from_utf8(bytes).map_err(|error| {
            let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = before.split(|byte| *byte == b'\n').count();
            let place = Place::File { file: name.clone(), line, column: 0 };
            Problem::new("", "this is not UTF-8", place)
        }),
        Err(unreadable) => Err(Problem::new("", unreadable.message(Path::new(&name)), place.clone())),
    };
    let tree = text.and_then(|text| tree::read(&text).map_err(|error| not_a_tree(name, error)));
    tree.map_err(|problem| layers.problems.push(problem)).ok()
}

fn not_a_tree(file: String, error: NotATree) -> Problem {
    let place = Place::File { file, line: error.spot.line, column: error.spot.column };
    Problem::new("", error.message, place)
}

fn listed(values: &Values) -> Vec<Setting> {
    let shown = |setting: &'static settings::Setting| {
        let entry = values.get(setting.key)?;
        Some(Setting { key: setting.key, value: json(setting, &entry.value), origin: entry.place.clone() })
    };
    SETTINGS.iter().filter_map(shown).collect()
}

/// The default of the table, where there is one.
pub(super) fn default_of(setting: &'static settings::Setting) -> Option<serde_json::Value> {
    let node = node_of_text(&setting.kind, setting.default?).ok()?;
    read(setting, &node, &Env::default()).0.map(|value| json(setting, &value))
}

fn json(setting: &settings::Setting, value: &Value) -> serde_json::Value {
    let kind = match &setting.kind {
        Kind::List(kind) | Kind::Map { value: kind, .. } => kind,
        kind => kind,
    };
    let scalar = |text: &String| if setting.is_secret() { SECRET.into() } else { typed(kind, text) };
    match value {
        Value::One(one) => scalar(one),
        Value::List(items) => items.iter().map(scalar).collect(),
        Value::Map(entries) => {
            let text = |text: &Option<String>| text.as_ref().map_or(serde_json::Value::Null, scalar);
            entries.iter().map(|(name, value)| (name.clone(), text(&value.text))).collect()
        }
    }
}

/// A scalar as its kind is in JSON: a port is a number, a size is text.
fn typed(kind: &Kind, text: &str) -> serde_json::Value {
    match (kind, text.parse::<bool>(), text.parse::<u32>()) {
        (Kind::Flag, Ok(flag), _) => flag.into(),
        (Kind::Number { .. } | Kind::Limit(Kind::Number { .. }), _, Ok(number)) => number.into(),
        _ => text.into(),
    }
}
