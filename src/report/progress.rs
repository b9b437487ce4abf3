//! Steps as they are carried out: one redrawn line on a terminal, plain lines elsewhere.

use std::sync::Mutex;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::terminal::{Style, Verbosity};
use super::visible::visible;
use crate::plan::Event;

/// The line that shows what is being done.
pub(super) struct Progress {
    redraws: bool,
    verbose: bool,
    /// The line of the step that runs, where lines are redrawn.
    bar: Mutex<Option<ProgressBar>>,
}

impl Progress {
    pub(super) fn new(style: Style) -> Self {
        Self {
            redraws: style.terminal && style.verbosity == Verbosity::Normal,
            verbose: style.verbosity == Verbosity::Verbose,
            bar: Mutex::new(None),
        }
    }

    /// Shows an event; what is to be kept is returned as a line.
    pub(super) fn line(&self, event: &Event) -> Option<String> {
        match event {
            Event::Began { what, .. } if self.redraws => {
                self.replace(Some(spinner(what)));
                None
            }
            Event::Began { what, cause } => self.verbose.then(|| format!("{what} ({cause})")),
            Event::Progress(text) if self.redraws => {
                if let Ok(bar) = self.bar.lock()
                    && let Some(bar) = &*bar
                {
                    bar.set_message(visible(text.trim()));
                }
                None
            }
            Event::Progress(text) => self.verbose.then(|| format!("  {text}")),
            Event::Done { what, took } => {
                self.replace(None);
                Some(format!("{what}: done in {}", in_words(*took)))
            }
            Event::Note(_) => None,
        }
    }

    /// How far something is that somebody else does; `false` where that is a line to be said.
    pub(super) fn shows(&self, what: &str, far: &str) -> bool {
        if self.redraws {
            if self.bar.lock().is_ok_and(|bar| bar.is_none()) {
                self.replace(Some(spinner(what)));
            }
            self.line(&Event::Progress(far.to_owned()));
        }
        self.redraws
    }

    /// Takes the line away for good: what it was about has ended.
    pub(super) fn end(&self) {
        self.replace(None);
    }

    /// Takes the line away while something else is printed.
    pub(super) fn aside(&self, print: impl FnOnce()) {
        match self.bar.lock() {
            Ok(bar) => match &*bar {
                Some(bar) => bar.suspend(print),
                None => print(),
            },
            Err(_) => print(),
        }
    }

    fn replace(&self, with: Option<ProgressBar>) {
        if let Ok(mut bar) = self.bar.lock()
            && let Some(old) = std::mem::replace(&mut *bar, with)
        {
            old.finish_and_clear();
        }
    }
}

fn spinner(what: &str) -> ProgressBar {
    let bar = ProgressBar::new_spinner().with_prefix(what.to_owned());
    // The template is a constant; a spinner without it is still a spinner.
    if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix} {wide_msg:.dim}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(100));
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
