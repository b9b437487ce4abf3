//! Status calls through the running bridge, over each of its wires.

use std::time::Duration;

use serde_json::Value;

use super::report::Check;
use crate::engine::Docker;
use crate::mcp::{Shown, StatusTool};
use crate::plan::Container;
use crate::wire::probe::{self, BothWires};

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
    tool: StatusTool<'_>,
    deadline: Duration,
) -> [Check; 2] {
    let seen = match reach {
        Reach::Published => published(container, tool, deadline).await,
        Reach::Exec => inside(docker, container, tool, deadline).await,
    };
    let dialect = seen.dialect.map(|dialect| format!("{dialect}: ")).unwrap_or_default();
    let websocket = match seen.websocket {
        Ok(shown) => Check::pass("websocket", format!("{dialect}{}", in_words(&shown, container))),
        Err(error) => Check::fail("websocket", container.redacted(&error)),
    };
    let rest = match seen.rest {
        Some(Ok(answer)) => Check::pass("rest", in_words(&Shown::Status(answer), container)),
        Some(Err(error)) => Check::fail("rest", container.redacted(&error)),
        None => Check::skip("rest", "the server lists no status tool; set orchestrator.status_tool"),
    };
    [websocket, rest]
}

async fn published(container: &Container, tool: StatusTool<'_>, deadline: Duration) -> BothWires {
    let address = |index: usize| {
        let port = container.ports.get(index)?;
        Some(probe::reachable((port.address, port.host).into()))
    };
    match (address(0), address(1)) {
        (Some(websocket), Some(rest)) => probe::over_both(websocket, rest, tool, deadline).await,
        _ => BothWires::failed("no port is published"),
    }
}

/// By the bridge's own probe, which prints one line.
async fn inside(
    docker: &Docker,
    container: &Container,
    tool: StatusTool<'_>,
    deadline: Duration,
) -> BothWires {
    let seconds = format!("{}s", deadline.as_secs());
    let mut argv = vec!["/mcp-bridge", "probe", "--status", tool.name, "--timeout", &seconds];
    if !tool.required {
        argv.push("--if-listed");
    }
    match docker.exec(&container.name, &argv).await {
        Ok(output) => BothWires::from_json(&output.stdout).unwrap_or_else(|| {
            BothWires::failed(&format!("the probe ended with code {}: {}", output.code, output.stderr.trim()))
        }),
        Err(error) => BothWires::failed(&error.to_string()),
    }
}

/// Both wires' checks where nobody can answer.
pub(super) fn unasked(why: &str) -> [Check; 2] {
    ["websocket", "rest"].map(|id| Check::skip(id, why))
}

/// What a server showed, in a few words.
pub(super) fn in_words(shown: &Shown, container: &Container) -> String {
    const SHORT: usize = 60;
    let value = match shown {
        Shown::Status(value) => value,
        Shown::Tools(count) => return format!("{count} tools listed, none named as status tool"),
    };
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
