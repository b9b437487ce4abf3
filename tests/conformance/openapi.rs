//! The description of the tools before the validator of others.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::bridge::Serving;
use super::brought::python;
use super::run;

/// How long the validator may take.
const SECONDS: u32 = 60;

#[track_caller]
fn is_valid(bridge: Serving, paths: usize) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/clients/openapi_document.py");
    let ran = run(Command::new(python("openapi")).arg(script).arg(bridge.url()), SECONDS);
    bridge.end();
    let seen: Value = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{}{}", ran.out, ran.err));
    assert_eq!(seen, json!({"wrong": [], "paths": paths, "ids": paths}));
}

#[test]
fn the_description_of_a_legacy_server_is_valid() {
    is_valid(Serving::start("legacy"), super::clients::TOOLS);
}

#[test]
fn the_description_of_a_modern_server_is_valid() {
    is_valid(Serving::start("modern"), super::clients::TOOLS);
}

#[test]
fn the_description_of_a_server_without_lists_is_valid() {
    is_valid(Serving::start("bare"), 1);
}

#[test]
fn the_description_of_a_server_that_knows_no_better_is_valid() {
    is_valid(Serving::start_before("stdio-fixture", &["legacy", "hostile"]), 4);
}
