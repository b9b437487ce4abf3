//! The bridge's Streamable HTTP before others: the official conformance suite and real clients, with
//! `everything-fixture` of every mode behind the bridge.
//!
//! Brings Node, the suite and the clients once, from the lists in `tools/`, into the folder for tests'
//! files. They come from the package registries that pip and npm are set to.

mod bridge;
mod brought;
mod clients;
mod judgement;
mod suite;

use std::process::Command;

use judgement::expectations::Expectations;
use judgement::{MODES, differences};

/// How a program ended, and what it wrote.
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

/// Runs a program to its end; after `seconds` it is ended.
#[track_caller]
fn run(command: &Command, seconds: u32) -> Ran {
    let mut bounded = Command::new("timeout");
    bounded.args(["--kill-after=5", &seconds.to_string()]).arg(command.get_program());
    bounded.args(command.get_args());
    if let Some(folder) = command.get_current_dir() {
        bounded.current_dir(folder);
    }
    for (key, value) in command.get_envs() {
        match value {
            Some(value) => bounded.env(key, value),
            None => bounded.env_remove(key),
        };
    }
    let output = bounded.output().expect("timeout, of the coreutils");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

#[track_caller]
fn every_scenario_is_as_expected(revision: &str) {
    let expected = Expectations::parse(include_str!("expectations.txt")).expect("expectations");
    let mut told = Vec::new();
    for mode in MODES {
        let bridge = bridge::Serving::start(mode);
        let results = suite::run_set(revision, &bridge.url());
        bridge.end();
        told.extend(differences(&expected, revision, mode, &results));
    }
    assert!(told.is_empty(), "{}", told.join("\n"));
}

#[test]
fn every_scenario_of_the_stateful_protocol_passes_or_has_its_reason() {
    every_scenario_is_as_expected("2025-11-25");
}

#[test]
fn every_scenario_of_the_stateless_protocol_passes_or_has_its_reason() {
    every_scenario_is_as_expected("2026-07-28");
}

#[test]
fn every_client_sees_the_same_of_a_server_of_any_era() {
    let mut told = Vec::new();
    for mode in ["legacy", "modern", "dual"] {
        let bridge = bridge::Serving::start(mode);
        told.extend(clients::differences(mode, &bridge.url()));
        bridge.end();
    }
    assert!(told.is_empty(), "{}", told.join("\n"));
}
