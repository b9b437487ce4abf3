//! A request as a span of OpenTelemetry's, in the JSON of OTLP 1.x. Pure.
//!
//! Attributes follow the semantic conventions for MCP (server spans) and for HTTP. A span's name comes
//! from a small set, whatever clients call their methods and tools.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::access_log::Line;
use super::trace::{Parent, SpanId};

/// The kind of a span that answers somebody (`SPAN_KIND_SERVER`).
const SERVER: u8 = 2;
/// The status of a span that went wrong (`STATUS_CODE_ERROR`).
const ERROR: u8 = 2;
/// The methods that name a span.
const METHODS: [&str; 17] = [
    "completion/complete",
    "initialize",
    "logging/setLevel",
    "notifications/cancelled",
    "notifications/initialized",
    "notifications/progress",
    "ping",
    "prompts/get",
    "prompts/list",
    "resources/list",
    "resources/read",
    "resources/subscribe",
    "resources/templates/list",
    "resources/unsubscribe",
    "server/discover",
    "subscriptions/listen",
    "tools/list",
];
const CALL: &str = "tools/call";

/// A request that has ended.
#[derive(Debug)]
pub(super) struct Span(Value);

impl Span {
    /// Of a request that began at `begun`, at its own `place` in a trace, beneath `parent`.
    pub(super) fn of(
        line: &Line<'_>,
        place: Parent,
        parent: Option<SpanId>,
        state: Option<Box<str>>,
        begun: SystemTime,
    ) -> Self {
        let failed = matches!(line.outcome, "failed" | "rpc_error");
        let mut span = json!({
            "traceId": place.trace.to_string(),
            "spanId": place.span.to_string(),
            "name": name(line),
            "kind": SERVER,
            "startTimeUnixNano": nanoseconds(begun),
            "endTimeUnixNano": nanoseconds(begun + line.duration),
            "attributes": attributes(line),
            "status": if failed { json!({"code": ERROR}) } else { json!({}) },
        });
        if let Some(parent) = parent {
            span["parentSpanId"] = json!(parent.to_string());
        }
        if let Some(state) = state {
            span["traceState"] = json!(state);
        }
        Self(span)
    }
}

/// Spans as one request to a collector.
pub(super) fn export(service: &str, spans: &mut Vec<Span>) -> String {
    let spans: Vec<Value> = spans.drain(..).map(|span| span.0).collect();
    let resource = [text("service.name", service), text("service.version", env!("CARGO_PKG_VERSION"))];
    json!({"resourceSpans": [{
        "resource": {"attributes": resource},
        "scopeSpans": [{
            "scope": {"name": "mcp-bridge", "version": env!("CARGO_PKG_VERSION")},
            "spans": spans,
        }],
    }]})
    .to_string()
}

fn name(line: &Line<'_>) -> String {
    match line.method.filter(|method| *method == CALL || METHODS.contains(method)) {
        // A tool's name is low in number only once a server has answered for it.
        Some(CALL) => match line.tool.filter(|_| line.outcome == "ok") {
            Some(tool) => format!("{CALL} {tool}"),
            None => CALL.to_owned(),
        },
        Some(method) => method.to_owned(),
        None => format!("{} {}", line.http_method, line.wire),
    }
}

fn attributes(line: &Line<'_>) -> Vec<Value> {
    let protocol = if line.wire == "websocket" { "websocket" } else { "http" };
    let mut attributes = vec![
        text("rpc.system", "jsonrpc"),
        text("network.transport", "tcp"),
        text("network.protocol.name", protocol),
        text("http.request.method", line.http_method),
        text("url.path", line.path),
        text("mcp.bridge.wire", line.wire),
        text("mcp.bridge.request.id", line.id),
        number("http.request.body.size", line.received),
        number("http.response.body.size", line.sent),
    ];
    let mut add = |attribute: Option<Value>| attributes.extend(attribute);
    add(line.status.map(|status| number("http.response.status_code", status)));
    add(line.method.map(|method| text("mcp.method.name", method)));
    add(line.tool.map(|tool| text("gen_ai.tool.name", tool)));
    add(line.tool.map(|_| text("gen_ai.operation.name", "execute_tool")));
    add(line.peer.map(|peer| text("client.address", &peer.to_string())));
    add(line.server.map(|pid| number("mcp.bridge.child.pid", pid)));
    add(line.rpc_fault.map(|code| text("rpc.response.status_code", &code.to_string())));
    add(match (line.outcome, line.rpc_fault, line.status) {
        ("ok", ..) => None,
        (_, Some(code), _) => Some(text("error.type", &code.to_string())),
        ("gone", ..) | (_, _, None) => Some(text("error.type", "client_gone")),
        (_, _, Some(status)) => Some(text("error.type", &status.to_string())),
    });
    attributes
}

fn text(key: &str, value: &str) -> Value {
    json!({"key": key, "value": {"stringValue": value}})
}

/// Numbers of 64 bits are text in the JSON of Protobuf.
fn number(key: &str, value: impl Into<u64>) -> Value {
    json!({"key": key, "value": {"intValue": value.into().to_string()}})
}

fn nanoseconds(time: SystemTime) -> String {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn line() -> Line<'static> {
        Line {
            id: "abc",
            principal: None,
            peer: Some("127.0.0.1".parse().expect("an address")),
            wire: "http-modern",
            http_method: "POST",
            path: "/mcp",
            method: Some("tools/call"),
            tool: Some("echo"),
            status: Some(200),
            rpc_fault: None,
            outcome: "ok",
            received: 10,
            sent: 20,
            duration: Duration::from_micros(1500),
            server: Some(7),
            trace: None,
        }
    }

    #[test]
    fn a_request_is_a_server_s_span_with_the_conventions_attributes() {
        let place =
            Parent::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").expect("a place");
        let begun = UNIX_EPOCH + Duration::from_secs(1);
        let span = Span::of(&line(), place, Some(place.span), Some("a=1".into()), begun);
        let exported: Value = serde_json::from_str(&export("my-bridge", &mut vec![span])).expect("JSON");
        insta::assert_snapshot!(format!("{exported:#}").replace(env!("CARGO_PKG_VERSION"), "VERSION"));
    }

    #[test]
    fn a_span_s_name_is_one_of_few() {
        let named = |method, tool, outcome| name(&Line { method, tool, outcome, ..line() });
        assert_eq!(named(Some("tools/call"), Some("echo"), "ok"), "tools/call echo");
        assert_eq!(named(Some("tools/call"), Some("made up"), "rpc_error"), "tools/call");
        assert_eq!(named(Some("tools/list"), None, "ok"), "tools/list");
        assert_eq!(named(Some("made/up"), None, "refused"), "POST http-modern");
        assert_eq!(named(None, Some("echo"), "ok"), "POST http-modern");
    }
}
