//! What a person sees at a terminal, and what goes where there is none.

use regex::Regex;

use super::docker::container;
use super::pty::{CTRL_C, Terminal, seen};
use super::rig::Rig;

const ESCAPE: char = '\u{1b}';

/// Brings a deployment up at a terminal with a variable set, to its end, which must be good.
#[track_caller]
fn at_terminal(rig: &Rig, columns: u16, set: Option<(&str, &str)>) -> String {
    let mut command = rig.command(&["up"]);
    // Whatever the tests themselves run in.
    command.env("TERM", "xterm-256color").env_remove("NO_COLOR").envs(set);
    let (code, drawn) = Terminal::start(&command, columns).end();
    assert_eq!(code, Some(0), "{drawn}");
    drawn
}

/// A colour or another attribute of letters (ECMA-48, SGR).
fn colours(drawn: &str) -> usize {
    Regex::new(r"\x1b\[[0-9;]*m").expect("a pattern").find_iter(drawn).count()
}

#[test]
fn at_a_terminal_one_line_is_redrawn_and_results_are_coloured() {
    let rig = Rig::new("terminal");
    let drawn = at_terminal(&rig, 120, None);
    assert!(drawn.contains("\r\u{1b}[2K"), "no line was redrawn: {drawn:?}");
    assert!(drawn.contains("\u{1b}[32mpass\u{1b}[0m"), "{drawn:?}");
    assert!(!drawn.contains("[?25l"), "the cursor was hidden: {drawn:?}");
    // Of the lines that were redrawn, none is left.
    let seen = seen(&drawn, 120);
    let first = seen.lines().next().unwrap_or_default();
    assert!(first.starts_with(&format!("create network {}_mcp: done in ", rig.project)), "{seen}");
    let before: Vec<&str> = seen.lines().take_while(|line| !line.starts_with("CHECK ")).collect();
    assert!(before.iter().all(|line| line.contains(": done in ")), "{seen}");
    assert_eq!(before.len(), 4, "{seen}");
}

#[test]
fn no_colour_is_asked_for_and_none_comes_while_lines_are_redrawn() {
    let rig = Rig::new("no-colour");
    let drawn = at_terminal(&rig, 120, Some(("NO_COLOR", "1")));
    assert!(drawn.contains("\r\u{1b}[2K"), "no line was redrawn: {drawn:?}");
    assert_eq!(colours(&drawn), 0, "{drawn:?}");
}

#[test]
fn a_dumb_terminal_and_a_pipe_get_no_escape_at_all() {
    let rig = Rig::new("dumb");
    let dumb = at_terminal(&rig, 120, Some(("TERM", "dumb")));
    assert!(!dumb.contains(ESCAPE), "{dumb:?}");
    assert!(dumb.contains(": done in "), "{dumb}");
    rig.run(&["down"]).ok();
    let piped = rig.up();
    assert!(!piped.all().contains(ESCAPE), "{}", piped.all());
}

#[test]
fn a_narrow_terminal_breaks_no_check_s_id() {
    let rig = Rig::new("narrow");
    let drawn = at_terminal(&rig, 40, None);
    let seen = seen(&drawn, 40);
    // A line that is longer than the terminal is wide is redrawn too, and none is left.
    assert!(drawn.contains("\u{1b}[1A"), "{drawn:?}");
    assert!(!seen.contains(|letter| ('\u{2801}'..='\u{28ff}').contains(&letter)), "{seen}");
    for id in ["no-new-privileges", "host-namespaces", "privileged"] {
        assert!(seen.lines().any(|line| line == format!("pass  {id}")), "{seen}");
    }
}

#[test]
fn ctrl_c_at_a_terminal_ends_with_130_and_leaves_it_as_it_was() {
    let rig = Rig::new("ctrl-c");
    let mut command = rig.command(&["up"]);
    command.env("TERM", "xterm-256color");
    let mut terminal = Terminal::start(&command, 80);
    terminal.wait_for("create network");
    terminal.press(CTRL_C);
    let (code, drawn) = terminal.end();
    assert_eq!(code, Some(130), "{drawn}");
    assert!(!drawn.contains("[?25l"), "the cursor was hidden: {drawn:?}");
    let seen = seen(&drawn, 80);
    assert!(seen.contains("warning: interrupted; "), "{seen}");
    assert!(seen.ends_with("removes it\n\n"), "something is left of a redrawn line: {seen}");
    // A rerun continues, as it says.
    rig.up();
    assert_eq!(container(&rig.bridge())["State"]["Running"], true);
}
