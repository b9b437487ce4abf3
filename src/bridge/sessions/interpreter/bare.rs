//! The server answers `{"method", "params"}` with a line of JSON: a tool's name is a method, an answer has
//! no id, and so there is one call at a time.

use std::collections::VecDeque;

use serde_json::{Value, json};

use super::{Act, INVALID_PARAMS, INVALID_REQUEST, Key, METHOD_NOT_FOUND, Message, refusal, result};
use crate::mcp::{BARE_TOOLS, Kind, LEGACY_VERSIONS, Members, bare_line, bare_result};

/// Calls that wait for those before them.
const WAITING: usize = 256;

/// The calls of one session, the first of which the server works on.
#[derive(Debug, Default)]
pub(crate) struct ToBare {
    calls: VecDeque<Call>,
}

#[derive(Debug)]
struct Call {
    /// Whose it is; `None` once nobody waits for it.
    of: Option<Key>,
    line: String,
}

impl ToBare {
    pub(super) fn hear_client(&mut self, message: &Message<'_>) -> Vec<Act> {
        match message.kind {
            Kind::Request(method) => self.request(method, message),
            Kind::Notification(_) => {
                let cancelled = message.cancelled();
                cancelled.map_or_else(Vec::new, |key| {
                    let mut acts = self.give_up(&key);
                    acts.push(Act::Close(key));
                    acts
                })
            }
            Kind::Response(_) => Vec::new(),
        }
    }

    fn request(&mut self, method: &str, message: &Message<'_>) -> Vec<Act> {
        let key = message.key();
        match method {
            "initialize" => vec![result(&key, &initialized(message.params()))],
            "ping" => vec![result(&key, "{}")],
            "tools/list" => vec![result(&key, BARE_TOOLS)],
            "tools/call" => self.call(key, message.params()),
            _ => vec![refusal(&key, METHOD_NOT_FOUND, &format!("Method not found: {method}"))],
        }
    }

    fn call(&mut self, key: Key, params: Option<&str>) -> Vec<Act> {
        let params = Members::read(params.unwrap_or("{}")).unwrap_or_default();
        let Some(tool) = params.value::<String>("name") else {
            return vec![refusal(&key, INVALID_PARAMS, "the params have no name")];
        };
        if self.calls.len() >= WAITING {
            return vec![refusal(&key, INVALID_REQUEST, &format!("{WAITING} calls are under way already"))];
        }
        let line = bare_line(&tool, params.get("arguments"));
        let tell = self.calls.is_empty().then(|| Act::Tell(line.clone()));
        self.calls.push_back(Call { of: Some(key), line });
        tell.into_iter().collect()
    }

    pub(super) fn hear_server(&mut self, line: &str) -> Vec<Act> {
        if serde_json::from_str::<&serde_json::value::RawValue>(line).is_err() {
            tracing::debug!("the server wrote a line that is no JSON");
            return Vec::new();
        }
        let Some(call) = self.calls.pop_front() else { return Vec::new() };
        let mut acts: Vec<Act> = call.of.map(|of| result(&of, &bare_result(line))).into_iter().collect();
        acts.extend(self.calls.front().map(|next| Act::Tell(next.line.clone())));
        acts
    }

    /// The server cannot be told; its answer, when it comes, is nobody's.
    pub(super) fn give_up(&mut self, request: &Key) -> Vec<Act> {
        let at = self.calls.iter().position(|call| call.of.as_ref() == Some(request));
        match at {
            Some(0) => self.calls[0].of = None,
            Some(at) => drop(self.calls.remove(at)),
            None => {}
        }
        Vec::new()
    }

    pub(super) fn open(&self) -> Vec<Key> {
        self.calls.iter().filter_map(|call| call.of.clone()).collect()
    }

    #[cfg(any(test, fuzzing))]
    pub(super) fn kept(&self) -> usize {
        self.calls.len()
    }
}

