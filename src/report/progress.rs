//! Steps as they are carried out: one redrawn line on a terminal, plain lines elsewhere.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::terminal::{Style, Verbosity};
use crate::plan::Event;

/// The line that shows what is being done.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    verbose: bool,
}

impl Progress {
    pub(super) fn new(style: Style) -> Self {
        let live = style.terminal && style.verbosity == Verbosity::Normal;
        Self { bar: live.then(spinner), verbose: style.verbosity == Verbosity::Verbose }
    }

    /// Shows an event; what is to be kept is returned as a line.
    pub(super) fn line(&self, event: &Event) -> Option<String> {
        match (event, &self.bar) {
            (Event::Began { what, .. }, Some(bar)) => {
                bar.set_message(what.clone());
                bar.enable_steady_tick(Duration::from_millis(100));
                None
            }
            (Event::Began { what, cause }, None) => self.verbose.then(|| format!("{what} ({cause})")),
            (Event::Progress(text), Some(bar)) => {
                let what = bar.message();
                let what = what.split(": ").next().unwrap_or_default();
                bar.set_message(format!("{what}: {}", text.trim()));
                None
            }
            (Event::Progress(text), None) => self.verbose.then(|| format!("  {text}")),
            (Event::Done { what, took }, bar) => {
                if let Some(bar) = bar {
                    bar.disable_steady_tick();
                    bar.set_message("");
                    clear(bar);
                }
                Some(format!("{what}: done in {}", in_words(*took)))
            }
            (Event::Note(_), _) => None,
        }
    }

    /// Takes the line away, so that something else can be printed.
    pub(super) fn clear(&self) {
        if let Some(bar) = &self.bar {
            clear(bar);
        }
    }
}

fn clear(bar: &ProgressBar) {
    bar.suspend(|| ());
    if bar.message().is_empty() {
        bar.finish_and_clear();
        bar.reset();
    }
}

fn spinner() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    // The template is a constant; a spinner without it is still a spinner.
    if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg}") {
        bar.set_style(style);
    }
    bar
}

fn in_words(took: Duration) -> String {
    if took < Duration::from_secs(1) {
        return format!("{} ms", took.as_millis());
    }
    format!("{:.1} s", took.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(verbosity: Verbosity) -> Vec<String> {
        let progress = Progress::new(Style { verbosity, ..Style::default() });
        let what = || "build image x".to_owned();
        let events = [
            Event::Began { what: what(), cause: "it does not exist".to_owned() },
            Event::Progress("Step 1/2".to_owned()),
            Event::Note("kept".to_owned()),
            Event::Done { what: what(), took: Duration::from_millis(1500) },
        ];
        events.iter().filter_map(|event| progress.line(event)).collect()
    }

    #[test]
    fn without_a_terminal_each_step_is_one_line_once_it_is_done() {
        assert_eq!(lines(Verbosity::Normal), ["build image x: done in 1.5 s"]);
    }

    #[test]
    fn verbose_shows_the_cause_and_what_the_engine_says_as_it_comes() {
        assert_eq!(
            lines(Verbosity::Verbose),
            ["build image x (it does not exist)", "  Step 1/2", "build image x: done in 1.5 s"]
        );
    }

    #[test]
    fn a_time_has_a_unit_that_suits_it() {
        let words = [0, 999, 1000, 61_040].map(|millis| in_words(Duration::from_millis(millis)));
        assert_eq!(words, ["0 ms", "999 ms", "1.0 s", "61.0 s"]);
    }
}
