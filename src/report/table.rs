//! Tables for people.

use std::fmt::Write as _;

use comfy_table::{ColumnConstraint, ContentArrangement, Table, presets};

use super::terminal::Style;
use super::visible::visible;
use crate::verify::{Outcome, Report};

/// Rows under a head, without lines, columns as wide as they must be.
#[must_use]
pub fn plain_table(head: &[&str], rows: &[Vec<String>], style: Style) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_header(head);
    table.set_width(style.width.unwrap_or(u16::MAX));
    for row in rows {
        table.add_row(row.iter().map(|cell| visible(cell)));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    // What a row is called by is not broken, where that leaves the others half of the width.
    let names = rows.iter().filter_map(|row| row.first()).map(|name| name.chars().count()).max();
    let fits = style.width.is_none_or(|width| names.unwrap_or(0) + 2 <= usize::from(width / 2));
    if let Some(first) = table.column_mut(0)
        && fits
    {
        first.set_constraint(ColumnConstraint::ContentWidth);
    }
    let lines = table.to_string();
    let mut text = String::new();
    for line in lines.lines() {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Narrower than this, the columns of a verification would be of a few letters each.
const TABLE_WIDTH: u16 = 72;

/// A verification: one line a check, what deviates, and the sum. On a narrow terminal each check is
/// a paragraph.
#[must_use]
pub fn report_table(report: &Report, style: Style) -> String {
    let is_narrow = style.width.is_some_and(|width| width < TABLE_WIDTH);
    let mut text = if is_narrow { paragraphs(report, style.colour) } else { rows(report, style) };
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

/// Each check with what was seen below it; the terminal breaks long lines, as they are copied whole.
fn paragraphs(report: &Report, colour: bool) -> String {
    let mut text = String::new();
    for check in &report.checks {
        let word = painted(check.outcome, colour);
        let _ = writeln!(text, "{word}  {}\n      {}", check.id, visible(&check.evidence));
        if let Some(fix) = &check.fix {
            let _ = writeln!(text, "      fix: {}", visible(fix));
        }
    }
    text
}

/// One line a check.
fn rows(report: &Report, style: Style) -> String {
    let rows: Vec<Vec<String>> = report
        .checks
        .iter()
        .map(|check| {
            let fix = check.fix.clone().unwrap_or_default();
            let (id, what, outcome) = (check.id, check.what, check.outcome.name());
            vec![id.to_owned(), what.to_owned(), outcome.to_owned(), check.evidence.clone(), fix]
        })
        .collect();
    let any_fix = report.checks.iter().any(|check| check.fix.is_some());
    let head: &[&str] = if any_fix {
        &["CHECK", "WHAT", "RESULT", "EVIDENCE", "FIX"]
    } else {
        &["CHECK", "WHAT", "RESULT", "EVIDENCE"]
    };
    let rows: Vec<Vec<String>> =
        rows.into_iter().map(|row| row.into_iter().take(head.len()).collect()).collect();
    coloured(&plain_table(head, &rows, style), style.colour)
}

/// A result's word, in its colour.
fn painted(outcome: Outcome, colour: bool) -> String {
    let code = match outcome {
        Outcome::Pass => "32",
        Outcome::Fail => "31",
        Outcome::Skip => "33",
    };
    let word = outcome.name();
    if colour { format!("\u{1b}[{code}m{word}\u{1b}[0m") } else { word.to_owned() }
}

/// The same table with the results in colour.
fn coloured(table: &str, colour: bool) -> String {
    let paint = |line: &str| {
        for outcome in [Outcome::Pass, Outcome::Fail, Outcome::Skip] {
            let word = format!("  {} ", outcome.name());
            if let Some((before, after)) = line.split_once(&word) {
                return format!("{before}  {} {after}\n", painted(outcome, colour));
            }
        }
        format!("{line}\n")
    };
    table.lines().map(paint).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Deviation;
    use crate::verify::{Check, Severity};

    fn check(id: &'static str, outcome: Outcome, fix: Option<&str>) -> Check {
        let evidence = format!("{id} was looked at");
        Check {
            id,
            what: "a thing",
            severity: Severity::High,
            outcome,
            evidence,
            fix: fix.map(str::to_owned),
        }
    }

    fn report() -> Report {
        let what = "restarts always".to_owned();
        Report {
            checks: vec![
                check("user", Outcome::Pass, None),
                check("memory", Outcome::Fail, Some("run up")),
                check("rest", Outcome::Skip, None),
            ],
            deviations: vec![Deviation { id: "cis-5.15", what, asked: false }],
        }
    }

    #[test]
    fn what_others_said_moves_no_terminal() {
        let row = vec!["a\u{1b}[2J".to_owned()];
        assert_eq!(plain_table(&["HEAD"], &[row], Style::default()), "HEAD\na\u{fffd}[2J\n");
    }

    #[test]
    fn a_verification_is_a_line_a_check_with_its_fix_and_a_sum() {
        assert_eq!(
            report_table(&report(), Style::default()),
            "\
CHECK   WHAT     RESULT  EVIDENCE              FIX
user    a thing  pass    user was looked at
memory  a thing  fail    memory was looked at  run up
rest    a thing  skip    rest was looked at
deviation cis-5.15: restarts always
3 checks: 1 passed, 1 failed, 1 skipped
"
        );
    }

    #[test]
    fn where_nothing_failed_there_is_no_column_for_fixes() {
        let report = Report { checks: vec![check("user", Outcome::Pass, None)], deviations: Vec::new() };
        assert!(report_table(&report, Style::default()).starts_with("CHECK  WHAT     RESULT  EVIDENCE\n"));
    }

    #[test]
    fn colour_paints_the_result_and_changes_nothing_else() {
        let (plain, painted) = (
            report_table(&report(), Style::default()),
            report_table(&report(), Style { colour: true, ..Style::default() }),
        );
        assert!(!plain.contains('\u{1b}'));
        for code in ["\u{1b}[32mpass\u{1b}[0m", "\u{1b}[31mfail\u{1b}[0m", "\u{1b}[33mskip\u{1b}[0m"] {
            assert_eq!(painted.matches(code).count(), 1, "{painted}");
        }
        let codes = ["\u{1b}[32m", "\u{1b}[31m", "\u{1b}[33m", "\u{1b}[0m"];
        assert_eq!(codes.iter().fold(painted, |text, code| text.replace(code, "")), plain);
    }

    #[test]
    fn what_a_row_is_called_by_is_not_broken_where_there_is_room_for_it() {
        let long = "evidence that goes on and on ".repeat(4);
        let rows = [vec!["no-new-privileges".to_owned(), long.clone(), long.clone(), long]];
        let text = plain_table(&["A", "B", "C", "D"], &rows, Style { width: Some(40), ..Style::default() });
        assert!(text.lines().any(|line| line.starts_with("no-new-privileges  ")), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 40), "{text}");
    }

    #[test]
    fn on_a_narrow_terminal_each_check_is_a_paragraph_and_no_word_is_broken() {
        let style = Style { width: Some(40), ..Style::default() };
        assert_eq!(
            report_table(&report(), style),
            "\
pass  user
      user was looked at
fail  memory
      memory was looked at
      fix: run up
skip  rest
      rest was looked at
deviation cis-5.15: restarts always
3 checks: 1 passed, 1 failed, 1 skipped
"
        );
        let coloured = report_table(&report(), Style { colour: true, ..style });
        assert!(coloured.starts_with("\u{1b}[32mpass\u{1b}[0m  user\n"), "{coloured}");
    }

    #[test]
    fn a_narrow_terminal_wraps_cells_and_loses_nothing() {
        let rows = [vec!["a".to_owned(), "one two three four five six".to_owned()]];
        let text = plain_table(&["K", "V"], &rows, Style { width: Some(20), ..Style::default() });
        assert!(text.lines().all(|line| line.chars().count() <= 20), "{text}");
        for word in ["one", "six"] {
            assert!(text.contains(word), "{text}");
        }
    }
}
