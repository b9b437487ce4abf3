//! What a running bridge is asked to show that it works: is it there, and does a tool answer on
//! both of its wires.

use std::error::Error;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::time::timeout;

use super::door::Door;
use super::http::{self, Limits};
use super::websocket::{self, Endpoint};
use crate::mcp::{Client, Patience, Shown, StatusTool};

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
pub fn run(
    listeners: &[SocketAddr],
    door: &Door,
    tool: Option<StatusTool<'_>>,
    deadline: Option<Duration>,
) -> bool {
    let Some(&first) = listeners.first() else { return false };
    let (websocket, rest) = (reachable(first), reachable(*listeners.get(1).unwrap_or(&first)));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let seen = match (runtime, tool) {
        (Err(error), _) => Err(format!("cannot start: {error}")),
        (Ok(runtime), None) => {
            let alive = runtime.block_on(alive_through(door, websocket, deadline.unwrap_or(HEALTH_DEADLINE)));
            alive.map(|()| (true, format!("{websocket} is healthy")))
        }
        (Ok(runtime), Some(tool)) => {
            let deadline = deadline.unwrap_or(STATUS_DEADLINE);
            let seen = runtime.block_on(over_both_through(door, websocket, rest, tool, deadline));
            Ok((seen.works(), seen.to_json().to_string()))
        }
    };
    tell(seen)
}

/// Says on stdout what was seen, or on stderr why nothing was, and returns whether all is well.
#[must_use]
pub fn tell(seen: Result<(bool, String), String>) -> bool {
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
    alive_through(&Door::default(), addr, deadline).await
}

async fn alive_through(door: &Door, addr: SocketAddr, deadline: Duration) -> Result<(), String> {
    let limits = Limits { deadline, body: 64 * 1024 };
    let answer = http::get_through(door, addr, "/healthz", &addr.to_string(), limits).await;
    match answer.map_err(|error| in_one_line(&error))?.status {
        200 => Ok(()),
        status => Err(format!("{addr} answered /healthz with status {status}")),
    }
}

/// What a bridge showed over both of its wires.
#[derive(Debug, Clone, PartialEq)]
pub struct BothWires {
    /// How the server is spoken to; only the WebSocket shows it.
    pub dialect: Option<String>,
    /// What it showed over the WebSocket, or one line that says why nothing.
    pub websocket: Result<Shown, String>,
    /// The status tool's answer over REST, or one line; `None` where the server lists no such tool.
    pub rest: Option<Result<Value, String>>,
}

impl BothWires {
    /// Both wires failed, for one reason.
    #[must_use]
    pub fn failed(error: &str) -> Self {
        let error = error.to_owned();
        Self { dialect: None, websocket: Err(error.clone()), rest: Some(Err(error)) }
    }

    fn works(&self) -> bool {
        self.websocket.is_ok() && !matches!(self.rest, Some(Err(_)))
    }

    /// As the probe prints it: `{"websocket": …, "rest": …}`, each of them `{"ok": true, "value": …}`
    /// or `{"ok": false, "error": …}`; where the server lists no status tool, the WebSocket's
    /// `{"ok": true, "tools": n}` and REST's `null`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let failed = |error: &String| json!({"ok": false, "error": error});
        let mut websocket = match &self.websocket {
            Ok(Shown::Status(value)) => json!({"ok": true, "value": value}),
            Ok(Shown::Tools(count)) => json!({"ok": true, "tools": count}),
            Err(error) => failed(error),
        };
        if let Some(dialect) = &self.dialect {
            websocket["dialect"] = json!(dialect);
        }
        let rest = self.rest.as_ref().map(|answer| match answer {
            Ok(value) => json!({"ok": true, "value": value}),
            Err(error) => failed(error),
        });
        json!({"websocket": websocket, "rest": rest})
    }

    /// What a probe printed; `None` where it is not a probe's.
    #[must_use]
    pub fn from_json(line: &str) -> Option<Self> {
        let seen: Value = serde_json::from_str(line.trim()).ok()?;
        let answer = |wire: &Value| {
            let works = wire.get("ok")?.as_bool()?;
            Some(if works {
                Ok(wire.get("value")?.clone())
            } else {
                Err(wire.get("error")?.as_str()?.to_owned())
            })
        };
        let websocket = seen.get("websocket")?;
        let tools = websocket.get("tools").and_then(Value::as_u64).and_then(|count| count.try_into().ok());
        let rest = seen.get("rest").filter(|rest| !rest.is_null());
        Some(Self {
            dialect: websocket.get("dialect").and_then(Value::as_str).map(str::to_owned),
            websocket: match tools {
                Some(count) => Ok(Shown::Tools(count)),
                None => answer(websocket)?.map(Shown::Status),
            },
            rest: match rest {
                Some(rest) => Some(answer(rest)?),
                None => None,
            },
        })
    }
}

/// Asks for a status over the WebSocket, in whatever dialect the server has, and over REST; a bridge
/// that does not say that it is there is asked for nothing more.
pub async fn over_both(
    websocket: SocketAddr,
    rest: SocketAddr,
    tool: StatusTool<'_>,
    deadline: Duration,
) -> BothWires {
    over_both_through(&Door::default(), websocket, rest, tool, deadline).await
}

