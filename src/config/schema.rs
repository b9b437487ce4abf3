//! The JSON Schema of `mcpo.yaml` (draft 2020-12), for editors and for checks without our program.
//!
//! It accepts all that `resolve` accepts. What a schema cannot say (two ports that must differ, a
//! size's least when it has a unit) it leaves to `resolve`.

use serde_json::{Map, Value, json};

use super::kind::{Kind, Word};
use super::resolve::default_of;
use super::settings::{SECTIONS, Setting, UNLIMITED, children, last_word, setting};

/// The schema. `docs/reference/mcpo.schema.json` is this, and a test compares.
#[must_use]
pub fn schema() -> Value {
    let mut schema = section("", "What `mcpo-deploy` deploys. Every key is optional.");
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!("mcpo.yaml");
    schema["patternProperties"] = json!({ "^x-": { "description": "Not read; a place for anchors." } });
    schema
}

fn section(path: &str, doc: &str) -> Value {
    let mut properties = Map::new();
    for child in children(path) {
        let schema = match (setting(child), SECTIONS.iter().find(|(section, _)| *section == child)) {
            (Some(setting), _) => of_setting(setting),
            (None, Some((_, doc))) => section(child, doc),
            (None, None) => continue,
        };
        properties.insert(last_word(child).to_owned(), schema);
    }
    json!({
        "type": ["object", "null"],
        "description": doc,
        "properties": properties,
        "additionalProperties": false,
    })
}

fn of_setting(setting: &'static Setting) -> Value {
    let mut schema = Map::new();
    schema.insert("description".to_owned(), json!(setting.described()));
    if let Some(default) = default_of(setting) {
        schema.insert("default".to_owned(), default);
    }
    let mut any = alternatives(&setting.kind);
    any.push(json!({ "type": "null" }));
    schema.insert("anyOf".to_owned(), Value::Array(any));
    Value::Object(schema)
}

/// Text that YAML may have read as something else: `project: 2026`, `LEVEL: true`.
fn text(pattern: &str) -> Vec<Value> {
    vec![json!({ "type": "string", "pattern": pattern }), json!({ "type": ["number", "boolean"] })]
}

fn pattern(pattern: &str) -> Vec<Value> {
    vec![json!({ "type": "string", "pattern": pattern })]
}

fn alternatives(kind: &Kind) -> Vec<Value> {
    match kind {
        Kind::Text | Kind::HostPath => text(r"\S"),
        Kind::Value => vec![json!({ "type": ["string", "number", "boolean", "null"] })],
        Kind::Flag => vec![json!({ "enum": [true, false, "true", "false"] })],
        Kind::Number { min, max } => vec![
            json!({ "type": "integer", "minimum": min, "maximum": max }),
            json!({ "type": "string", "pattern": "^[0-9]+$" }),
        ],
        Kind::Size { min } => vec![
            json!({ "type": "integer", "minimum": min }),
            json!({ "type": "string", "pattern": r"^\s*[0-9]+\s*([bB]|[kKmMgGtT]([iI]?[bB])?)?\s*$" }),
        ],
        Kind::Cpus => vec![
            json!({ "type": "number", "minimum": 0.01 }),
            json!({ "type": "string", "pattern": r"^\s*[0-9]+(\.[0-9]{0,9})?\s*$" }),
        ],
        Kind::Duration { .. } => pattern("^([0-9]+(ms|s|m|h|d))+$"),
        Kind::Limit(inner) => {
            let mut any = alternatives(inner);
            any.push(json!({ "const": UNLIMITED }));
            any
        }
        Kind::Image => text("^[A-Za-z0-9][A-Za-z0-9._:/@-]*$"),
        Kind::Address => pattern("^[0-9A-Fa-f.:]+$"),
        Kind::User => vec![
            json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX }),
            json!({ "type": "string", "pattern": "^[0-9]+(:[0-9]+)?$" }),
        ],
        Kind::Project => text("^[a-z0-9][a-z0-9_-]{0,62}$"),
        Kind::Variable => text("^[A-Za-z_][A-Za-z0-9_]*$"),
        Kind::InnerPath => text(r"^[^/\\]"),
        Kind::ContainerPath => pattern(r"^/[^:,\\]+$"),
        Kind::MountOptions => vec![
            json!({ "type": "string", "pattern": "^[A-Za-z0-9=,_%.:-]*$" }),
            json!({ "type": ["number", "boolean", "null"] }),
        ],
        Kind::Volume | Kind::Network => text("^[A-Za-z0-9][A-Za-z0-9_.-]{1,127}$"),
        Kind::Origin => pattern(r"^[a-z][a-z0-9+.-]*://[^/\s]+$"),
        Kind::Host => text(r"^[^/\s]+$"),
        Kind::Word(Word::Capability) => {
            let plain = Word::Capability.all();
            let all: Vec<String> = plain
                .iter()
                .map(|&name| name.to_owned())
                .chain(plain.iter().map(|name| format!("CAP_{name}")))
                .collect();
            vec![json!({ "enum": all })]
        }
        Kind::Word(word) => vec![json!({ "enum": word.all() })],
        Kind::List(inner) => vec![json!({ "type": "array", "items": { "anyOf": alternatives(inner) } })],
        Kind::Map { key, value } => vec![json!({
            "type": "object",
            "propertyNames": { "anyOf": alternatives(key) },
            "additionalProperties": { "anyOf": alternatives(value) },
        })],
    }
}

#[cfg(test)]
#[path = "schema_tests.rs"]
mod tests;
