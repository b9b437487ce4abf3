//! Status calls through the running bridge, over each of its wires.

use std::time::Duration;

use serde_json::Value;

use super::report::Check;
use crate::engine::Docker;
use crate::plan::Container;
use crate::wire::probe::{self, WireStatus};

/// From where the bridge's ports can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// From here.
    Published,
    /// From inside its container: the published ports are another machine's.
    Exec,
}

/// Both wires' checks.
pub(super) async fn bridge(
    docker: &Docker,
    container: &Container,
    reach: Reach,
    tool: Option<&str>,
    deadline: Duration,
) -> Vec<Check> {
    let Some(tool) = tool else {
        let why = "the server names no status tool; set orchestrator.status_tool";
        return vec![Check::skip("websocket", why), Check::skip("rest", why)];
    };
    let [websocket, rest] = match reach {
        Reach::Published => published(container, tool, deadline).await,
        Reach::Exec => inside(docker, container, tool, deadline).await,
    };
    vec![check("websocket", &websocket, container), check("rest", &rest, container)]
}

async fn published(container: &Container, tool: &str, deadline: Duration) -> [WireStatus; 2] {
    let address = |index: usize| {
        let port = container.ports.get(index)?;
        Some(probe::reachable((port.address, port.host).into()))
    };
    let (Some(websocket), Some(rest)) = (address(0), address(1)) else {
        return both("no port is published");
    };
    let (websocket, rest) = tokio::join!(
        probe::over_websocket(websocket, tool, deadline),
        probe::over_rest(rest, tool, deadline)
    );
    [websocket, rest]
}

/// The bridge's own probe prints one line: `{"websocket": {"ok", "value" | "error"}, "rest": …}`.
async fn inside(docker: &Docker, container: &Container, tool: &str, deadline: Duration) -> [WireStatus; 2] {
    let seconds = format!("{}s", deadline.as_secs());
    let argv = ["/mcp-bridge", "probe", "--status", tool, "--timeout", &seconds];
    let output = match docker.exec(&container.name, &argv).await {
        Ok(output) => output,
        Err(error) => return both(&error.to_string()),
    };
    let Ok(seen) = serde_json::from_str::<Value>(output.stdout.trim()) else {
        return both(&format!("the probe ended with code {}: {}", output.code, output.stderr.trim()));
    };
    ["websocket", "rest"].map(|wire| {
        let seen = &seen[wire];
        let answer = if seen["ok"] == true {
            Ok(seen["value"].clone())
        } else {
            Err(seen["error"].as_str().unwrap_or("no reason given").to_owned())
        };
        WireStatus { dialect: seen["dialect"].as_str().map(str::to_owned), answer }
    })
}

fn both(error: &str) -> [WireStatus; 2] {
    let failed = || WireStatus { dialect: None, answer: Err(error.to_owned()) };
    [failed(), failed()]
}

fn check(id: &'static str, seen: &WireStatus, container: &Container) -> Check {
    match &seen.answer {
        Ok(value) => {
            let dialect = seen.dialect.as_ref().map(|dialect| format!("{dialect}: ")).unwrap_or_default();
            Check::pass(id, format!("{dialect}{}", status_in_words(value, container)))
        }
        Err(error) => Check::fail(id, container.redacted(error)),
    }
}

/// What a status tool answered, in a few words.
pub(super) fn status_in_words(value: &Value, container: &Container) -> String {
    const SHORT: usize = 60;
    let word = value
        .get("status")
        .and_then(Value::as_str)
        .map(|status| container.redacted(&format!("status {status}")));
    word.unwrap_or_else(|| {
        let text = container.redacted(&value.to_string());
        let short: String = text.chars().take(SHORT).collect();
        if short.len() < text.len() { format!("{short}…") } else { text }
    })
}
