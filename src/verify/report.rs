//! What a verification found.

use super::catalog::{CheckInfo, Severity, info};
use crate::plan::Deviation;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is as promised.
    Pass,
    /// It is not.
    Fail,
    /// It could not be looked at; the evidence says why.
    Skip,
}

impl Outcome {
    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Skip => "skip",
        }
    }
}

/// One check and what it saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Its id.
    pub id: &'static str,
    /// What it is about.
    pub what: &'static str,
    /// How bad a failure is.
    pub severity: Severity,
    /// How it ended.
    pub outcome: Outcome,
    /// What was seen.
    pub evidence: String,
    /// What to do, where it failed.
    pub fix: Option<String>,
}

impl Check {
    fn new(id: &'static str, outcome: Outcome, evidence: String, fix: Option<String>) -> Self {
        let CheckInfo { what, severity, .. } = *info(id);
        Self { id, what, severity, outcome, evidence, fix }
    }

    pub(super) fn pass(id: &'static str, evidence: impl Into<String>) -> Self {
        Self::new(id, Outcome::Pass, evidence.into(), None)
    }

    pub(super) fn fail(id: &'static str, evidence: impl Into<String>) -> Self {
        Self::new(id, Outcome::Fail, evidence.into(), Some(info(id).fix.to_owned()))
    }

    pub(super) fn fail_with(id: &'static str, evidence: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::new(id, Outcome::Fail, evidence.into(), Some(fix.into()))
    }

    pub(super) fn skip(id: &'static str, evidence: impl Into<String>) -> Self {
        Self::new(id, Outcome::Skip, evidence.into(), None)
    }
}

/// A whole verification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Every check, in the order of the catalogue.
    pub checks: Vec<Check>,
    /// Where the deployment is weaker than the strictest reading, on purpose.
    pub deviations: Vec<Deviation>,
}

impl Report {
    /// Whether no check failed.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.count(Outcome::Fail) == 0
    }

    /// How many checks ended so.
    #[must_use]
    pub fn count(&self, outcome: Outcome) -> usize {
        self.checks.iter().filter(|check| check.outcome == outcome).count()
    }
}
