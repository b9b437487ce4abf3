//! The server that the conformance tests put behind the bridge, over its own stdio.

use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

struct Server {
    process: Child,
    stdin: ChildStdin,
    stdout: Lines<BufReader<ChildStdout>>,
}

impl Server {
    fn start(words: &[&str]) -> Self {
        let fixture = Path::new(env!("CARGO_BIN_EXE_mcp-bridge")).with_file_name("examples");
        let fixture = fixture.join("everything-fixture");
        assert!(fixture.is_file(), "build it first: cargo build --example everything-fixture");
        // What would be waited for in vain ends after twenty seconds.
        let mut command = Command::new("timeout");
        command.arg("20").arg(fixture).args(words);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().expect("timeout, of the coreutils");
        let stdin = process.stdin.take().expect("a pipe");
        let stdout = BufReader::new(process.stdout.take().expect("a pipe")).lines();
        Self { process, stdin, stdout }
    }

    fn legacy(capabilities: &Value) -> Self {
        let mut server = Self::start(&["legacy"]);
        let params = json!({"protocolVersion": "2025-11-25", "capabilities": capabilities});
        server.say(&json!({"id": "start", "method": "initialize", "params": params}));
        assert_eq!(server.hear()["result"]["protocolVersion"], "2025-11-25");
        server
    }

    fn say(&mut self, message: &Value) {
        writeln!(self.stdin, "{message}").expect("a server that reads");
    }

    #[track_caller]
    fn hear(&mut self) -> Value {
        let line = self.stdout.next().expect("a line").expect("text");
        serde_json::from_str(&line).expect("JSON")
    }

    fn call(&mut self, name: &str, more: &Value) {
        let mut params = json!({"name": name, "arguments": {}});
        params.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        self.say(&json!({"id": 7, "method": "tools/call", "params": params}));
    }

    /// Closes its input, and returns what it still says and how it ends.
    fn leave(mut self) -> (Vec<String>, Option<i32>) {
        drop(self.stdin);
        let rest = self.stdout.by_ref().map(|line| line.unwrap_or_else(|_| "no text".to_owned())).collect();
        (rest, self.process.wait().expect("a status").code())
    }
}

fn meta(version: &str, capabilities: &Value) -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": version,
        "io.modelcontextprotocol/clientCapabilities": capabilities,
    })
}

fn accept(field: &str, value: &str) -> Value {
    json!({"action": "accept", "content": {field: value}})
}

const ROUNDS: &str = "test_input_required_result_multi_round";
const DONE: &str = "Multi-round complete for Ada who likes blue";

#[test]
fn a_legacy_server_asks_by_requests_whose_ids_are_the_names_of_what_it_asks() {
    let mut server = Server::legacy(&json!({"elicitation": {}}));
    server.call(ROUNDS, &json!({}));
    for (name, field, value) in [("step1", "name", "Ada"), ("step2", "color", "blue")] {
        let asked = server.hear();
        assert_eq!((&asked["id"], &asked["method"]), (&json!(name), &json!("elicitation/create")));
        server.say(&json!({"id": name, "result": accept(field, value)}));
    }
    assert_eq!(server.hear()["result"]["content"][0]["text"], DONE);
    assert_eq!(server.leave(), (vec![], Some(0)));
}

#[test]
fn a_modern_server_asks_by_its_result_and_carries_what_it_knows_in_the_state() {
    let mut server = Server::start(&["modern"]);
    let meta = meta("2026-07-28", &json!({"elicitation": {}}));
    server.call(ROUNDS, &json!({"_meta": meta}));
    for (name, field, value) in [("step1", "name", "Ada"), ("step2", "color", "blue")] {
        let result = server.hear()["result"].take();
        assert_eq!(result["resultType"], "input_required");
        let asked: Vec<_> = result["inputRequests"].as_object().expect("requests").keys().collect();
        assert_eq!(asked, [name]);
        let answers = json!({name: accept(field, value)});
        let state = &result["requestState"];
        server.call(ROUNDS, &json!({"_meta": meta, "inputResponses": answers, "requestState": state}));
    }
    let result = server.hear()["result"].take();
    assert_eq!((&result["resultType"], &result["content"][0]["text"]), (&json!("complete"), &json!(DONE)));
}

#[test]
fn a_state_that_is_not_as_it_was_given_out_and_answers_that_are_none_are_refused() {
    let mut server = Server::start(&["modern"]);
    let meta = meta("2026-07-28", &json!({"elicitation": {}}));
    server.call(ROUNDS, &json!({"_meta": meta}));
    let state = server.hear()["result"]["requestState"].take();
    let state = state.as_str().expect("a state");
    for wrong in [
        json!({"requestState": format!("{state}-TAMPERED")}),
        json!({"requestState": "short"}),
        json!({"inputResponses": {"step1": 12345}}),
        json!({"inputResponses": null}),
    ] {
        let mut params = json!({"_meta": meta});
        params.as_object_mut().expect("an object").extend(wrong.as_object().expect("an object").clone());
        server.call(ROUNDS, &params);
        assert_eq!(server.hear()["error"]["code"], -32602, "{wrong}");
    }
}

#[test]
fn a_client_that_cannot_answer_is_not_asked_but_by_the_tool_that_does_not_look() {
    let mut server = Server::legacy(&json!({}));
    server.call("test_elicitation", &json!({"arguments": {"message": "?"}}));
    assert_eq!(server.hear()["result"]["isError"], true);
    let mut server = Server::legacy(&json!({}));
    server.call("test_missing_capability", &json!({}));
    assert_eq!(server.hear()["method"], "sampling/createMessage");
    let mut server = Server::start(&["modern"]);
    server.call("test_missing_capability", &json!({"_meta": meta("2026-07-28", &json!({}))}));
    let error = server.hear()["error"].take();
    assert_eq!(
        (&error["code"], &error["data"]["requiredCapabilities"]),
        (&json!(-32021), &json!({"sampling": {}}))
    );
}

