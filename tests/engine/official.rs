//! Node and the official SDKs, brought along as for the conformance tests.

use std::process::Command;

use super::docker::Ran;

#[expect(dead_code, reason = "what is a package's script is the conformance tests' affair")]
#[path = "../conformance/brought.rs"]
mod brought;

pub(crate) use brought::{Node, python};

/// Runs a program that may take so many seconds.
pub(crate) fn run(command: &Command, seconds: u32) -> Ran {
    let mut bounded = Command::new("timeout");
    bounded
        .args(["--kill-after=5", &seconds.to_string()])
        .arg(command.get_program())
        .args(command.get_args());
    bounded.current_dir(command.get_current_dir().unwrap_or(std::path::Path::new("/")));
    for (key, value) in command.get_envs() {
        match value {
            Some(value) => bounded.env(key, value),
            None => bounded.env_remove(key),
        };
    }
    super::docker::ended(&mut bounded)
}
