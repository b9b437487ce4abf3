//! Changes taken back: whose they were, and that nothing of anybody's is lost.

use std::fs;
use std::path::Path;

use mcpo_deploy::clients::{Change, EditError, FileError, Outcome, TakenBack, Undone, read, undo};
use mcpo_deploy::diagnostic::{Diagnostic as _, Exit};

use super::files::{THEIRS, applied, at, backups, named};
use super::{NAME, demo, put_change, remove_change, row, short, stdio};

fn take_back(path: &Path, name: &str, force: bool) -> Result<TakenBack, FileError> {
    undo(path, row("cursor"), name, force, at(100))
}

pub(super) fn undone(path: &Path, name: &str) -> Undone {
    take_back(path, name, false).expect("an undo").undone
}

/// A file with our entry, which was there with another launch before.
fn changed_twice(folder: &Path) -> std::path::PathBuf {
    let path = folder.join("mcp.json");
    fs::write(&path, THEIRS).expect("a file");
    applied(&path, &put_change(short(&[]), false), 0);
    applied(&path, &put_change(stdio(), false), 1);
    path
}

/// That it is somebody else's now, and stays; and that by force it goes, and a copy is kept.
fn assert_only_by_force(path: &Path) {
    let text = fs::read(path).expect("a file");
    let error = take_back(path, NAME, false).expect_err("not ours");
    assert!(matches!(error, FileError::Edit { source: EditError::ChangedSince { .. }, .. }), "{error}");
    assert_eq!(error.exit(), Exit::Failed);
    assert!(error.hint().is_some_and(|hint| hint.contains("--force")));
    assert_eq!(fs::read(path).expect("a file"), text);
    let back = take_back(path, NAME, true).expect("an undo");
    assert_eq!(back.undone, Undone::EntryOnly);
    assert_eq!(fs::read(back.backup.expect("a copy")).expect("a copy"), text);
}

#[test]
fn an_entry_that_was_written_by_hand_since_is_not_taken_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = changed_twice(folder.path());
    assert_eq!(applied(&path, &remove_change(), 2).outcome, Outcome::Removed);
    let own = r#"{"mcpServers": {"mcp-orchestrator": {"command": "mine"}}}"#;
    fs::write(&path, own).expect("a file");
    assert_only_by_force(&path);
    assert_eq!(read(&fs::read(&path).expect("a file"), row("cursor"), NAME), Ok(Some(stdio())));
}

#[test]
fn what_a_person_added_to_our_entry_is_not_taken_back_with_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = changed_twice(folder.path());
    let text = fs::read_to_string(&path).expect("a file");
    fs::write(&path, text.replace("\"command\": ", "\"timeout\": 9, \"command\": ")).expect("a file");
    assert_only_by_force(&path);
}

#[test]
fn an_entry_that_was_taken_out_by_hand_is_not_put_back_unasked() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = changed_twice(folder.path());
    fs::write(&path, THEIRS).expect("a file");
    assert_only_by_force(&path);
    assert_eq!(read(&fs::read(&path).expect("a file"), row("cursor"), NAME), Ok(Some(short(&[]))));
}

#[test]
fn an_entry_that_we_never_wrote_is_not_removed_by_an_undo() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("mcp.json");
    fs::write(&path, THEIRS).expect("a file");
    applied(&path, &named("one", short(&[])), 0);
    // Theirs, written between two changes of ours to other entries.
    let text = fs::read_to_string(&path).expect("a file");
    fs::write(&path, text.replace("\"a\": {}", "\"mcp-orchestrator\": {\"url\": \"http://a/\"}"))
        .expect("a file");
    applied(&path, &named("two", short(&[])), 1);
    let text = fs::read(&path).expect("a file");
    let error = take_back(&path, NAME, false).expect_err("never ours");
    assert!(matches!(error, FileError::NoBackup { .. }), "{error}");
    assert_eq!(fs::read(&path).expect("a file"), text);
}

#[test]
fn whatever_an_undo_replaces_and_whatever_it_used_up_is_in_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = changed_twice(folder.path());
    let first = fs::read(&path).expect("a file");
    let back = take_back(&path, NAME, false).expect("an undo");
    assert_eq!(fs::read(back.backup.expect("a copy")).expect("a copy"), first);
    // Somebody writes elsewhere, so that the old bytes do not come back.
    let text = fs::read_to_string(&path).expect("a file").replace("mine", "changed");
    fs::write(&path, &text).expect("a file");
    assert_eq!(undone(&path, NAME), Undone::EntryOnly);
    let texts: Vec<String> =
        backups(folder.path()).iter().map(|path| fs::read_to_string(path).expect("a copy")).collect();
    assert!(texts.contains(&THEIRS.to_owned()) && texts.contains(&text), "{texts:?}");
}

