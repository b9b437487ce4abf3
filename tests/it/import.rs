//! Somebody's compose file or run line → a `mcpo.yaml`, the gaps that it closes, and what it leaves.

mod files;
mod lines;
mod whatever;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use mcpo_deploy::config::{Resolved, resolve_text};
use mcpo_deploy::env::Env;
use mcpo_deploy::import::{Import, ImportError, Origin, import};

/// Reads a text that lies in `from` for a `mcpo.yaml` in `to`.
fn read_from(text: &str, from: &str, to: &str) -> Result<Import, ImportError> {
    let env = Env::from_pairs([("HOME", "/home/me")], PathBuf::from(to));
    import(text, &Origin { file: "theirs", from: Path::new(from), to: Path::new(to), env: &env })
}

fn read(text: &str) -> Result<Import, ImportError> {
    read_from(text, "/demo", "/demo")
}

/// Every problem of what was written but those of files that are not there.
fn problems(imported: &Import) -> Vec<String> {
    let env = Env::from_pairs([("HOME", "/home/me")], PathBuf::from("/demo"));
    let missing = ["build.context", "build.dockerfile", "env_file", "seccomp", "logs.folder"];
    match resolve_text(&imported.text, Path::new("/demo/mcpo.yaml"), &env) {
        Ok(_) => Vec::new(),
        Err(error) => {
            let own =
                error.problems.iter().filter(|problem| !missing.iter().any(|key| problem.key.ends_with(key)));
            own.map(ToString::to_string).collect()
        }
    }
}

/// What was written, resolved; for texts that name no file.
fn resolved(imported: &Import) -> Resolved {
    let env = Env::from_pairs([("HOME", "/home/me")], PathBuf::from("/demo"));
    resolve_text(&imported.text, Path::new("/demo/mcpo.yaml"), &env)
        .unwrap_or_else(|error| panic!("{error}\n{}", imported.text))
}

/// Everything that is told.
fn told(imported: &Import) -> String {
    let mut text = imported.text.clone();
    for gap in &imported.gaps {
        let state = if gap.closed { "closed" } else { "open" };
        let _ = writeln!(
            text,
            "gap {} {}:{} {state}: {} -> {} [{}]",
            gap.id, gap.service, gap.line, gap.was, gap.now, gap.follows
        );
    }
    for kept in &imported.kept_weaker {
        let _ = writeln!(text, "kept {}: {} ({})", kept.key, kept.value, kept.what);
    }
    for note in &imported.not_taken_over {
        let _ = writeln!(text, "left {}:{}: {}", note.line, note.what, note.why);
    }
    text
}
