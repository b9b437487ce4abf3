//! `init`: the files that a new deployment starts with.

use serde_json::json;

use super::session::Global;
use crate::config::{Done, write};
use crate::diagnostic::{Exit, Failure};

pub(super) fn run(global: &Global, dry_run: bool) -> Result<Exit, Failure> {
    let written = write(&global.env.folder, dry_run)?;
    let word = |done| match done {
        Done::Created => "created",
        Done::Kept => "kept",
        Done::Appended => "appended to",
    };
    for file in &written {
        global.reporter.text(&format!("{} {}\n", word(file.done), global.shown(&file.path)));
    }
    if dry_run {
        global.reporter.text("\nnothing was written: this was a dry run\n");
    } else {
        global.reporter.text("\nput your keys into .env, then run `mcpo-deploy up`\n");
    }
    let files = written.iter().map(|file| json!({"path": file.path, "done": word(file.done)}));
    global.reporter.json(&json!({"files": files.collect::<Vec<_>>()}));
    Ok(Exit::Done)
}
