//! Where text goes, and how much of it.

use std::io::{self, IsTerminal, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use super::error::{error_json, error_text};
use super::progress::Progress;
use super::visible::visible;
use crate::diagnostic::Diagnostic;
use crate::env::Env;
use crate::plan::{Event, Events};

/// Whom the output is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// A person.
    #[default]
    Human,
    /// A program: one JSON document on standard output, or one a line where there are many.
    Json,
    /// The same documents as YAML.
    Yaml,
}

/// How much is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Verbosity {
    /// Results and errors.
    Quiet,
    /// What is done as well.
    #[default]
    Normal,
    /// What the engine says while it is done as well.
    Verbose,
}

/// How output looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Style {
    /// Whom it is for.
    pub format: Format,
    /// How much is said.
    pub verbosity: Verbosity,
    /// Whether colours may be used on standard output.
    pub colour: bool,
    /// Whether standard error is a terminal that lines can be redrawn on.
    pub terminal: bool,
    /// How many columns standard output has, where it is a terminal.
    pub width: Option<u16>,
}

impl Style {
    /// The style of this process's streams. `NO_COLOR` (no-color.org) turns colours off.
    #[must_use]
    pub fn of_process(format: Format, verbosity: Verbosity, env: &Env) -> Self {
        let dumb = env.get("TERM") == Some("dumb");
        Self {
            format,
            verbosity,
            colour: format == Format::Human
                && std::io::stdout().is_terminal()
                && env.get("NO_COLOR").is_none()
                && !dumb,
            terminal: std::io::stderr().is_terminal() && !dumb,
            width: terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| width.0),
        }
    }
}

/// Prints.
pub struct Reporter {
    style: Style,
    out: Mutex<Box<dyn Write + Send>>,
    talk: Mutex<Box<dyn Write + Send>>,
    progress: Progress,
    /// Why data could not be written, the first time.
    unwritten: Mutex<Option<io::Error>>,
    /// Whether the data is one of many documents.
    many: AtomicBool,
}

impl Reporter {
    /// A reporter on this process's streams.
    #[must_use]
    pub fn stdio(style: Style) -> Self {
        Self::new(style, Box::new(std::io::stdout()), Box::new(std::io::stderr()))
    }

    /// A reporter on streams of the caller's: data to `out`, talk to `talk`.
    #[must_use]
    pub fn new(style: Style, out: Box<dyn Write + Send>, talk: Box<dyn Write + Send>) -> Self {
        let progress = Progress::new(style);
        Self {
            style,
            out: Mutex::new(out),
            talk: Mutex::new(talk),
            progress,
            unwritten: Mutex::default(),
            many: AtomicBool::new(false),
        }
    }

    /// How it prints.
    #[must_use]
    pub fn style(&self) -> Style {
        self.style
    }

    /// Data for a person; nothing where the output is for a program.
    pub fn text(&self, text: &str) {
        if self.style.format == Format::Human {
            self.write_out(text);
        }
    }

    /// Data for a program; nothing where the output is for a person.
    pub fn json(&self, value: &Value) {
        let many = self.many.load(Ordering::Relaxed);
        match self.style.format {
            Format::Human => {}
            Format::Json if many => self.write_out(&format!("{value}\n")),
            Format::Json => self.write_out(&format!("{value:#}\n")),
            Format::Yaml => {
                let head = if many { "---\n" } else { "" };
                // What is a JSON value is a YAML value.
                let text = serde_yaml::to_string(value).unwrap_or_default();
                self.write_out(&format!("{head}{text}"));
            }
        }
    }

    /// One of many documents for a program: a line of JSON (jsonlines.org), or a YAML document of a
    /// stream (YAML 1.2, 9.2). All that follow are, an error too.
    pub fn record(&self, value: &Value) {
        self.many.store(true, Ordering::Relaxed);
        self.json(value);
    }

    /// Data as it is, whoever reads it.
    pub fn raw(&self, text: &str) {
        self.write_out(text);
    }

    /// Data as it is, to the stream where errors go.
    pub fn raw_error(&self, text: &str) {
        self.write_talk(text);
    }

    /// Something that works and is worth knowing.
    pub fn note(&self, text: &str) {
        if self.style.verbosity > Verbosity::Quiet {
            self.say(&format!("note: {text}"));
        }
    }

    /// Something that works and should perhaps not.
    pub fn warning(&self, text: &str) {
        self.say(&format!("warning: {text}"));
    }

    /// How far something is that somebody else does: one redrawn line on a terminal, and else a line each.
    pub fn progress(&self, what: &str, far: &str) {
        if self.style.verbosity > Verbosity::Quiet && !self.progress.shows(what, far) {
            self.say(&format!("{what}: {far}"));
        }
    }

    /// It is over.
    pub fn end_progress(&self) {
        self.progress.end();
    }

    /// The last word of something that was cut short.
    pub fn cut_short(&self, text: &str) {
        self.progress.end();
        self.warning(text);
    }

    /// An error, its causes and its hint; as JSON on standard output too, where that is asked for.
    pub fn error(&self, error: &dyn Diagnostic) {
        self.progress.end();
        self.write_talk(&error_text(error));
        self.error_data(error);
    }

    /// An error that a person has been told already, for a program.
    pub fn error_data(&self, error: &dyn Diagnostic) {
        self.json(&error_json(error));
    }

    /// Whether data still reaches somebody.
    #[must_use]
    pub fn is_heard(&self) -> bool {
        self.unwritten.lock().is_ok_and(|error| error.is_none())
    }

