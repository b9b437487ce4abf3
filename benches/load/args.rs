//! The command line.

use std::time::Duration;

use clap::{Parser, ValueEnum};

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// One session and one call, looked at in full: does this wire work here at all
    Probe,
    /// From nothing to the first answer, --requests times
    Setup,
    /// One client, one call after the other, --requests times
    Sequential,
    /// --clients at once, for --seconds or until --requests answers in all
    Storm,
    /// One message of --bytes, --requests times
    Large,
    /// --clients that do nothing; says so, and holds them until stdin closes or --seconds pass
    Idle,
    /// --requests times connect, one call, disconnect; --clients at a time
    Churn,
    /// --requests times a call that kills the server, while a bystander keeps calling
    Crash,
    /// One message of --bytes that nothing announces, which has to be refused
    Flood,
}

/// How it is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Wire {
    /// The server itself, without a bridge
    Pipe,
    /// WebSocket, one message in each text frame
    Ws,
    /// MCP Streamable HTTP up to 2025-11-25, with a session where the server gives one
    Legacy,
    /// The same without a handshake
    Stateless,
    /// MCP Streamable HTTP of 2026-07-28
    Modern,
    /// POST {"method", "params"}
    Rest,
    /// POST of the arguments to the tool's own path below the URL
    Tool,
}

#[derive(Debug, Parser)]
#[command(about = "Load for a bridge and its peers; one JSON object on stdout")]
pub(crate) struct Args {
    /// What is measured
    #[arg(value_enum)]
    pub(crate) mode: Mode,
    /// How it is reached
    #[arg(long, value_enum)]
    pub(crate) wire: Wire,
    /// Where: <http://127.0.0.1:5000/mcp>, `ws://127.0.0.1:8765/`
    #[arg(long, default_value = "")]
    pub(crate) url: String,
    /// A header for every request, `Name: value`; repeat
    #[arg(long)]
    pub(crate) header: Vec<String>,
    /// The echo tool's name; a peer may have put something in front of it
    #[arg(long, default_value = "echo")]
    pub(crate) tool: String,
    /// The name of the tool that kills the server
    #[arg(long, default_value = "crash")]
    pub(crate) crash: String,
    /// Clients at once
    #[arg(long, default_value_t = 16)]
    pub(crate) clients: usize,
    /// How often in all
    #[arg(long)]
    pub(crate) requests: Option<usize>,
    /// How long
    #[arg(long)]
    pub(crate) seconds: Option<f64>,
    /// The text's length
    #[arg(long, default_value_t = 1024)]
    pub(crate) bytes: usize,
    /// Idle clients greet the server and call once before they fall idle
    #[arg(long)]
    pub(crate) greet: bool,
    /// Seconds until a run that hangs is given up; what it had until then is reported
    #[arg(long, default_value_t = 60.0)]
    pub(crate) patience: f64,
    /// The server, for the pipe
    #[arg(last = true)]
    pub(crate) command: Vec<String>,
}

impl Args {
    /// How often, or `default`.
    pub(crate) fn times(&self, default: usize) -> usize {
        self.requests.unwrap_or(default)
    }

    pub(crate) fn patience(&self) -> Duration {
        Duration::from_secs_f64(self.patience)
    }
}
