//! The file edge: modes, links, locks, backups, and what is refused.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mcpo_deploy::clients::{
    Applied, Change, Entry, FileError, Launch, Outcome, Undone, apply, is_installed, locate, look, preview,
    read,
};
use mcpo_deploy::diagnostic::Diagnostic;

use super::{NAME, demo, put_change, row, short, stdio};

/// 2026-11-25T03:00:00Z, and so many seconds.
pub(super) fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_795_575_600 + seconds)
}

pub(super) fn named(name: &str, launch: Launch) -> Change {
    Change::Put { entry: Entry { name: name.to_owned(), launch }, this: demo(), force: false }
}

pub(super) fn applied(path: &Path, change: &Change, seconds: u64) -> Applied {
    apply(path, row("cursor"), change, at(seconds)).expect("a change")
}

pub(super) fn backups(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut found: Vec<PathBuf> = entries.filter(|path| path.to_string_lossy().contains(".mcpo-")).collect();
    found.sort();
    found
}

pub(super) const THEIRS: &str = "{ /* mine */ \"mcpServers\": {\"a\": {}} }\n";

#[test]
fn a_change_keeps_the_old_bytes_beside_the_file_under_a_name_that_says_what_was_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("mcp.json");
    fs::write(&path, THEIRS).expect("a file");
    let done = applied(&path, &put_change(stdio(), false), 0);
    assert_eq!(done.outcome, Outcome::Added);
    let backup = done.backup.expect("a backup");
    let name = backup.file_name().expect("a name").to_string_lossy().into_owned();
    assert!(name.starts_with("mcp.json.mcpo-20261125T030000-"), "{name}");
    assert_eq!(backup.extension(), Some("bak".as_ref()));
    assert_eq!(fs::read_to_string(&backup).expect("a backup"), THEIRS);
    let again = applied(&path, &put_change(stdio(), false), 1);
    assert_eq!((again.outcome, again.backup), (Outcome::Unchanged, None));
    assert_eq!(backups(folder.path()), [backup]);
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 2, "no temporary file is left");
}

#[test]
fn a_preview_shows_both_texts_and_writes_neither() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("new/mcp.json");
    let (old, new) = preview(&path, row("cursor"), &put_change(stdio(), false)).expect("a preview");
    assert_eq!((old, read(&new, row("cursor"), NAME)), (Vec::new(), Ok(Some(stdio()))));
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0);
}

#[test]
fn only_so_many_backups_are_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("mcp.json");
    for second in 0..25 {
        applied(&path, &put_change(short(&[("N", &second.to_string())]), false), second);
    }
    let kept = backups(folder.path());
    assert_eq!(kept.len(), 20);
    assert!(kept[1].to_string_lossy().contains("T030006-"), "{}", kept[1].display());
    // What was there before any of it is the one that nobody can write again.
    assert!(kept[0].to_string_lossy().contains("T030000-"), "{}", kept[0].display());
}

/// As a run leaves it that is killed while it writes.
#[test]
fn half_a_file_of_a_killed_run_goes_with_the_next_writing() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("mcp.json");
    fs::write(&path, THEIRS).expect("a file");
    fs::write(folder.path().join(".mcp.json.mcpo-new"), "{ half").expect("a file");
    applied(&path, &put_change(stdio(), false), 0);
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 2);
}

#[test]
fn two_who_write_at_once_both_get_their_entries() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("mcp.json");
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let path = &path;
            scope.spawn(move || {
                for number in 0..4 {
                    applied(path, &named(&format!("w{writer}n{number}"), short(&[])), 0);
                }
            });
        }
    });
    let text = fs::read(&path).expect("a file");
    for name in (0..4).flat_map(|writer| (0..4).map(move |number| format!("w{writer}n{number}"))) {
        assert_eq!(read(&text, row("cursor"), &name), Ok(Some(short(&[]))), "{name}");
    }
    assert_eq!(backups(folder.path()).len(), 16);
}

#[test]
fn a_broken_file_is_not_touched_and_nothing_is_left_beside_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("mcp.json");
    fs::write(&path, "{,").expect("a file");
    let error = apply(&path, row("cursor"), &put_change(stdio(), false), at(0)).expect_err("broken");
    let source = std::error::Error::source(&error).expect("a source").to_string();
    assert!(source.starts_with("it is not JSON at 1:2"), "{source}");
    assert!(error.hint().is_some());
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
    assert_eq!(fs::read_to_string(&path).expect("a file"), "{,");
}

#[test]
fn of_several_places_the_one_that_is_there_is_taken() {
    let folder = tempfile::tempdir().expect("a folder");
    let [json, jsonc] = ["a/x.json", "a/x.jsonc"].map(|path| folder.path().join(path));
    let places = [json.clone(), jsonc.clone()];
    assert_eq!(locate(&places), Some(json.clone()));
    fs::create_dir(folder.path().join("a")).expect("a folder");
    fs::write(&jsonc, "{}").expect("a file");
    assert_eq!(locate(&places), Some(jsonc));
    let store = folder.path().join("Packages/*Claude*/Roaming/c.json");
    assert_eq!(locate(&[store.clone(), json.clone()]), Some(json.clone()));
    let real = folder.path().join("Packages/AnthropicClaude_x/Roaming");
    fs::create_dir_all(&real).expect("a folder");
    fs::remove_dir_all(folder.path().join("a")).expect("no folder");
    assert_eq!(locate(&[store, json]), Some(real.join("c.json")));
    assert_eq!(locate(&[]), None);
}

