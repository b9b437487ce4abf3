//! The network bridge: WebSocket and REST on one side, a server that speaks stdio on the other.
//!
//! Knows neither configuration nor engine: [`run`] takes listeners, [`Settings`] and the future
//! that ends it. One router answers on every listener, so every port serves every wire:
//!
//! - `GET /` and `GET /ws` as a WebSocket: one server process for each connection; one text message
//!   (a large one may come in several frames) is one line, both ways, byte for byte. One with a line
//!   feed or a carriage return inside would be two lines and closes the connection with 1007
//!   (pretty-printed JSON too: to compact it would be to change it); one line feed at its end is its
//!   end, and a carriage return before a line feed of the server's belongs to the line's end.
//! - `POST /mcp` with `{"method", "params"}`: calls that tool, answers with its JSON.
//! - `GET /healthz`: whether the bridge is alive; starts nothing.
//! - `GET /metrics`: what was counted, for Prometheus.
//!
//! The client never names what is started. Every request's `Host` and `Origin` is checked, and, where
//! [`Doors`] say so, who sends it; TLS is spoken on all listeners or on none.

pub mod args;
mod auth;
mod budget;
mod certificate;
mod child;
mod children;
mod connection;
mod error;
mod exchange;
mod greeting;
mod guard;
mod handshake;
mod health;
mod link;
mod lobby;
mod mark;
mod pieces;
mod pool;
mod problem;
pub mod program;
mod rest;
mod serve;
mod session;
mod settings;
mod socket;
mod stateless;
mod stderr;
mod telemetry;
mod tls;
mod tool;

pub use auth::{Doors, TokenFile};
pub use error::StartError;
pub use serve::{Listeners, run};
pub use settings::{Command, Settings, Waits};
pub use telemetry::{Collector, TelemetrySettings};
pub use tls::{Tls, TlsFiles};
