//! Who imports whom, by the table in `docs/adr/0001-layers.md`, and what else that page promises.

mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use source::{Source, Token};

/// Layer to the layers that it may import.
type Table = BTreeMap<String, BTreeSet<String>>;

const MAX_LINES: usize = 600;

/// The one place of each thing that is read from the process besides `src/env.rs`.
const FROM_PROCESS: [(&str, &str); 2] =
    [("engine/programs.rs", "current_exe"), ("bin/mcp-orchestrator.rs", "args_os")];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The rows of the page's table: the first two cells, as the names in backticks.
fn table() -> Table {
    let page = std::fs::read_to_string(root().join("docs/adr/0001-layers.md")).expect("the page");
    let names =
        |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<BTreeSet<String>>();
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    let table: Table = rows
        .map(|row| {
            let mut cells = row.split('|').skip(1);
            let layer = names(cells.next().expect("a layer")).pop_first().expect("a name");
            (layer, names(cells.next().expect("layers")))
        })
        .collect();
    assert!(table.len() > 10, "the table was not found: {table:?}");
    table
}

/// Every Rust file below a folder of the package, with its path from there.
fn files(folder: &str) -> Vec<(String, String)> {
    let base = root().join(folder);
    let (mut found, mut open) = (Vec::new(), vec![PathBuf::new()]);
    while let Some(path) = open.pop() {
        for entry in std::fs::read_dir(base.join(&path)).expect("a folder") {
            let entry = entry.expect("an entry");
            let path = path.join(entry.file_name());
            if entry.path().is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let text = std::fs::read_to_string(entry.path()).expect("a file");
                found.push((path.display().to_string(), text));
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "{folder}");
    found
}

/// Everything in a file of `src/` that the page forbids, with its line.
fn violations(table: &Table, path: &str, text: &str) -> Vec<String> {
    let source = Source::of(path, text);
    let mut found = imports(table, path, &source);
    let names_engine = path.starts_with("engine/docker/") || path == "engine/error.rs";
    let tokens = &source.tokens;
    for (at, Token { text: word, line }) in tokens.iter().enumerate() {
        let next = |ahead: usize| tokens.get(at + ahead).map_or("", |token| token.text.as_str());
        let mut say = |what: String| found.push(format!("{path}:{line}: {what}"));
        match word.as_str() {
            "bollard" if !names_engine => say("bollard is named outside the engine".to_owned()),
            "print" | "println" | "eprint" | "eprintln" | "dbg" if next(1) == "!" => {
                say(format!("{word}! is called"));
            }
            "std" if next(1) == "::" && next(2) == "env" => {
                let what = if next(3) == "::" { next(4) } else { "" };
                if path != "env.rs" && !FROM_PROCESS.contains(&(path, what)) {
                    say(format!("std::env::{what} is read"));
                }
            }
            _ => {}
        }
    }
    if text.lines().count() > MAX_LINES {
        found.push(format!("{path}: it is longer than {MAX_LINES} lines"));
    }
    found
}

fn imports(table: &Table, path: &str, source: &Source) -> Vec<String> {
    let layer = source::layer(path);
    if layer == "lib" {
        return Vec::new();
    }
    let Some(allowed) = table.get(layer) else {
        return vec![format!("{path}: the layer {layer} has no row in the table")];
    };
    let fine = |target: &str| target == layer || target == "diagnostic" || allowed.contains(target);
    let forbidden = source.imports().into_iter().filter(|(target, _)| !fine(target));
    forbidden.map(|(target, line)| format!("{path}:{line}: {layer} imports {target}")).collect()
}

#[test]
fn every_layer_imports_only_what_the_table_allows() {
    let table = table();
    let found: Vec<String> =
        files("src").iter().flat_map(|(path, text)| violations(&table, path, text)).collect();
    assert!(found.is_empty(), "docs/adr/0001-layers.md forbids:\n{}", found.join("\n"));
}

#[test]
fn no_test_is_longer_than_a_file_may_be() {
    for (path, text) in files("tests") {
        assert!(text.lines().count() <= MAX_LINES, "tests/{path} is longer than {MAX_LINES} lines");
    }
}

/// The checker itself: what it finds in planted files, and what it lets pass.
#[test]
fn a_planted_violation_is_found_however_it_is_spelt() {
    let table = table();
    let planted = [
        ("plan/x.rs", "use crate::engine::Docker;", "plan/x.rs:1: plan imports engine"),
        ("plan/x.rs", "use crate::{model::Bytes, engine};", "plan/x.rs:1: plan imports engine"),
        ("plan/x.rs", "use crate::{model::{Bytes, Cpus}, r#engine::X};", "plan/x.rs:1: plan imports engine"),
        ("plan/x.rs", "fn f() {\n    crate::engine::f();\n}", "plan/x.rs:2: plan imports engine"),
        ("plan/x.rs", "use super::super::engine::Docker;", "plan/x.rs:1: plan imports engine"),
        ("plan/mod.rs", "use super::engine::Docker;", "plan/mod.rs:1: plan imports engine"),
        ("plan/x.rs", "mod t {\n use super::super::super::cli; }", "plan/x.rs:2: plan imports cli"),
        ("plan/x.rs", "use crate::*;", "plan/x.rs:1: plan imports *"),
        ("plan/x.rs", "use crate as c;", "plan/x.rs:1: plan imports *"),
        ("model/x.rs", "use crate::env::Env;", "model/x.rs:1: model imports env"),
        ("bridge/a/b.rs", "use super::super::super::config::f;", "bridge/a/b.rs:1: bridge imports config"),
        ("bin/x.rs", "use mcpo_deploy::engine::Docker;", "bin/x.rs:1: bin imports engine"),
        ("clock/x.rs", "", "clock/x.rs: the layer clock has no row in the table"),
        (
            "engine/execute.rs",
            "use bollard::Docker;",
            "engine/execute.rs:1: bollard is named outside the engine",
        ),
        ("report/x.rs", "fn f() { println!(\"x\"); }", "report/x.rs:1: println! is called"),
        ("cli/x.rs", "fn f() { std::eprint!(\"x\"); }", "cli/x.rs:1: eprint! is called"),
        ("cli/x.rs", "fn f() { std::env::var(\"X\"); }", "cli/x.rs:1: std::env::var is read"),
        ("cli/x.rs", "use std::env;", "cli/x.rs:1: std::env:: is read"),
    ];
    for (path, text, expected) in planted {
        assert_eq!(violations(&table, path, text), [expected], "{text}");
    }
    let long = "\n".repeat(MAX_LINES + 1);
    assert_eq!(violations(&table, "plan/x.rs", &long), ["plan/x.rs: it is longer than 600 lines"]);
}

#[test]
fn what_is_allowed_and_what_only_looks_forbidden_passes() {
    let table = table();
    for (path, text) in [
        ("plan/x.rs", "use crate::{config::Stack, diagnostic, model};\nuse super::super::plan;"),
        (
            "plan/x.rs",
            "// crate::engine\n/* use crate::engine; /* bollard */ std::env::var */\n/// println!()\nfn f() {}",
        ),
        ("plan/x.rs", r##"const A: &str = "crate::engine \" bollard"; const B: &str = r#"println!("x")"#;"##),
        (
            "plan/x.rs",
            "pub(crate) fn f<'a>(c: char) -> bool { c == '\"' || c == '\\'' }\nconst X: &str = env!(\"X\");",
        ),
        ("plan/x.rs", "mod tests {\n use super::super::engineer; }"),
        ("engine/docker/mod.rs", "use bollard::Docker;\nuse super::super::plan::Plan;"),
        ("engine/programs.rs", "fn f() { std::env::current_exe(); }"),
        ("env.rs", "fn f() { std::env::vars_os(); }"),
    ] {
        assert_eq!(violations(&table, path, text), [""; 0], "{text}");
    }
}
