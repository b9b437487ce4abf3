//! The load that the bridge and its peers are measured with, over every wire that one of them has:
//! `load MODE --wire WIRE --url URL`, or `--wire pipe -- COMMAND` for the server without a bridge.
//! One JSON object on stdout. See `benches/bridge_against_peers.py`, which runs it.
//!
//! It runs on one thread, writes each request from a prepared template and compares each answer with
//! the text that was sent, so that it is not what is measured.

mod args;
mod endure;
mod flood;
mod http;
mod measure;
mod message;
mod pipe;
mod session;
mod stats;
mod websocket;

use std::io::{self, Write};

use clap::Parser;
use serde_json::{Value, json};

use args::{Args, Mode};

fn main() -> io::Result<()> {
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(run(&args));
    let mut report = outcome.unwrap_or_else(|error| json!({"failed": error.to_string()}));
    report["mode"] = json!(format!("{:?}", args.mode).to_lowercase());
    report["wire"] = json!(format!("{:?}", args.wire).to_lowercase());
    say(&report)
}

async fn run(args: &Args) -> io::Result<Value> {
    match args.mode {
        Mode::Probe => measure::probe(args).await,
        Mode::Setup => measure::setup(args).await,
        Mode::Sequential => measure::sequential(args).await,
        Mode::Storm => measure::storm(args).await,
        Mode::Large => measure::large(args).await,
        Mode::Idle => endure::idle(args).await,
        Mode::Churn => endure::churn(args).await,
        Mode::Crash => endure::crash(args).await,
        Mode::Flood => flood::flood(args).await,
    }
}

/// One line for whoever reads along.
fn say(report: &Value) -> io::Result<()> {
    let mut stdout = io::stdout();
    writeln!(stdout, "{report}")?;
    stdout.flush()
}