#[test]
fn each_era_knows_nothing_of_the_other_and_a_dual_server_knows_both() {
    let discover =
        json!({"id": 1, "method": "server/discover", "params": {"_meta": meta("2026-07-28", &json!({}))}});
    let initialize = json!({"id": 2, "method": "initialize", "params": {"protocolVersion": "1999-01-01"}});
    let answer = |mode: &str, message: &Value| {
        let mut server = Server::start(&[mode]);
        server.say(message);
        let answer = server.hear();
        answer["error"]["code"].as_i64().map_or_else(|| answer["result"].clone(), Value::from)
    };
    assert_eq!(answer("legacy", &discover), -32601);
    assert_eq!(answer("legacy", &initialize)["protocolVersion"], "2025-11-25");
    assert_eq!(answer("modern", &initialize), -32602);
    for mode in ["modern", "dual"] {
        assert_eq!(answer(mode, &discover)["supportedVersions"], json!(["2026-07-28"]));
    }
    assert_eq!(answer("dual", &initialize)["protocolVersion"], "2025-11-25");
    let future =
        json!({"id": 3, "method": "tools/list", "params": {"_meta": meta("2099-01-01", &json!({}))}});
    assert_eq!(answer("modern", &future), -32022);
}

#[test]
fn a_legacy_server_of_bad_manners_is_silent_or_ends_before_initialize() {
    let mut silent = Server::start(&["legacy", "silent"]);
    silent.say(&json!({"id": 1, "method": "server/discover"}));
    silent.say(&json!({"id": 2, "method": "ping"}));
    assert_eq!(silent.hear()["id"], 2);
    let mut fatal = Server::start(&["legacy", "fatal"]);
    fatal.say(&json!({"id": 1, "method": "server/discover"}));
    assert_eq!(fatal.leave(), (vec![], Some(1)));
}

#[test]
fn a_stream_carries_what_it_asked_for_under_its_name_until_it_is_cancelled() {
    let mut server = Server::start(&["modern"]);
    let meta = meta("2026-07-28", &json!({}));
    let params = json!({"_meta": meta, "notifications": {"toolsListChanged": true}});
    server.say(&json!({"id": "mine", "method": "subscriptions/listen", "params": params}));
    assert_eq!(server.hear()["method"], "notifications/subscriptions/acknowledged");
    for tool in ["test_trigger_prompt_change", "test_trigger_tool_change"] {
        server.call(tool, &json!({"_meta": meta}));
    }
    let mut heard: Vec<Value> = (0..3).map(|_| server.hear()).collect();
    heard.retain(|message| message.get("id").is_none());
    assert_eq!(heard.len(), 1);
    let under = &heard[0]["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"];
    assert_eq!((&heard[0]["method"], under), (&json!("notifications/tools/list_changed"), &json!("mine")));
    server.say(&json!({"method": "notifications/cancelled", "params": {"requestId": "mine"}}));
    assert_eq!(server.leave(), (vec![], Some(0)));
}

#[test]
fn a_call_that_is_cancelled_is_not_answered() {
    let mut server = Server::legacy(&json!({}));
    server.call("misbehave_hang", &json!({}));
    server.say(&json!({"method": "notifications/cancelled", "params": {"requestId": 7}}));
    server.say(&json!({"id": 8, "method": "ping"}));
    assert_eq!(server.hear()["id"], 8);
    assert_eq!(server.leave(), (vec![], Some(0)));
}

#[test]
fn the_bare_dialect_answers_a_line_with_a_line() {
    let mut server = Server::start(&["bare"]);
    server.say(&json!({"method": "test_simple_text"}));
    assert_eq!(server.hear(), json!({"response": "This is a simple text response for testing."}));
    server.say(&json!({"method": "echo", "params": {"a": 1}}));
    assert_eq!(server.hear(), json!({"a": 1}));
    server.say(&json!({"method": "nothing"}));
    assert_eq!(server.hear(), json!({"error": "Unknown tool: nothing"}));
}

#[test]
fn what_no_server_should_do_is_done_where_it_is_asked_for() {
    // What is said besides an answer with its id, and how it ends.
    for (name, besides, answers, code) in [
        ("misbehave_noise", 3, 1, Some(0)),
        ("misbehave_stray", 1, 2, Some(0)),
        ("misbehave_unasked", 2, 1, Some(0)),
        ("misbehave_ask", 1, 1, Some(0)),
        ("misbehave_stderr", 0, 1, Some(0)),
        ("misbehave_half_line", 1, 0, None),
        ("misbehave_crash", 0, 0, None),
    ] {
        let mut server = Server::legacy(&json!({}));
        server.call(name, &json!({}));
        let (lines, ended) = server.leave();
        let ours = lines.iter().filter(|line| line.contains(r#""id":7"#)).count();
        // An empty line of the noise is not counted.
        let strange = lines.iter().filter(|line| !line.is_empty() && !line.contains(r#""id":7"#)).count();
        assert_eq!((strange, ours, ended), (besides, answers, code), "{name}: {lines:?}");
    }
}

#[test]
fn an_answer_is_as_large_as_it_is_asked_to_be() {
    let mut server = Server::legacy(&json!({}));
    server.call("misbehave_large", &json!({"arguments": {"bytes": 100_000}}));
    let answer = server.hear();
    assert_eq!(answer["result"]["content"][0]["text"].as_str().map(str::len), Some(100_000));
}
