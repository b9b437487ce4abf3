//! An error for people and for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::diagnostic::Diagnostic;

/// The error, its causes, and the hint:
///
/// ```text
/// error: cannot reach Docker at unix:///var/run/docker.sock
///   caused by: permission denied
///
/// hint: add yourself to the `docker` group, or set DOCKER_HOST
/// ```
pub(super) fn error_text(error: &dyn Diagnostic) -> String {
    let mut text = format!("error: {error}\n");
    for cause in causes(error) {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  caused by: {cause}");
    }
    if let Some(hint) = error.hint() {
        let _ = writeln!(text, "\nhint: {}", hint.replace('\n', "\n      "));
    }
    text
}

pub(super) fn error_json(error: &dyn Diagnostic) -> Value {
    json!({"error": {
        "message": error.to_string(),
        "causes": causes(error),
        "hint": error.hint(),
        "exit": error.exit().code(),
    }})
}

/// Why, from the nearest cause to the first; one that only repeats the message is passed over.
fn causes(error: &dyn Diagnostic) -> Vec<String> {
    let mut said = error.to_string();
    let mut causes = Vec::new();
    let mut source = error.source();
    while let Some(cause) = source {
        let words = cause.to_string();
        if !said.contains(&words) {
            causes.push(words.clone());
        }
        said = words;
        source = cause.source();
    }
    causes
}
