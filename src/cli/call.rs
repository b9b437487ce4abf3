//! `call`: one call of one tool.

use std::path::Path;
use std::time::Duration;

use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::time::{Instant, timeout};

use super::call_args::{CallArgs, OutputArg};
use super::content::{content, pretty, text};
use super::session::Global;
use super::talk_error::TalkError;
use super::through::{Talk, bounded, talk};
use crate::config::nearest;
use crate::diagnostic::{Exit, Failure};
use crate::mcp::{CallError, Client, Dialect, Lines, Members, Patience, Progress, Watch};
use crate::report::{Format, Verbosity, visible};

/// The longest arguments, in bytes.
const ARGUMENT_BYTES: u64 = 16 << 20;
/// How long a word of ours may take after a call that failed: a cancellation, or a look at the list of tools.
const AFTERWARDS: Duration = Duration::from_secs(2);
/// Progress is shown no more often than this.
const PACE: Duration = Duration::from_millis(250);

/// What a call came to.
struct Called {
    /// The whole result, as JSON.
    result: String,
    through: String,
    protocol: String,
    server: Option<String>,
}

pub(super) async fn run(global: &Global, args: &CallArgs) -> Result<Exit, Failure> {
    let arguments = arguments(global, args.arguments.as_deref()).await?;
    let called = talk(global, &args.through, async |talk| call(global, args, &arguments, talk).await).await?;
    let Some(Called { result, through, protocol, server }) = called else { return Ok(Exit::Interrupted) };
    let is_error = says_failed(&result);
    let style = global.reporter.style();
    if style.format == Format::Human {
        let shown = match args.output {
            OutputArg::Text => text(&result),
            OutputArg::Json => pretty(&result) + "\n",
            OutputArg::Content => content(&result),
        };
        // What is no terminal gets every byte.
        global.reporter.raw(&if style.width.is_some() { visible(&shown) } else { shown });
    }
    // A number that no reader could hold leaves the text.
    let whole = serde_json::from_str(&result).unwrap_or(Value::String(result));
    global.reporter.json(&json!({
        "tool": args.tool, "through": through, "protocol": protocol, "server": server,
        "is_error": is_error, "result": whole,
    }));
    if is_error {
        global.reporter.warning(&format!("{} says that it failed", args.tool));
        return Ok(Exit::Failed);
    }
    Ok(Exit::Done)
}

