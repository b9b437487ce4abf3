//! Trace context on its way to servers, and spans on their way to a collector.

use mcpo_deploy::bridge::Collector;
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::super::program::{end, program, serve};
use super::super::{Bridge, PATIENCE, fixture, of_fixture, say, settings};
use super::{ask, call_modern, call_rest, samples};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[tokio::test]
async fn a_request_s_trace_context_reaches_the_server_unless_its_body_has_one() {
    let bridge = Bridge::start(of_fixture("legacy")).await;
    let headers = [("traceparent", PARENT), ("tracestate", "a=1"), ("baggage", "k=v")];
    let all = json!({"traceparent": PARENT, "tracestate": "a=1", "baggage": "k=v"});
    assert_eq!(call_rest(&bridge, "meta", &headers).await["meta"], all);
    let meta = async |headers: &[(&str, &str)], own: Value| {
        call_modern(&bridge, "meta", headers, own).await["result"]["structuredContent"]["meta"].clone()
    };
    assert_eq!(meta(&headers, json!({})).await, all);
    let own = json!({"traceparent": PARENT.replace("4bf9", "5bf9")});
    assert_eq!(meta(&headers, own.clone()).await, own);
    assert_eq!(meta(&[("traceparent", "00-no"), ("tracestate", "a=1")], json!({})).await, Value::Null);
    assert_eq!(meta(&[], json!({"progressToken": 7})).await["traceparent"], Value::Null);
    bridge.finish().await;
}

/// A collector that answers every export and hands on what it says.
async fn collector() -> (String, mpsc::UnboundedReceiver<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    // By name, as one on a private network is found.
    let url = format!("http://localhost:{}/base/", listener.local_addr().expect("an address").port());
    let (exports, received) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut tcp, _)) = listener.accept().await {
            let mut request = Vec::new();
            let body = loop {
                let mut chunk = [0; 4096];
                let count = tcp.read(&mut chunk).await.expect("bytes");
                request.extend_from_slice(&chunk[..count]);
                let text = String::from_utf8_lossy(&request).into_owned();
                let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                let head = head.to_ascii_lowercase();
                assert!(head.starts_with("post /base/v1/traces "), "{head}");
                assert!(head.contains("\r\ncontent-type: application/json"), "{head}");
                let length = head.split("content-length: ").nth(1).expect("a length");
                if body.len().to_string() == length.lines().next().expect("a length") {
                    break body.to_owned();
                }
            };
            exports.send(serde_json::from_str(&body).expect("JSON")).expect("a reader");
            let answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
            tcp.write_all(answer).await.expect("room");
        }
    });
    (url, received)
}

async fn spans(received: &mut mpsc::UnboundedReceiver<Value>) -> Vec<Value> {
    let export = timeout(PATIENCE, received.recv()).await.expect("in time").expect("an export");
    let resource = &export["resourceSpans"][0];
    assert_eq!(attribute(&resource["resource"], "service.name"), "my-bridge");
    resource["scopeSpans"][0]["spans"].as_array().expect("spans").clone()
}

fn attribute(of: &Value, key: &str) -> Value {
    let mut all = of["attributes"].as_array().expect("attributes").iter();
    let value = all.find(|attribute| attribute["key"] == key).map(|found| found["value"].clone());
    value.map_or(Value::Null, |value| {
        value.as_object().and_then(|value| value.values().next().cloned()).unwrap_or_default()
    })
}

#[tokio::test]
async fn each_request_is_a_span_beneath_the_client_s_and_above_the_server_s() {
    let (url, mut received) = collector().await;
    let mut settings = of_fixture("legacy");
    settings.telemetry.collector = Some(Collector::parse(&url, "my-bridge").expect("a collector"));
    let bridge = Bridge::start(settings).await;
    let called = call_modern(&bridge, "meta", &[("traceparent", PARENT)], json!({})).await;
    let handed_on = called["result"]["structuredContent"]["meta"]["traceparent"].clone();
    let begun = call_rest(&bridge, "meta", &[]).await["meta"]["traceparent"].clone();
    call_rest(&bridge, "crash", &[]).await;
    // Whoever does not want to be seen is not.
    call_rest(&bridge, "status", &[("traceparent", &PARENT.replace("-01", "-00"))]).await;
    samples(bridge.addr).await;
    bridge.finish().await;
    let spans = spans(&mut received).await;
    assert_eq!(spans.len(), 3, "{spans:#?}");
    let [modern, rest, crash] = &spans[..] else { panic!("{spans:#?}") };
    let place = |span: &Value| format!("00-{}-{}-01", span["traceId"], span["spanId"]).replace('"', "");
    assert_eq!(
        (place(modern), place(rest)),
        (handed_on.as_str().expect("a place").to_owned(), begun.as_str().expect("a place").to_owned())
    );
    assert_eq!((&modern["parentSpanId"], &rest["parentSpanId"]), (&json!("00f067aa0ba902b7"), &Value::Null));
    assert_eq!(modern["name"], "tools/call meta");
    for (key, value) in [
        ("mcp.method.name", json!("tools/call")),
        ("gen_ai.tool.name", json!("meta")),
        ("network.transport", json!("tcp")),
        ("http.response.status_code", json!("200")),
        ("error.type", Value::Null),
    ] {
        assert_eq!(attribute(modern, key), value, "{key}");
    }
    let time = |key: &str| modern[key].as_str().and_then(|time| time.parse::<u128>().ok()).expect("a time");
    assert!(time("startTimeUnixNano") < time("endTimeUnixNano"));
    assert_eq!((attribute(crash, "error.type"), &crash["status"]["code"]), (json!("502"), &json!(2)));
}

#[tokio::test]
async fn opentelemetry_s_variable_names_a_collector_and_one_that_cannot_be_spoken_to_is_warned_of() {
    let (url, mut received) = collector().await;
    let mut command = program();
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", url).env("OTEL_SERVICE_NAME", "my-bridge");
    let serving = serve(command.args(["--listen", "127.0.0.1:0", "--"]).arg(fixture()).arg("bare"), 1).await;
    let body = json!({"method": "status"}).to_string();
    ask(serving.addrs[0], "POST /mcp", &[], &body).await;
    assert_eq!(end(serving, Signal::TERM).await, Some(0));
    assert_eq!(spans(&mut received).await.len(), 1);
    let mut command = program();
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", "https://user:password@collector.example");
    let mut serving = serve(command.args(["--listen", "127.0.0.1:0", "--", "cat"]), 0).await;
    let line =
        serving.stderr.as_mut().expect("nobody else reads").next_line().await.expect("text").expect("a line");
    assert!(line.contains("WARN no spans are sent") && !line.contains("password"), "{line}");
    // Once it listens it knows how to end.
    let line =
        serving.stderr.as_mut().expect("nobody else reads").next_line().await.expect("text").expect("a line");
    assert!(line.contains("listening on "), "{line}");
    assert_eq!(end(serving, Signal::TERM).await, Some(0));
}

#[tokio::test]
async fn a_collector_that_never_answers_holds_up_neither_requests_nor_the_end() {
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", silent.local_addr().expect("an address"));
    let mut settings = settings("/bin/cat", &[]);
    settings.telemetry.collector = Some(Collector::parse(&url, "my-bridge").expect("a collector"));
    let bridge = Bridge::start(settings).await;
    for _ in 0..3 {
        let mut client = bridge.client().await;
        say(&mut client, "a").await;
        assert_eq!(super::super::hear(&mut client).await, "a");
    }
    // Within the patience of every test.
    bridge.finish().await;
}
