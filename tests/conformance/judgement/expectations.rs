//! The committed list of scenarios: every one of a revision's set, and why one does not pass.

use std::collections::BTreeMap;

use super::MODES;

/// Why a scenario does not pass, by mode; the other modes pass.
pub(crate) type Reasons = BTreeMap<String, String>;

/// By revision, then by scenario.
#[derive(Debug, Default)]
pub(crate) struct Expectations(BTreeMap<String, BTreeMap<String, Reasons>>);

impl Expectations {
    /// Reads lines that are `[revision]`, a scenario's name, or below it `  not MODE…: REASON`; `#` begins
    /// a comment. The error names the line.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut revisions: BTreeMap<String, BTreeMap<String, Reasons>> = BTreeMap::new();
        let (mut revision, mut scenario) = (String::new(), String::new());
        for (number, line) in (1..).zip(text.lines()) {
            let wrong = |what: &str| Err(format!("line {number}: {what}: {line:?}"));
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                if revisions.insert(name.to_owned(), BTreeMap::new()).is_some() {
                    return wrong("the revision is there twice");
                }
                (revision, scenario) = (name.to_owned(), String::new());
                continue;
            }
            let Some(scenarios) = revisions.get_mut(&revision) else { return wrong("no revision yet") };
            let Some(rest) = line.strip_prefix("  ") else {
                line.trim_end().clone_into(&mut scenario);
                if scenarios.insert(scenario.clone(), Reasons::new()).is_some() {
                    return wrong("the scenario is there twice");
                }
                continue;
            };
            let Some(reasons) = scenarios.get_mut(&scenario) else { return wrong("no scenario yet") };
            let parts = rest.strip_prefix("not ").and_then(|rest| rest.split_once(": "));
            let Some((modes, reason)) = parts.filter(|(_, reason)| !reason.trim().is_empty()) else {
                return wrong("neither a scenario nor `not MODE…: REASON`");
            };
            for mode in modes.split(' ') {
                if !MODES.contains(&mode) || reasons.insert(mode.to_owned(), reason.to_owned()).is_some() {
                    return wrong("a mode is unknown, or has its reason already");
                }
            }
        }
        Ok(Self(revisions))
    }

    /// The scenarios of a revision.
    pub(crate) fn of(&self, revision: &str) -> BTreeMap<String, Reasons> {
        self.0.get(revision).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_list_holds_the_whole_of_both_sets() {
        let expected = Expectations::parse(include_str!("../expectations.txt")).expect("expectations");
        assert_eq!(expected.of("2025-11-25").len(), 33);
        assert_eq!(expected.of("2026-07-28").len(), 50);
    }

    #[test]
    fn a_scenario_passes_where_no_reason_says_otherwise() {
        let text = "# c\n[r]\na\nb\n  not legacy bare: why\n  not dual: else\n";
        let scenarios = Expectations::parse(text).expect("expectations").of("r");
        assert!(scenarios["a"].is_empty());
        let reasons: Vec<_> =
            scenarios["b"].iter().map(|(mode, why)| (mode.as_str(), why.as_str())).collect();
        assert_eq!(reasons, [("bare", "why"), ("dual", "else"), ("legacy", "why")]);
        assert!(Expectations::default().of("r").is_empty());
    }

    #[test]
    fn every_mistake_is_told_with_its_line() {
        for (text, words) in [
            ("a", "line 1: no revision yet"),
            ("[r]\n[r]", "line 2: the revision is there twice"),
            ("[r]\na\na", "line 3: the scenario is there twice"),
            ("[r]\n  not legacy: x", "line 2: no scenario yet"),
            ("[r]\na\n  legacy: x", "line 3: neither"),
            ("[r]\na\n  not legacy: ", "line 3: neither"),
            ("[r]\na\n  not ancient: x", "line 3: a mode is unknown"),
            ("[r]\na\n  not legacy legacy: x", "line 3: a mode is unknown, or has its reason"),
        ] {
            let told = Expectations::parse(text).expect_err(text);
            assert!(told.starts_with(words), "{told}");
        }
    }
}
