//! A request in the stateless era as HTTP carries it: whether its headers and its body say the same
//! (MCP 2026-07-28, Streamable HTTP, sections "Request Metadata" and "Server Validation").

use std::borrow::Cow;
use std::fmt::Display;

use data_encoding::BASE64;
use http::header::AsHeaderName;
use http::{HeaderMap, HeaderName, StatusCode};
use memchr::memmem::Finder;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::abilities::Abilities;
use crate::mcp::{
    CAPABILITIES_KEY, Envelope, Kind, LOG_LEVEL_KEY, MODERN, MalformedMessage, Members, Outcome, VERSION_KEY,
    Words, response_line, severity,
};

/// The revision that a request is of.
pub(crate) const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const METHOD: HeaderName = HeaderName::from_static("mcp-method");
const NAME: HeaderName = HeaderName::from_static("mcp-name");
/// A header does not say what the body says.
const HEADER_MISMATCH: i64 = -32020;
/// The request names a revision that nobody here speaks.
const UNSUPPORTED_VERSION: i64 = -32022;
const PARSE_ERROR: i64 = -32700;
pub(crate) const INVALID_REQUEST: i64 = -32600;
pub(crate) const INVALID_PARAMS: i64 = -32602;

/// What every body of this era has.
static VERSIONS: Words = Words::new(|| Finder::new(VERSION_KEY));

/// A request whose headers and body agree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stateless {
    /// Its id, as JSON.
    pub(crate) id: String,
    /// Its method.
    pub(crate) method: String,
    /// Its parameters, as JSON.
    pub(crate) params: String,
    /// What the client can be asked for.
    pub(crate) able: Abilities,
    /// The severity from which on the client wants to hear what the server logs.
    pub(crate) level: Option<usize>,
    /// What `tools/call`, `prompts/get` or `resources/read` is about.
    pub(crate) name: Option<String>,
}

impl Stateless {
    /// The tool that is called.
    pub(crate) fn tool(&self) -> Option<&str> {
        self.name.as_deref().filter(|_| self.method == "tools/call")
    }
}

/// What is said to a request that is not passed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The status.
    pub(crate) status: StatusCode,
    /// The JSON-RPC error response.
    pub(crate) body: String,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, id: Option<&str>, code: i64, message: &str) -> Self {
        Self::with(status, id, &json!({"code": code, "message": message}))
    }

    fn with(status: StatusCode, id: Option<&str>, error: &Value) -> Self {
        let body = response_line(id.unwrap_or("null"), &Outcome::Error(error.to_string()));
        Self { status, body }
    }
}

/// Whether a request is of this era: its header or its body names a revision without a handshake.
pub(crate) fn is_stateless(headers: &HeaderMap, body: &str) -> bool {
    let of_header = only(headers, &VERSION).ok().flatten();
    of_header.is_some_and(|version| version >= MODERN) || VERSIONS.are_in(body)
}

/// What is said to a request whose headers do not say what its body says.
pub(crate) fn mismatch(id: &str, message: &str) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, Some(id), HEADER_MISMATCH, &format!("Header mismatch: {message}"))
}

/// What is said to a body that is no message.
pub(crate) fn malformed(body: &str, error: &MalformedMessage) -> Refusal {
    let is_json = serde_json::from_str::<serde::de::IgnoredAny>(body).is_ok();
    let code = if is_json { INVALID_REQUEST } else { PARSE_ERROR };
    Refusal::new(StatusCode::BAD_REQUEST, None, code, &error.to_string())
}

