//! The command line: one file a verb, each resolve → observe → plan → execute → report.

mod args;
mod build;
mod call;
mod call_args;
mod carry;
mod completions;
mod config;
mod connect;
mod content;
mod deploy;
mod down;
mod error;
mod example;
mod files;
mod host_ports;
mod import;
mod init;
mod logs;
mod program;
mod reap;
mod reference;
mod render;
mod run;
mod session;
#[cfg(unix)]
mod signals;
mod status;
mod talk_error;
mod through;
mod tools;
mod up;
mod verify;

pub use args::{
    Cli, Common, FormatArg, GenerationArg, LineArg, ProfileArg, RenderArgs, RunArgs, Verb, WhatArg,
};
pub use call_args::{CallArgs, OutputArg, ThroughArgs, ToolsArgs};
pub use connect::{ConnectArgs, ModeArgs, ScopeArg, ViaArg};
pub use program::main;
pub use reference::write as write_reference;
