//! Tables for people.

use std::fmt::Write as _;

use comfy_table::{ContentArrangement, Table, presets};

use super::terminal::Style;
use crate::verify::{Outcome, Report};

/// Rows under a head, without lines, columns as wide as they must be.
#[must_use]
pub fn plain_table(head: &[&str], rows: &[Vec<String>], style: Style) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_header(head);
    table.set_width(style.width.unwrap_or(u16::MAX));
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let lines = table.to_string();
    let mut text = String::new();
    for line in lines.lines() {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// A verification: one line a check, what deviates, and the sum.
#[must_use]
pub fn report_table(report: &Report, style: Style) -> String {
    let rows: Vec<Vec<String>> = report
        .checks
        .iter()
        .map(|check| {
            let fix = check.fix.clone().unwrap_or_default();
            vec![check.id.to_owned(), check.outcome.name().to_owned(), check.evidence.clone(), fix]
        })
        .collect();
    let any_fix = report.checks.iter().any(|check| check.fix.is_some());
    let head: &[&str] =
        if any_fix { &["CHECK", "RESULT", "EVIDENCE", "FIX"] } else { &["CHECK", "RESULT", "EVIDENCE"] };
    let rows: Vec<Vec<String>> =
        rows.into_iter().map(|row| row.into_iter().take(head.len()).collect()).collect();
    let mut text = coloured(&plain_table(head, &rows, style), style.colour);
    for deviation in &report.deviations {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "deviation {}: {}", deviation.id, deviation.what);
    }
    let count = |outcome| report.count(outcome);
    let _ = writeln!(
        text,
        "{} checks: {} passed, {} failed, {} skipped",
        report.checks.len(),
        count(Outcome::Pass),
        count(Outcome::Fail),
        count(Outcome::Skip)
    );
    text
}

/// The result's word in colour.
fn coloured(table: &str, colour: bool) -> String {
    if !colour {
        return table.to_owned();
    }
    let codes = [(Outcome::Pass, "32"), (Outcome::Fail, "31"), (Outcome::Skip, "33")];
    let paint = |line: &str| {
        for (outcome, code) in codes {
            let word = format!("  {} ", outcome.name());
            if let Some(at) = line.find(&word) {
                let (before, after) = (&line[..at], &line[at + word.len()..]);
                return format!("{before}  \u{1b}[{code}m{}\u{1b}[0m {after}\n", outcome.name());
            }
        }
        format!("{line}\n")
    };
    table.lines().map(paint).collect()
}