async fn over_both_through(
    door: &Door,
    websocket: SocketAddr,
    rest: SocketAddr,
    tool: StatusTool<'_>,
    deadline: Duration,
) -> BothWires {
    if let Err(error) = alive_through(door, websocket, deadline.min(HEALTH_DEADLINE)).await {
        return BothWires::failed(&error);
    }
    let begun = Instant::now();
    let mut dialect = None;
    // A tool that the server may not have is asked for once that is known.
    if !tool.required {
        let shown = over_websocket(door, websocket, tool, deadline, &mut dialect).await;
        let listed = !matches!(shown, Ok(Shown::Tools(_)));
        let rest = if listed { Some(over_rest(door, rest, tool.name, deadline).await) } else { None };
        return BothWires { dialect, websocket: shown, rest };
    }
    let (mut shown, mut answer) = tokio::join!(
        over_websocket(door, websocket, tool, deadline, &mut dialect),
        over_rest(door, rest, tool.name, deadline)
    );
    // A bridge with room for one more client has refused one of two.
    let left = deadline.saturating_sub(begun.elapsed());
    if left > HEALTH_DEADLINE {
        if shown.is_ok() && answer.is_err() {
            answer = over_rest(door, rest, tool.name, left).await;
        } else if shown.is_err() && answer.is_ok() {
            shown = over_websocket(door, websocket, tool, left, &mut dialect).await;
        }
    }
    BothWires { dialect, websocket: shown, rest: Some(answer) }
}

async fn over_websocket(
    door: &Door,
    addr: SocketAddr,
    tool: StatusTool<'_>,
    deadline: Duration,
    dialect: &mut Option<String>,
) -> Result<Shown, String> {
    let shown = timeout(deadline, websocket_status(door, addr, tool, deadline, dialect)).await;
    shown.unwrap_or_else(|_| Err(format!("{addr} did not answer within {deadline:?}")))
}

async fn websocket_status(
    door: &Door,
    addr: SocketAddr,
    tool: StatusTool<'_>,
    deadline: Duration,
    dialect: &mut Option<String>,
) -> Result<Shown, String> {
    let endpoint = Endpoint {
        addr: addr.into(),
        host: addr.to_string(),
        path: "/ws".to_owned(),
        headers: Vec::new(),
        max_message: STATUS_BYTES,
        deadline,
    };
    let patience = Patience { call: deadline, ..Patience::default() };
    let mut socket = websocket::Opener { door, endpoint, goodbye: None };
    let connected = Client::connect(&mut socket, patience).await;
    let with_reason = |words: String| match socket.reason() {
        Some(reason) => format!("{words} (closed with {reason})"),
        None => words,
    };
    let mut client = connected.map_err(|error| with_reason(in_one_line(&error)))?;
    *dialect = Some(client.dialect().to_string());
    let shown = client.status(tool).await.map_err(|error| with_reason(in_one_line(&error)))?;
    client.close(Duration::from_secs(1)).await;
    Ok(shown)
}

/// Calls a tool without arguments over the bridge's REST wire.
async fn over_rest(door: &Door, addr: SocketAddr, tool: &str, deadline: Duration) -> Result<Value, String> {
    let body = json!({"method": tool, "params": {}}).to_string();
    let limits = Limits { deadline, body: STATUS_BYTES };
    let answer = http::post_json_through(door, addr, "/mcp", &addr.to_string(), body, limits).await;
    let answer = answer.map_err(|error| in_one_line(&error))?;
    match (answer.status, serde_json::from_slice::<Value>(&answer.body)) {
        (200, Ok(value)) => Ok(value),
        (200, Err(error)) => Err(format!("the answer is not JSON: {error}")),
        (status, problem) => {
            let detail = problem.ok().and_then(|problem| Some(problem.get("detail")?.as_str()?.to_owned()));
            Err(format!("status {status}: {}", detail.unwrap_or_else(|| "no reason given".to_owned())))
        }
    }
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
    fn what_a_probe_prints_is_read_back() {
        let status = BothWires {
            dialect: Some("bare".into()),
            websocket: Ok(Shown::Status(json!({"a": 1}))),
            rest: Some(Err("no".into())),
        };
        let printed = json!({
            "websocket": {"ok": true, "dialect": "bare", "value": {"a": 1}},
            "rest": {"ok": false, "error": "no"},
        });
        assert_eq!(status.to_json(), printed);
        let tools = BothWires { dialect: None, websocket: Ok(Shown::Tools(3)), rest: None };
        assert_eq!(tools.to_json(), json!({"websocket": {"ok": true, "tools": 3}, "rest": null}));
        for seen in [status, tools, BothWires::failed("no")] {
            assert_eq!(BothWires::from_json(&seen.to_json().to_string()), Some(seen));
        }
        for others in ["", "{}", "null", "[1]", r#"{"websocket": {}, "rest": null}"#] {
            assert_eq!(BothWires::from_json(others), None, "{others}");
        }
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
