//! The integration guide's own form: one question to a fresh container of the Docker CLI's.
//!
//! `cargo run --example guide` in a folder with `.env`; the image is `mcp-orchestrator:latest`.

use std::io::{BufRead, BufReader, Error, Write};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

fn query_mcp_orchestrator(request: &Value) -> Result<Value, Error> {
    let mut process = Command::new("docker")
        .args(["run", "--rm", "-i", "--env-file", ".env"])
        .args(["mcp-orchestrator:latest", "python", "-m", "src.mcp_server"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let (stdin, stdout) = (process.stdin.take(), process.stdout.take());
    let (Some(mut stdin), Some(stdout)) = (stdin, stdout) else {
        return Err(Error::other("there are no pipes"));
    };
    writeln!(stdin, "{request}")?;
    let mut response = String::new();
    BufReader::new(stdout).read_line(&mut response)?;
    // The end of its input is what a server ends at.
    drop(stdin);
    process.wait()?;
    Ok(serde_json::from_str(&response)?)
}

fn main() -> Result<(), Error> {
    let status = query_mcp_orchestrator(&json!({"method": "get_orchestrator_status", "params": {}}))?;
    writeln!(std::io::stdout(), "{status}")
}
