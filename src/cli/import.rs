//! `import`: the `mcpo.yaml` that matches a compose file or a `docker run …` line.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::error::CliError;
use super::files::{NewFile, write_all};
use super::session::Global;
use crate::config::files::{self, MAX_FILE};
use crate::config::resolve_text;
use crate::diagnostic::{Exit, Failure};
use crate::env::Env;
use crate::import::{Import, Origin, import};
use crate::report::{Reporter, plain_table};

/// The file that is written.
const FILE: &str = "mcpo.yaml";

/// What is done with the result.
pub(super) struct Target<'a> {
    /// The folder; `-` is standard output, nothing the current folder.
    pub(super) output: Option<&'a Path>,
    /// Whether a file that is there is replaced.
    pub(super) force: bool,
}

pub(super) fn run(global: &Global, file: &Path, target: &Target<'_>) -> Result<Exit, Failure> {
    let here = &global.env.folder;
    let (text, name, from) = source(global, file)?;
    let prints = target.output == Some(Path::new("-"));
    let folder = target.output.filter(|_| !prints).map_or_else(|| here.clone(), |folder| here.join(folder));
    let folder = files::absolute(&folder.display().to_string(), here, &global.env);
    let origin = Origin { file: &name, from: &from, to: &folder, env: &global.env };
    let imported = import(&text, &origin)?;
    let mut path = folder.join(FILE);
    let open = check(&imported, &path, global)?;
    if prints {
        if global.reporter.style().format == crate::report::Format::Human {
            global.reporter.raw(&imported.text);
        }
    } else {
        path = write(&path, &imported.text, target.force)?;
    }
    tell(global, &imported, &open, (!prints).then_some(&*path));
    Ok(Exit::Done)
}

/// The text, what messages call it, and the folder that its paths start from.
fn source(global: &Global, file: &Path) -> Result<(String, String, PathBuf), Failure> {
    let here = &global.env.folder;
    let (bytes, name, from) = if file == Path::new("-") {
        let mut bytes = Vec::new();
        let read = io::stdin().lock().take(MAX_FILE + 1).read_to_end(&mut bytes);
        read.map_err(|error| unreadable("-", &error.to_string()))?;
        if bytes.len() as u64 > MAX_FILE {
            return Err(unreadable("-", "it is larger than 1 MiB").into());
        }
        (bytes, "standard input".to_owned(), here.clone())
    } else {
        let path = files::absolute(&file.display().to_string(), here, &global.env);
        let name = global.shown(&path);
        let (bytes, _) =
            files::read(&path).map_err(|error| CliError::Unreadable(error.message(Path::new(&name))))?;
        let from = path.parent().unwrap_or(here).to_owned();
        (bytes, name, from)
    };
    let text = String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = before.split(|byte| *byte == b'\n').count();
        CliError::Unreadable(format!("{name}:{line}: this is not UTF-8"))
    })?;
    Ok((text, name, from))
}

fn unreadable(name: &str, why: &str) -> CliError {
    CliError::Unreadable(format!("{name} cannot be used: {why}"))
}

/// Resolves what is to be written. What is missing on the disk is left to its owner, and returned;
/// anything else would be a bug of ours.
fn check(imported: &Import, path: &Path, global: &Global) -> Result<Vec<String>, Failure> {
    const ON_DISK: [&str; 7] = [
        "orchestrator.build.context",
        "orchestrator.build.dockerfile",
        "app.build.context",
        "app.build.dockerfile",
        "orchestrator.env_file",
        "hardening.seccomp",
        "logs.folder",
    ];
    let home = global.env.home().map(|home| ("HOME".to_owned(), home.display().to_string()));
    let env = Env::from_pairs(home, global.env.folder.clone());
    let Err(error) = resolve_text(&imported.text, path, &env) else { return Ok(Vec::new()) };
    let (open, wrong): (Vec<_>, Vec<_>) = error
        .problems
        .into_iter()
        .partition(|problem| ON_DISK.contains(&problem.key.as_str()) || problem.key == "project");
    match wrong.first() {
        None => Ok(open.into_iter().map(|problem| format!("{}: {}", problem.key, problem.message)).collect()),
        Some(problem) => Err(CliError::Unresolved(problem.to_string()).into()),
    }
}

