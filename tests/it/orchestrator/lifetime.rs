//! How it starts and how it ends.

use std::time::Duration;

use serde_json::{Value, json};

use super::rig::{Reply, Server, StandIn, call, completion};

const BARE_STATUS: &str = r#"{"method": "get_orchestrator_status"}"#;

/// Ten seconds on purpose: rmcp drops what is in flight five seconds after the end of input.
#[tokio::test]
async fn the_end_of_input_waits_for_a_task_of_ten_seconds_in_every_dialect() {
    let mut provider =
        StandIn::start(Reply::After(Duration::from_secs(10), completion("at last", None))).await;
    let mut server = Server::start(&provider.env());
    server.initialize().await;
    let task = json!({"description": "x"});
    server.send(call(json!(1), "orchestrate_task", task.clone())).await;
    server.send(call(json!("two"), "orchestrate_task", task.clone())).await;
    server.send(json!({"method": "orchestrate_task", "params": task})).await;
    for _ in 0..3 {
        provider.request().await;
    }
    let end = server.finish().await;
    assert_eq!((end.status.code(), end.stderr.as_str()), (Some(0), ""));
    assert_eq!(end.rest.len(), 3, "{:?}", end.rest);
    for id in [json!(1), json!("two"), Value::Null] {
        let answers = end.rest.iter().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        let answer = answers.into_iter().find(|answer| answer["id"] == id).expect("an answer");
        let value = answer["result"].get("structuredContent").unwrap_or(&answer);
        assert_eq!(value["response"], "at last", "{answer}");
    }
}

#[tokio::test]
async fn an_input_that_ends_at_once_ends_it_with_nothing_said() {
    let end = Server::start(&[]).finish().await;
    assert_eq!((end.status.code(), end.rest, end.stderr), (Some(0), vec![], String::new()));
}

#[tokio::test]
async fn a_signal_ends_it_at_once_even_with_a_task_in_flight() {
    for (signal, code) in [("-TERM", 0), ("-INT", 130)] {
        let mut provider = StandIn::start(Reply::Never).await;
        let mut server = Server::start(&provider.env());
        server.send(r#"{"method": "orchestrate_task", "params": {"description": "x"}}"#).await;
        provider.request().await;
        server.signal(signal);
        let end = server.end().await;
        assert_eq!(
            (end.status.code(), end.rest, end.stderr),
            (Some(code), vec![], String::new()),
            "{signal}"
        );
    }
}

#[tokio::test]
async fn an_output_that_nobody_reads_any_more_ends_it_quietly() {
    let mut server = Server::start(&[]);
    server.ask(BARE_STATUS).await;
    server.close_output();
    server.send(BARE_STATUS).await;
    let end = server.end().await;
    assert_eq!((end.status.code(), end.stderr.as_str()), (Some(0), ""));
}

#[tokio::test]
async fn an_unknown_argument_is_refused_with_a_hint() {
    let end = Server::start_with(&["python", "-m", "http.server"], &[]).finish().await;
    assert_eq!((end.status.code(), end.rest), (Some(64), vec![]));
    assert_eq!(
        end.stderr,
        "error: unknown argument \"-m\"\n\nhint: run it without arguments, or see mcp-orchestrator --help\n"
    );
}

#[tokio::test]
async fn wrong_settings_are_refused_all_at_once() {
    let end = Server::start(&[("ORCHESTRATOR_TIMEOUT", "soon"), ("MCPO_LOG_MAX_AGE", "long")]).finish().await;
    assert_eq!((end.status.code(), end.rest), (Some(64), vec![]));
    assert!(
        end.stderr.contains("ORCHESTRATOR_TIMEOUT") && end.stderr.contains("MCPO_LOG_MAX_AGE"),
        "{}",
        end.stderr
    );
}

#[tokio::test]
async fn version_and_help_are_printed_on_stdout() {
    let version = Server::start_with(&["--version"], &[]).finish().await;
    assert_eq!(version.rest, [concat!("mcp-orchestrator ", env!("CARGO_PKG_VERSION"))]);
    let help = Server::start_with(&["--help"], &[]).finish().await;
    assert!(help.rest.iter().any(|line| line.contains("OPENROUTER_API_KEY")), "{:?}", help.rest);
    assert_eq!((version.status.code(), help.status.code()), (Some(0), Some(0)));
}
