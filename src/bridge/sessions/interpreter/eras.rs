//! Whatever client and server say: each request has one answer, under its own id, every line is one message,
//! and nothing is kept of what is over.

use std::collections::BTreeSet;

use serde_json::json;

use super::{Act, Interpreter, Key, Message, Same, ToBare, ToStateless};
use crate::bridge::fuzzing::json;
use crate::bridge::fuzzing::source::Source;
use crate::mcp::{Envelope, Kind, MODERN, Members, VERSION_KEY, framed};

const IDS: [&str; 8] = [
    "1",
    "2",
    r#""1""#,
    r#""a""#,
    r#""\u0061""#,
    "123456789012345678901234567890",
    r#""\ud800""#,
    r#""mcp-bridge-1""#,
];
const METHODS: [&str; 10] = [
    "tools/call",
    "tools/call",
    "resources/read",
    "resources/subscribe",
    "resources/unsubscribe",
    "tools/list",
    "ping",
    "logging/setLevel",
    "initialize",
    "x",
];
const TOLD: [&str; 5] = [
    "notifications/message",
    "notifications/progress",
    "notifications/subscriptions/acknowledged",
    "notifications/tools/list_changed",
    "notifications/cancelled",
];

/// What happens next.
#[derive(Debug)]
enum Step {
    Client(String),
    Server(String),
    /// The request that was made at this place among those that are open.
    GiveUp(usize),
}

/// Bytes are choices, but where they begin with an interpreter's name and go on with lines: `> ` is the
/// client's, `< ` the server's, `! ` gives up.
pub(crate) fn check(data: &[u8]) {
    let written = std::str::from_utf8(data).ok().and_then(|text| text.split_once('\n'));
    if let Some((name @ ("same" | "stateless" | "bare"), lines)) = written {
        let steps = lines.lines().filter_map(|line| {
            let (who, text) = line.split_at_checked(2)?;
            Some(match who {
                "> " => Step::Client(text.to_owned()),
                "< " => Step::Server(text.to_owned()),
                _ => Step::GiveUp(text.parse().unwrap_or_default()),
            })
        });
        return play(name, steps.collect());
    }
    let mut source = Source::of(data);
    let name = source.pick(&["stateless", "stateless", "same", "bare"]);
    let mut steps = Vec::new();
    while !source.is_empty() {
        steps.push(match source.below(8) {
            0..4 => Step::Client(of_client(&mut source)),
            4..7 => Step::Server(of_server(&mut source).replace(['\r', '\n'], " ")),
            _ => Step::GiveUp(source.below(4)),
        });
    }
    play(name, steps);
}

fn quoted(text: &str) -> String {
    crate::mcp::json_text(&text)
}

