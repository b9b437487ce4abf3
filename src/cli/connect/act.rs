//! One client's file: written, shown, or taken back.

use std::path::Path;
use std::time::SystemTime;

use serde_json::json;
use similar::TextDiff;

use super::tell::Told;
use super::wanted::Wanted;
use crate::cli::session::Global;
use crate::clients::{
    Applied, Change, Client, Outcome, TakenBack, Undone, apply, change, preview, undo, writable,
};
use crate::diagnostic::Failure;
use crate::report::visible;

/// What an outcome is called.
pub(super) fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Added => "added",
        Outcome::Updated => "updated",
        Outcome::Removed => "removed",
        Outcome::Unchanged => "unchanged",
    }
}

/// Does a change to a client's file; says what it will be first, and what it was afterwards.
pub(super) fn write(
    global: &Global,
    told: &mut Told,
    client: &'static Client,
    path: &Path,
    wanted: &Change,
    does: Option<&str>,
) -> Result<Outcome, Failure> {
    let shown = global.shown(path);
    let (name, title) = (wanted.name(), client.title());
    // What cannot be done is not announced.
    let (old, _) = preview(path, client, wanted)?;
    let coming = change(&old, client, wanted).map(|edited| edited.outcome);
    if !matches!(coming, Ok(Outcome::Unchanged)) {
        writable(path)?;
    }
    let does = does.map(|does| format!(": {does}")).unwrap_or_default();
    match coming {
        Ok(Outcome::Added) => global.reporter.note(&format!("{title}: adding {name} to {shown}{does}")),
        Ok(Outcome::Updated) => global.reporter.note(&format!("{title}: changing {name} in {shown}{does}")),
        Ok(Outcome::Removed) => global.reporter.note(&format!("{title}: removing {name} from {shown}")),
        _ => {}
    }
    let Applied { path, outcome, backup } = apply(path, client, wanted, SystemTime::now())?;
    let word = word(outcome);
    let shown = global.shown(&path);
    let what = match outcome {
        Outcome::Added => format!("added {name} to {shown}"),
        Outcome::Removed => format!("removed {name} from {shown}"),
        Outcome::Updated => format!("updated {name} in {shown}"),
        Outcome::Unchanged if matches!(wanted, Change::Remove { .. }) => format!("{shown} has no {name}"),
        Outcome::Unchanged => format!("{name} is as it should be in {shown}"),
    };
    let kept = backup.as_ref().map(|backup| match backup.extension() {
        Some(end) if end == "absent" => " (there was no such file)".to_owned(),
        _ => format!(" (what was there is {})", global.shown(backup)),
    });
    told.done(
        global,
        &format!("{title}: {what}{}\n", kept.unwrap_or_default()),
        json!({"client": client.id(), "file": path, "outcome": word, "backup": backup}),
    );
    Ok(outcome)
}

/// Shows what a change would do to a client's file.
pub(super) fn show(
    global: &Global,
    told: &mut Told,
    client: &'static Client,
    path: &Path,
    wanted: &Change,
) -> Result<(), Failure> {
    let (old, new) = preview(path, client, wanted)?;
    let [old, new] = [old, new].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let shown = global.shown(path);
    let difference = TextDiff::from_lines(&old, &new)
        .unified_diff()
        .header(&shown, &format!("{shown}, connected"))
        .to_string();
    let line =
        if difference.is_empty() { format!("{shown} is as it should be\n") } else { difference.clone() };
    // Others wrote what stands beside it; a pipe gets it as it is.
    let line = if global.reporter.style().width.is_some() { visible(&line) } else { line };
    told.done(global, &line, json!({"client": client.id(), "file": path, "difference": difference}));
    Ok(())
}

/// What an empty file would become.
pub(super) fn print(
    global: &Global,
    told: &mut Told,
    client: &'static Client,
    place: Option<&Path>,
    wanted: &Wanted<'_>,
    alone: bool,
) -> Result<(), Failure> {
    let put = Change::Put { entry: wanted.entry.clone(), this: wanted.this.clone(), force: true };
    let text = String::from_utf8_lossy(&change(&[], client, &put)?.text).into_owned();
    let ending = if text.ends_with('\n') { "" } else { "\n" };
    let place = place.map(|place| place.display().to_string());
    let head = match (alone, &place) {
        (false, Some(place)) => format!("{}, in {place}:\n", client.title()),
        (false, None) => format!("{}:\n", client.title()),
        (true, _) => String::new(),
    };
    let foot = if alone { "" } else { "\n" };
    let line = format!("{head}{text}{ending}{foot}");
    told.done(global, &line, json!({"client": client.id(), "file": place, "text": text}));
    Ok(())
}

/// Takes the last change of an entry back.
pub(super) fn take_back(
    global: &Global,
    told: &mut Told,
    client: &'static Client,
    path: &Path,
    name: &str,
    force: bool,
) -> Result<(), Failure> {
    let TakenBack { path, undone, backup } = undo(path, client, name, force, SystemTime::now())?;
    let shown = global.shown(&path);
    let (word, what) = match undone {
        Undone::Exactly => ("exactly", format!("{shown} is what it was, to the byte")),
        Undone::Gone => ("gone", format!("{shown} is gone, as there was none before")),
        Undone::EntryOnly => {
            ("entry-only", format!("{name} in {shown} is what it was; what others wrote since stays"))
        }
    };
    let kept = backup.as_ref().map(|backup| format!(" (what was there is {})", global.shown(backup)));
    let line = format!("{}: {what}{}\n", client.title(), kept.unwrap_or_default());
    told.done(global, &line, json!({"client": client.id(), "file": path, "undone": word, "backup": backup}));
    Ok(())
}
