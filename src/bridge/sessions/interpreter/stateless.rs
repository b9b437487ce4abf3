//! The server is stateless (MCP 2026-07-28): what a handshake says once is said in each request, what the
//! server needs to know of the client is asked between two rounds, and changes are listened for.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::bare::agreed;
use super::{
    Act, INTERNAL_ERROR, INVALID_PARAMS, Key, METHOD_NOT_FOUND, Message, PROGRESS, cancellation, failure,
    refusal, result, token_of,
};
use crate::mcp::{
    CAPABILITIES_KEY, CLIENT_KEY, Envelope, Kind, LOG_LEVEL_KEY, MODERN, Members, Outcome, SERVER_KEY,
    SUBSCRIPTION_KEY, VERSION_KEY, change_meta, json_text, notification_line, request_line, response_line,
    severity,
};

/// How often a server may ask back before it has to answer.
const ROUNDS: u32 = 64;
/// The resources that one session may listen to.
const SUBSCRIPTIONS: usize = 1024;
/// The code for a resource that there is not, in the older era; this one says invalid params.
const NO_RESOURCE: i64 = -32002;

/// A request that the server works on, under our own id.
#[derive(Debug)]
struct Call {
    of: Key,
    method: String,
    /// The parameters of each round: the client's own.
    params: String,
    token: Option<Key>,
    round: u32,
    /// What the client is being asked; the server waits for nothing meanwhile.
    asking: Option<Asking>,
}

/// What the server needs to know before it goes on.
#[derive(Debug, Default)]
struct Asking {
    state: Option<String>,
    /// The answers, as JSON, by the server's names; `None` for those that are still to come.
    answers: BTreeMap<String, Option<String>>,
}

/// A subscription to a resource, until the server has agreed.
#[derive(Debug)]
struct Listening {
    uri: Option<String>,
    /// The request that waits for it.
    of: Option<Key>,
}

/// The session that the server does not keep.
#[derive(Debug)]
pub(crate) struct ToStateless {
    /// What the server said to `server/discover`, as JSON.
    discovered: String,
    capabilities: String,
    client: Option<String>,
    level: Option<String>,
    next: u64,
    calls: BTreeMap<u64, Call>,
    listening: BTreeMap<u64, Listening>,
    /// Our questions to the client: whose they are, and the server's names of them.
    asked: BTreeMap<u64, (u64, String)>,
}

impl ToStateless {
    /// For a server that said this to `server/discover`.
    pub(crate) fn new(discovered: String) -> Self {
        Self {
            discovered,
            capabilities: "{}".to_owned(),
            client: None,
            level: None,
            next: 0,
            calls: BTreeMap::new(),
            listening: BTreeMap::new(),
            asked: BTreeMap::new(),
        }
    }

    pub(super) fn hear_client(&mut self, message: &Message<'_>) -> Vec<Act> {
        match message.kind {
            Kind::Request(method) => self.request(method, message),
            Kind::Notification(method) if method == "notifications/initialized" => self.listen_to_lists(),
            Kind::Notification(_) => {
                let Some(key) = message.cancelled() else { return Vec::new() };
                let mut acts = self.give_up(&key, "the client cancelled it");
                acts.push(Act::Close(key));
                acts
            }
            Kind::Response(outcome) => {
                let outcome = match outcome {
                    Outcome::Result(result) => Outcome::Result(result.get()),
                    Outcome::Error(error) => Outcome::Error(error.get()),
                };
                self.answered(message.id(), &outcome)
            }
        }
    }

    fn request(&mut self, method: &str, message: &Message<'_>) -> Vec<Act> {
        let (key, params) = (message.key(), message.params());
        match method {
            "initialize" => vec![result(&key, &self.initialized(params))],
            "ping" => vec![result(&key, "{}")],
            "logging/setLevel" => vec![self.set_level(&key, params)],
            "resources/subscribe" | "resources/unsubscribe" => {
                let uri = params.and_then(Members::read).and_then(|params| params.value::<String>("uri"));
                match uri {
                    None => vec![refusal(&key, INVALID_PARAMS, "the params have no uri")],
                    Some(uri) if method == "resources/subscribe" => self.subscribe(key, uri),
                    Some(uri) => self.unsubscribe(&key, &uri),
                }
            }
            _ => {
                let params = params.unwrap_or("{}").to_owned();
                let token = token_of(Some(&params));
                let call = Call { of: key, method: method.to_owned(), params, token, round: 0, asking: None };
                self.put(call, None)
            }
        }
    }

