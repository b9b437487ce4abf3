//! An app with a server of its own, in a hardened container that is gone when the app is; or, with a URL as its
//! argument, with one behind a bridge.
//!
//! `cargo run --example client [URL]` in the folder of an `mcpo.yaml`, or in any other one.

use std::io::Write;

use mcpo_deploy::diagnostic::Failure;
use mcpo_deploy::{Client, Deployment};
use serde_json::json;

#[tokio::main]
async fn main() -> std::process::ExitCode {
    match status(std::env::args().nth(1).as_deref()).await {
        Ok(status) => {
            // Nobody may be reading.
            let _ = writeln!(std::io::stdout(), "{status}");
            std::process::ExitCode::SUCCESS
        }
        Err(error) => {
            let (why, hint) = (error.source().map(ToString::to_string), error.hint());
            let words: Vec<String> = [Some(error.to_string()), why, hint].into_iter().flatten().collect();
            let _ = writeln!(std::io::stderr(), "{}", words.join("\n"));
            error.exit().into()
        }
    }
}

async fn status(url: Option<&str>) -> Result<serde_json::Value, Failure> {
    let mut client = match url {
        Some(url) => Client::connect(url).await?,
        None => Client::stdio_container(&Deployment::in_folder(".").await?).await?,
    };
    let status = client.call("get_orchestrator_status", json!({})).await?;
    client.close().await?;
    Ok(status.value)
}