/// Reads a request. `Ok(None)` is a notification, which is accepted and means nothing here.
pub(crate) fn read(headers: &HeaderMap, body: &str) -> Result<Option<Stateless>, Refusal> {
    let (envelope, kind) = Envelope::read(body).map_err(|error| malformed(body, &error))?;
    let id = envelope.id.map(RawValue::get);
    let method = match kind {
        Kind::Request(method) => method,
        Kind::Notification(_) => return Ok(None),
        Kind::Response(_) => {
            let message = "a client of this revision sends no answers: it asks again, with inputResponses";
            return Err(Refusal::new(StatusCode::BAD_REQUEST, None, INVALID_REQUEST, message));
        }
    };
    let refuse = |code, message: &str| Refusal::new(StatusCode::BAD_REQUEST, id, code, message);
    let mismatch = |message: &str| refuse(HEADER_MISMATCH, &format!("Header mismatch: {message}"));
    let text = envelope.params.map_or("{}", |params| params.get());
    let params = Members::read(text)
        .ok_or_else(|| refuse(INVALID_PARAMS, "the params are no object that says each thing once"))?;
    let meta = params.get("_meta").unwrap_or("{}");
    let meta = Members::read(meta)
        .ok_or_else(|| refuse(INVALID_PARAMS, "the _meta is no object that says each thing once"))?;

    let header = |name: &HeaderName| only(headers, name).map_err(|message| mismatch(&message));
    let version = header(&VERSION)?.ok_or_else(|| mismatch("MCP-Protocol-Version is missing"))?;
    let in_body = meta.text(VERSION_KEY);
    if in_body.as_deref().is_some_and(|in_body| in_body != version) {
        return Err(mismatch(&format!(
            "MCP-Protocol-Version is {version:?}, and the body's _meta says otherwise"
        )));
    }
    if version != MODERN {
        let error = json!({
            "code": UNSUPPORTED_VERSION,
            "message": format!("Unsupported protocol version: {version}"),
            "data": {"supported": [MODERN], "requested": version},
        });
        return Err(Refusal::with(StatusCode::BAD_REQUEST, id, &error));
    }
    if in_body.is_none() {
        return Err(refuse(INVALID_PARAMS, &format!("the _meta does not say {VERSION_KEY}")));
    }
    let capabilities = meta
        .get(CAPABILITIES_KEY)
        .filter(|capabilities| Members::read(capabilities).is_some())
        .ok_or_else(|| refuse(INVALID_PARAMS, &format!("the _meta does not say {CAPABILITIES_KEY}")))?;

    let level = meta.value::<String>(LOG_LEVEL_KEY).and_then(|level| severity(&level));
    if level.is_none() && meta.get(LOG_LEVEL_KEY).is_some() {
        return Err(refuse(INVALID_PARAMS, &format!("{LOG_LEVEL_KEY} is no level")));
    }

    let named = header(&METHOD)?.ok_or_else(|| mismatch("Mcp-Method is missing"))?;
    if named != method {
        return Err(mismatch(&format!("Mcp-Method is {named:?}, and the body's method {method:?}")));
    }
    let mut name = None;
    if let Some(key) = name_key(&method) {
        let wanted =
            params.text(key).ok_or_else(|| refuse(INVALID_PARAMS, &format!("the params have no {key}")))?;
        let named = header(&NAME)?.ok_or_else(|| mismatch("Mcp-Name is missing"))?;
        let decoded = decoded(named).ok_or_else(|| mismatch("Mcp-Name is no Base64 of UTF-8"))?;
        if decoded != wanted {
            return Err(mismatch(&format!("Mcp-Name is {decoded:?}, and the body's {key} {wanted:?}")));
        }
        name = Some(wanted.into_owned());
    }
    Ok(Some(Stateless {
        id: id.unwrap_or("null").to_owned(),
        method,
        params: text.to_owned(),
        able: Abilities::of(capabilities),
        level,
        name,
    }))
}

/// The parameter that `Mcp-Name` repeats.
fn name_key(method: &str) -> Option<&'static str> {
    match method {
        "tools/call" | "prompts/get" => Some("name"),
        "resources/read" => Some("uri"),
        _ => None,
    }
}

/// A header's one value; an error where there are several, or it is no visible text.
pub(crate) fn only<N: AsHeaderName + Copy + Display>(
    headers: &HeaderMap,
    name: N,
) -> Result<Option<&str>, String> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| format!("{name} has invalid characters")),
        (Some(_), Some(_)) => Err(format!("{name} is there twice")),
    }
}

