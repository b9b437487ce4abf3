//! Bodies of requests: what is accepted means the same when it is passed on, and what is not is told why in
//! words that the client can read.

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use serde_json::value::RawValue;

use super::json::{self, is_json};
use super::source::Source;
use crate::bridge::greeting::Era;
use crate::bridge::link::Answer;
use crate::bridge::rest;
use crate::bridge::stateless::{self, Refusal, Stateless};
use crate::bridge::wording;
use crate::mcp::{
    CAPABILITIES_KEY, CLIENT_KEY, Envelope, Kind, LEGACY, LOG_LEVEL_KEY, MODERN, Members, Outcome,
    VERSION_KEY, json_text, notification_line, request_line, response_line,
};

/// Headers, one a line, and after an empty line the body; where that begins with a control character, its
/// bytes are choices.
pub(super) fn check(data: &[u8]) {
    let at = data.windows(2).position(|two| two == b"\n\n");
    let (mut headers, mut body) = match at {
        Some(at) => (read(&data[..at]), data[at + 2..].to_vec()),
        None => (HeaderMap::new(), data.to_vec()),
    };
    if body.first().is_some_and(|first| *first < b' ') {
        let mut source = Source::of(&body[1..]);
        let (invented, text) = request(&mut source);
        headers.extend(invented);
        body = text.into_bytes();
    }
    bare(&body);
    let Ok(text) = std::str::from_utf8(&body) else { return };
    members(text);
    message(text);
    stateless::is_stateless(&headers, text);
    of_this_era(&headers, text);
}

fn read(lines: &[u8]) -> HeaderMap {
    let pair = |line: &[u8]| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        Some((name, HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?))
    };
    lines.split(|byte| *byte == b'\n').filter_map(pair).collect()
}

