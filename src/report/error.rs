//! An error for people and for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::visible::visible;
use crate::diagnostic::Diagnostic;

/// The error, its causes, and the hint, for a terminal:
///
/// ```text
/// error: cannot reach Docker at unix:///var/run/docker.sock
///   caused by: permission denied
///
/// hint: add yourself to the `docker` group, or set DOCKER_HOST
/// ```
#[must_use]
pub fn error_text(error: &dyn Diagnostic) -> String {
    let mut text = format!("error: {error}\n");
    for cause in causes(error) {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  caused by: {cause}");
    }
    if let Some(hint) = error.hint() {
        let _ = writeln!(text, "\nhint: {}", hint.replace('\n', "\n      "));
    }
    visible(&text)
}

/// The same as data, under the key `error`.
#[must_use]
pub fn error_json(error: &dyn Diagnostic) -> Value {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Exit;

    #[derive(Debug, thiserror::Error)]
    #[error("{message}")]
    struct Told {
        message: &'static str,
        hint: Option<&'static str>,
        source: Option<Box<Told>>,
    }

    impl Diagnostic for Told {
        fn exit(&self) -> Exit {
            Exit::Failed
        }

        fn hint(&self) -> Option<String> {
            self.hint.map(str::to_owned)
        }
    }

    fn told(messages: &[&'static str], hint: Option<&'static str>) -> Told {
        let mut error: Option<Box<Told>> = None;
        for message in messages.iter().rev() {
            error = Some(Box::new(Told { message, hint, source: error }));
        }
        *error.expect("a message")
    }

    #[test]
    fn an_error_says_the_step_then_why_then_what_to_do() {
        let error = told(&["cannot start x", "refused", "no room"], Some("make room\nthen again"));
        assert_eq!(
            error_text(&error),
            "error: cannot start x\n  caused by: refused\n  caused by: no room\n\nhint: make room\n      then again\n"
        );
        assert_eq!(
            error_json(&error),
            json!({"error": {
                "message": "cannot start x", "causes": ["refused", "no room"],
                "hint": "make room\nthen again", "exit": 1,
            }})
        );
    }

    #[test]
    fn a_cause_that_only_repeats_what_was_said_is_passed_over() {
        let error = told(&["cannot start x: refused", "refused", "no room"], None);
        assert_eq!(error_text(&error), "error: cannot start x: refused\n  caused by: no room\n");
    }
}