fn of_client(source: &mut Source<'_>) -> String {
    let version = ("jsonrpc", quoted("2.0"));
    let id = ("id", source.pick(&IDS).to_owned());
    let members = match source.below(8) {
        0 => return json::value(source, 3),
        1 => vec![version, ("method", quoted("notifications/initialized"))],
        2 => {
            let params = [("requestId", id.1)];
            vec![
                version,
                ("method", quoted("notifications/cancelled")),
                ("params", json::object(source, &params)),
            ]
        }
        3 => {
            let outcome = if source.below(4) == 0 { "error" } else { "result" };
            let id = quoted(&format!("mcp-bridge-{}", source.below(12)));
            vec![version, ("id", id), (outcome, json::value(source, 2))]
        }
        _ => {
            let method = quoted(source.pick(&METHODS));
            let token = [("progressToken", source.pick(&IDS).to_owned())];
            let mut params = Vec::new();
            if source.is() {
                params.push(("_meta", json::object(source, &token)));
            }
            params.push(("uri", quoted(source.pick(&["x:a", "x:b"]))));
            params.push(("level", quoted(source.pick(&["error", "loud"]))));
            params.push(("capabilities", source.pick(&[r#"{"elicitation":{}}"#, "{}", "7"]).to_owned()));
            params.push(("name", json::string(source)));
            params.push(("arguments", json::value(source, 2)));
            let params =
                if source.below(8) == 0 { json::value(source, 2) } else { json::object(source, &params) };
            vec![version, id, ("method", method), ("params", params)]
        }
    };
    json::object(source, &members)
}

fn of_server(source: &mut Source<'_>) -> String {
    let version = ("jsonrpc", quoted("2.0"));
    let number = source.below(10).to_string();
    let id = ("id", if source.is() { number.clone() } else { source.pick(&IDS).to_owned() });
    let members = match source.below(8) {
        0 => return json::value(source, 3),
        1 => vec![version, id, ("method", quoted(source.pick(&["ping", "elicitation/create"])))],
        2 => vec![version, id, ("error", json::value(source, 2))],
        3 | 4 => {
            let subscription = [("io.modelcontextprotocol/subscriptionId", number)];
            let mut params =
                vec![("x", json::value(source, 2)), ("progressToken", source.pick(&IDS).to_owned())];
            if source.is() {
                params.push(("_meta", json::object(source, &subscription)));
                let agreed = source.pick(&[r#"{"resourceSubscriptions":["x:a"]}"#, "{}", "7"]);
                params.push(("notifications", agreed.to_owned()));
            }
            let params = json::object(source, &params);
            vec![version, ("method", quoted(source.pick(&TOLD))), ("params", params)]
        }
        5 => {
            let mut asked = Vec::new();
            for name in ["a", "b", "c"] {
                let method = quoted(source.pick(&["elicitation/create", "elicitation/create", "roots/list"]));
                let question = [("method", method), ("params", json::value(source, 2))];
                if source.is() {
                    asked.push((name, json::object(source, &question)));
                }
            }
            let asked = json::object(source, &asked);
            let result = [
                ("resultType", quoted("input_required")),
                ("inputRequests", asked),
                ("requestState", json::string(source)),
            ];
            vec![version, id, ("result", json::object(source, &result))]
        }
        6 => {
            let result = [
                ("resultType", quoted("complete")),
                ("ttlMs", "0".to_owned()),
                ("x", json::value(source, 2)),
            ];
            vec![version, id, ("result", json::object(source, &result))]
        }
        _ => vec![version, id, ("result", json::value(source, 2))],
    };
    json::object(source, &members)
}

/// A session, as [`super::super::session`] keeps one.
struct Play {
    name: &'static str,
    interpreter: Interpreter,
    open: BTreeSet<String>,
    has_begun: bool,
    /// The last id of the bridge's own.
    last: u64,
    /// The calls that a server without ids works on.
    at_work: usize,
}

fn play(name: &str, steps: Vec<Step>) {
    let capabilities = json!({"tools": {"listChanged": true}, "resources": {"subscribe": true}});
    let discovered = json!({"supportedVersions": [MODERN], "capabilities": capabilities}).to_string();
    let (name, interpreter) = match name {
        "same" => ("same", Interpreter::Same(Same::default())),
        "bare" => ("bare", Interpreter::Bare(ToBare::default())),
        _ => ("stateless", Interpreter::Stateless(Box::new(ToStateless::new(discovered)))),
    };
    let mut play = Play { name, interpreter, open: BTreeSet::new(), has_begun: false, last: 0, at_work: 0 };
    for step in steps {
        play.take(&step);
        let open: BTreeSet<String> =
            play.interpreter.open().iter().map(|key| key.as_json().to_owned()).collect();
        assert_eq!(open, play.open, "{name}: after {step:?}");
    }
    for key in play.interpreter.open() {
        play.give_up(&key);
    }
    assert!(play.open.is_empty() && play.interpreter.open().is_empty());
    // A server that cannot be told goes on with what was given up.
    let most = usize::from(name == "bare");
    assert!(play.interpreter.kept() <= most, "{:?}", play.interpreter);
}

impl Play {
    fn take(&mut self, step: &Step) {
        match step {
            Step::Client(text) => {
                let Ok((envelope, kind)) = Envelope::read(text) else { return };
                if let Kind::Request(method) = &kind {
                    let is_first = method == "initialize" && !std::mem::replace(&mut self.has_begun, true);
                    let id = envelope.id.expect("an id").get();
                    // These get no further than the wire.
                    if method == "initialize" && !is_first
                        || !self.open.insert(Key::of(id).as_json().to_owned())
                    {
                        return;
                    }
                }
                let message = Message { text, envelope: &envelope, kind: &kind };
                let acts = self.interpreter.hear_client(&message);
                if self.name == "same" {
                    assert_eq!(acts.first(), Some(&Act::Tell(text.clone())));
                }
                self.carry_out(acts);
            }
            Step::Server(line) => {
                if json::is_json(line) {
                    self.at_work = self.at_work.saturating_sub(1);
                }
                let acts = self.interpreter.hear_server(line.clone());
                if self.name == "same" {
                    let is_line = |act: &Act| matches!(act, Act::Say { text, .. } | Act::Answer { text, .. } if text == line);
                    assert!(acts.len() <= 1 && acts.iter().all(is_line), "{acts:?}");
                }
                self.carry_out(acts);
            }
            Step::GiveUp(at) => {
                let key = self.interpreter.open().get(*at).cloned();
                if let Some(key) = key {
                    self.give_up(&key);
                }
            }
        }
    }

    fn give_up(&mut self, key: &Key) {
        let acts = self.interpreter.give_up(key, "a \"reason\"\n");
        assert!(matches!(acts.last(), Some(Act::Answer { of, .. }) if of == key), "{acts:?}");
        self.carry_out(acts);
    }

    fn carry_out(&mut self, acts: Vec<Act>) {
        for act in acts {
            match act {
                Act::Tell(text) => self.told(text),
                Act::Say { of, text } => {
                    let (_, kind) = Envelope::read(&text).expect("a message");
                    assert!(!matches!(kind, Kind::Response(_)), "{text}");
                    assert!(of.is_none_or(|of| self.open.contains(of.as_json())), "{text}");
                }
                Act::Answer { of, text } => {
                    assert!(self.open.remove(of.as_json()), "{of:?} is not open: {text}");
                    let (envelope, kind) = Envelope::read(&text).expect("a message");
                    let is_answer =
                        matches!(kind, Kind::Response(_)) && envelope.id.map(Key::of_raw) == Some(of);
                    assert!(is_answer, "{text}");
                }
                // A client may cancel what is over.
                Act::Close(of) => drop(self.open.remove(of.as_json())),
            }
        }
    }

    /// What the server reads.
    fn told(&mut self, text: String) {
        let line = String::from_utf8(framed(text)).expect("text");
        let line = line.strip_suffix('\n').expect("an end");
        assert!(!line.contains(['\r', '\n']) && json::is_json(line), "{line}");
        match self.name {
            "bare" => {
                let members = Members::read(line).expect("an object");
                assert!(members.get("method").is_some() && members.get("params").is_some(), "{line}");
                self.at_work += 1;
                assert!(self.at_work <= 1, "{line} while it works");
            }
            "stateless" => {
                let (envelope, kind) = Envelope::read(line).expect("a message");
                if let Kind::Request(_) = kind {
                    let id =
                        envelope.id.and_then(|id| id.get().parse().ok()).expect("an id of the bridge's own");
                    assert!(id > self.last, "{id} again");
                    self.last = id;
                    let meta = envelope.params.and_then(|params| {
                        Members::read(Members::read(params.get())?.get("_meta")?)?
                            .value::<String>(VERSION_KEY)
                    });
                    assert_eq!(meta.as_deref(), Some(MODERN), "{line}");
                }
            }
            _ => drop(Envelope::read(line).expect("a message")),
        }
    }
}