/// A value as it was before `=?base64?…?=` carried it.
pub(crate) fn decoded(value: &str) -> Option<Cow<'_, str>> {
    match value.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?=")) {
        Some(encoded) => String::from_utf8(BASE64.decode(encoded.as_bytes()).ok()?).ok().map(Cow::Owned),
        None => Some(Cow::Borrowed(value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pairs = pairs
            .iter()
            .map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value")));
        pairs.collect()
    }

    fn call(name: &str) -> String {
        let name = Value::from(name);
        format!(r#"{{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{{"name":{name},{META}}}}}"#)
    }

    fn refused(headers: &HeaderMap, body: &str) -> String {
        let refusal = read(headers, body).expect_err(body);
        format!("{} {}", refusal.status.as_u16(), refusal.body)
    }

    const AGREED: [(&str, &str); 3] =
        [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/call"), ("mcp-name", "echo")];

    #[test]
    fn a_request_whose_headers_and_body_agree_is_passed_on_as_it_stands() {
        let request = read(&headers(&AGREED), &call("echo")).expect("agreed").expect("a request");
        assert_eq!((request.id.as_str(), request.method.as_str()), ("\"a\"", "tools/call"));
        assert_eq!((request.able, request.level), (Abilities::default(), None));
        assert_eq!(request.params, format!(r#"{{"name":"echo",{META}}}"#));
        let encoded = [AGREED[0], AGREED[1], ("mcp-name", "=?base64?w6kg8J+YgA==?=")];
        assert!(read(&headers(&encoded), &call("é 😀")).is_ok());
        let ping = r#"{"jsonrpc":"2.0","method":"notifications/x"}"#;
        assert_eq!(read(&headers(&AGREED[..1]), ping), Ok(None));
    }

    #[test]
    fn whatever_two_readers_could_read_differently_is_refused_with_its_code() {
        let other = |index: usize, value: &'static str| {
            let mut pairs = AGREED;
            pairs[index].1 = value;
            headers(&pairs)
        };
        let agreed = headers(&AGREED);
        let mut twice = agreed.clone();
        twice.append("mcp-name", "other".parse().expect("a value"));
        let body = call("echo");
        for (headers, body, code) in [
            (headers(&AGREED[1..]), body.clone(), HEADER_MISMATCH),
            (headers(&AGREED[..1]), body.clone(), HEADER_MISMATCH),
            (headers(&AGREED[..2]), body.clone(), HEADER_MISMATCH),
            (other(1, "tools/list"), body.clone(), HEADER_MISMATCH),
            (other(2, "Echo"), body.clone(), HEADER_MISMATCH),
            (other(2, "=?base64?%%?="), body.clone(), HEADER_MISMATCH),
            (twice, body.clone(), HEADER_MISMATCH),
            (other(0, "2025-11-25"), body.clone(), HEADER_MISMATCH),
            (other(0, "2027-01-01"), body.replace("2026-07-28", "2027-01-01"), UNSUPPORTED_VERSION),
            (agreed.clone(), body.replace("clientCapabilities", "other"), INVALID_PARAMS),
            (agreed.clone(), body.replace("protocolVersion", "other"), INVALID_PARAMS),
            (agreed.clone(), body.replace(r#""name":"echo","#, ""), INVALID_PARAMS),
            (
                agreed.clone(),
                body.replace(r#""name":"echo","#, r#""name":"echo","name":"x","#),
                INVALID_PARAMS,
            ),
            (agreed.clone(), r#"{"jsonrpc":"2.0","id":1,"result":{}}"#.to_owned(), INVALID_REQUEST),
            (agreed.clone(), "[]".to_owned(), INVALID_REQUEST),
            (agreed, "{".to_owned(), PARSE_ERROR),
        ] {
            let told = refused(&headers, &body);
            assert!(
                told.starts_with("400 ") && told.contains(&format!("\"code\":{code},")),
                "{body}: {told}"
            );
        }
    }

    #[test]
    fn a_refusal_names_the_request_and_what_is_supported() {
        let headers = headers(&[("mcp-protocol-version", "2027-01-01")]);
        let told = refused(&headers, &call("echo").replace("2026-07-28", "2027-01-01"));
        assert!(told.contains(r#""id":"a""#) && told.contains(r#""supported":["2026-07-28"]"#), "{told}");
    }
}