#[test]
fn a_client_is_installed_where_its_folder_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let homes = mcpo_deploy::clients::Homes {
        os: mcpo_deploy::clients::Os::Linux,
        home: folder.path().to_owned(),
        appdata: None,
        localappdata: None,
        xdg_config: None,
        claude_config_dir: None,
        codex_home: None,
    };
    assert!(!is_installed(row("cursor"), &homes));
    fs::create_dir(folder.path().join(".cursor")).expect("a folder");
    assert!(is_installed(row("cursor"), &homes));
}

#[cfg(unix)]
mod unix {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("a file").mode() & 0o7777
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a mode");
    }

    #[test]
    fn what_is_new_is_its_owners_alone_and_what_was_there_keeps_its_mode() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("new/deeper/mcp.json");
        let done = applied(&path, &put_change(stdio(), false), 0);
        assert_eq!(mode(&folder.path().join("new")), 0o700);
        assert_eq!(mode(&folder.path().join("new/deeper")), 0o700);
        assert_eq!((mode(&path), mode(&done.backup.expect("a backup"))), (0o600, 0o600));
        set_mode(&path, 0o644);
        let done = applied(&path, &put_change(short(&[]), false), 1);
        assert_eq!((mode(&path), mode(&done.backup.expect("a backup"))), (0o644, 0o644));
    }

    #[test]
    fn a_link_stays_a_link_and_its_target_is_changed() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("dotfiles")).expect("a folder");
        let target = folder.path().join("dotfiles/mcp.json");
        fs::write(&target, THEIRS).expect("a file");
        let [link, first] = ["mcp.json", "first.json"].map(|name| folder.path().join(name));
        symlink("dotfiles/mcp.json", &first).expect("a link");
        symlink(&first, &link).expect("a link");
        let done = applied(&link, &put_change(stdio(), false), 0);
        assert_eq!(done.path, folder.path().join("dotfiles/mcp.json"));
        assert!(fs::symlink_metadata(&link).expect("a link").is_symlink());
        assert!(fs::symlink_metadata(&first).expect("a link").is_symlink());
        assert_eq!(backups(&folder.path().join("dotfiles")).len(), 1);
        assert_eq!(super::super::taking_back::undone(&link, NAME), Undone::Exactly);
        assert_eq!(fs::read_to_string(&target).expect("a file"), THEIRS);
    }

    #[test]
    fn a_link_to_nothing_gets_its_target_and_a_link_to_itself_is_an_error() {
        let folder = tempfile::tempdir().expect("a folder");
        let [link, round] = ["mcp.json", "round.json"].map(|name| folder.path().join(name));
        symlink("real/mcp.json", &link).expect("a link");
        applied(&link, &put_change(stdio(), false), 0);
        assert!(folder.path().join("real/mcp.json").is_file());
        symlink(&round, &round).expect("a link");
        let error = apply(&round, row("cursor"), &put_change(stdio(), false), at(0)).expect_err("round");
        assert!(matches!(error, FileError::TooManyLinks { .. }), "{error}");
    }

    #[test]
    fn what_is_only_read_may_be_read_only_and_have_other_names() {
        let folder = tempfile::tempdir().expect("a folder");
        let [path, other] = ["mcp.json", "other.json"].map(|name| folder.path().join(name));
        fs::write(&path, THEIRS).expect("a file");
        applied(&path, &put_change(stdio(), false), 0);
        set_mode(&path, 0o444);
        fs::hard_link(&path, &other).expect("a link");
        assert_eq!(
            look(&path, row("cursor"), NAME).expect("a look").map(|found| found.launch),
            Some(stdio())
        );
        let (old, new) = preview(&path, row("cursor"), &put_change(short(&[]), false)).expect("a preview");
        assert_ne!(old, new);
        // What is as it should be is not written.
        assert_eq!(applied(&path, &put_change(stdio(), false), 1).outcome, Outcome::Unchanged);
    }

    #[test]
    fn what_cannot_be_replaced_in_good_faith_is_an_error_that_says_so() {
        let folder = tempfile::tempdir().expect("a folder");
        let [path, other] = ["mcp.json", "other.json"].map(|name| folder.path().join(name));
        fs::write(&path, THEIRS).expect("a file");
        fs::hard_link(&path, &other).expect("a link");
        let error = |path: &Path| {
            apply(path, row("cursor"), &put_change(stdio(), false), at(0)).expect_err("refused")
        };
        let linked = error(&path);
        assert!(linked.to_string().contains("has 2 names (hard links)"), "{linked}");
        assert!(linked.hint().is_some());
        fs::remove_file(&other).expect("a file");
        set_mode(&path, 0o444);
        let readonly = error(&path);
        assert!(readonly.to_string().contains("is read-only"), "{readonly}");
        assert!(readonly.hint().is_some());
        assert!(matches!(error(folder.path()), FileError::NotAFile { .. }));
        assert!(backups(folder.path()).is_empty());
        assert_eq!(fs::read_to_string(&path).expect("a file"), THEIRS);
    }

    #[test]
    fn in_a_read_only_folder_the_step_that_failed_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("mcp.json");
        fs::write(&path, THEIRS).expect("a file");
        set_mode(folder.path(), 0o500);
        let writable = fs::write(folder.path().join("probe"), "").is_ok();
        let result = apply(&path, row("cursor"), &put_change(stdio(), false), at(0));
        set_mode(folder.path(), 0o700);
        // Root writes everywhere.
        if !writable {
            let error = result.expect_err("read-only");
            assert!(error.to_string().starts_with("cannot make "), "{error}");
            assert!(error.hint().is_some());
        }
    }
}
