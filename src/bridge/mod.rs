//! The network bridge: WebSocket and REST on one side, a server that speaks stdio on the other.
//!
//! Knows neither configuration nor engine: [`run`] takes listeners, [`Settings`] and the future
//! that ends it. One router answers on every listener, so every port serves every wire:
//!
//! - `GET /` and `GET /ws` as a WebSocket: one server process for each connection, started by its
//!   first message; one text message (a large one may come in several frames) is one line, both ways,
//!   byte for byte. One with a line feed or a carriage return inside would be two lines and closes the
//!   connection with 1007 (pretty-printed JSON too: to compact it would be to change it); one line feed
//!   at its end is its end, and a carriage return before a line feed of the server's belongs to the
//!   line's end.
//! - `/mcp`, MCP's Streamable HTTP of every revision: `POST`, `GET` and `DELETE` with sessions up to 2025-11-25,
//!   and stateless `POST` from 2026-07-28 on, whatever the server speaks.
//! - `POST /mcp` with `{"method", "params"}`: calls that tool, answers with its JSON.
//! - `GET /tools`, `POST /tools/{name}` with the arguments as its body, `GET /openapi.json`: the same tools,
//!   as those expect them who know REST; `GET /docs` is a page to try them on.
//! - `GET /healthz`: whether the bridge is alive; starts nothing.
//! - `GET /readyz`: whether the server behind it works, by a call to one.
//! - `GET /metrics`: what was counted, for Prometheus.
//!
//! The client never names what is started. Every request's `Host` and `Origin` is checked, and, where
//! [`Doors`] say so, who sends it; TLS is spoken on all listeners or on none.

mod abilities;
pub mod args;
mod auth;
mod bounds;
mod budget;
mod catalog;
mod ceiling;
mod certificate;
mod changes;
mod child;
mod children;
mod connection;
mod crash_loop;
mod docs;
mod ear;
mod error;
mod exchange;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod greeting;
mod guard;
pub mod guardian;
mod handshake;
mod health;
mod held;
mod inlet;
mod kin;
mod link;
mod listen;
mod lobby;
mod mailbox;
mod mark;
mod mirrored;
mod openapi;
mod paths;
mod patience;
mod permitted;
mod pieces;
mod pool;
mod problem;
pub mod program;
mod readiness;
mod reception;
mod redaction;
mod rest;
mod rlimit;
mod room;
mod secret;
mod serve;
mod session;
mod sessions;
mod settings;
mod socket;
mod stateless;
mod stderr;
mod telemetry;
mod tls;
mod tool;
mod tools;
mod wakeful;
mod warm;
mod wording;

pub use auth::{Doors, TokenFile};
pub use error::StartError;
pub use mark::Family;
pub use redaction::Redaction;
pub use rlimit::ChildLimits;
pub use serve::{Listeners, run};
pub use settings::{Command, Settings, Waits};
pub use telemetry::{Collector, TelemetrySettings};
pub use tls::{Tls, TlsFiles};
