//! The server behind every bridge that is measured: it answers one line at a time, in legacy MCP,
//! modern MCP and the bare dialect, and costs as little as it can: what it echoes is copied as it
//! was spelt, not parsed and written anew.
//!
//! Tools: `echo` {"text"} answers with that text, `crash` ends the process without an answer.

use std::borrow::Cow;
use std::io::{self, BufRead, Write};

use serde::Deserialize;
use serde_json::value::RawValue;

/// What a line may hold; everything else in it is passed over.
#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    jsonrpc: Option<&'a RawValue>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow)]
    params: Option<Params<'a>>,
}

#[derive(Default, Deserialize)]
struct Params<'a> {
    /// The tool, in MCP.
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    arguments: Option<Arguments<'a>>,
    /// The argument itself, in the bare dialect.
    #[serde(borrow)]
    text: Option<&'a RawValue>,
    #[serde(borrow, rename = "_meta")]
    meta: Option<Meta<'a>>,
    #[serde(borrow, rename = "protocolVersion")]
    version: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Arguments<'a> {
    #[serde(borrow)]
    text: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Meta<'a> {
    #[serde(borrow, rename = "io.modelcontextprotocol/protocolVersion")]
    version: Option<&'a RawValue>,
}

/// Bytes read at once.
const READ: usize = 64 * 1024;
/// The legacy revisions; a client that asks for another is offered the newest.
const LEGACY: [&str; 4] = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];
/// The fields of every modern result.
const MODERN: &str = r#","resultType":"complete""#;
/// The fields of a modern result that may be kept.
const KEPT: &str = r#","resultType":"complete","ttlMs":0,"cacheScope":"private""#;
const INFO: &str = r#""serverInfo":{"name":"echo","version":"1"},"capabilities":{"tools":{}}"#;
const TOOLS: &str = concat!(
    r#""tools":[{"name":"echo","description":"Answers with the text","inputSchema":{"type":"object","#,
    r#""properties":{"text":{"type":"string"}},"required":["text"]}},"#,
    r#"{"name":"crash","description":"Ends the server","inputSchema":{"type":"object"}}]"#,
);

fn main() -> io::Result<()> {
    // Large reads pass the 8 KiB of `Stdin` by.
    let mut input = io::BufReader::with_capacity(READ, io::stdin().lock());
    let mut output = io::stdout().lock();
    let (mut line, mut answer) = (Vec::new(), Vec::new());
    loop {
        line.clear();
        if input.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        answer.clear();
        match serde_json::from_slice::<Message>(&line) {
            Ok(message) if message.jsonrpc.is_some() => speak_mcp(&message, &mut answer)?,
            Ok(message) => speak_bare(&message, &mut answer)?,
            Err(_) => answer.extend_from_slice(br#"{"error":"not a message"}"#),
        }
        if !answer.is_empty() {
            answer.push(b'\n');
            // With its line end, so that it leaves in one piece.
            output.write_all(&answer)?;
            output.flush()?;
        }
    }
}

fn speak_bare(message: &Message<'_>, answer: &mut Vec<u8>) -> io::Result<()> {
    match (message.method.as_deref(), message.params.as_ref().and_then(|params| params.text)) {
        (Some("echo"), Some(text)) => write!(answer, r#"{{"text":{}}}"#, text.get()),
        (Some("status"), _) => answer.write_all(br#"{"status":"active"}"#),
        (Some("crash"), _) => std::process::abort(),
        _ => answer.write_all(br#"{"error":"unknown method"}"#),
    }
}

fn speak_mcp(message: &Message<'_>, answer: &mut Vec<u8>) -> io::Result<()> {
    let (Some(id), Some(method)) = (message.id, message.method.as_deref()) else { return Ok(()) };
    let id = id.get();
    let none = Params::default();
    let params = message.params.as_ref().unwrap_or(&none);
    let modern = params.meta.as_ref().is_some_and(|meta| meta.version.is_some());
    let more = |fields: &'static str| if modern { fields } else { "" };
    let mut result = |body: std::fmt::Arguments<'_>| {
        write!(answer, r#"{{"jsonrpc":"2.0","id":{id},"result":{{{body}}}}}"#)
    };
    match method {
        "initialize" => {
            let asked = params.version.as_deref().unwrap_or_default();
            let version = LEGACY.into_iter().find(|known| *known == asked).unwrap_or(LEGACY[0]);
            result(format_args!(r#""protocolVersion":"{version}",{INFO}"#))
        }
        "server/discover" => result(format_args!(r#""supportedVersions":["2026-07-28"],{INFO}{KEPT}"#)),
        "ping" => result(format_args!("")),
        "tools/list" => result(format_args!("{TOOLS}{}", more(KEPT))),
        "tools/call" => match (params.name.as_deref(), params.arguments.as_ref().and_then(|a| a.text)) {
            (Some("echo"), Some(text)) => {
                let text = text.get();
                result(format_args!(r#""content":[{{"type":"text","text":{text}}}]{}"#, more(MODERN)))
            }
            (Some("crash"), _) => std::process::abort(),
            _ => refuse(answer, id, -32602, "unknown tool, or no text"),
        },
        _ => refuse(answer, id, -32601, "no such method"),
    }
}

fn refuse(answer: &mut Vec<u8>, id: &str, code: i32, words: &str) -> io::Result<()> {
    write!(answer, r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":"{words}"}}}}"#)
}
