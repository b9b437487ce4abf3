//! What a running bridge is asked to show that it works: is it there, and does a tool answer on
//! both of its wires.

use std::error::Error;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::timeout;

use super::http::{self, Limits};
use super::websocket::{self, Endpoint};
use crate::mcp::{Client, Patience};

/// The longest answer to a status call, in bytes.
const STATUS_BYTES: usize = 1024 * 1024;
/// How long `/healthz` may take.
const HEALTH_DEADLINE: Duration = Duration::from_secs(3);
/// How long a status call may take, the server's start included.
const STATUS_DEADLINE: Duration = Duration::from_mins(1);

/// The address at which this machine reaches a listener: a listener on every address is reached
/// over loopback.
#[must_use]
pub fn reachable(listener: SocketAddr) -> SocketAddr {
    let ip = match listener.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listener.port())
}

/// The probe as a program: asks the bridge behind `listeners`, says what it saw, and returns whether
/// all is well. Without a tool, one line about `/healthz`; with one, a line of JSON on stdout with
/// the tool's answer over both wires. A second listener, where there is one, is asked for REST.
#[must_use]
pub fn run(listeners: &[SocketAddr], tool: Option<&str>, deadline: Option<Duration>) -> bool {
    let Some(&first) = listeners.first() else { return false };
    let (websocket, rest) = (reachable(first), reachable(*listeners.get(1).unwrap_or(&first)));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let seen = match (runtime, tool) {
        (Err(error), _) => Err(format!("cannot start: {error}")),
        (Ok(runtime), None) => {
            let alive = runtime.block_on(alive(websocket, deadline.unwrap_or(HEALTH_DEADLINE)));
            alive.map(|()| (true, format!("{websocket} is healthy")))
        }
        (Ok(runtime), Some(tool)) => {
            let deadline = deadline.unwrap_or(STATUS_DEADLINE);
            let both = async {
                tokio::join!(over_websocket(websocket, tool, deadline), over_rest(rest, tool, deadline))
            };
            let (websocket, rest) = runtime.block_on(both);
            let line = json!({"websocket": websocket.to_json(), "rest": rest.to_json()}).to_string();
            Ok((websocket.answer.is_ok() && rest.answer.is_ok(), line))
        }
    };
    // Nobody may be listening; the exit code says it all the same.
    match seen {
        Ok((well, line)) => writeln!(std::io::stdout(), "{line}").is_ok() && well,
        Err(line) => {
            let _ = writeln!(std::io::stderr(), "{line}");
            false
        }
    }
}

/// Asks `/healthz`. The error is one line that says what is wrong.
pub async fn alive(addr: SocketAddr, deadline: Duration) -> Result<(), String> {
    let answer = http::get(addr, "/healthz", &addr.to_string(), Limits { deadline, body: 64 * 1024 }).await;
    match answer.map_err(|error| in_one_line(&error))?.status {
        200 => Ok(()),
        status => Err(format!("{addr} answered /healthz with status {status}")),
    }
}

/// What a tool answered over one wire.
#[derive(Debug, Clone, PartialEq)]
pub struct WireStatus {
    /// How the server is spoken to; only a WebSocket shows it.
    pub dialect: Option<String>,
    /// The tool's answer, or one line that says why there is none.
    pub answer: Result<Value, String>,
}

impl WireStatus {
    /// As the probe prints it: `{"ok":true,"dialect":…,"value":…}` or `{"ok":false,"error":…}`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut shown = match &self.answer {
            Ok(value) => json!({"ok": true, "value": value}),
            Err(error) => json!({"ok": false, "error": error}),
        };
        if let Some(dialect) = &self.dialect {
            shown["dialect"] = json!(dialect);
        }
        shown
    }
}

/// Calls a tool without arguments over the bridge's WebSocket, in whatever dialect its server has.
pub async fn over_websocket(addr: SocketAddr, tool: &str, deadline: Duration) -> WireStatus {
    let mut dialect = None;
    let answer = timeout(deadline, websocket_call(addr, tool, deadline, &mut dialect)).await;
    let answer = answer.unwrap_or_else(|_| Err(format!("{addr} did not answer within {deadline:?}")));
    WireStatus { dialect, answer }
}

