//! What an operator sees of a bridge: metrics, an access log, traces.
//!
//! A request begins and ends in one place, [`reception`](super::reception): there it gets an [`Account`],
//! which goes with it as one of its extensions, and which whoever handles it fills in (the wire, the method, the tool,
//! the server's process). When the last holder of the account is gone, the request has ended: a plain
//! answer's when its body was sent, a stream's with the stream, a WebSocket's with its connection.
//! Then it is counted ([`metrics`]), told ([`access_log`]) and, where a collector is named, exported
//! ([`exporter`]). None of these ever waits or holds a request up.

mod access_log;
mod account;
pub(crate) mod args;
mod body;
mod carrier;
mod collector;
pub(crate) mod endpoint;
mod exporter;
mod exposition;
mod histogram;
mod metrics;
pub(crate) mod outlet;
mod process;
mod request_id;
mod span;
mod tools;
mod trace;
mod wire;

use std::sync::Arc;

pub(crate) use account::{Account, RpcFault};
pub(crate) use body::Counted;
pub use collector::Collector;
use exporter::Exporter;
pub(crate) use exporter::Exporting;
pub(crate) use metrics::{Exited, Metrics};
pub(crate) use request_id::HEADER as REQUEST_ID;
pub(crate) use wire::{SESSION, Wire};

/// What is told besides what is counted.
#[derive(Debug, Clone)]
pub struct TelemetrySettings {
    /// Whether each request's end is logged.
    pub access_log: bool,
    /// Who is sent a span of each request.
    pub collector: Option<Collector>,
}

impl Default for TelemetrySettings {
    fn default() -> Self {
        Self { access_log: true, collector: None }
    }
}

/// What every request's account is settled with.
#[derive(Debug)]
pub(crate) struct Telemetry {
    metrics: Arc<Metrics>,
    access_log: bool,
    exporter: Option<Exporter>,
}

impl Telemetry {
    /// Also what sends spans, where they are sent; it goes on until it is told to finish.
    pub(crate) fn start(
        settings: &TelemetrySettings,
        metrics: Arc<Metrics>,
    ) -> (Arc<Self>, Option<Exporting>) {
        let started = settings.collector.clone().map(|to| Exporter::start(to, Arc::clone(&metrics)));
        let (exporter, exporting) = started.unzip();
        (Arc::new(Self { metrics, access_log: settings.access_log, exporter }), exporting)
    }

    pub(crate) fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }
}
