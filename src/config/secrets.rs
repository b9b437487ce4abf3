//! The env file of a description: found, read, and remarked upon.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::path::Path;

use super::assemble::Assembly;
use super::env_file::{missing, parse};
use super::files::{self, Unreadable, shown};
use super::problem::{Place, Problem, Warning};
use super::settings::{ENV_FILE, NO_ENV_FILE};
use super::stack::EnvFile;
use super::values::Value;
use crate::model::Secret;

const KEY: &str = "orchestrator.env_file";
const ENVIRONMENT: &str = "orchestrator.environment";

/// Variables that other settings decide, and by which of them: every rendering sets them, so that no
/// file that is not in Git changes what is rendered.
pub const DECIDED: [(&str, &str); 11] = [
    ("MCPO_LOG_DIR", "logs.mount"),
    ("MCPO_LOG_MAX_AGE", "logs.max_age"),
    ("MCPO_LOG_MAX_FILES", "logs.max_files"),
    ("MCPO_LOG_MAX_SIZE", "logs.max_size"),
    ("MCP_BRIDGE_ALLOW_HOST", "bridge.allowed_hosts"),
    ("MCP_BRIDGE_ALLOW_ORIGIN", "bridge.allowed_origins"),
    ("MCP_BRIDGE_CALL_TIMEOUT", "bridge.call_timeout"),
    ("MCP_BRIDGE_COMMAND", "orchestrator.command"),
    ("MCP_BRIDGE_MAX_CHILDREN", "bridge.max_children"),
    ("MCP_BRIDGE_MAX_CONNECTIONS", "bridge.max_connections"),
    ("MCP_BRIDGE_MAX_MESSAGE", "bridge.max_message"),
];

impl Assembly<'_, '_> {
    /// The env file, where it is not refused by name, and a warning for every required variable
    /// that neither it nor `environment` sets.
    pub(super) fn env_file(
        &mut self,
        required_keys: &[String],
        environment: &BTreeMap<String, Secret>,
    ) -> Result<Option<EnvFile>, Problem> {
        let required = self.layers.values.is_set(KEY);
        if self.layers.values.get(KEY).is_none() {
            self.layers.values.set(KEY, Value::One(ENV_FILE.to_owned()), Place::Default);
        }
        let written = self.layers.values.get(KEY).map(|entry| entry.value.clone());
        let file = match self.path(KEY)? {
            Some(path) if written != Some(Value::One(NO_ENV_FILE.to_owned())) => {
                let variables = self.read_env_file(&path, required);
                Some(EnvFile { path, required, variables })
            }
            _ => None,
        };
        let none = BTreeMap::new();
        let variables = file.as_ref().map_or(&none, |file| &file.variables);
        for (name, setting) in DECIDED {
            let message = format!("{name} is beaten by `{setting}`: set it there");
            let named =
                environment.contains_key(name).then(|| (ENVIRONMENT, self.layers.values.place(ENVIRONMENT)));
            let in_file = variables.contains_key(name).then(|| (KEY, self.layers.values.place(KEY)));
            for (key, place) in named.into_iter().chain(in_file) {
                self.layers.warnings.push(Warning::new(key, message.clone(), place));
            }
        }
        let place = self.layers.values.place("orchestrator.required_keys");
        for key in missing(required_keys, variables, environment) {
            let message = match &file {
                Some(file) => {
                    format!("{key} is not set; write it into {}", shown(&file.path, self.layers.env))
                }
                None => format!("{key} is not set; set it in `orchestrator.environment`"),
            };
            self.layers.warnings.push(Warning::new("orchestrator.required_keys", message, place.clone()));
        }
        Ok(file)
    }

    fn read_env_file(&mut self, path: &Path, required: bool) -> BTreeMap<String, Secret> {
        let file = shown(path, self.layers.env);
        let (bytes, metadata) = match files::read(path) {
            Ok(read) => read,
            Err(Unreadable::Missing) if !required => return BTreeMap::new(),
            Err(unreadable) => {
                self.problem(KEY, unreadable.message(Path::new(&file)));
                return BTreeMap::new();
            }
        };
        let place = |line| Place::EnvFile { file: file.clone(), line };
        if is_open_to_others(&metadata) {
            let message = format!("others can read or change {file}; run `chmod 600 {file}`");
            self.layers.warnings.push(Warning::new(KEY, message, place(0)));
        }
        match parse(&bytes, self.layers.env) {
            Ok(parsed) => {
                for remark in parsed.remarks {
                    self.layers.warnings.push(Warning::new(KEY, remark.message, place(remark.line)));
                }
                parsed.variables
            }
            Err(faults) => {
                for fault in faults {
                    self.layers.problems.push(Problem::new(KEY, fault.message, place(fault.line)));
                }
                BTreeMap::new()
            }
        }
    }
}

#[cfg(unix)]
fn is_open_to_others(metadata: &Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    metadata.permissions().mode() & 0o077 != 0
}

#[cfg(not(unix))]
fn is_open_to_others(_: &Metadata) -> bool {
    false
}