async fn websocket_call(
    addr: SocketAddr,
    tool: &str,
    deadline: Duration,
    dialect: &mut Option<String>,
) -> Result<Value, String> {
    let endpoint = Endpoint {
        addr,
        host: addr.to_string(),
        path: "/ws".to_owned(),
        headers: Vec::new(),
        max_message: STATUS_BYTES,
        deadline,
    };
    let patience = Patience { call: deadline, ..Patience::default() };
    let mut goodbye = None;
    let connected = Client::connect(
        async || {
            let socket = websocket::connect(&endpoint).await?;
            goodbye = Some(socket.goodbye());
            Ok::<_, websocket::WebSocketError>(socket)
        },
        patience,
    )
    .await;
    let with_reason = |words: String| match goodbye.as_ref().and_then(websocket::Goodbye::reason) {
        Some(reason) => format!("{words} (closed with {reason})"),
        None => words,
    };
    let mut client = connected.map_err(|error| with_reason(in_one_line(&error)))?;
    *dialect = Some(client.dialect().to_string());
    let answer = client.call(tool, json!({})).await.map_err(|error| with_reason(in_one_line(&error)))?;
    client.into_lines().close(Duration::from_secs(1)).await;
    if answer.is_error { Err(format!("{tool} failed: {}", answer.value)) } else { Ok(answer.value) }
}

/// Calls a tool without arguments over the bridge's REST wire.
pub async fn over_rest(addr: SocketAddr, tool: &str, deadline: Duration) -> WireStatus {
    let body = json!({"method": tool, "params": {}}).to_string();
    let limits = Limits { deadline, body: STATUS_BYTES };
    let answer = match http::post_json(addr, "/mcp", &addr.to_string(), body, limits).await {
        Err(error) => Err(in_one_line(&error)),
        Ok(answer) => match (answer.status, serde_json::from_slice::<Value>(&answer.body)) {
            (200, Ok(value)) => Ok(value),
            (200, Err(error)) => Err(format!("the answer is not JSON: {error}")),
            (status, problem) => {
                let detail =
                    problem.ok().and_then(|problem| Some(problem.get("detail")?.as_str()?.to_owned()));
                Err(format!("status {status}: {}", detail.unwrap_or_else(|| "no reason given".to_owned())))
            }
        },
    };
    WireStatus { dialect: None, answer }
}

/// An error with its causes, in one line.
fn in_one_line(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        line = format!("{line}: {cause}");
        source = cause.source();
    }
    line.replace(['\r', '\n'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_on_every_address_is_probed_over_loopback() {
        for (listener, probed) in [
            ("0.0.0.0:8765", "127.0.0.1:8765"),
            ("[::]:8765", "[::1]:8765"),
            ("10.0.0.7:5000", "10.0.0.7:5000"),
        ] {
            assert_eq!(reachable(listener.parse().expect(listener)).to_string(), probed);
        }
    }

    #[test]
    fn a_result_names_its_dialect_only_where_it_was_seen() {
        let seen = WireStatus { dialect: Some("bare".into()), answer: Ok(json!({"a": 1})) };
        assert_eq!(seen.to_json(), json!({"ok": true, "dialect": "bare", "value": {"a": 1}}));
        let failed = WireStatus { dialect: None, answer: Err("no".into()) };
        assert_eq!(failed.to_json(), json!({"ok": false, "error": "no"}));
    }

    #[tokio::test]
    async fn nobody_there_is_said_in_one_line() {
        let addr = {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
            listener.local_addr().expect("an address")
        };
        let error = alive(addr, Duration::from_secs(3)).await.expect_err("nobody listens");
        assert!(
            error.starts_with(&format!("cannot connect to {addr}: ")) && !error.contains('\n'),
            "{error}"
        );
    }
}
