//! Ids and progress tokens on a server that requests of several clients share.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Answer, Aside, Call, Mailbox, PROGRESS, Said, Shared, Speech, framed, token_of, with_token};
use crate::bridge::fuzzing::json;
use crate::bridge::fuzzing::source::Source;
use crate::mcp::{Envelope, Members, Outcome, json_text, notification_line, request_line, response_line};

const TOKENS: [&str; 8] = [
    "1",
    "2",
    r#""1""#,
    "123456789012345678901234567890",
    "-0",
    r#""\u0061\ud83d\ude00""#,
    r#""\ud800""#,
    "1.50",
];
/// What a call may be told before it has taken any of it.
const ASIDES: usize = 64;

pub(crate) fn check(data: &[u8]) {
    let mut source = Source::of(data);
    exchanged(&params(&mut source));
    calls(&mut source);
}

fn params(source: &mut Source<'_>) -> String {
    let mut meta = Vec::new();
    for name in ["a", "io.example/b"] {
        if source.is() {
            meta.push((name, json::value(source, 2)));
        }
    }
    if source.below(4) != 0 {
        let at = source.below(meta.len() + 1);
        meta.insert(at, ("progressToken", source.pick(&TOKENS).to_owned()));
    }
    let meta = json::object(source, &meta);
    match source.below(8) {
        0 => json::value(source, 3),
        1 => {
            let members = [("_meta", json::value(source, 2)), ("progressToken", "1".to_owned())];
            json::object(source, &members)
        }
        _ => {
            let members = [("name", json::string(source)), ("_meta", meta), ("x", json::value(source, 3))];
            json::object(source, &members)
        }
    }
}

/// All parameters but the client's token are the server's as they were the client's.
fn exchanged(params: &str) {
    let (sent, token) = with_token(Some(params), 77);
    let sent = sent.expect("the parameters");
    assert_eq!(token_of(params), token, "{params}");
    let was = Members::read(params);
    let meta = was.as_ref().and_then(|members| Members::read(members.get("_meta")?));
    assert_eq!(token.as_deref(), meta.as_ref().and_then(|meta| meta.get("progressToken")), "{params}");
    let (Some(was), Some(meta), Some(_)) = (&was, meta, token) else {
        assert_eq!(sent, params);
        return;
    };
    let differ = |was: &Members<'_>, is: &Members<'_>, but: &str, to: &str| {
        let was: Vec<_> =
            was.iter().map(|(name, text)| (name, if name == but { to } else { text })).collect();
        assert_eq!(is.iter().collect::<Vec<_>>(), was, "{params}");
    };
    let is = Members::read(&sent).expect("an object");
    let is_meta = is.get("_meta").expect("the metadata");
    differ(was, &is, "_meta", is_meta);
    differ(&meta, &Members::read(is_meta).expect("an object"), "progressToken", "77");

    let line = framed(request_line(77, "m", Some(&sent)));
    let text = std::str::from_utf8(&line).expect("text").strip_suffix('\n').expect("an end");
    assert!(!text.contains(['\r', '\n']) && json::is_json(text), "{text}");
}

#[derive(Debug)]
struct Client {
    mailbox: Arc<Mailbox>,
    token: Option<&'static str>,
    /// What it is to be told and answered.
    expected: Vec<Aside>,
    answer: Option<Answer>,
}

