//! Tasks: what the provider is sent, what its answers become, and what stays secret.

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::timeout;

use super::rig::{DEADLINE, KEY, Reply, Server, StandIn, call, completion};

const BARE_TASK: &str = r#"{"method": "orchestrate_task", "params": {"description": "Analyze this"}}"#;
const BARE_STATUS: &str = r#"{"method": "get_orchestrator_status"}"#;

#[tokio::test]
async fn a_task_goes_to_the_model_and_its_cost_into_the_books() {
    let mut provider = StandIn::start(Reply::Now(200, completion("because", Some(0.25)))).await;
    let mut server = Server::start(&provider.env());
    assert_eq!(server.ask(BARE_STATUS).await["adapter_status"]["gemini_pro"], "configured");
    let answer = server.ask(BARE_TASK).await;
    assert_eq!(
        (&answer["response"], &answer["cost"], &answer["model"]),
        (&json!("because"), &json!(0.25), &json!("stand-in"))
    );
    assert_eq!(answer["usage"], json!({"input_tokens": 7, "output_tokens": 3}));
    let sent = provider.request().await;
    let (head, body) = sent.split_once("\r\n\r\n").expect("a request");
    assert!(head.starts_with("POST /v1/chat/completions HTTP/1.1"), "{head}");
    assert!(head.contains(&format!("authorization: Bearer {KEY}")), "{head}");
    let body: Value = serde_json::from_str(body).expect("JSON");
    assert_eq!(
        (&body["model"], &body["usage"]),
        (&json!("google/gemini-2.5-pro-preview"), &json!({"include": true}))
    );
    assert_eq!(body["messages"][1]["content"], "Analyze this");
    let status = server.ask(BARE_STATUS).await;
    assert_eq!((&status["request_count"], &status["total_cost"]), (&json!(1), &json!(0.25)));
    assert_eq!(status["adapter_status"]["gemini_pro"], "healthy");
}

