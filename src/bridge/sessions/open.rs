//! How a session begins: a server process, the words between it and the client, the handshake.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;

use super::super::auth::Principal;
use super::super::greeting::Era;
use super::super::problem::{self, Problem};
use super::super::rest::{QUEUE, bad_gateway, no_server};
use super::super::serve::Bridge;
use super::interpreter::{Interpreter, Message, Same, ToBare, ToStateless};
use super::key::Key;
use super::session::{Seats, Session};
use super::streams::Reader;
use crate::mcp::{Envelope, Kind, Members, Outcome};

/// How long a server may take for its handshake: interpreted ones take seconds to start.
const HANDSHAKE: Duration = Duration::from_secs(30);
/// The same of one that may not know it.
const TRIAL: Duration = Duration::from_secs(3);

/// A session that has begun.
pub(super) struct Begun {
    /// `None` where the server refused.
    pub(super) id: Option<String>,
    /// The answer to `initialize`.
    pub(super) answer: Bytes,
}

/// Begins a session with the client's `initialize`.
pub(super) async fn open(
    bridge: &Arc<Bridge>,
    principal: &Principal,
    message: &Message<'_>,
) -> Result<Begun, Problem> {
    if bridge.is_stopping() {
        return Err(problem::stopping());
    }
    let seat = bridge.sessions.seat().ok_or_else(|| problem::many_sessions(bridge.settings.max_sessions))?;
    // One of several trials may still be ending while the next one begins.
    let seats = Arc::new(Seats { _of_principal: bridge.gate.enter(principal)?, _of_bridge: seat });
    let era = bridge.pool.era(QUEUE).await.map_err(|error| no_server(bridge, error))?;
    let Era::Modern { discovered, .. } = &*era else {
        let interpreter = match *era {
            Era::Bare => Interpreter::Bare(ToBare::default()),
            _ => Interpreter::Same(Same::default()),
        };
        return begin(bridge, principal, message, &seats, interpreter, HANDSHAKE).await?.ok_or_else(silent);
    };
    // One that knows both eras is spoken to in the client's own.
    if bridge.sessions.is_dual() != Some(false) {
        let begun =
            begin(bridge, principal, message, &seats, Interpreter::Same(Same::default()), TRIAL).await?;
        let begun = begun.filter(|begun| begun.id.is_some());
        bridge.sessions.set_dual(begun.is_some());
        if let Some(begun) = begun {
            return Ok(begun);
        }
    }
    let interpreter = Interpreter::Stateless(Box::new(ToStateless::new(discovered.clone())));
    begin(bridge, principal, message, &seats, interpreter, HANDSHAKE).await?.ok_or_else(silent)
}

fn silent() -> Problem {
    bad_gateway(&format!("the server did not answer initialize within {HANDSHAKE:?}"))
}

/// Tries it in one way; `None` where the server says nothing.
async fn begin(
    bridge: &Arc<Bridge>,
    principal: &Principal,
    message: &Message<'_>,
    seats: &Arc<Seats>,
    interpreter: Interpreter,
    patience: Duration,
) -> Result<Option<Begun>, Problem> {
    let child = bridge.pool.fresh(bridge.settings.stop_grace).await;
    let child = child.map_err(|error| no_server(bridge, error))?;
    let session = Session::start(child, interpreter, Arc::clone(bridge), Arc::clone(seats));
    let started = Started(Some(session));
    let Some(session) = &started.0 else { return Ok(None) };
    let id = Key::of(message.envelope.id.map_or("null", |id| id.get()));
    let Ok(mut reader) = session.ask(message, &id).await else { return Ok(None) };
    let answer = timeout(patience, answer_of(session, &mut reader)).await.ok().flatten();
    let Some(answer) = answer else { return Ok(None) };
    bridge.children.crashes.worked();
    let Some(version) = version_of(&answer) else { return Ok(Some(Begun { id: None, answer })) };
    let id = bridge.sessions.keep(session, principal, &version);
    let id = id.ok_or_else(|| bad_gateway(&"the system has no randomness for a session's id"))?;
    started.keep();
    Ok(Some(Begun { id: Some(id), answer }))
}

/// A session that ends unless it is kept, also where the client leaves meanwhile.
struct Started(Option<Arc<Session>>);

impl Started {
    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        if let Some(session) = &self.0 {
            session.end();
        }
    }
}

async fn answer_of(session: &Session, reader: &mut Reader) -> Option<Bytes> {
    loop {
        let event = reader.next().await?;
        if event.last {
            return Some(event.text);
        }
        // What it says besides is told when somebody listens.
        session.streams().push_general(event.text);
    }
}

/// The revision that a handshake agreed on; `None` for one that failed.
fn version_of(answer: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(answer).ok()?;
    let Ok((_, Kind::Response(Outcome::Result(result)))) = Envelope::read(text) else { return None };
    let version = Members::read(result.get())?.value("protocolVersion");
    // What the header says where a server says nothing, since no client could tell.
    Some(version.unwrap_or_else(|| "2025-03-26".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handshake_s_answer_says_what_was_agreed_on() {
        let of = |answer: &str| version_of(answer.as_bytes());
        let answer = r#"{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-06-18"}}"#;
        assert_eq!(of(answer).as_deref(), Some("2025-06-18"));
        assert_eq!(of(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#).as_deref(), Some("2025-03-26"));
        assert_eq!(of(r#"{"jsonrpc":"2.0","id":1,"error":{"code":1}}"#), None);
        assert_eq!(of("noise"), None);
    }
}
