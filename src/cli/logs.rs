//! `logs`: what the services wrote.

use std::collections::BTreeMap;

use futures_util::StreamExt;
use serde_json::json;

use super::error::CliError;
use super::session::{Global, Session};
use crate::diagnostic::{Exit, Failure};
use crate::plan::{Container, Redactor, described};
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
    let mut redactors = BTreeMap::new();
    for (service, container) in &chosen {
        redactors.insert(service.as_str(), redactor(&session, service, container).await?);
    }
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

/// Takes out of a service's log what it is given by the description, and what it was given when it was
/// created: servers print their keys when they fail.
async fn redactor(session: &Session<'_>, service: &str, container: &str) -> Result<Redactor, Failure> {
    let given = session.docker.given(container).await?;
    let described = described(&session.stack).into_iter().find(|one| one.service.name() == service);
    let is_setting = |key: &String| described.as_ref().is_some_and(|one| one.origins.settings.contains(key));
    let given = given.iter().filter(|(key, _)| !is_setting(key)).map(|(_, value)| value);
    Ok(Redactor::hiding(given.chain(described.iter().flat_map(Container::given))))
}
