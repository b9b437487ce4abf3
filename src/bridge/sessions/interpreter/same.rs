//! Both sides have a handshake: every message is passed on as it stands, to where it belongs.

use std::collections::HashMap;

use super::{Act, Key, Message, PROGRESS, cancellation, token_of};
use crate::mcp::{Envelope, Kind, Members};

/// Methods of the server's that belong to no request, whatever is under way.
const OF_NOBODY: [&str; 4] = [
    "notifications/tools/list_changed",
    "notifications/prompts/list_changed",
    "notifications/resources/list_changed",
    "notifications/resources/updated",
];

/// The requests that are under way.
#[derive(Debug, Default)]
pub(crate) struct Same {
    /// With the progress token that each gave.
    open: HashMap<Key, Option<Key>>,
}

impl Same {
    pub(super) fn hear_client(&mut self, message: &Message<'_>) -> Vec<Act> {
        let mut acts = vec![Act::Tell(message.text.to_owned())];
        match message.kind {
            Kind::Request(_) => {
                self.open.insert(message.key(), token_of(message.params()));
            }
            Kind::Notification(_) => {
                if let Some(cancelled) = message.cancelled().filter(|key| self.open.remove(key).is_some()) {
                    acts.push(Act::Close(cancelled));
                }
            }
            Kind::Response(_) => {}
        }
        acts
    }

    pub(super) fn hear_server(&mut self, line: String) -> Vec<Act> {
        let Ok((envelope, kind)) = Envelope::read(&line) else {
            tracing::debug!("the server wrote a line that is no message");
            return Vec::new();
        };
        let of = match &kind {
            Kind::Response(_) => {
                let key = envelope.id.map(Key::of_raw);
                let Some(of) = key.filter(|key| self.open.remove(key).is_some()) else {
                    tracing::debug!("an answer to nobody");
                    return Vec::new();
                };
                return vec![Act::Answer { of, text: line }];
            }
            Kind::Notification(method) if method == PROGRESS => {
                let params = envelope.params.map(serde_json::value::RawValue::get).unwrap_or_default();
                let token = Members::read(params).and_then(|params| params.get("progressToken").map(Key::of));
                let Some(of) = token.and_then(|token| self.of_token(&token)) else {
                    // The client knows no such token, or not any more.
                    return Vec::new();
                };
                Some(of)
            }
            Kind::Notification(method) if OF_NOBODY.contains(&method.as_str()) => None,
            // What names no request is about the only one, if there is one alone.
            Kind::Notification(_) | Kind::Request(_) => self.only(),
        };
        vec![Act::Say { of, text: line }]
    }

    pub(super) fn give_up(&mut self, request: &Key, why: &str) -> Vec<Act> {
        self.open.remove(request).map(|_| cancellation(request.as_json(), why)).into_iter().collect()
    }

    pub(super) fn open(&self) -> Vec<Key> {
        self.open.keys().cloned().collect()
    }

    fn only(&self) -> Option<Key> {
        let mut open = self.open.keys();
        let only = open.next()?;
        open.next().is_none().then(|| only.clone())
    }

    fn of_token(&self, token: &Key) -> Option<Key> {
        let found = self.open.iter().find(|(_, given)| given.as_ref() == Some(token));
        found.map(|(key, _)| key.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Interpreter;
    use super::super::rig::{answer, of_client, say, tell};
    use super::*;

    fn same() -> Interpreter {
        Interpreter::Same(Same::default())
    }

    #[test]
    fn what_the_client_says_reaches_the_server_as_it_stands() {
        let mut same = same();
        for text in [
            r#"{"jsonrpc": "2.0", "id":9007199254740993, "method":"tools/call","extra": 1e999}"#,
            r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
            r#"{"jsonrpc":"2.0","id":"q","result":{}}"#,
        ] {
            assert_eq!(of_client(&mut same, text), [tell(text)]);
        }
    }

    #[test]
    fn an_answer_reaches_the_request_whose_id_means_the_same() {
        let mut same = same();
        of_client(&mut same, r#"{"jsonrpc":"2.0","id":"\u0061","method":"m"}"#);
        let line = r#"{"jsonrpc":"2.0","id":"a","result":{"n": 1e999}}"#;
        assert_eq!(same.hear_server(line.to_owned()), [answer("\"a\"", line)]);
        assert_eq!(same.hear_server(line.to_owned()), [], "an answer to nobody");
        assert_eq!(same.hear_server("noise".to_owned()), []);
    }

    #[test]
    fn progress_belongs_to_its_token_s_request_and_all_else_to_the_only_one() {
        let mut same = same();
        let call = r#"{"jsonrpc":"2.0","id":1,"method":"m","params":{"_meta":{"progressToken":"t"}}}"#;
        of_client(&mut same, call);
        let log = r#"{"jsonrpc":"2.0","method":"notifications/message","params":{}}"#;
        let ask = r#"{"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":{}}"#;
        let changed = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#;
        assert_eq!(same.hear_server(log.to_owned()), [say(Some("1"), log)]);
        assert_eq!(same.hear_server(ask.to_owned()), [say(Some("1"), ask)]);
        assert_eq!(same.hear_server(changed.to_owned()), [say(None, changed)]);
        of_client(&mut same, r#"{"jsonrpc":"2.0","id":2,"method":"m"}"#);
        assert_eq!(same.hear_server(log.to_owned()), [say(None, log)]);
        let progress = |token: &str| {
            format!(
                r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{token}}}}}"#
            )
        };
        assert_eq!(same.hear_server(progress("\"t\"")), [say(Some("1"), &progress("\"t\""))]);
        assert_eq!(same.hear_server(progress("\"u\"")), []);
    }

    #[test]
    fn a_request_that_is_cancelled_or_given_up_is_open_no_more() {
        let mut same = same();
        let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;
        assert_eq!(of_client(&mut same, cancel), [tell(cancel)], "of what is not open it closes nothing");
        of_client(&mut same, r#"{"jsonrpc":"2.0","id":1,"method":"m"}"#);
        assert_eq!(of_client(&mut same, cancel), [tell(cancel), Act::Close(Key::of("1"))]);
        of_client(&mut same, r#"{"jsonrpc":"2.0","id":2,"method":"m"}"#);
        let acts = same.give_up(&Key::of("2"), "late");
        let told = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":2,"reason":"late"}}"#;
        let error = r#"{"jsonrpc":"2.0","id":2,"error":{"code":-32603,"message":"late"}}"#;
        assert_eq!(acts, [tell(told), answer("2", error)]);
        assert!(same.open().is_empty());
    }
}