/// A request of the stateless era, in most of which everything is as it has to be.
fn request(source: &mut Source<'_>) -> (HeaderMap, String) {
    let method = source.pick(&["tools/call", "resources/read", "tools/list", "prompts/get"]);
    let name = source.pick(&["t", "x:a", ""]);
    let meta = [
        (VERSION_KEY, json_text(&source.pick(&[MODERN, MODERN, MODERN, LEGACY]))),
        (CAPABILITIES_KEY, source.pick(&["{}", r#"{"elicitation": {}}"#, "7"]).to_owned()),
        (source.pick(&[LOG_LEVEL_KEY, "progressToken"]), source.pick(&[r#""error""#, "1"]).to_owned()),
        ("x", json::value(source, 2)),
    ];
    let params = [
        (source.pick(&["name", "uri"]), json_text(&name)),
        ("_meta", json::object(source, &meta)),
        ("arguments", json::value(source, 3)),
    ];
    let members = [
        ("jsonrpc", json_text(&"2.0")),
        ("id", source.pick(&["1", r#""\u0061""#, "123456789012345678901234567890", "1.5"]).to_owned()),
        ("method", json::spelt(source, method)),
        ("params", json::object(source, &params)),
        ("x", json::value(source, 2)),
    ];
    let told = [("mcp-protocol-version", MODERN), ("mcp-method", method), ("mcp-name", name)];
    let told = told.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
    (told.into_iter().collect(), json::object(source, &members))
}

/// `{"method", "params"}`.
fn bare(body: &[u8]) {
    match rest::understand(body) {
        Ok(wanted) => {
            let text = std::str::from_utf8(body).expect("text");
            let members = Members::read(text).expect("an object that says each thing once");
            assert_eq!(members.value::<String>("method").as_ref(), Some(&wanted.tool));
            let given = members.get("params").filter(|text| *text != "null");
            assert_eq!(given.unwrap_or("{}"), wanted.arguments);
            assert!(wanted.arguments.starts_with('{') && !wanted.tool.is_empty());
        }
        Err(problem) => {
            let told: Value = serde_json::from_str(&problem.text()).expect("JSON");
            assert!(problem.status() == 400 && told["status"] == 400, "{told}");
        }
    }
}

/// Parts of an object stay as they stand.
fn members(text: &str) {
    let Some(members) = Members::read(text) else { return };
    let again = members.to_string();
    let same = Members::read(&again).expect("an object");
    assert_eq!(members.iter().collect::<Vec<_>>(), same.iter().collect::<Vec<_>>());
    for (name, text) in members.iter() {
        assert!(is_json(text), "{name}: {text}");
    }
    let value = |text: &str| serde_json::from_str::<Value>(text).ok();
    assert_eq!(value(text), value(&again));
}

/// A message is read in the same way however it is looked at, and its parts make it anew.
fn message(text: &str) {
    let (envelope, kind) = match Envelope::read(text) {
        Ok(read) => read,
        Err(error) => {
            let refusal = stateless::malformed(text, &error);
            let code = if is_json(text) { -32600 } else { -32700 };
            return refused(&refusal, &["null"], Some(code));
        }
    };
    let (id, params) = (envelope.id.map(RawValue::get), envelope.params.map(RawValue::get));
    if let Some(members) = Members::read(text) {
        let member = |name: &str| members.get(name).filter(|text| *text != "null");
        assert_eq!((member("id"), member("params")), (id, params));
        assert_eq!(member("jsonrpc"), Some(r#""2.0""#));
    }
    let again = match &kind {
        Kind::Request(method) => request_line(id.expect("an id"), method, params),
        Kind::Notification(method) => notification_line(method, params),
        Kind::Response(outcome) => {
            let outcome = match outcome {
                Outcome::Result(result) => Outcome::Result(result.get()),
                Outcome::Error(error) => Outcome::Error(error.get()),
            };
            response_line(id.unwrap_or("null"), &outcome)
        }
    };
    let (same, same_kind) = Envelope::read(&again).expect("a message");
    assert_eq!(same.id.map(RawValue::get), id);
    assert_eq!(format!("{same_kind:?}"), format!("{kind:?}"));
    if !matches!(kind, Kind::Response(_)) {
        assert_eq!(same.params.map(RawValue::get), params);
    }
}

/// An error response to a request of one of these ids.
fn refused(refusal: &Refusal, ids: &[&str], code: Option<i64>) {
    assert!(refusal.status.is_client_error());
    let (envelope, kind) = Envelope::read(&refusal.body).expect("a message");
    let id = envelope.id.map_or("null", |id| id.get());
    assert!(ids.contains(&id), "{} is none of {ids:?}", refusal.body);
    let Kind::Response(Outcome::Error(error)) = kind else { panic!("no error: {}", refusal.body) };
    let told = Members::read(error.get()).and_then(|error| error.value::<i64>("code"));
    assert!(told.is_some() && code.is_none_or(|code| told == Some(code)), "{}", refusal.body);
    assert!(!refusal.body.contains(['\r', '\n']), "{}", refusal.body);
}

/// A request that headers and body make.
fn of_this_era(headers: &HeaderMap, text: &str) {
    let read = Envelope::read(text).ok();
    let id = read.as_ref().and_then(|(envelope, _)| envelope.id).map_or("null", |id| id.get());
    match stateless::read(headers, text) {
        Err(refusal) => refused(&refusal, &[id, "null"], None),
        Ok(None) => assert!(matches!(read, Some((_, Kind::Notification(_))))),
        Ok(Some(request)) => {
            let Some((envelope, Kind::Request(method))) = read else { panic!("no request: {text}") };
            assert_eq!((request.id.as_str(), request.method.as_str()), (id, method.as_str()));
            assert_eq!(request.params, envelope.params.map_or("{}", |params| params.get()));
            let params = Members::read(&request.params).expect("an object");
            let meta = Members::read(params.get("_meta").expect("metadata")).expect("an object");
            assert_eq!(meta.value::<String>(VERSION_KEY).as_deref(), Some(MODERN));
            let only = |name: &str| {
                let mut values = headers.get_all(name).iter().map(HeaderValue::as_bytes);
                values.next().filter(|_| values.next().is_none())
            };
            assert_eq!(only("mcp-protocol-version"), Some(MODERN.as_bytes()));
            assert_eq!(only("mcp-method"), Some(method.as_bytes()));
            let named = match method.as_str() {
                "tools/call" | "prompts/get" => params.value::<String>("name"),
                "resources/read" => params.value::<String>("uri"),
                _ => None,
            };
            assert_eq!(request.name, named);
            if let Some(named) = named {
                let told = std::str::from_utf8(only("mcp-name").expect("a name")).expect("text");
                assert_eq!(stateless::decoded(told).as_deref(), Some(named.as_str()));
            }
            translated(&request);
        }
    }
}

/// A server of the older era reads the same request without the words of this one, and what it answers is
/// the same with them.
fn translated(request: &Stateless) {
    let legacy = Era::Legacy { version: LEGACY.to_owned(), initialized: "{}".to_owned() };
    let told = wording::params_for(&legacy, request).expect("every method");
    let (was, is) =
        (Members::read(&request.params).expect("an object"), Members::read(&told).expect("an object"));
    let gone = ["inputResponses", "requestState", "_meta"];
    let others = |members: &Members<'_>| -> Vec<(String, String)> {
        let others = members.iter().filter(|(name, _)| !gone.contains(name));
        others.map(|(name, text)| (name.to_owned(), text.to_owned())).collect()
    };
    assert_eq!(others(&was), others(&is));
    assert!(is.get("inputResponses").is_none() && is.get("requestState").is_none(), "{told}");
    let meta = |members: &Members<'_>| {
        let meta = members.get("_meta").unwrap_or("{}").to_owned();
        let meta = Members::read(&meta).expect("an object");
        let words = [VERSION_KEY, CAPABILITIES_KEY, CLIENT_KEY, LOG_LEVEL_KEY];
        let said: Vec<_> = meta.iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
        let ours = |(name, _): &(String, String)| words.contains(&name.as_str());
        let (theirs, rest): (Vec<_>, Vec<_>) = said.into_iter().partition(ours);
        (theirs.len(), rest)
    };
    assert_eq!((0, meta(&was).1), meta(&is), "{told}");
    // Any object will do as an answer.
    let answer = Answer::Rpc(Outcome::Result(request.params.clone()));
    let Outcome::Result(answer) = wording::outcome(&legacy, request, answer) else { panic!("an error") };
    let answer = Members::read(&answer).expect("an object");
    assert!(answer.get("resultType").is_some());
    let kept = was.iter().all(|(name, text)| answer.get(name) == Some(text));
    assert!(kept, "{answer}");
}
