//! `tools`: what a server can be asked to do.

use std::fmt::Write as _;

use serde_json::json;
use tokio::time::Instant;

use super::call_args::ToolsArgs;
use super::content::pretty;
use super::session::Global;
use super::talk_error::TalkError;
use super::through::{Talk, talk};
use crate::diagnostic::{Exit, Failure};
use crate::mcp::{CallError, Dialect, Patience, Tool};
use crate::report::{plain_table, visible};

pub(super) async fn run(global: &Global, args: &ToolsArgs) -> Result<Exit, Failure> {
    let (tools, through) = talk(global, &args.through, async |talk| list(args, talk).await).await?;
    let text = match (tools.is_empty(), args.long) {
        (true, _) => "the server lists no tools\n".to_owned(),
        (_, true) => tools.iter().map(in_full).collect::<Vec<_>>().join("\n"),
        (_, false) => {
            let rows: Vec<Vec<String>> = tools.iter().map(row).collect();
            plain_table(&["TOOL", "DESCRIPTION"], &rows, global.reporter.style())
        }
    };
    global.reporter.text(&text);
    let described: Vec<_> = tools.into_iter().map(|tool| tool.described).collect();
    global.reporter.json(&json!({"through": through, "tools": described}));
    Ok(Exit::Done)
}

async fn list(args: &ToolsArgs, talk: &mut Talk) -> Result<(Vec<Tool>, String), Failure> {
    if *talk.client.dialect() == Dialect::Bare {
        return Err(TalkError::CannotList { through: talk.through.clone() }.into());
    }
    let left = talk.deadline.saturating_duration_since(Instant::now());
    talk.client.set_patience(Patience { call: left, ..Patience::default() });
    // A list has many pages, and each might be given the whole time.
    let listed = tokio::time::timeout_at(talk.deadline, talk.client.tools()).await;
    let timeout = CallError::Timeout(args.through.timeout);
    let tools = match listed {
        Err(_) | Ok(Err(CallError::Timeout(_))) => Err(timeout),
        Ok(listed) => listed,
    };
    let tools =
        tools.map_err(|error| talk.failed(format!("listing the tools of {}", talk.through), error))?;
    Ok((tools, talk.through.clone()))
}

fn row(tool: &Tool) -> Vec<String> {
    let words = tool.description().or(tool.title()).unwrap_or_default();
    let first = words.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    vec![tool.name.replace('\n', " "), first.trim().to_owned()]
}

/// Name and title, the description, the schema.
fn in_full(tool: &Tool) -> String {
    let mut text = tool.name.clone();
    if let Some(title) = tool.title() {
        // Writing to a string cannot fail.
        let _ = write!(text, " ({title})");
    }
    text.push('\n');
    for line in tool.description().unwrap_or_default().lines() {
        let _ = writeln!(text, "  {line}");
    }
    if let Some(schema) = tool.input_schema() {
        for line in pretty(&schema.to_string()).lines() {
            let _ = writeln!(text, "  {line}");
        }
    }
    visible(&text)
}