    fn initialized(&mut self, params: Option<&str>) -> String {
        let params = params.and_then(Members::read).unwrap_or_default();
        params.get("capabilities").unwrap_or("{}").clone_into(&mut self.capabilities);
        self.client = params.get("clientInfo").map(str::to_owned);
        let version = agreed(params.value::<String>("protocolVersion").as_deref());
        let said = Members::read(&self.discovered).unwrap_or_default();
        let meta = said.get("_meta").and_then(Members::read);
        let info = meta.as_ref().and_then(|meta| meta.get(SERVER_KEY));
        let mut result = Members::default();
        result.set("protocolVersion", json_text(&version));
        result.set("capabilities", said.get("capabilities").unwrap_or("{}"));
        result.set("serverInfo", info.unwrap_or(r#"{"name":"unnamed","version":"0"}"#));
        if let Some(instructions) = said.get("instructions") {
            result.set("instructions", instructions);
        }
        result.to_string()
    }

    fn set_level(&mut self, key: &Key, params: Option<&str>) -> Act {
        let level = params.and_then(Members::read).and_then(|params| params.value::<String>("level"));
        match level.filter(|level| severity(level).is_some()) {
            Some(level) => {
                self.level = Some(level);
                result(key, "{}")
            }
            None => refusal(key, INVALID_PARAMS, "there is no such level"),
        }
    }

    /// Parameters with what every request of this era says of itself.
    fn with_meta(&self, params: &str) -> Option<String> {
        change_meta(params, |meta| {
            meta.set(VERSION_KEY, json_text(&MODERN));
            meta.set(CAPABILITIES_KEY, self.capabilities.as_str());
            if let Some(client) = &self.client {
                meta.set(CLIENT_KEY, client.as_str());
            }
            if let Some(level) = &self.level {
                meta.set(LOG_LEVEL_KEY, json_text(level));
            }
        })
    }

    /// Puts a call to the server, with what it asked for in the round before.
    fn put(&mut self, call: Call, inputs: Option<Asking>) -> Vec<Act> {
        let Some(params) = self.with_meta(&call.params) else {
            return vec![refusal(
                &call.of,
                INVALID_PARAMS,
                "the params are no object that says each thing once",
            )];
        };
        let params = match inputs {
            None => params,
            Some(inputs) => {
                let mut params = Members::read(&params).unwrap_or_default();
                let mut answers = Members::default();
                for (name, answer) in inputs.answers {
                    answers.set(&name, answer.unwrap_or_default());
                }
                if !answers.is_empty() {
                    params.set("inputResponses", answers.to_string());
                }
                if let Some(state) = inputs.state {
                    params.set("requestState", state);
                }
                params.to_string()
            }
        };
        self.next += 1;
        let line = request_line(self.next, &call.method, Some(&params));
        self.calls.insert(self.next, call);
        vec![Act::Tell(line)]
    }

    pub(super) fn hear_server(&mut self, line: &str) -> Vec<Act> {
        let Ok((envelope, kind)) = Envelope::read(line) else {
            tracing::debug!("the server wrote a line that is no message");
            return Vec::new();
        };
        let params = envelope.params.map(serde_json::value::RawValue::get);
        match kind {
            Kind::Response(outcome) => {
                let id = envelope.id.and_then(|id| id.get().parse::<u64>().ok());
                let Some(id) = id else { return Vec::new() };
                match outcome {
                    Outcome::Result(result) => self.result(id, result.get()),
                    Outcome::Error(error) => self.error(id, error.get()),
                }
            }
            // A server of this era may not ask.
            Kind::Request(method) => {
                let id = envelope.id.map_or("null", |id| id.get());
                let error = json!({"code": METHOD_NOT_FOUND, "message": format!("{method} cannot be asked")});
                vec![Act::Tell(response_line(id, &Outcome::Error(error.to_string())))]
            }
            Kind::Notification(method) => self.notification(&method, params, line),
        }
    }

    fn notification(&mut self, method: &str, params: Option<&str>, line: &str) -> Vec<Act> {
        let subscription = params
            .and_then(Members::read)
            .and_then(|params| Members::read(params.get("_meta")?)?.value::<u64>(SUBSCRIPTION_KEY));
        if let Some(id) = subscription {
            return self.heard_of_change(id, method, params.unwrap_or("{}"));
        }
        let of = if method == PROGRESS {
            let token =
                params.and_then(Members::read).and_then(|params| params.get("progressToken").map(Key::of));
            let Some(token) = token else { return Vec::new() };
            let call = self.calls.values().find(|call| call.token.as_ref() == Some(&token));
            let Some(call) = call else { return Vec::new() };
            Some(call.of.clone())
        } else {
            let mut calls = self.calls.values();
            let only = calls.next().filter(|_| calls.next().is_none());
            only.map(|call| call.of.clone())
        };
        vec![Act::Say { of, text: line.to_owned() }]
    }

    fn result(&mut self, id: u64, text: &str) -> Vec<Act> {
        if let Some(ended) = self.listening.remove(&id) {
            // The server listens for us no more.
            return ended.of.map(|of| result(&of, "{}")).into_iter().collect();
        }
        let Some(call) = self.take(id) else { return Vec::new() };
        let mut members = Members::read(text).unwrap_or_default();
        let kind = members.value::<String>("resultType");
        if kind.as_deref() == Some("input_required") {
            return self.ask(id, call, &members);
        }
        let spoken = kind.is_some() || members.get("ttlMs").is_some();
        if !spoken {
            return vec![result(&call.of, text)];
        }
        // Of these the older era knows nothing.
        for key in ["resultType", "ttlMs", "cacheScope"] {
            members.remove(key);
        }
        vec![result(&call.of, &members.to_string())]
    }

    fn error(&mut self, id: u64, error: &str) -> Vec<Act> {
        if let Some(Listening { of, .. }) = self.listening.remove(&id) {
            return of.map(|of| answer_error(&of, error)).into_iter().collect();
        }
        let Some(call) = self.take(id) else { return Vec::new() };
        if call.method == "resources/read"
            && let Some(mut members) = Members::read(error)
            && members.value::<i64>("code") == Some(INVALID_PARAMS)
        {
            members.set("code", NO_RESOURCE.to_string());
            return vec![answer_error(&call.of, &members.to_string())];
        }
        vec![answer_error(&call.of, error)]
    }

    /// Takes a call out, and with it what its client was asked: a server may go on without the answers.
    fn take(&mut self, id: u64) -> Option<Call> {
        let call = self.calls.remove(&id)?;
        if call.asking.is_some() {
            self.asked.retain(|_, (of, _)| *of != id);
        }
        Some(call)
    }

    /// Asks the client what the server needs, as the older era asks.
    fn ask(&mut self, id: u64, mut call: Call, required: &Members<'_>) -> Vec<Act> {
        call.round += 1;
        if call.round > ROUNDS {
            let words = format!("the server asked {ROUNDS} times and did not answer");
            return vec![refusal(&call.of, INTERNAL_ERROR, &words)];
        }
        let Some(requests) = Members::read(required.get("inputRequests").unwrap_or("{}")) else {
            return vec![refusal(&call.of, INTERNAL_ERROR, "what the server asks for cannot be read")];
        };
        let mut asking =
            Asking { state: required.get("requestState").map(str::to_owned), answers: BTreeMap::new() };
        if requests.is_empty() {
            return self.put(call, Some(asking));
        }
        let able = Members::read(&self.capabilities).unwrap_or_default();
        let mut acts = Vec::new();
        for (name, request) in requests.iter() {
            let request = Members::read(request).unwrap_or_default();
            let method = request.value::<String>("method").unwrap_or_default();
            let capability = method.split('/').next().unwrap_or_default();
            if able.get(capability).is_none() {
                self.asked.retain(|_, (of, _)| *of != id);
                let words = format!("the server asks for {method}, and the client has no {capability}");
                return vec![refusal(&call.of, INTERNAL_ERROR, &words)];
            }
            self.next += 1;
            self.asked.insert(self.next, (id, name.to_owned()));
            asking.answers.insert(name.to_owned(), None);
            let params = request.get("params").filter(|params| params.starts_with('{'));
            let text = request_line(json!(question_id(self.next)), &method, params);
            acts.push(Act::Say { of: Some(call.of.clone()), text });
        }
        call.asking = Some(asking);
        self.calls.insert(id, call);
        acts
    }

    /// The client answered a question of ours.
    fn answered(&mut self, id: &str, outcome: &Outcome<&str>) -> Vec<Act> {
        let number = serde_json::from_str::<String>(id).ok().and_then(|id| question_of(&id));
        let Some((of, name)) = number.and_then(|number| self.asked.remove(&number)) else {
            return Vec::new();
        };
        let Some(call) = self.calls.get_mut(&of) else { return Vec::new() };
        let Some(asking) = &mut call.asking else { return Vec::new() };
        let answer = match outcome {
            Outcome::Result(result) => (*result).to_owned(),
            Outcome::Error(error) => {
                // The server can be told a refusal in no other words, and of elicitation alone.
                return self.take(of).map(|call| answer_error(&call.of, error)).into_iter().collect();
            }
        };
        asking.answers.insert(name, Some(answer));
        if asking.answers.values().any(Option::is_none) {
            return Vec::new();
        }
        let inputs = call.asking.take();
        let Some(call) = self.calls.remove(&of) else { return Vec::new() };
        self.put(call, inputs)
    }

    /// Listens for the changes of lists that the server can tell of.
    fn listen_to_lists(&mut self) -> Vec<Act> {
        let said = Members::read(&self.discovered).unwrap_or_default();
        let capabilities: Value = said.value("capabilities").unwrap_or_default();
        let mut wanted = serde_json::Map::new();
        for list in ["tools", "prompts", "resources"] {
            if capabilities[list]["listChanged"] == true {
                wanted.insert(format!("{list}ListChanged"), true.into());
            }
        }
        if wanted.is_empty() || !self.listening.is_empty() {
            return Vec::new();
        }
        self.listen(&Value::Object(wanted), Listening { uri: None, of: None })
    }

    fn listen(&mut self, wanted: &Value, listening: Listening) -> Vec<Act> {
        let params = json!({"notifications": wanted}).to_string();
        let Some(params) = self.with_meta(&params) else { return Vec::new() };
        self.next += 1;
        self.listening.insert(self.next, listening);
        vec![Act::Tell(request_line(self.next, "subscriptions/listen", Some(&params)))]
    }

    fn subscribe(&mut self, key: Key, uri: String) -> Vec<Act> {
        if self.listening.values().any(|listening| listening.uri.as_ref() == Some(&uri)) {
            return vec![result(&key, "{}")];
        }
        if self.listening.len() >= SUBSCRIPTIONS {
            let words = format!("{SUBSCRIPTIONS} resources are subscribed to already");
            return vec![refusal(&key, INVALID_PARAMS, &words)];
        }
        let wanted = json!({"resourceSubscriptions": [uri]});
        self.listen(&wanted, Listening { uri: Some(uri), of: Some(key) })
    }

    fn unsubscribe(&mut self, key: &Key, uri: &str) -> Vec<Act> {
        let found = self.listening.iter().find(|(_, listening)| listening.uri.as_deref() == Some(uri));
        let mut acts = Vec::new();
        if let Some(id) = found.map(|(id, _)| *id) {
            let ended = self.listening.remove(&id);
            acts.push(cancellation(&id.to_string(), "the client unsubscribed"));
            acts.extend(ended.and_then(|ended| ended.of).map(|of| result(&of, "{}")));
        }
        acts.push(result(key, "{}"));
        acts
    }

    fn heard_of_change(&mut self, id: u64, method: &str, params: &str) -> Vec<Act> {
        let Some(listening) = self.listening.get_mut(&id) else { return Vec::new() };
        if method == "notifications/subscriptions/acknowledged" {
            let Some(of) = listening.of.take() else { return Vec::new() };
            let agreed: Value =
                Members::read(params).and_then(|params| params.value("notifications")).unwrap_or_default();
            let agreed = agreed["resourceSubscriptions"].as_array().is_some_and(|uris| !uris.is_empty());
            if agreed {
                return vec![result(&of, "{}")];
            }
            self.listening.remove(&id);
            let words = "the server does not tell of changes of this resource";
            return vec![cancellation(&id.to_string(), words), refusal(&of, INVALID_PARAMS, words)];
        }
        let params = change_meta(params, |meta| drop(meta.remove(SUBSCRIPTION_KEY)));
        let params = params.filter(|params| params != "{}");
        vec![Act::Say { of: None, text: notification_line(method, params.as_deref()) }]
    }

    pub(super) fn give_up(&mut self, request: &Key, why: &str) -> Vec<Act> {
        let waits = |listening: &Listening| listening.of.as_ref() == Some(request);
        if let Some(id) = self.listening.iter().find(|(_, listening)| waits(listening)).map(|(id, _)| *id) {
            self.listening.remove(&id);
            return vec![cancellation(&id.to_string(), why)];
        }
        let found = self.calls.iter().find(|(_, call)| call.of == *request).map(|(id, _)| *id);
        let Some(id) = found else { return Vec::new() };
        let call = self.take(id);
        // While it asks, the server works on nothing.
        let works = call.is_some_and(|call| call.asking.is_none());
        works.then(|| cancellation(&id.to_string(), why)).into_iter().collect()
    }

    pub(super) fn open(&self) -> Vec<Key> {
        let waiting = self.listening.values().filter_map(|listening| listening.of.clone());
        self.calls.values().map(|call| call.of.clone()).chain(waiting).collect()
    }

    #[cfg(any(test, fuzzing))]
    pub(super) fn kept(&self) -> usize {
        let waiting = self.listening.values().filter(|listening| listening.of.is_some()).count();
        self.calls.len() + self.asked.len() + waiting
    }
}

/// A question's id, which is no id of the client's own.
fn question_id(number: u64) -> String {
    format!("mcp-bridge-{number}")
}

fn question_of(id: &str) -> Option<u64> {
    id.strip_prefix("mcp-bridge-")?.parse().ok()
}

/// An error object of the server's, as it stands.
fn answer_error(of: &Key, error: &str) -> Act {
    match Members::read(error) {
        Some(_) => Act::Answer { of: of.clone(), text: response_line(of.as_json(), &Outcome::Error(error)) },
        None => failure(of, &json!({"code": INTERNAL_ERROR, "message": "an error that cannot be read"})),
    }
}

#[cfg(test)]
#[path = "stateless_tests.rs"]
mod tests;