/// Calls, shows how far it is, and takes the call back when it is interrupted; `None` then.
async fn call(
    global: &Global,
    args: &CallArgs,
    arguments: &str,
    talk: &mut Talk,
) -> Result<Option<Called>, Failure> {
    // From here on an interruption is ours to answer.
    let mut interruption = global.interruption.subscribe();
    let left = talk.deadline.saturating_duration_since(Instant::now());
    talk.client.set_patience(Patience { call: left, ..Patience::default() });
    let mut shown: Option<Instant> = None;
    let mut show = |progress: Progress| {
        let now = Instant::now();
        if shown.is_none_or(|last| now.duration_since(last) >= PACE) {
            shown = Some(now);
            global.reporter.progress(&args.tool, &in_words(&progress));
        }
    };
    let watch = (global.reporter.style().verbosity > Verbosity::Quiet).then_some(&mut show as Watch<'_>);
    let outcome = tokio::select! {
        outcome = talk.client.call_watched(&args.tool, arguments, watch) => outcome,
        _ = interruption.wait_for(|interrupted| *interrupted) => {
            // Whether it is heard or not, nobody waits any longer.
            let _ = timeout(AFTERWARDS, talk.client.cancel("interrupted")).await;
            return Ok(None);
        }
    };
    global.reporter.end_progress();
    if matches!(outcome, Err(CallError::Timeout(_))) {
        let _ = timeout(AFTERWARDS, talk.client.cancel("it took too long")).await;
    }
    if let Some(answer) = failure(&outcome)
        && let Some(error) = unknown(&mut talk.client, &args.tool, answer).await
    {
        return Err(error.into());
    }
    let result = outcome.map_err(|error| {
        let error = match error {
            CallError::Timeout(_) => CallError::Timeout(args.through.timeout),
            error => error,
        };
        talk.failed(format!("calling {} through {}", args.tool, talk.through), error)
    })?;
    if Members::read(&result)
        .is_some_and(|result| result.text("resultType").as_deref() == Some("input_required"))
    {
        return Err(TalkError::NeedsInput { tool: args.tool.clone() }.into());
    }
    Ok(Some(Called {
        result,
        through: talk.through.clone(),
        protocol: talk.client.dialect().to_string(),
        server: talk.client.server().map(str::to_owned),
    }))
}

/// What was answered where it may be that there is no such tool: some servers say so by an error of the
/// protocol, and some by a result.
fn failure(outcome: &Result<String, CallError>) -> Option<String> {
    match outcome {
        Err(CallError::Refused { message, .. }) => Some(message.clone()),
        Ok(result) => says_failed(result).then(|| text(result).trim().to_owned()),
        Err(_) => None,
    }
}

/// Whether a result is a tool's word that it failed.
fn says_failed(result: &str) -> bool {
    Members::read(result).and_then(|result| result.value("isError")).unwrap_or_default()
}

/// That a tool is not listed, where tools can be.
async fn unknown<L: Lines>(client: &mut Client<L>, tool: &str, answer: String) -> Option<TalkError> {
    if *client.dialect() == Dialect::Bare {
        return None;
    }
    let listed = timeout(AFTERWARDS, client.tools()).await.ok()?.ok()?;
    let listed: Vec<String> = listed.into_iter().map(|tool| tool.name).collect();
    // One that lists nothing may be a bridge to a server that cannot.
    if listed.is_empty() || listed.iter().any(|name| name == tool) {
        return None;
    }
    let nearest = nearest(tool, listed.iter().map(String::as_str)).map(str::to_owned);
    Some(TalkError::NoTool { tool: tool.to_owned(), answer, nearest, listed })
}

/// Such as `3/5 copying`.
fn in_words(progress: &Progress) -> String {
    let total = progress.total.map(|total| format!("/{total}")).unwrap_or_default();
    let message = progress.message.as_ref().map(|message| format!(" {}", message.replace('\n', " ")));
    format!("{}{total}{}", progress.progress, message.unwrap_or_default())
}

/// The arguments as they were given: the text of a JSON object.
async fn arguments(global: &Global, given: Option<&str>) -> Result<String, TalkError> {
    let (from, bytes) = match given {
        None => return Ok("{}".to_owned()),
        Some("-") => {
            let mut bytes = Vec::new();
            let read = tokio::io::stdin().take(ARGUMENT_BYTES + 1).read_to_end(&mut bytes).await;
            let from = || Some("standard input".to_owned());
            let failed = |why: String| TalkError::Arguments { from: from(), why };
            let read = read.map_err(|error| failed(error.to_string()))?;
            if read as u64 > ARGUMENT_BYTES {
                return Err(failed(format!("they are longer than {ARGUMENT_BYTES} bytes")));
            }
            (from(), bytes)
        }
        Some(text) => match text.strip_prefix('@') {
            Some(file) => {
                let unreadable = |error: std::io::Error| TalkError::Unreadable {
                    file: file.into(),
                    why: error.to_string(),
                };
                let bytes = bounded(&global.env.folder.join(Path::new(file)), ARGUMENT_BYTES);
                (Some(file.to_owned()), bytes.map_err(unreadable)?)
            }
            None => (None, text.as_bytes().to_vec()),
        },
    };
    object(&bytes).map_err(|why| TalkError::Arguments { from, why })
}

fn object(bytes: &[u8]) -> Result<String, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "they are not UTF-8".to_owned())?;
    // Editors of some systems begin a file like that.
    let text = text.trim_start_matches('\u{feff}');
    // As text, for a number may be larger than any that can be held.
    let json: &RawValue = serde_json::from_str(text).map_err(|error| error.to_string())?;
    match json.get().as_bytes().first() {
        Some(b'{') => Ok(json.get().to_owned()),
        Some(b'[') => Err("they are a list".to_owned()),
        _ => Err("they are a single value".to_owned()),
    }
}
