//! The command line: one file a verb, each resolve → observe → plan → execute → report.

mod args;
mod build;
mod completions;
mod config;
mod deploy;
mod down;
mod error;
mod host_ports;
mod import;
mod init;
mod logs;
mod program;
mod reference;
mod session;
mod status;
mod up;
mod verify;

pub use args::{Cli, Common, FormatArg, ProfileArg, Verb};
pub use program::main;
pub use reference::write as write_reference;