fn initialized(params: Option<&str>) -> String {
    let asked = params.and_then(Members::read).and_then(|params| params.value::<String>("protocolVersion"));
    let version = agreed(asked.as_deref());
    let info: Value = json!({"name": "mcp-bridge", "version": env!("CARGO_PKG_VERSION")});
    json!({"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": info}).to_string()
}

/// The revision that the client asked for where there is such, else the latest of those with a handshake.
pub(super) fn agreed(asked: Option<&str>) -> &'static str {
    let known = |known: &&&str| asked == Some(**known);
    LEGACY_VERSIONS.iter().find(known).unwrap_or(&LEGACY_VERSIONS[0])
}

#[cfg(test)]
mod tests {
    use super::super::Interpreter;
    use super::super::rig::{of_client, tell};
    use super::*;

    fn bare() -> Interpreter {
        Interpreter::Bare(ToBare::default())
    }

    fn call(id: u32) -> String {
        json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": "t", "arguments": {"n": id}}})
            .to_string()
    }

    fn answered(acts: &[Act]) -> Value {
        match acts.first() {
            Some(Act::Answer { text, .. }) => serde_json::from_str(text).expect("JSON"),
            other => panic!("no answer: {other:?}"),
        }
    }

    #[test]
    fn a_handshake_is_held_in_the_server_s_place() {
        let mut bare = bare();
        for (asked, agreed) in [("2025-06-18", "2025-06-18"), ("1999-01-01", "2025-11-25")] {
            let asked = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": asked}});
            assert_eq!(
                answered(&of_client(&mut bare, &asked.to_string()))["result"]["protocolVersion"],
                agreed
            );
        }
        let ping = of_client(&mut bare, r#"{"jsonrpc":"2.0","id":2,"method":"ping"}"#);
        assert_eq!(answered(&ping)["result"], json!({}));
        let other = of_client(&mut bare, r#"{"jsonrpc":"2.0","id":3,"method":"prompts/list"}"#);
        assert_eq!(answered(&other)["error"]["code"], METHOD_NOT_FOUND);
        let nameless = of_client(&mut bare, r#"{"jsonrpc":"2.0","id":3,"method":"tools/call"}"#);
        assert_eq!(answered(&nameless)["error"]["code"], INVALID_PARAMS);
    }

    #[test]
    fn calls_reach_the_server_one_after_the_other_and_a_cancelled_one_s_answer_is_nobody_s() {
        let mut bare = bare();
        assert_eq!(of_client(&mut bare, &call(1)), [tell(r#"{"method":"t","params":{"n":1}}"#)]);
        for id in [2, 3, 4] {
            assert_eq!(of_client(&mut bare, &call(id)), []);
        }
        let cancel =
            |id| json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}});
        assert_eq!(of_client(&mut bare, &cancel(1).to_string()), [Act::Close(Key::of("1"))]);
        assert_eq!(of_client(&mut bare, &cancel(3).to_string()), [Act::Close(Key::of("3"))]);
        assert_eq!(bare.hear_server("starting…".to_owned()), []);
        assert_eq!(bare.hear_server("{}".to_owned()), [tell(r#"{"method":"t","params":{"n":2}}"#)]);
        let acts = bare.hear_server(r#"{"error":"no"}"#.to_owned());
        assert_eq!(
            (answered(&acts)["id"].clone(), answered(&acts)["result"]["isError"].clone()),
            (json!(2), json!(true))
        );
        assert_eq!(acts[1], tell(r#"{"method":"t","params":{"n":4}}"#));
        assert_eq!(bare.open(), [Key::of("4")]);
    }

    #[test]
    fn the_calls_that_wait_are_bounded() {
        let mut bare = bare();
        for id in 0..u32::try_from(WAITING).expect("few") {
            of_client(&mut bare, &call(id));
        }
        assert_eq!(answered(&of_client(&mut bare, &call(9999)))["error"]["code"], INVALID_REQUEST);
    }
}