/// A server says anything, to several calls at once.
fn calls(source: &mut Source<'_>) {
    let shared = Shared::new(Arc::default(), None);
    *shared.speech.lock().expect("nobody panicked") = Speech::Rpc;
    let mut clients = BTreeMap::new();
    for id in 1..=1 + source.below(6) as u64 {
        let mailbox = Mailbox::new(ASIDES);
        let token = source.is().then(|| source.pick(&TOKENS));
        let call = Call { mailbox: Arc::clone(&mailbox), token: token.map(str::to_owned) };
        shared.calls().open.insert(id, call);
        clients.insert(id, Client { mailbox, token, expected: Vec::new(), answer: None });
    }
    for _ in 0..ASIDES {
        if source.is_empty() {
            break;
        }
        let said = says(source, &mut clients);
        let reply = shared.hear(&said.text);
        assert_eq!(reply.is_some(), said.is_refused, "{said:?}");
        if let Some(reply) = reply {
            let reply = std::str::from_utf8(&reply).expect("text");
            let (envelope, _) = Envelope::read(reply).expect("a message");
            assert_eq!(envelope.id.map(serde_json::value::RawValue::get), said.id.as_deref(), "{said:?}");
        }
    }
    let open = clients.values().filter(|client| client.answer.is_none()).count();
    assert_eq!(shared.calls().open.len(), open);
    for (id, client) in &mut clients {
        let said: Vec<Said> = std::iter::from_fn(|| client.mailbox.take()).collect();
        let expected = client.expected.drain(..).map(Said::Aside);
        let expected: Vec<_> =
            expected.chain(client.answer.take().map(|answer| Said::Answer(Ok(answer)))).collect();
        assert_eq!(said, expected, "call {id}");
    }
}

/// What a server says, and whether it is refused.
#[derive(Debug)]
struct Line {
    text: String,
    id: Option<String>,
    is_refused: bool,
}

fn says(source: &mut Source<'_>, clients: &mut BTreeMap<u64, Client>) -> Line {
    let id = 1 + source.below(8) as u64;
    let text = json::value(source, 2).replace(['\r', '\n'], " ");
    let open = |client: &&mut Client| client.answer.is_none();
    let quiet = |text: String| Line { text, id: None, is_refused: false };
    match source.below(6) {
        0 => {
            let result = format!(r#"{{"n":{id},"x":{text}}}"#);
            let outcome = if source.is() { Outcome::Result(result) } else { Outcome::Error(result) };
            let line = response_line(id, &outcome);
            if let Some(client) = clients.get_mut(&id).filter(open) {
                client.answer = Some(Answer::Rpc(outcome));
            }
            quiet(line)
        }
        // Ids that are none of ours.
        1 => {
            let id = source.pick(&[r#""1""#, "-1", "123456789012345678901234567890", "null"]);
            quiet(response_line(id, &Outcome::Error("{}")))
        }
        2 | 3 => {
            let progress = |token: &str| format!(r#"{{"progressToken":{token},"x":{text}}}"#);
            // Tokens that are none of ours.
            if let Some(other) = source.pick(&[None, None, None, Some(r#""1""#), Some("null"), Some("1.0")]) {
                return quiet(notification_line(PROGRESS, Some(&progress(other))));
            }
            let client = clients.get_mut(&id).filter(open);
            if let Some((client, token)) = client.and_then(|client| client.token.map(|token| (client, token)))
            {
                let params = Some(progress(token));
                client.expected.push(Aside::Notification { method: PROGRESS.to_owned(), params });
            }
            quiet(notification_line(PROGRESS, Some(&progress(&id.to_string()))))
        }
        4 => {
            let params = format!(r#"{{"x":{text}}}"#);
            let method = "notifications/message".to_owned();
            let line = notification_line(&method, Some(&params));
            if let Some(only) = only(clients) {
                only.expected.push(Aside::Notification { method, params: Some(params) });
            }
            quiet(line)
        }
        _ => {
            let id = json_text(&source.text());
            let params = format!(r#"{{"x":{text}}}"#);
            let line = request_line(&id, "elicitation/create", Some(&params));
            let only = only(clients);
            let is_refused = only.is_none();
            if let Some(only) = only {
                let method = "elicitation/create".to_owned();
                only.expected.push(Aside::Request { id: id.clone(), method, params: Some(params) });
            }
            Line { text: line, id: Some(id), is_refused }
        }
    }
}

/// The one call that is under way, where there is one alone.
fn only(clients: &mut BTreeMap<u64, Client>) -> Option<&mut Client> {
    let mut open = clients.values_mut().filter(|client| client.answer.is_none());
    let only = open.next()?;
    open.next().is_none().then_some(only)
}
