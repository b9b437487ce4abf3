//! `connect`: our server in the configuration files of MCP clients.

mod act;
mod args;
mod ask;
mod check;
mod choose;
mod error;
mod line;
mod list;
mod tell;
mod token;
mod verb;
mod wanted;

pub use args::{ConnectArgs, ModeArgs, ScopeArg, ViaArg};
pub(super) use verb::run;