/// Writes the file, or what is called `mcpo.yml` in its place, and returns where.
fn write(path: &Path, text: &str, force: bool) -> Result<PathBuf, Failure> {
    let other = path.with_file_name("mcpo.yml");
    let there = [path, &*other].into_iter().find(|path| path.symlink_metadata().is_ok());
    match there {
        Some(there) if !force => Err(CliError::Exists(there.to_owned()).into()),
        there => {
            let path = there.unwrap_or(path).to_owned();
            let file = NewFile { path: path.clone(), text: text.to_owned(), is_ours: |_| false };
            write_all(&[file], force)?;
            Ok(path)
        }
    }
}

fn tell(global: &Global, imported: &Import, open: &[String], path: Option<&Path>) {
    let reporter = &global.reporter;
    let shown = path.map(|path| global.shown(path));
    if let Some(shown) = &shown {
        reporter.text(&format!("wrote {shown}\n"));
        tables(imported, |text| reporter.text(text), reporter);
    } else if reporter.style().verbosity > crate::report::Verbosity::Quiet {
        // Standard output is the file's.
        tables(imported, |text| reporter.raw_error(text), reporter);
    }
    for problem in open {
        reporter.warning(&format!("before `mcpo-deploy up`: {problem}"));
    }
    let gaps = imported.gaps.iter().map(|gap| {
        json!({
            "id": gap.id, "service": gap.service, "line": gap.line, "was": gap.was, "now": gap.now,
            "closed": gap.closed, "follows": gap.follows,
        })
    });
    let kept = imported.kept_weaker.iter();
    let kept = kept.map(|kept| json!({"key": kept.key, "value": kept.value, "what": kept.what}));
    let notes = imported.not_taken_over.iter();
    let notes = notes.map(|note| json!({"line": note.line, "what": note.what, "why": note.why}));
    reporter.json(&json!({
        "file": shown,
        "text": if path.is_none() { Value::from(&*imported.text) } else { Value::Null },
        "gaps": gaps.collect::<Vec<_>>(),
        "kept_weaker": kept.collect::<Vec<_>>(),
        "not_taken_over": notes.collect::<Vec<_>>(),
        "missing": open,
    }));
}

/// What was closed, what was kept and what was left out, each where there is any.
fn tables(imported: &Import, say: impl Fn(&str), reporter: &Reporter) {
    let style = reporter.style();
    let rows: Vec<Vec<String>> = imported
        .gaps
        .iter()
        .map(|gap| {
            vec![
                gap.id.to_owned(),
                gap.service.clone(),
                gap.was.clone(),
                gap.now.clone(),
                gap.follows.to_owned(),
            ]
        })
        .collect();
    if !rows.is_empty() {
        say(&format!("\n{}", plain_table(&["GAP", "SERVICE", "WAS", "NOW", "FOLLOWS"], &rows, style)));
        let open = imported.gaps.iter().filter(|gap| !gap.closed).count();
        say(&format!("{} gaps: {} closed, {open} open\n", rows.len(), rows.len() - open));
    }
    let rows: Vec<Vec<String>> = imported
        .kept_weaker
        .iter()
        .map(|kept| vec![kept.key.to_owned(), kept.value.clone(), kept.what.clone()])
        .collect();
    if !rows.is_empty() {
        say(&format!("\n{}", plain_table(&["KEPT WEAKER", "VALUE", "WHAT IT GIVES AWAY"], &rows, style)));
    }
    let line = |line: usize| if line == 0 { String::new() } else { line.to_string() };
    let rows: Vec<Vec<String>> = imported
        .not_taken_over
        .iter()
        .map(|note| vec![line(note.line), note.what.clone(), note.why.clone()])
        .collect();
    if !rows.is_empty() {
        say(&format!("\n{}", plain_table(&["LINE", "NOT TAKEN OVER", "WHY"], &rows, style)));
    }
}
