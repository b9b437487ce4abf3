//! What came of each client, for people and for programs.

use serde_json::{Value, json};

use crate::cli::session::Global;
use crate::clients::Client;
use crate::diagnostic::{Exit, Failure};
use crate::report::{error_json, error_text};

/// What came of every client that was tried. Problems are told at the end, all of them.
#[derive(Default)]
pub(super) struct Told {
    documents: Vec<Value>,
    problems: Vec<String>,
}

impl Told {
    /// One that is done, with a line for a person.
    pub(super) fn done(&mut self, global: &Global, line: &str, document: Value) {
        global.reporter.text(line);
        self.documents.push(document);
    }

    /// One that is not.
    pub(super) fn failed(&mut self, client: &Client, error: &Failure) {
        let document = &error_json(&**error)["error"];
        self.documents.push(json!({"client": client.id(), "error": document}));
        self.problems.push(error_text(&**error));
    }

    /// The last words: one document, and every problem.
    pub(super) fn end(self, global: &Global, name: &str) -> Exit {
        for problem in &self.problems {
            global.reporter.raw_error(problem);
        }
        global.reporter.json(&json!({"name": name, "clients": self.documents}));
        if self.problems.is_empty() { Exit::Done } else { Exit::Failed }
    }
}