#[tokio::test]
async fn without_openrouters_key_openai_is_called_and_an_untold_cost_stays_unknown() {
    let mut provider = StandIn::start(Reply::Now(200, completion("x", None))).await;
    let base = provider.base_url.clone();
    let mut server = Server::start(&[
        ("OPENAI_API_KEY", KEY),
        ("ORCHESTRATOR_BASE_URL", &base),
        ("ORCHESTRATOR_MODEL", "o9"),
    ]);
    assert_eq!(server.ask(BARE_TASK).await["cost"], Value::Null);
    let sent = provider.request().await;
    assert!(sent.contains(r#""model":"o9""#) && !sent.contains(r#""include""#), "{sent}");
    let status = server.ask(BARE_STATUS).await;
    assert_eq!((&status["requests_without_cost"], &status["model"]), (&json!(1), &json!("o9")));
}

#[tokio::test]
async fn a_daily_limit_refuses_the_task_after_the_one_that_reached_it() {
    let mut provider = StandIn::start(Reply::Now(200, completion("x", Some(0.5)))).await;
    let [key, base] = provider.env();
    let mut server = Server::start(&[key, base, ("ORCHESTRATOR_DAILY_LIMIT", "0.5")]);
    assert_eq!(server.ask(BARE_TASK).await["response"], "x");
    assert_eq!(server.ask(BARE_TASK).await["error"]["kind"], "daily_limit");
    provider.request().await;
    assert!(provider.requests.try_recv().is_err(), "the refused task was sent");
}

#[tokio::test]
async fn a_task_without_a_key_is_a_tool_error_that_names_the_keys() {
    let mut server = Server::start(&[]);
    server.initialize().await;
    let answer = server.ask(call(json!(1), "orchestrate_task", json!({"description": "x"}))).await;
    assert_eq!(answer["result"]["isError"], true);
    let text = answer["result"]["content"][0]["text"].as_str().expect("text");
    assert!(text.contains("OPENROUTER_API_KEY") && text.contains("OPENAI_API_KEY"), "{text}");
    assert_eq!(
        serde_json::from_str::<Value>(text).ok().as_ref(),
        Some(&answer["result"]["structuredContent"])
    );
}

#[tokio::test]
async fn the_key_shows_in_no_answer_no_log_and_not_on_stderr_even_if_the_provider_repeats_it() {
    let folder = TempDir::new().expect("a folder");
    let logs = folder.path().to_str().expect("UTF-8");
    let error = json!({"error": {"message": format!("no credit left for {KEY}")}}).to_string();
    for reply in [
        Reply::Now(402, error.clone()),
        Reply::Now(401, error.clone()),
        Reply::Now(200, error),
        Reply::Now(200, completion(&format!("your key is {KEY}"), None)),
        Reply::Now(302, KEY.to_owned()),
        Reply::Now(200, KEY.to_owned()),
    ] {
        let mut provider = StandIn::start(reply).await;
        let [key, base] = provider.env();
        let mut server = Server::start(&[key, base, ("MCPO_LOG_DIR", logs), ("MCPO_LOG_LEVEL", "debug")]);
        let answer = server.ask(BARE_TASK).await.to_string();
        assert!(!answer.contains(KEY), "{answer}");
        assert!(!server.ask(BARE_STATUS).await.to_string().contains(KEY));
        assert!(provider.request().await.contains(KEY));
        assert!(provider.requests.try_recv().is_err(), "a redirect was followed");
        assert!(!server.finish().await.stderr.contains(KEY));
    }
    for entry in std::fs::read_dir(folder.path()).expect("readable") {
        let text = std::fs::read_to_string(entry.expect("readable").path()).expect("readable");
        assert!(text.contains("answered") && !text.contains(KEY) && !text.contains("Analyze"), "{text}");
    }
}

#[tokio::test]
async fn an_endless_answer_is_cut_off() {
    let mut provider = StandIn::start(Reply::Endless).await;
    let mut server = Server::start(&provider.env());
    let answer = server.ask(BARE_TASK).await;
    assert_eq!(answer["error"]["kind"], "bad_answer", "{answer}");
    timeout(DEADLINE, provider.closed.recv()).await.expect("the connection is closed");
}

#[tokio::test]
async fn an_answer_at_the_cap_is_read_and_a_longer_one_is_not() {
    let body = completion("x", None);
    let padded = |length: usize| format!("{body}{}", " ".repeat(length - body.len()));
    for (length, field) in [(8 << 20, "response"), ((8 << 20) + 1, "error")] {
        let provider = StandIn::start(Reply::Now(200, padded(length))).await;
        let answer = Server::start(&provider.env()).ask(BARE_TASK).await;
        assert!(answer.get(field).is_some(), "{length}: {answer}");
    }
}

#[tokio::test]
async fn a_silent_provider_and_one_that_is_not_there_are_told_apart() {
    let provider = StandIn::start(Reply::Never).await;
    let [key, base] = provider.env();
    let mut server = Server::start(&[key, base, ("ORCHESTRATOR_TIMEOUT", "1")]);
    let answer = server.ask(BARE_TASK).await;
    assert_eq!(answer["error"]["message"], "the model did not answer within 1 s");
    assert_eq!(server.ask(BARE_STATUS).await["adapter_status"]["gemini_pro"], "failing: timeout");
    // Port 9 of loopback: nobody listens there.
    let mut server = Server::start(&[key, ("ORCHESTRATOR_BASE_URL", "http://127.0.0.1:9/v1")]);
    assert_eq!(server.ask(BARE_TASK).await["error"]["kind"], "unreachable");
}

#[tokio::test]
async fn a_cancelled_task_closes_its_connection_and_holds_up_nothing() {
    let mut provider = StandIn::start(Reply::Never).await;
    let mut server = Server::start(&provider.env());
    server.initialize().await;
    server.send(call(json!("slow"), "orchestrate_task", json!({"description": "x"}))).await;
    provider.request().await;
    let again = server.ask(call(json!("slow"), "get_orchestrator_status", json!({}))).await;
    assert_eq!((&again["error"]["code"], &again["id"]), (&json!(-32600), &json!("slow")), "its id is in use");
    server
        .send(json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "slow"}}))
        .await;
    timeout(DEADLINE, provider.closed.recv()).await.expect("the connection is closed");
    let end = server.finish().await;
    assert_eq!((end.status.code(), end.rest, end.stderr), (Some(0), vec![], String::new()));
}

#[tokio::test]
async fn bare_answers_keep_the_order_of_their_requests() {
    let provider = StandIn::start(Reply::Now(200, completion("slow", None))).await;
    let mut server = Server::start(&provider.env());
    server.send(format!("{BARE_TASK}\n{BARE_STATUS}\n{{\"oops\n{BARE_TASK}")).await;
    assert_eq!(server.receive().await["response"], "slow");
    assert_eq!(server.receive().await["status"], "active");
    assert_eq!(server.receive().await["error"]["code"], -32700);
    assert_eq!(server.receive().await["response"], "slow");
}
