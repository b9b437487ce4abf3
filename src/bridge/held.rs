//! Calls whose server waits for what the client was asked: kept until the client asks again with the answers
//! (MCP 2026-07-28, "Multi Round-Trip Requests").
//!
//! The state that the client brings back is a name that nobody guesses; it works once, for whoever it was
//! given to, and for the same request alone.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use memchr::memmem::Finder;
use serde_json::Value;
use tokio::time::sleep;

use super::abilities::is_answer;
use super::auth::Principal;
use super::exchange::{Exchange, Question, invalid};
use super::secret::secret;
use super::serve::Bridge;
pub(crate) use super::stateless::INVALID_PARAMS;
use super::stateless::Stateless;
use crate::mcp::{Members, Outcome, Words, json_text};

/// How long somebody may think about an answer.
const PATIENCE: Duration = Duration::from_mins(10);
/// The calls that may wait.
const MOST: usize = 1024;

/// All calls that wait.
#[derive(Debug, Default)]
pub(crate) struct Held(Mutex<HashMap<String, Exchange>>);

impl Held {
    /// Keeps a call, and returns what the client is to bring; `None` where too many wait already.
    pub(crate) fn keep(bridge: &Arc<Bridge>, exchange: Exchange) -> Option<String> {
        let state = secret()?;
        {
            let mut calls = bridge.held.calls();
            if calls.len() >= MOST {
                return None;
            }
            calls.insert(state.clone(), exchange);
        }
        let (weak, key) = (Arc::downgrade(bridge), state.clone());
        tokio::spawn(async move {
            sleep(PATIENCE).await;
            if let Some(bridge) = weak.upgrade() {
                let late = bridge.held.calls().remove(&key);
                // It is cancelled without the lock.
                drop(late);
            }
        });
        Some(state)
    }

    /// The call that a request goes on with, once its server was told the answers; `None` for a new one. For
    /// servers with a handshake: one of the client's own era keeps its own state.
    pub(crate) async fn resume(
        &self,
        who: &Principal,
        request: &Stateless,
    ) -> Result<Option<Exchange>, Outcome<String>> {
        let answers = answers(request)?;
        let params = Members::read(&request.params).unwrap_or_default();
        let Some(state) = params.get("requestState") else { return Ok(None) };
        let state: String = serde_json::from_str(state).map_err(|_| invalid("requestState is no string"))?;
        let mut exchange = self.take(&state, who, request, &answers)?;
        for (name, answer) in answers {
            // That the server has gone is told by what comes next.
            let _ = exchange.reply(&name, &answer).await;
        }
        exchange.goes_on_as(request);
        Ok(Some(exchange))
    }

    /// Takes a call out for which everything is right.
    fn take(
        &self,
        state: &str,
        who: &Principal,
        request: &Stateless,
        answers: &[(String, String)],
    ) -> Result<Exchange, Outcome<String>> {
        let mut calls = self.calls();
        let held = calls.get(state).filter(|held| held.principal().identity() == who.identity());
        let held = held.filter(|held| is_same(&held.request, request));
        let held = held.ok_or_else(|| {
            invalid("requestState is not known: it was used, is too old, or of another request")
        })?;
        for (name, answer) in answers {
            if let Some(question) = held.questions.get(name)
                && !is_answer(&question.method, answer)
            {
                return Err(invalid(&format!("the answer to {name:?} is none to {}", question.method)));
            }
        }
        calls.remove(state).ok_or_else(|| invalid("requestState is not known"))
    }

    /// Cancels every call: the bridge ends.
    pub(crate) fn clear(&self) {
        let calls = std::mem::take(&mut *self.calls());
        drop(calls);
    }

    fn calls(&self) -> MutexGuard<'_, HashMap<String, Exchange>> {
        // The map is valid after every statement: a panic elsewhere does not spoil it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a client answers, by the names of the questions, each as JSON.
pub(crate) fn answers(request: &Stateless) -> Result<Vec<(String, String)>, Outcome<String>> {
    // Most requests have none, and are not taken apart.
    static RESPONSES: Words = Words::new(|| Finder::new("inputResponses"));
    if !RESPONSES.are_in(&request.params) {
        return Ok(Vec::new());
    }
    let params = Members::read(&request.params).unwrap_or_default();
    let Some(given) = params.get("inputResponses") else { return Ok(Vec::new()) };
    let given: Option<HashMap<String, &serde_json::value::RawValue>> = serde_json::from_str(given).ok();
    let given = given.ok_or_else(|| invalid("inputResponses is no object"))?;
    if given.values().any(|answer| !answer.get().starts_with('{')) {
        return Err(invalid("each of the inputResponses is an object"));
    }
    Ok(given.into_iter().map(|(name, answer)| (name, answer.get().to_owned())).collect())
}

/// What a client is asked, as JSON: the parameters as the server wrote them.
pub(crate) fn asked(questions: &BTreeMap<String, Question>) -> String {
    let mut all = Members::default();
    for (name, question) in questions {
        let mut asked = Members::default();
        asked.set("method", json_text(&question.method));
        if let Some(params) = &question.params {
            asked.set("params", params.as_str());
        }
        all.set(name, asked.to_string());
    }
    all.to_string()
}

/// Whether both ask for the same.
fn is_same(one: &Stateless, other: &Stateless) -> bool {
    let of = |request: &Stateless| {
        let params = Members::read(&request.params).unwrap_or_default();
        (params.value::<Value>("arguments"), params.value::<Value>("uri"))
    };
    one.method == other.method && one.name == other.name && of(one) == of(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridge::abilities::Abilities;

    #[test]
    fn answers_are_an_object_of_objects() {
        let of = |params: &str| {
            let request = Stateless {
                id: "1".to_owned(),
                method: "tools/call".to_owned(),
                params: params.to_owned(),
                able: Abilities::default(),
                level: None,
                name: None,
            };
            answers(&request).map_err(|_| ())
        };
        assert_eq!(of("{}"), Ok(Vec::new()));
        let one = vec![("a".to_owned(), r#"{"n": 1e999}"#.to_owned())];
        assert_eq!(of(r#"{"inputResponses":{"a":{"n": 1e999}}}"#), Ok(one));
        for wrong in ["7", "null", "[]", r#"{"a":7}"#, r#"{"a":null}"#] {
            assert_eq!(of(&format!(r#"{{"inputResponses":{wrong}}}"#)), Err(()), "{wrong}");
        }
    }

    #[test]
    fn a_question_s_parameters_reach_the_client_as_they_stand() {
        let question = |params: &str| Question {
            id: "1".to_owned(),
            method: "elicitation/create".to_owned(),
            params: Some(params.to_owned()),
        };
        let questions = BTreeMap::from([(
            "a\"".to_owned(),
            question(r#"{"n": 123456789012345678901234567890, "x":1e999}"#),
        )]);
        let expected = r#"{"a\"":{"method":"elicitation/create","params":{"n": 123456789012345678901234567890, "x":1e999}}}"#;
        assert_eq!(asked(&questions), expected);
    }
}
