//! The MCP server that the image runs: stdio, both eras of MCP, and the bare dialect beside them.
//!
//! ```text
//! stdin ──pump──┬─ MCP ──session (rmcp)──┬── tools ── provider ──▶ one model
//!               └─ bare ───── bare ──────┘      │
//! stdout ◀── outbox ◀── every answer ───────────┘
//! ```
//!
//! stdout carries messages and nothing else. Knows neither Docker nor `mcpo.yaml`; what it is told,
//! it is told by environment variables ([`Settings::from_env`]).

mod bare;
mod catalog;
mod invocation;
mod ledger;
mod log;
mod log_files;
mod outbox;
mod program;
mod provider;
mod pump;
mod requests;
mod session;
mod settings;
mod tools;

pub use invocation::{Invocation, UnknownArgument};
pub use program::{MAX_LINE, run, serve};
pub use settings::{InvalidSettings, LogSettings, Settings};
