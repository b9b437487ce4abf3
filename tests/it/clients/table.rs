//! The table itself: ids, places, what each client can do.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use mcpo_deploy::clients::{Homes, Os, Scope, clients};

fn homes(os: Os, home: &str) -> Homes {
    Homes {
        os,
        home: PathBuf::from(home),
        appdata: None,
        localappdata: None,
        xdg_config: None,
        claude_config_dir: None,
        codex_home: None,
    }
}

#[test]
fn every_client_has_its_places_on_every_system() {
    let mut told = String::new();
    for client in clients() {
        writeln!(told, "{} ({})", client.id(), client.title()).expect("a string");
        for (name, os) in [("linux", Os::Linux), ("mac", Os::MacOs), ("windows", Os::Windows)] {
            let paths = client.paths(&homes(os, "~"), Scope::User, Path::new("."));
            assert!(!paths.is_empty(), "{}", client.id());
            for path in paths {
                writeln!(told, "  {name}: {}", path.display()).expect("a string");
            }
            assert!(!client.signs(&homes(os, "~")).is_empty(), "{}", client.id());
        }
        for path in client.paths(&homes(Os::Linux, "~"), Scope::Project, Path::new("")) {
            writeln!(told, "  project: {}", path.display()).expect("a string");
        }
        let can = match (client.takes_url(), client.takes_variable()) {
            (true, true) => "a URL, and a token by name",
            (true, false) => "a URL, and a token in the file",
            _ => "no URL",
        };
        writeln!(told, "  takes {can}").expect("a string");
    }
    insta::assert_snapshot!(told);
}

#[test]
fn ids_are_there_once_and_in_order() {
    let ids: Vec<&str> = clients().iter().map(mcpo_deploy::clients::Client::id).collect();
    assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
}

#[test]
fn what_the_environment_says_moves_the_places_that_depend_on_it() {
    let moved = Homes {
        xdg_config: Some("/xdg".into()),
        claude_config_dir: Some("/claude".into()),
        codex_home: Some("/codex".into()),
        ..homes(Os::Linux, "/home/me")
    };
    for (id, path) in [
        ("claude-code", "/claude/.claude.json"),
        ("codex", "/codex/config.toml"),
        ("goose", "/xdg/goose/config.yaml"),
        ("cursor", "/home/me/.cursor/mcp.json"),
    ] {
        assert_eq!(super::row(id).paths(&moved, Scope::User, Path::new(""))[0], Path::new(path));
    }
    let windows = Homes { appdata: Some("/roaming".into()), ..homes(Os::Windows, "/home/me") };
    let paths = super::row("zed").paths(&windows, Scope::User, Path::new(""));
    assert_eq!(paths, [Path::new("/roaming/Zed/settings.json")]);
}
