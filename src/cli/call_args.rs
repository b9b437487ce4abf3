//! The types of `call` and `tools`, and nothing else.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

/// Which server is asked, and how long.
#[derive(Debug, Args)]
pub struct ThroughArgs {
    /// A server's URL: ws://…, wss://…, http://… or https://… [default: the project's bridge, and where
    /// that does not run, a fresh container]
    #[arg(long, value_name = "URL", conflicts_with = "fresh")]
    pub url: Option<String>,
    /// A fresh container of the stdio server, removed afterwards
    #[arg(long)]
    pub fresh: bool,
    /// A file with the token that lets in, and nothing else [default: the variable `MCPO_TOKEN`]
    #[arg(long, value_name = "FILE", conflicts_with = "fresh")]
    pub token_file: Option<PathBuf>,
    /// The PEM file with the server's certificate, which is then the only one that is trusted [default: the
    /// authorities that browsers trust]
    #[arg(long, value_name = "FILE", conflicts_with = "fresh")]
    pub tls_cert: Option<PathBuf>,
    /// How long the answer may take, the server's start included
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    pub timeout: Duration,
}

/// Which tool is called with what.
#[derive(Debug, Args)]
pub struct CallArgs {
    /// The tool's name
    #[arg(value_name = "TOOL")]
    pub tool: String,
    /// Its arguments: a JSON object, `@FILE` with one, or `-` for standard input [default: {}]
    #[arg(value_name = "JSON", allow_hyphen_values = true)]
    pub arguments: Option<String>,
    /// What is printed of the result
    #[arg(short, long, value_name = "WHAT", default_value = "text")]
    pub output: OutputArg,
    /// Who is asked.
    #[command(flatten)]
    pub through: ThroughArgs,
}

/// How much of the tools is shown.
#[derive(Debug, Args)]
pub struct ToolsArgs {
    /// Each tool with all of its description and the schema of its arguments
    #[arg(long)]
    pub long: bool,
    /// Who is asked.
    #[command(flatten)]
    pub through: ThroughArgs,
}

/// What is printed of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OutputArg {
    /// Its text; other parts by what they are, and without any part the structured content
    Text,
    /// All of it, as JSON
    Json,
    /// The structured content, else the text as JSON, else the text: for a pipe
    Content,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok().filter(|seconds| (0.001..=86_400.0).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| "a number of seconds up to 86400".to_owned())
}
