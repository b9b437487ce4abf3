//! What the conformance suite found against what is expected of it. Pure: it runs nothing.

pub(crate) mod expectations;
pub(crate) mod results;

use std::collections::BTreeSet;

use expectations::Expectations;
use results::{Outcome, Results};

/// The kinds of server that are put behind the bridge.
pub(crate) const MODES: [&str; 4] = ["legacy", "modern", "dual", "bare"];

/// Everything in which the results differ from what is expected of a revision and a mode, a sentence each.
pub(crate) fn differences(
    expected: &Expectations,
    revision: &str,
    mode: &str,
    results: &Results,
) -> Vec<String> {
    let expected = expected.of(revision);
    let names: BTreeSet<&str> = expected.keys().chain(results.keys()).map(String::as_str).collect();
    let told = names.into_iter().filter_map(|name| {
        let reason = expected.get(name).map(|reasons| reasons.get(mode));
        match (reason, results.get(name)) {
            (None, _) => Some(format!("{name}: is not in the expectations")),
            (Some(_), None) => Some(format!("{name}: was not run")),
            (Some(None), Some(Outcome::Passed)) | (Some(Some(_)), Some(Outcome::NotPassed(_))) => None,
            (Some(None), Some(Outcome::NotPassed(why))) if why.is_empty() => {
                Some(format!("{name}: does not pass: nothing was checked"))
            }
            (Some(None), Some(Outcome::NotPassed(why))) => {
                Some(format!("{name}: does not pass: {}", why.join("; ")))
            }
            (Some(Some(reason)), Some(Outcome::Passed)) => {
                Some(format!("{name}: passes, and is not expected to: {reason}"))
            }
        }
    });
    told.map(|told| format!("{revision}, {mode}: {told}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn differences_of(results: &[(&str, Outcome)]) -> Vec<String> {
        let text = "[2025-11-25]\nping\ntasks\n  not legacy: there are none\n";
        let expected = Expectations::parse(text).expect("expectations");
        let results = results.iter().map(|(name, outcome)| ((*name).to_owned(), outcome.clone()));
        differences(&expected, "2025-11-25", "legacy", &results.collect())
    }

    fn failed() -> Outcome {
        Outcome::NotPassed(vec!["FAILURE Ping: no answer".to_owned()])
    }

    #[test]
    fn what_passes_and_what_has_a_reason_not_to_are_no_differences() {
        assert_eq!(differences_of(&[("ping", Outcome::Passed), ("tasks", failed())]), Vec::<String>::new());
    }

    #[test]
    fn what_fails_what_passes_unexpectedly_what_is_new_and_what_is_missing_are_all_told() {
        let told =
            differences_of(&[("ping", failed()), ("tasks", Outcome::Passed), ("new", Outcome::Passed)]);
        assert_eq!(
            told,
            [
                "2025-11-25, legacy: new: is not in the expectations",
                "2025-11-25, legacy: ping: does not pass: FAILURE Ping: no answer",
                "2025-11-25, legacy: tasks: passes, and is not expected to: there are none",
            ]
        );
        let told = differences_of(&[("ping", Outcome::NotPassed(Vec::new())), ("tasks", failed())]);
        assert_eq!(told, ["2025-11-25, legacy: ping: does not pass: nothing was checked"]);
        let told = differences_of(&[("ping", Outcome::Passed)]);
        assert_eq!(told, ["2025-11-25, legacy: tasks: was not run"]);
    }
}
