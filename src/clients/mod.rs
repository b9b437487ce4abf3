//! The configuration files of MCP clients: one entry of ours in them, put, read and taken out.
//!
//! What a client's file looks like is a row of a table ([`Client`]); an edit is text in, text out
//! ([`change`]), and only the bytes of our entry differ; the file edge ([`apply`], [`undo`]) locks,
//! backs up and replaces. Knows neither the process's environment nor the clock, and never prints.

mod apply;
mod backup;
mod change;
mod civil;
mod disk;
mod entry;
mod error;
mod flow;
mod homes;
mod inputs;
mod json;
mod language;
mod node;
mod peculiar;
mod reconcile;
mod remote;
mod rows;
mod shape;
mod splice;
mod table;
mod toml;
mod toml_statements;
mod undo;
mod value;
mod yaml;
mod yaml_reader;
mod yaml_writer;

pub use apply::{Applied, Found, apply, look, preview, writable};
pub use change::{Change, Edited, Outcome, change, read};
pub use disk::{Instead, instead, is_installed, locate};
pub use entry::{Bearer, Deployment, Entry, Launch, is_ours, program};
pub use error::{EditError, FileError, Spot};
pub use homes::{Homes, Os, Scope};
pub use rows::{client, clients};
pub use table::Client;
pub use undo::{TakenBack, Undone, undo};
