use super::*;
use crate::config::{Input, resolve};
use crate::env::Env;

/// What a folder with this `mcpo.yaml` resolves to, without the file itself and the origins.
fn resolved(text: Option<&str>) -> (crate::config::Stack, Vec<(&'static str, serde_json::Value)>) {
    let root = tempfile::tempdir().expect("folder");
    let folder = root.path().join("demo");
    std::fs::create_dir(&folder).expect("folder");
    if let Some(text) = text {
        std::fs::write(folder.join("mcpo.yaml"), text).expect("file");
    }
    let env = Env::from_pairs::<&str, &str>([], folder);
    let resolved = resolve(&Input::new(&env)).expect("no problem");
    let mut stack = resolved.stack;
    stack.file = None;
    stack.folder = PathBuf::new();
    if let Some(file) = &mut stack.orchestrator.env_file {
        file.path = PathBuf::new();
    }
    (stack, resolved.settings.into_iter().map(|setting| (setting.key, setting.value)).collect())
}

#[test]
fn the_new_file_means_the_same_as_none_commented_or_not() {
    let text = file_text();
    let lines: Vec<&str> = text.lines().map(|line| line.strip_prefix("# ").unwrap_or(line)).collect();
    let uncommented = lines.join("\n");
    assert!(uncommented.contains("\n  memory: 2g\n"), "{uncommented}");
    let default = resolved(None);
    assert_eq!(resolved(Some(&text)), default);
    assert_eq!(resolved(Some(&uncommented)), default);
}

#[test]
fn the_new_file_is_narrow_enough_to_read() {
    let wide: Vec<_> = [file_text(), env_text()]
        .iter()
        .flat_map(|text| text.lines())
        .filter(|line| line.len() > 160)
        .map(str::to_owned)
        .collect();
    assert_eq!(wide, Vec::<String>::new());
}

fn done(folder: &Path) -> Vec<Done> {
    write(folder, false).expect("written").into_iter().map(|written| written.done).collect()
}

#[test]
fn a_new_folder_gets_three_files_and_a_second_run_changes_nothing() {
    let folder = tempfile::tempdir().expect("folder");
    assert_eq!(done(folder.path()), [Done::Created; 3]);
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).expect(name);
    assert_eq!(read(".gitignore"), ".env\n");
    assert!(read(".env").ends_with("OPENROUTER_API_KEY=\nOPENAI_API_KEY=\n"));
    std::fs::write(folder.path().join(".env"), "MINE=1\n").expect("file");
    assert_eq!(done(folder.path()), [Done::Kept; 3]);
    assert_eq!(read(".env"), "MINE=1\n");
}

#[cfg(unix)]
#[test]
fn the_env_file_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().expect("folder");
    done(folder.path());
    let mode = folder.path().join(".env").metadata().expect("file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn the_ignore_line_is_added_only_where_no_rule_covers_the_env_file() {
    for (before, after) in [
        ("", ".env\n"),
        ("target", "target\n.env\n"),
        ("target\n", "target\n.env\n"),
        ("# .env\n", "# .env\n.env\n"),
        (".env\n!.env\n", ".env\n!.env\n.env\n"),
        (".env.local\n", ".env.local\n.env\n"),
    ] {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join(".gitignore");
        std::fs::write(&path, before).expect("file");
        assert_eq!(done(folder.path())[0], Done::Appended, "{before}");
        assert_eq!(std::fs::read_to_string(&path).expect("file"), after);
    }
    for covered in [".env", "/.env\r\n", "*.env\n", ".env*\n", ".*\n", "**/.env"] {
        assert!(covers_env_file(covered), "{covered}");
    }
}

#[test]
fn a_file_by_the_other_name_is_kept_and_none_is_put_beside_it() {
    let folder = tempfile::tempdir().expect("folder");
    std::fs::write(folder.path().join("mcpo.yml"), "").expect("file");
    let written = write(folder.path(), false).expect("written");
    assert_eq!(written[2], Written { path: folder.path().join("mcpo.yml"), done: Done::Kept });
    assert!(!folder.path().join("mcpo.yaml").exists());
}

#[test]
fn a_folder_that_is_not_there_is_an_error_that_names_the_file() {
    let error = write(Path::new("/nowhere/at/all"), false).expect_err("no folder");
    assert_eq!(error.to_string(), "cannot write /nowhere/at/all/.gitignore");
    assert_eq!(error.exit(), Exit::Failed);
}

#[test]
fn a_dry_run_tells_the_same_and_writes_nothing() {
    let folder = tempfile::tempdir().expect("folder");
    let told = write(folder.path(), true).expect("told");
    assert_eq!(std::fs::read_dir(folder.path()).expect("folder").count(), 0);
    assert_eq!(told, write(folder.path(), false).expect("written"));
}
