//! Every client, and what its file says.

use std::path::Path;

use serde_json::json;

use super::args::ConnectArgs;
use super::choose;
use super::line::Purpose;
use super::wanted::{Wanted, address, this, wanted};
use crate::cli::session::Global;
use crate::clients::{
    Change, Client, EditError, FileError, Found, Homes, Launch, clients, is_installed, is_ours, locate, look,
    preview,
};
use crate::config::Stack;
use crate::diagnostic::{Exit, Failure};
use crate::report::plain_table;

/// What a client's file has under the name.
pub(super) enum State {
    Connected,
    Differs,
    Foreign,
    None,
    /// The client has no file of that scope.
    NoFile,
    /// It is ours, and whether it is as it would be written was not found out.
    CannotTell,
    Unreadable(String),
}

impl State {
    fn word(&self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Differs => "differs",
            Self::Foreign => "foreign",
            Self::None => "none",
            Self::NoFile => "no-file",
            Self::CannotTell => "cannot-tell",
            Self::Unreadable(_) => "unreadable",
        }
    }

    pub(super) fn in_words(&self) -> String {
        match self {
            Self::Connected => "connected".to_owned(),
            Self::Differs => "differs from what would be written".to_owned(),
            Self::Foreign => "somebody else's".to_owned(),
            Self::None => "none".to_owned(),
            Self::NoFile => "no such file".to_owned(),
            Self::CannotTell => "ours; cannot tell whether up to date".to_owned(),
            Self::Unreadable(why) => format!("cannot tell: {why}"),
        }
    }
}

pub(super) async fn list(
    global: &Global,
    args: &ConnectArgs,
    stack: &Stack,
    name: String,
) -> Result<Exit, Failure> {
    let homes = choose::homes(&global.env)?;
    let named = choose::named(args)?;
    let (address, this) = (address(global, args, stack)?, this(stack));
    let own = |found: &Launch| is_ours(found, &address) && this.other(found).is_none();
    // What cannot be found out now is no reason to say nothing.
    let wanted = match wanted(global, args, stack, name.clone(), Purpose::Look).await {
        Ok(wanted) if wanted.asked => Some(wanted),
        Ok(_) => {
            global.reporter.note("the engine does not answer, so entries of ours are not compared");
            None
        }
        Err(error) => {
            global.reporter.note(&format!("entries of ours are not compared: {error}"));
            None
        }
    };
    let (mut rows, mut documents) = (Vec::new(), Vec::new());
    let all = clients().iter();
    for client in all.filter(|client| named.is_empty() || named.iter().any(|one| one.id() == client.id())) {
        let found = is_installed(client, &homes);
        if args.all && !found {
            continue;
        }
        let path = locate(&client.paths(&homes, args.scope.into(), &stack.folder));
        let state =
            path.as_ref().map_or(State::NoFile, |path| state(client, path, &name, wanted.as_ref(), &own));
        let takes = if client.takes_url() { &["stdio", "url"][..] } else { &["stdio"] };
        rows.push(vec![
            client.id().to_owned(),
            client.title().to_owned(),
            if found { "yes" } else { "no" }.to_owned(),
            state.in_words(),
            takes.join(", "),
            path.as_ref().map(|path| below_home(path, &homes)).unwrap_or_default(),
        ]);
        documents.push(json!({
            "client": client.id(), "title": client.title(), "found": found, "file": path,
            "takes": takes, "entry": state.word(), "entry_in_words": state.in_words(),
        }));
    }
    let head = ["CLIENT", "TITLE", "FOUND", "ENTRY", "TAKES", "FILE"];
    global.reporter.text(&plain_table(&head, &rows, global.reporter.style()));
    let via = wanted.as_ref().map(|wanted| wanted.via.name());
    global.reporter.json(&json!({"name": name, "via": via, "clients": documents}));
    Ok(Exit::Done)
}

fn below_home(path: &Path, homes: &Homes) -> String {
    match path.strip_prefix(&homes.home) {
        Ok(below) if homes.home.parent().is_some() => Path::new("~").join(below).display().to_string(),
        _ => path.display().to_string(),
    }
}

fn state(
    client: &Client,
    path: &Path,
    name: &str,
    wanted: Option<&Wanted<'_>>,
    own: &dyn Fn(&Launch) -> bool,
) -> State {
    let found = match found(client, path, name) {
        Ok(Some(found)) => found.launch,
        Ok(None) => return State::None,
        Err(state) => return state,
    };
    let Some(wanted) = wanted else {
        return if own(&found) { State::CannotTell } else { State::Foreign };
    };
    let put = Change::Put { entry: wanted.entry.clone(), this: wanted.this.clone(), force: false };
    match preview(path, client, &put) {
        Ok((old, new)) if old == new => State::Connected,
        Ok(_) => State::Differs,
        Err(FileError::Edit { source: EditError::NotOurs { .. }, .. }) => State::Foreign,
        // It cannot be what the client has no form for.
        Err(FileError::Edit { source: EditError::NoUrl { .. } | EditError::NoVariable { .. }, .. }) => {
            if own(&found) { State::Differs } else { State::Foreign }
        }
        Err(error) => State::Unreadable(whole(&error)),
    }
}

/// What a client's file says under a name; somebody else's where it says nothing that is known.
pub(super) fn found(client: &Client, path: &Path, name: &str) -> Result<Option<Found>, State> {
    look(path, client, name).map_err(|error| match error {
        FileError::Edit { source: EditError::NotUnderstood { .. }, .. } => State::Foreign,
        error => State::Unreadable(whole(&error)),
    })
}

fn whole(error: &FileError) -> String {
    match error {
        FileError::Edit { source, .. } => source.to_string(),
        FileError::Io { source, .. } => source.to_string(),
        error => error.to_string(),
    }
}