    /// Why data could not be written. That a reader went away is no reason: it had enough.
    #[must_use]
    pub fn unwritten(&self) -> Option<io::Error> {
        let error = self.unwritten.lock().ok()?.take();
        error.filter(|error| error.kind() != io::ErrorKind::BrokenPipe)
    }

    fn say(&self, line: &str) {
        self.write_talk(&format!("{}\n", visible(line)));
    }

    fn write_out(&self, text: &str) {
        let mut written = Ok(());
        self.progress.aside(|| written = write(&self.out, text));
        if let (Err(error), Ok(mut unwritten)) = (written, self.unwritten.lock()) {
            unwritten.get_or_insert(error);
        }
    }

    fn write_talk(&self, text: &str) {
        // Talk that nobody hears changes nothing.
        self.progress.aside(|| drop(write(&self.talk, text)));
    }
}

fn write(to: &Mutex<Box<dyn Write + Send>>, text: &str) -> io::Result<()> {
    // Poisoned by a panic, which says more than a lost line.
    let Ok(mut stream) = to.lock() else { return Ok(()) };
    stream.write_all(text.as_bytes())?;
    stream.flush()
}

impl Events for Reporter {
    fn on(&self, event: Event) {
        if self.style.verbosity == Verbosity::Quiet {
            return;
        }
        if let Event::Note(text) = &event {
            return self.note(text);
        }
        if let Some(line) = self.progress.line(&event) {
            self.say(&line);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::plan::{PlanError, PlanProblem};

    /// A stream that remembers.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("bytes").write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// What goes to the two streams where everything there is is said.
    fn said(format: Format, verbosity: Verbosity) -> (String, String) {
        let (out, talk) = (Kept::default(), Kept::default());
        let style = Style { format, verbosity, ..Style::default() };
        let reporter = Reporter::new(style, Box::new(out.clone()), Box::new(talk.clone()));
        reporter.text("text\n");
        reporter.json(&json!({"a": 1}));
        reporter.raw("raw\n");
        reporter.note("a note");
        reporter.warning("a warning");
        reporter.on(Event::Note("an engine's note".to_owned()));
        reporter.on(Event::Done { what: "step".to_owned(), took: Duration::ZERO });
        let text = |kept: Kept| String::from_utf8(kept.0.lock().expect("bytes").clone()).expect("UTF-8");
        (text(out), text(talk))
    }

    #[test]
    fn data_goes_to_one_stream_and_talk_to_the_other() {
        let talk = "note: a note\nwarning: a warning\nnote: an engine's note\nstep: done in 0 ms\n";
        assert_eq!(said(Format::Human, Verbosity::Normal), ("text\nraw\n".to_owned(), talk.to_owned()));
        let json = "{\n  \"a\": 1\n}\nraw\n";
        assert_eq!(said(Format::Json, Verbosity::Normal), (json.to_owned(), talk.to_owned()));
    }

    #[test]
    fn many_documents_are_told_apart_and_an_error_among_them_is_one() {
        let error = PlanError { problems: vec![PlanProblem::NoApp] };
        for (format, begins) in [(Format::Json, "{"), (Format::Yaml, "---\n")] {
            let out = Kept::default();
            let style = Style { format, ..Style::default() };
            let reporter = Reporter::new(style, Box::new(out.clone()), Box::new(Kept::default()));
            reporter.record(&json!({"a": [1, 2]}));
            reporter.error(&error);
            let text = String::from_utf8(out.0.lock().expect("bytes").clone()).expect("UTF-8");
            let documents = match format {
                Format::Yaml => text.split("---\n").count() - 1,
                _ => text.lines().filter(|line| serde_json::from_str::<Value>(line).is_ok()).count(),
            };
            assert!(text.starts_with(begins) && documents == 2, "{text}");
        }
    }

    #[test]
    fn quiet_leaves_results_and_warnings() {
        let (out, talk) = said(Format::Human, Verbosity::Quiet);
        assert_eq!((out.as_str(), talk.as_str()), ("text\nraw\n", "warning: a warning\n"));
    }

    #[test]
    fn what_others_said_moves_no_terminal() {
        #[derive(Debug, thiserror::Error)]
        #[error("a server said \u{1b}]0;x\u{7}")]
        struct Said;
        impl Diagnostic for Said {
            fn exit(&self) -> crate::diagnostic::Exit {
                crate::diagnostic::Exit::Failed
            }
        }
        let talk = Kept::default();
        let reporter = Reporter::new(Style::default(), Box::new(Kept::default()), Box::new(talk.clone()));
        reporter.note("\u{1b}[2Jnote");
        reporter.warning("\u{9b}2Jwarning");
        reporter.progress("tool", "\u{1b}[2Jfar");
        reporter.on(Event::Done { what: "\u{7}step".to_owned(), took: Duration::ZERO });
        reporter.error(&Said);
        let text = String::from_utf8(talk.0.lock().expect("bytes").clone()).expect("UTF-8");
        assert_eq!(text.lines().count(), 5, "{text:?}");
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
    }

    #[test]
    fn an_error_is_text_on_one_stream_and_json_on_the_other_where_that_is_asked_for() {
        let error = PlanError { problems: vec![PlanProblem::NoApp] };
        for (format, data) in [(Format::Human, false), (Format::Json, true)] {
            let (out, talk) = (Kept::default(), Kept::default());
            let style = Style { format, verbosity: Verbosity::Quiet, ..Style::default() };
            Reporter::new(style, Box::new(out.clone()), Box::new(talk.clone())).error(&error);
            assert_eq!(!out.0.lock().expect("bytes").is_empty(), data);
            assert!(talk.0.lock().expect("bytes").starts_with(b"error: the full-stack profile"));
        }
    }
}
