//! The flags that say what an operator sees.

use std::net::SocketAddr;

use clap::{Args, ValueEnum};

use super::{Collector, TelemetrySettings};

const SERVICE: &str = "mcp-bridge";

/// What an operator sees.
#[derive(Debug, Clone, Args)]
pub struct Observe {
    /// Also serve /metrics, and nothing else, on this address, without tokens; loopback only, unless
    /// --insecure or --behind-publication is given.
    #[arg(long, env = "MCP_BRIDGE_METRICS_LISTEN", value_name = "ADDRESS")]
    pub metrics_listen: Option<SocketAddr>,
    /// Whether each request's end is logged (at the level info).
    #[arg(long, env = "MCP_BRIDGE_ACCESS_LOG", value_name = "WHETHER", default_value = "on")]
    pub access_log: Switch,
    /// How the lines on stderr are written.
    #[arg(long, env = "MCP_BRIDGE_LOG_FORMAT", value_name = "FORMAT", default_value = "text")]
    pub log_format: LogFormat,
    /// Send a span of each request to the OpenTelemetry collector at this base URL, over OTLP/HTTP, such
    /// as `http://127.0.0.1:4318`. OpenTelemetry's own `OTEL_EXPORTER_OTLP_ENDPOINT` counts where nothing
    /// is given.
    #[arg(long, env = "MCP_BRIDGE_OTLP_ENDPOINT", value_name = "URL")]
    pub otlp_endpoint: Option<String>,
    /// What the bridge calls itself there.
    #[arg(long, env = "OTEL_SERVICE_NAME", value_name = "NAME", default_value = SERVICE)]
    pub otlp_service: String,
}

/// On or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// Yes.
    On,
    /// No.
    Off,
}

/// How lines on stderr are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// A time, a level, words, and key=value for what a request was.
    Text,
    /// A JSON object on each line.
    Json,
}

impl Observe {
    /// The checked form. The error is one line.
    pub fn settings(&self) -> Result<TelemetrySettings, String> {
        // A variable that is empty is as good as not set.
        let url = self.otlp_endpoint.as_deref().filter(|url| !url.trim().is_empty());
        let collector = url.map(|url| self.collector(url)).transpose()?;
        Ok(TelemetrySettings { access_log: self.access_log == Switch::On, collector })
    }

    /// The collector at a base URL. The error is one line.
    pub fn collector(&self, url: &str) -> Result<Collector, String> {
        let service = Some(self.otlp_service.trim()).filter(|name| !name.is_empty());
        Collector::parse(url, service.unwrap_or(SERVICE))
    }
}
