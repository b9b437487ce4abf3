//! Between a client with a handshake and its server: who is told what, in which words. Pure.
//!
//! A message from either side becomes [`Act`]s. To a server with a handshake everything is passed on as it
//! stands ([`same`]); for one that speaks statelessly ([`stateless`]) or without JSON-RPC ([`bare`]) the
//! session lives here.

mod bare;
#[cfg(any(test, fuzzing))]
pub(crate) mod eras;
mod same;
mod stateless;

use serde_json::{Value, json};

use super::super::link;
use super::key::Key;
use crate::mcp::{Envelope, Kind, Members, Outcome, response_line};

pub(crate) use bare::ToBare;
pub(crate) use same::Same;
pub(crate) use stateless::ToStateless;

pub(super) const INVALID_REQUEST: i64 = -32600;
pub(super) const METHOD_NOT_FOUND: i64 = -32601;
pub(super) const INVALID_PARAMS: i64 = -32602;
pub(super) const INTERNAL_ERROR: i64 = -32603;

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Act {
    /// A line for the server.
    Tell(String),
    /// A message for the client: about the request `of`, or about none.
    Say {
        /// The request that it belongs to.
        of: Option<Key>,
        /// The message.
        text: String,
    },
    /// The answer to a request of the client's.
    Answer {
        /// The request.
        of: Key,
        /// The message.
        text: String,
    },
    /// A request of the client's gets no answer.
    Close(Key),
}

/// A message of the client's, read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Message<'m> {
    /// The whole text.
    pub(crate) text: &'m str,
    pub(crate) envelope: &'m Envelope<'m>,
    pub(crate) kind: &'m Kind<'m>,
}

impl Message<'_> {
    pub(crate) fn params(&self) -> Option<&str> {
        self.envelope.params.map(serde_json::value::RawValue::get)
    }

    /// The id as JSON; `null` for none.
    fn id(&self) -> &str {
        self.envelope.id.map_or("null", |id| id.get())
    }

    fn key(&self) -> Key {
        Key::of(self.id())
    }

    /// The request that a cancellation is about.
    fn cancelled(&self) -> Option<Key> {
        let Kind::Notification(method) = self.kind else { return None };
        if method != CANCELLED {
            return None;
        }
        Some(Key::of(Members::read(self.params()?)?.get("requestId")?))
    }
}

const CANCELLED: &str = "notifications/cancelled";
const PROGRESS: &str = "notifications/progress";

/// What stands between a client and its server.
#[derive(Debug)]
pub(crate) enum Interpreter {
    /// Nothing: both have a handshake.
    Same(Same),
    /// The server is stateless.
    Stateless(Box<ToStateless>),
    /// The server speaks no JSON-RPC.
    Bare(ToBare),
}

impl Interpreter {
    /// The client has said something.
    pub(crate) fn hear_client(&mut self, message: &Message<'_>) -> Vec<Act> {
        match self {
            Self::Same(same) => same.hear_client(message),
            Self::Stateless(to) => to.hear_client(message),
            Self::Bare(to) => to.hear_client(message),
        }
    }

    /// The server has said something: a line, which may be anything.
    pub(crate) fn hear_server(&mut self, line: String) -> Vec<Act> {
        match self {
            Self::Same(same) => same.hear_server(line),
            Self::Stateless(to) => to.hear_server(&line),
            Self::Bare(to) => to.hear_server(&line),
        }
    }

    /// A request of the client's is not waited for any longer: the server is told, and the client gets an
    /// error.
    pub(crate) fn give_up(&mut self, request: &Key, why: &str) -> Vec<Act> {
        let mut acts = match self {
            Self::Same(same) => same.give_up(request, why),
            Self::Stateless(to) => to.give_up(request, why),
            Self::Bare(to) => to.give_up(request),
        };
        acts.push(refusal(request, INTERNAL_ERROR, why));
        acts
    }

    /// The requests that have no answer yet.
    pub(crate) fn open(&self) -> Vec<Key> {
        match self {
            Self::Same(same) => same.open(),
            Self::Stateless(to) => to.open(),
            Self::Bare(to) => to.open(),
        }
    }

    /// What is kept of requests.
    #[cfg(any(test, fuzzing))]
    fn kept(&self) -> usize {
        match self {
            Self::Same(same) => same.open().len(),
            Self::Stateless(to) => to.kept(),
            Self::Bare(to) => to.kept(),
        }
    }
}

/// An error for the client.
pub(super) fn refusal(of: &Key, code: i64, message: &str) -> Act {
    failure(of, &json!({"code": code, "message": message}))
}

fn failure(of: &Key, error: &Value) -> Act {
    let text = response_line(of.as_json(), &Outcome::Error(error.to_string()));
    Act::Answer { of: of.clone(), text }
}

fn result(of: &Key, result: &str) -> Act {
    Act::Answer { of: of.clone(), text: response_line(of.as_json(), &Outcome::Result(result)) }
}

/// What tells a server that nobody waits any longer; `id` is JSON.
fn cancellation(id: &str, why: &str) -> Act {
    let params = format!(r#"{{"requestId":{id},"reason":{}}}"#, Value::from(why));
    Act::Tell(crate::mcp::notification_line(CANCELLED, Some(&params)))
}

/// The progress token that a request's parameters carry.
fn token_of(params: Option<&str>) -> Option<Key> {
    params.and_then(link::token_of).map(|token| Key::of(&token))
}

#[cfg(test)]
pub(super) mod rig {
    //! Short words for the tests.
    use super::*;

    /// What an interpreter makes of a client's message.
    pub(crate) fn of_client(interpreter: &mut Interpreter, text: &str) -> Vec<Act> {
        let (envelope, kind) = Envelope::read(text).expect("a message");
        interpreter.hear_client(&Message { text, envelope: &envelope, kind: &kind })
    }

    pub(crate) fn tell(line: &str) -> Act {
        Act::Tell(line.to_owned())
    }

    pub(crate) fn say(of: Option<&str>, text: &str) -> Act {
        Act::Say { of: of.map(Key::of), text: text.to_owned() }
    }

    pub(crate) fn answer(of: &str, text: &str) -> Act {
        Act::Answer { of: Key::of(of), text: text.to_owned() }
    }
}
