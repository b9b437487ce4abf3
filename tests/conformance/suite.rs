//! The conformance suite, run.

use super::brought::Node;
use super::judgement::results::{self, Results};
use super::run;

/// How long one requirement set may take; it takes some ten.
const SECONDS: u32 = 300;

/// Runs a revision's requirement set against what listens at `url`.
#[track_caller]
pub(crate) fn run_set(revision: &str, url: &str) -> Results {
    let node = Node::bring();
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = node.of_package("@modelcontextprotocol/conformance/dist/index.js");
    command.args(["server", "--url", url, "--requirements", revision, "-o"]).arg(folder.path());
    let ran = run(&command, SECONDS);
    // It is 1 where something that is scored fails, which is ours to judge.
    assert!(matches!(ran.code, Some(0 | 1)), "the suite broke down: {:?} {}{}", ran.code, ran.out, ran.err);
    let results = results::read(folder.path());
    results.unwrap_or_else(|wrong| panic!("{wrong}: {}{}", ran.out, ran.err))
}
