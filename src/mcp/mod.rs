//! JSON-RPC and MCP as a client speaks them: lines, messages, eras. Knows neither HTTP nor Docker.
//!
//! Follows the specification's revisions 2025-11-25 (handshake, "legacy") and 2026-07-28
//! (stateless, "modern"), and the bare dialect of servers that answer `{"method", "params"}` with
//! one line of JSON and speak no JSON-RPC at all.

mod answer;
mod bare;
mod client;
mod envelope;
mod framing;
mod message;
mod meta;
mod status;

pub use answer::{CallError, ConnectError, Progress, Tool, ToolAnswer};
pub use bare::{BARE_TOOLS, bare_line, bare_result};
pub use client::{Client, Open, Order, Patience, Watch};
pub use envelope::{
    Envelope, Kind, MalformedMessage, Members, Outcome, Words, json_text, notification_line, request_line,
    response_line, response_line_of, roomy,
};
pub use framing::{FrameError, LineReader, Lines, StdioLines, TransportError, blank_line_ends, framed};
pub use message::{BareRequest, Dialect, Incoming, LEGACY, LEGACY_VERSIONS, MODERN, is_bare_request};
pub use meta::{
    CAPABILITIES_KEY, CLIENT_KEY, LOG_LEVEL_KEY, SERVER_KEY, SUBSCRIPTION_KEY, VERSION_KEY, change_meta,
    level_name, severity, with_meta,
};
pub use status::{Shown, StatusError, StatusTool};
