//! `logs`: what the services wrote.

use std::collections::BTreeMap;

use futures_util::StreamExt;
use serde_json::json;

use super::error::CliError;
use super::session::Global;
use crate::diagnostic::{Exit, Failure};
use crate::plan::{Redactor, described};
use crate::report::Format;

pub(super) async fn run(
    global: &Global,
    service: Option<&str>,
    follow: bool,
    tail: Option<usize>,
) -> Result<Exit, Failure> {
    let session = global.open().await?;
    let observed = session.docker.observe(&session.stack.project, &[]).await?;
    let services: Vec<(String, String)> = observed
        .containers
        .iter()
        .filter(|live| live.is_service())
        .filter_map(|live| Some((live.service()?.to_owned(), live.name.clone())))
        .collect();
    let chosen: Vec<&(String, String)> =
        services.iter().filter(|(name, _)| service.is_none_or(|asked| asked == name)).collect();
    let project = session.stack.project.to_string();
    if services.is_empty() {
        return Err(CliError::Nothing(project).into());
    }
    if let (Some(name), true) = (service, chosen.is_empty()) {
        let known = services.into_iter().map(|(name, _)| name).collect();
        return Err(CliError::NoService { name: name.to_owned(), project, known }.into());
    }
    let streams = chosen.iter().map(|(service, container)| {
        let service = service.clone();
        session.docker.logs(container, tail, follow).map(move |line| (service.clone(), line)).boxed()
    });
    // A server prints its keys when it fails. What nobody describes any more had some of these.
    let described = described(&session.stack);
    let redactors: BTreeMap<&str, Redactor> = chosen
        .iter()
        .map(|(service, _)| {
            let of = described.iter().find(|container| container.service.name() == service);
            (service.as_str(), of.map_or_else(|| Redactor::of_all(&described), Redactor::of))
        })
        .collect();
    let mut lines = futures_util::stream::select_all(streams);
    let several = chosen.len() > 1;
    let as_json = global.reporter.style().format != Format::Human;
    while global.reporter.is_heard()
        && let Some((service, line)) = lines.next().await
    {
        let line = line?;
        let text =
            redactors.get(&*service).map_or_else(String::new, |redactor| redactor.redacted(&line.text));
        if as_json {
            let stream = if line.stderr { "stderr" } else { "stdout" };
            let shown = json!({"service": service, "stream": stream, "line": text.trim_end_matches('\n')});
            global.reporter.record(&shown);
        } else if several {
            global.reporter.raw(&format!("{service} | {text}"));
        } else {
            global.reporter.raw(&text);
        }
    }
    Ok(Exit::Done)
}
