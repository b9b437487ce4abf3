use std::cell::RefCell;
use std::collections::HashMap;
use std::path::PathBuf;

use regex::Regex;
use serde_json::{Value, json};

use super::*;
use crate::config::{Input, resolve};
use crate::env::Env;

fn matches(pattern: &str, text: &str) -> bool {
    thread_local!(static RULES: RefCell<HashMap<String, Regex>> = RefCell::default());
    let rule = || Regex::new(pattern).expect("rule");
    RULES.with_borrow_mut(|rules| rules.entry(pattern.to_owned()).or_insert_with(rule).is_match(text))
}

/// The part of JSON Schema that ours uses; an unknown keyword is a failure.
fn valid(schema: &Value, value: &Value) -> bool {
    let holds = |(keyword, rule): (&String, &Value)| match keyword.as_str() {
        "$schema" | "title" | "description" | "default" | "patternProperties" => true,
        "anyOf" => rule.as_array().expect("list").iter().any(|schema| valid(schema, value)),
        "type" => match rule {
            Value::Array(types) => types.iter().any(|name| is(name, value)),
            name => is(name, value),
        },
        "enum" => rule.as_array().expect("list").contains(value),
        "const" => rule == value,
        "minimum" => value.as_f64().is_none_or(|number| number >= rule.as_f64().expect("number")),
        "maximum" => value.as_f64().is_none_or(|number| number <= rule.as_f64().expect("number")),
        "pattern" => value.as_str().is_none_or(|text| matches(rule.as_str().expect("text"), text)),
        "items" => value.as_array().is_none_or(|items| items.iter().all(|item| valid(rule, item))),
        "propertyNames" => {
            value.as_object().is_none_or(|map| map.keys().all(|name| valid(rule, &json!(name))))
        }
        "properties" => value.as_object().is_none_or(|map| {
            map.iter().all(|(name, value)| rule.get(name).is_none_or(|schema| valid(schema, value)))
        }),
        "additionalProperties" => value.as_object().is_none_or(|map| {
            map.iter().all(|(name, value)| {
                let known = schema.get("properties").is_some_and(|known| known.get(name).is_some())
                    || (schema.get("patternProperties").is_some() && name.starts_with("x-"));
                known || (rule != &json!(false) && valid(rule, value))
            })
        }),
        other => panic!("{other}"),
    };
    schema.as_object().expect("schema").iter().all(holds)
}

fn is(name: &Value, value: &Value) -> bool {
    match name.as_str().expect("type") {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("{other}"),
    }
}

/// JSON is YAML, so one text says it to both.
fn resolver_accepts(folder: &std::path::Path, value: &Value) -> bool {
    std::fs::write(folder.join("mcpo.yaml"), value.to_string()).expect("file");
    let env = Env::from_pairs::<&str, &str>([], PathBuf::from(folder));
    resolve(&Input::new(&env)).is_ok()
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::Builder::new().prefix("demo").tempdir().expect("folder");
    std::fs::write(folder.path().join("Dockerfile"), "FROM scratch\n").expect("file");
    std::fs::write(folder.path().join("profile.json"), "{}").expect("file");
    folder
}

/// `hardening.memory`, `2g` → `{"hardening": {"memory": "2g"}}`.
fn nested(key: &str, value: &Value) -> Value {
    key.rsplit('.').fold(value.clone(), |inner, word| json!({ word: inner }))
}

#[test]
fn what_the_resolver_accepts_the_schema_accepts_and_defaults_are_accepted_by_both() {
    let folder = folder();
    let schema = schema();
    let samples = [
        json!(null),
        json!(true),
        json!("true"),
        json!("yes"),
        json!(0),
        json!(1),
        json!(8080),
        json!(70000),
        json!(-1),
        json!(0.5),
        json!("8080"),
        json!("2g"),
        json!("512 MiB"),
        json!("1.5g"),
        json!("unlimited"),
        json!("none"),
        json!("0.5"),
        json!("30s"),
        json!("1h30m"),
        json!("soon"),
        json!("127.0.0.1"),
        json!("::1"),
        json!("localhost"),
        json!("0:0"),
        json!("root"),
        json!("name"),
        json!("Name"),
        json!("a/b:c"),
        json!("."),
        json!("profile.json"),
        json!("/abs/path"),
        json!("../x"),
        json!(""),
        json!(" "),
        json!("a b"),
        json!("https://example.com"),
        json!("default"),
        json!("unconfined"),
        json!([]),
        json!(["A_KEY"]),
        json!(["NET_RAW", "CAP_SYS_TIME"]),
        json!(["net_raw"]),
        json!(["memory"]),
        json!(["https://example.com"]),
        json!(["example.com:80"]),
        json!([1]),
        json!([[]]),
        json!({}),
        json!({"A": "b"}),
        json!({"A": null}),
        json!({"/x": "size=1m"}),
        json!({"/x": null}),
        json!({"8080": 80}),
        json!({"8080": "80"}),
        json!({"a b": 1}),
        json!({"x": {}}),
    ];
    let mut accepted = 0;
    for setting in &super::super::settings::SETTINGS {
        if let Some(default) = default_of(setting) {
            let whole = nested(setting.key, &default);
            assert!(valid(&schema, &whole) && resolver_accepts(folder.path(), &whole), "{whole}");
        }
        for sample in &samples {
            let whole = nested(setting.key, sample);
            if resolver_accepts(folder.path(), &whole) {
                accepted += 1;
                assert!(valid(&schema, &whole), "only the resolver accepts {whole}");
            }
        }
    }
    assert!(accepted > 150, "{accepted}");
}

#[test]
fn what_the_schema_refuses_the_resolver_refuses() {
    let folder = folder();
    let schema = schema();
    for bad in [
        json!({"hardning": {}}),
        json!({"hardening": {"memry": "2g"}}),
        json!({"hardening": []}),
        json!({"hardening": {"memory": "lots"}}),
        json!({"hardening": {"cap_add": ["EVERYTHING"]}}),
        json!({"hardening": {"tmpfs": {"tmp": ""}}}),
        json!({"bridge": {"websocket_port": 0}}),
        json!({"bridge": {"websocket_port": 65536}}),
        json!({"bridge": {"call_timeout": 120}}),
        json!({"bridge": {"insecure": "yes"}}),
        json!({"orchestrator": {"environment": ["A=b"]}}),
        json!({"orchestrator": {"environment": {"A-B": "c"}}}),
        json!({"orchestrator": {"command": "python"}}),
        json!({"project": "Demo"}),
        json!([]),
        json!("text"),
    ] {
        assert!(!valid(&schema, &bad), "the schema accepts {bad}");
        assert!(!resolver_accepts(folder.path(), &bad), "the resolver accepts {bad}");
    }
    let good = json!({
        "project": "demo",
        "orchestrator": {"build": {"context": "."}, "environment": {"A": "b", "B": null}},
        "hardening": {"memory": "1g", "cpus": 0.5, "pids": "unlimited", "cap_add": ["CAP_NET_RAW"]},
        "app": {"image": "nginx:1", "ports": {"8080": 80}},
        "x-anything": [1, 2, 3],
    });
    assert!(valid(&schema, &good) && resolver_accepts(folder.path(), &good));
}
