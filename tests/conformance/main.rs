//! The bridge's Streamable HTTP before others: the official conformance suite and real clients, with
//! `everything-fixture` of every mode behind the bridge.
//!
//! Brings Node, the suite and the clients once, from the lists in `tools/`, into the folder for tests'
//! files. They come from the package registries that pip and npm are set to.

mod bridge;
mod brought;
mod clients;
mod judgement;
mod openapi;
mod page;
mod suite;

use std::process::Command;

use judgement::differences;
use judgement::expectations::Expectations;

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

/// Runs a revision's requirement set with a server of a mode behind the bridge.
#[track_caller]
fn every_scenario_is_as_expected(revision: &str, mode: &str) {
    let expected = Expectations::parse(include_str!("expectations.txt")).expect("expectations");
    let bridge = bridge::Serving::start(mode);
    let results = suite::run_set(revision, &bridge.url());
    bridge.end();
    let told = differences(&expected, revision, mode, &results);
    assert!(told.is_empty(), "{}", told.join("\n"));
}

/// Runs every client with a server of a mode behind the bridge.
#[track_caller]
fn every_client_sees_the_same(mode: &str) {
    let bridge = bridge::Serving::start(mode);
    let told = clients::differences(mode, &bridge.url());
    bridge.end();
    assert!(told.is_empty(), "{}", told.join("\n"));
}

#[test]
fn the_stateful_protocol_reaches_a_legacy_server() {
    every_scenario_is_as_expected("2025-11-25", "legacy");
}

#[test]
fn the_stateful_protocol_reaches_a_modern_server() {
    every_scenario_is_as_expected("2025-11-25", "modern");
}

#[test]
fn the_stateful_protocol_reaches_a_dual_server() {
    every_scenario_is_as_expected("2025-11-25", "dual");
}

#[test]
fn the_stateful_protocol_reaches_a_bare_server() {
    every_scenario_is_as_expected("2025-11-25", "bare");
}

#[test]
fn the_stateless_protocol_reaches_a_legacy_server() {
    every_scenario_is_as_expected("2026-07-28", "legacy");
}

#[test]
fn the_stateless_protocol_reaches_a_modern_server() {
    every_scenario_is_as_expected("2026-07-28", "modern");
}

#[test]
fn the_stateless_protocol_reaches_a_dual_server() {
    every_scenario_is_as_expected("2026-07-28", "dual");
}

#[test]
fn the_stateless_protocol_reaches_a_bare_server() {
    every_scenario_is_as_expected("2026-07-28", "bare");
}

#[test]
fn every_client_reaches_a_legacy_server() {
    every_client_sees_the_same("legacy");
}

#[test]
fn every_client_reaches_a_modern_server() {
    every_client_sees_the_same("modern");
}

#[test]
fn every_client_reaches_a_dual_server() {
    every_client_sees_the_same("dual");
}
