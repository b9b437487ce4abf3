//! Plans and verifications for programs.

use serde_json::{Value, json};

use crate::plan::{Op, Plan};
use crate::verify::{Check, Outcome, Report};

/// A plan: its steps in order, names of variables and never their values.
#[must_use]
pub fn plan_json(plan: &Plan) -> Value {
    let steps = plan.steps.iter().map(|step| {
        let mut shown = json!({
            "operation": step.op.verb(),
            "object": step.op.object(),
            "cause": step.cause,
            "destructive": step.op.is_destructive(),
        });
        if let Op::Create(container) = &step.op {
            let (names, others) = container.variable_names();
            shown["variables"] = names.into();
            if others > 0 {
                shown["variables_without_a_name"] = others.into();
            }
        }
        shown
    });
    json!({"steps": steps.collect::<Vec<_>>(), "notes": plan.notes})
}

/// A verification.
#[must_use]
pub fn report_json(report: &Report) -> Value {
    let checks = report.checks.iter().map(|check| {
        let Check { id, what, severity, outcome, evidence, fix } = check;
        json!({
            "id": id, "what": what, "severity": severity.name(), "outcome": outcome.name(),
            "evidence": evidence, "fix": fix,
        })
    });
    let deviations = report
        .deviations
        .iter()
        .map(|deviation| json!({"id": deviation.id, "what": deviation.what, "asked": deviation.asked}));
    json!({
        "passed": report.passed(),
        "counts": {
            "pass": report.count(Outcome::Pass),
            "fail": report.count(Outcome::Fail),
            "skip": report.count(Outcome::Skip),
        },
        "checks": checks.collect::<Vec<_>>(),
        "deviations": deviations.collect::<Vec<_>>(),
    })
}