#[test]
fn a_broken_file_is_told_with_its_place_and_with_the_line_that_goes_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = changed_twice(folder.path());
    fs::write(&path, "{,").expect("a file");
    let error = take_back(&path, NAME, false).expect_err("broken");
    let source = std::error::Error::source(&error).expect("a source").to_string();
    assert!(source.starts_with("it is not JSON at 1:2"), "{source}");
    let newest = backups(folder.path()).pop().expect("a backup");
    let line = format!("cp {} {}", newest.display(), path.display());
    assert!(error.hint().is_some_and(|hint| hint.contains(&line)), "{:?}", error.hint());
    fs::remove_file(&path).expect("a file");
    let error = take_back(&path, NAME, false).expect_err("gone");
    assert_eq!(error.to_string(), format!("{} is not there any more", path.display()));
    assert!(error.hint().is_some_and(|hint| hint.contains(&line)), "{:?}", error.hint());
}

#[test]
fn the_oldest_copy_outlives_every_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("mcp.json");
    fs::write(&path, THEIRS).expect("a file");
    for second in 0..30 {
        let change = Change::Put {
            entry: mcpo_deploy::clients::Entry {
                name: NAME.to_owned(),
                launch: short(&[("N", &second.to_string())]),
            },
            this: demo(),
            force: false,
        };
        applied(&path, &change, second);
    }
    let oldest = backups(folder.path()).remove(0);
    assert_eq!(fs::read_to_string(oldest).expect("a copy"), THEIRS);
}

#[test]
fn changes_are_undone_one_by_one_back_to_the_first_byte() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("mcp.json");
    fs::write(&path, THEIRS).expect("a file");
    let mut texts = Vec::new();
    // All in one second: the names still have an order.
    for launch in [stdio(), short(&[]), short(&[("A", "1")]), short(&[])] {
        texts.push(fs::read(&path).expect("a file"));
        applied(&path, &put_change(launch, false), 0);
    }
    for text in texts.into_iter().rev() {
        assert_eq!((undone(&path, NAME), fs::read(&path).expect("a file")), (Undone::Exactly, text));
    }
    let error = take_back(&path, NAME, false).expect_err("nothing is left");
    assert!(matches!(error, FileError::NoBackup { .. }), "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("--name")), "{error}");
}

#[test]
fn what_others_wrote_since_survives_an_undo() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("mcp.json");
    fs::write(&path, THEIRS).expect("a file");
    applied(&path, &put_change(short(&[("A", "1")]), false), 0);
    applied(&path, &put_change(stdio(), false), 1);
    let text = fs::read_to_string(&path).expect("a file").replace("mine", "changed");
    fs::write(&path, &text).expect("a file");
    assert_eq!(undone(&path, NAME), Undone::EntryOnly);
    let text = fs::read(&path).expect("a file");
    assert_eq!(read(&text, row("cursor"), NAME), Ok(Some(short(&[("A", "1")]))));
    assert_eq!(undone(&path, NAME), Undone::EntryOnly);
    assert_eq!(fs::read_to_string(&path).expect("a file"), THEIRS.replace("mine", "changed"));
}

#[test]
fn an_undo_takes_back_the_change_to_its_own_entry_and_not_a_later_one_to_another() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("mcp.json");
    fs::write(&path, THEIRS).expect("a file");
    applied(&path, &named("one", short(&[])), 0);
    applied(&path, &named("two", short(&[])), 1);
    assert_eq!(undone(&path, "one"), Undone::EntryOnly);
    let text = fs::read(&path).expect("a file");
    assert_eq!(read(&text, row("cursor"), "one"), Ok(None));
    assert_eq!(read(&text, row("cursor"), "two"), Ok(Some(short(&[]))));
    // Once more: what is left is the change to another entry.
    let error = take_back(&path, "one", false).expect_err("nothing of it is left");
    assert!(matches!(error, FileError::NoBackup { .. }), "{error}");
    assert_eq!(fs::read(&path).expect("a file"), text);
    assert_eq!(undone(&path, "two"), Undone::EntryOnly);
    assert_eq!(fs::read_to_string(&path).expect("a file"), THEIRS);
}

#[test]
fn where_there_was_no_file_there_is_none_after_an_undo() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("new/deeper/mcp.json");
    let done = applied(&path, &put_change(stdio(), false), 0);
    let backup = done.backup.expect("a backup");
    assert!(backup.to_string_lossy().ends_with(".absent"), "{}", backup.display());
    assert_eq!(fs::read(&backup).expect("a backup"), b"");
    let with = fs::read(&path).expect("a file");
    let back = take_back(&path, NAME, false).expect("an undo");
    assert_eq!((back.undone, path.exists(), backup.exists()), (Undone::Gone, false, false));
    assert_eq!(fs::read(back.backup.expect("a copy")).expect("a copy"), with);
    let gone = applied(&path, &remove_change(), 1);
    assert_eq!((gone.outcome, path.exists()), (Outcome::Unchanged, false));
}
