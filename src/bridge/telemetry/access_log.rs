//! A line for each request that has ended. What clients chose (path, method, tool) is quoted and
//! escaped by the log's own format, so that it can neither end a line nor begin a field.

use std::net::IpAddr;
use std::time::Duration;

use tracing::{Level, event};

use super::trace::TraceId;
use crate::bridge::auth::Identity;

/// What a line says. No payload, no header's value, no query.
#[derive(Debug)]
pub(super) struct Line<'a> {
    pub(super) id: &'a str,
    pub(super) principal: Option<&'a Identity>,
    pub(super) peer: Option<IpAddr>,
    pub(super) wire: &'static str,
    pub(super) http_method: &'static str,
    pub(super) path: &'a str,
    pub(super) method: Option<&'a str>,
    pub(super) tool: Option<&'a str>,
    /// None where the client had gone before.
    pub(super) status: Option<u16>,
    pub(super) rpc_fault: Option<i64>,
    pub(super) outcome: &'static str,
    pub(super) received: u64,
    pub(super) sent: u64,
    pub(super) duration: Duration,
    pub(super) server: Option<u32>,
    pub(super) trace: Option<TraceId>,
}

/// Logs the line; `quietly` where only somebody who looks closely wants to see it.
pub(super) fn tell(line: &Line<'_>, quietly: bool) {
    macro_rules! at {
        ($level:expr) => {
            event!(
                $level,
                id = line.id,
                principal = line.principal.map(Identity::name).as_deref(),
                by = line.principal.map(Identity::kind),
                peer = line.peer.map(tracing::field::display),
                wire = line.wire,
                http = line.http_method,
                path = line.path,
                method = line.method,
                tool = line.tool,
                status = line.status,
                code = line.rpc_fault,
                outcome = line.outcome,
                bytes_in = line.received,
                bytes_out = line.sent,
                duration_us = u64::try_from(line.duration.as_micros()).unwrap_or(u64::MAX),
                pid = line.server,
                trace = line.trace.map(tracing::field::display),
                "request"
            )
        };
    }
    if quietly { at!(Level::DEBUG) } else { at!(Level::INFO) }
}
