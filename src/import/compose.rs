//! A compose file → a [`Project`], by the Compose specification.

use std::collections::BTreeMap;

use super::compose_service::service;
use super::error::ImportError;
use super::ledger::Ledger;
use super::reader::Reader;
use super::service::Project;
use crate::config::tree::{Data, Node, read_foreign};

/// Whether a text is a compose file rather than a shell's: `services` is a key at its top.
pub(super) fn is_compose(text: &str) -> bool {
    let is_key = |line: &str| {
        let rest = ["services", "\"services\"", "'services'"].iter().find_map(|key| line.strip_prefix(key));
        rest.is_some_and(|rest| rest.trim_start().starts_with(':'))
    };
    text.lines().any(is_key) || (text.trim_start().starts_with('{') && text.contains("\"services\""))
}

/// Reads a compose file.
pub(super) fn project(text: &str, file: &str, ledger: &mut Ledger) -> Result<Project, ImportError> {
    let root = read_foreign(text).map_err(|error| ImportError::Broken {
        file: file.to_owned(),
        line: error.spot.line,
        message: error.message,
    })?;
    let mut reader = Reader::new(ledger);
    let mut project = Project::default();
    let mut services = None;
    for field in reader.fields(&root, "the file") {
        let (name, node, line) = (field.name.as_str(), &field.node, field.line);
        match name {
            "name" => project.name = reader.text(node, name),
            "version" => project.version = Some(line),
            "services" => services = Some((field.node, line)),
            "networks" => project.external_networks = external(&mut reader, node, name),
            "volumes" => {
                for (volume, _) in external(&mut reader, node, name) {
                    let why = "a volume that exists already is not this project's; a new one is made";
                    reader.ledger.note(line, format!("volumes.{volume}"), why);
                }
            }
            name if name.starts_with("x-") => {}
            "include" => reader.ledger.note(line, name, "other files are not read; import them one by one"),
            "secrets" | "configs" => {
                reader.ledger.note(line, name, "secrets belong into the env file; nothing else is mounted");
            }
            name => reader.ledger.note(line, name, "mcpo.yaml has no key for it"),
        }
    }
    let broken = |line: usize, message: &str| ImportError::Broken {
        file: file.to_owned(),
        line,
        message: message.to_owned(),
    };
    let Some((services, line)) = services else { return Err(broken(1, "there is no `services:` in it")) };
    if !matches!(services.data, Data::Map(_)) {
        return Err(broken(line, "`services` must be a map of services"));
    }
    for field in reader.fields(&services, "services") {
        let read = service(&mut reader, &field.name, &field.node, field.line);
        project.services.push(read);
    }
    if project.services.is_empty() {
        return Err(broken(line, "there are no services in it"));
    }
    Ok(project)
}

/// The networks or volumes that exist already, by key, with their own names.
fn external(reader: &mut Reader<'_>, node: &Node, path: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for field in reader.fields(node, path) {
        let path = format!("{path}.{}", field.name);
        let (mut exists, mut name) = (false, None);
        for inner in reader.fields(&field.node, &path) {
            match (inner.name.as_str(), &inner.node.data) {
                // `external: {name: x}` is the old spelling.
                ("external", Data::Map(_)) => {
                    exists = true;
                    let names = reader.fields(&inner.node, &path);
                    name = names
                        .iter()
                        .find(|field| field.name == "name")
                        .and_then(|field| reader.text(&field.node, &path));
                }
                ("external", _) => exists = reader.flag(&inner.node, &path).unwrap_or(false),
                ("name", _) => name = reader.text(&inner.node, &path).or(name),
                _ => {}
            }
        }
        if exists {
            found.insert(field.name.clone(), name.unwrap_or(field.name));
        }
    }
    found
}
