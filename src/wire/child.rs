//! A server that is a process of ours: its streams, its last words, and its end.

use std::collections::VecDeque;
use std::io;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use crate::mcp::{LineReader, StdioLines};

/// The longest message, in bytes.
const MAX_LINE: usize = 16 << 20;
/// The longest line of standard error that is kept, in bytes, and how many of them.
const STDERR_LINE: usize = 4096;
const STDERR_LINES: usize = 20;
/// How long a server has at the end of its input, and then once it was asked to end, as MCP 2025-11-25 has it.
const END_OF_INPUT: Duration = Duration::from_secs(2);
const ASKED: Duration = Duration::from_secs(2);

/// A process's standard streams.
pub type ChildLines = StdioLines<ChildStdout, ChildStdin>;

/// What is started, with this process's environment and more.
#[derive(Debug)]
pub struct Started {
    command: Command,
    processes: Vec<Process>,
    said: Arc<Mutex<VecDeque<String>>>,
}

impl Started {
    /// Nothing yet.
    #[must_use]
    pub fn new<'a>(
        program: &str,
        args: &[String],
        env: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let mut command = Command::new(program);
        command.args(args).envs(env);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // What it starts ends with it, and Ctrl-C is not its to answer.
        #[cfg(unix)]
        command.process_group(0);
        Self { command, processes: Vec::new(), said: Arc::default() }
    }

    /// Starts it; a server that ends over a dialect that it does not know is started once more.
    pub fn open(&mut self) -> io::Result<ChildLines> {
        let mut child = self.command.spawn()?;
        let streams = child.stdout.take().zip(child.stdin.take());
        if let Some(stderr) = child.stderr.take() {
            tokio::spawn(keep(stderr, Arc::clone(&self.said)));
        }
        self.processes.push(Process::new(child));
        let (stdout, stdin) = streams.ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(StdioLines::new(stdout, stdin, MAX_LINE))
    }

    /// The last lines of standard error.
    #[must_use]
    pub fn said(&self) -> Vec<String> {
        self.said.lock().map(|said| said.iter().cloned().collect()).unwrap_or_default()
    }

    /// Waits for the end of what was started, whose input has ended: by itself, or asked, or made to.
    pub async fn end(&mut self) {
        for process in &mut self.processes {
            process.end().await;
        }
        self.processes.clear();
    }
}

async fn keep(stderr: ChildStderr, said: Arc<Mutex<VecDeque<String>>>) {
    let mut lines = LineReader::new(stderr, STDERR_LINE);
    loop {
        let line = match lines.next().await {
            Ok(Some(line)) => line,
            // One that is no text, or too long.
            Err(_) if lines.skip_line().await.is_ok() => continue,
            Ok(None) | Err(_) => return,
        };
        let Ok(mut said) = said.lock() else { return };
        if said.len() == STDERR_LINES {
            said.pop_front();
        }
        said.push_back(line);
    }
}

/// A process that leads a group.
#[derive(Debug)]
struct Process {
    child: Child,
    /// The group is its number, which nobody else can have for as long as anybody is in it.
    group: Option<u32>,
}

impl Process {
    fn new(child: Child) -> Self {
        Self { group: child.id(), child }
    }

    /// Ends it, and then what it left in its group.
    async fn end(&mut self) {
        if timeout(END_OF_INPUT, self.child.wait()).await.is_err() {
            self.signal(Asking::Kindly);
            if timeout(ASKED, self.child.wait()).await.is_err() {
                self.signal(Asking::Nobody);
                let _ = self.child.wait().await;
            }
        }
        self.signal(Asking::Nobody);
        self.group = None;
    }

    #[cfg(unix)]
    fn signal(&mut self, asking: Asking) {
        use rustix::process::{Pid, Signal, kill_process_group};
        let group = self.group.and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(group) = group {
            let signal = if asking == Asking::Kindly { Signal::TERM } else { Signal::KILL };
            let _ = kill_process_group(group, signal);
        }
    }

    #[cfg(not(unix))]
    fn signal(&mut self, _: Asking) {
        let _ = self.child.start_kill();
    }
}

/// Whoever is not waited for is not left either.
impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Asking::Nobody);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asking {
    Kindly,
    Nobody,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::Lines;
    use tokio::time::Instant;

    fn shell(script: &str) -> Started {
        Started::new("sh", &["-c".to_owned(), script.to_owned()], [("WORD", "hello")])
    }

    #[tokio::test]
    async fn lines_go_both_ways_with_variables_of_its_own_and_it_ends_with_its_input() {
        let mut started = shell("read -r line; echo \"$WORD $line\"; echo last words >&2; cat >/dev/null");
        let mut lines = started.open().expect("a process");
        lines.send("you").await.expect("room");
        assert_eq!(lines.receive().await.expect("a line").as_deref(), Some("hello you"));
        drop(lines);
        let begun = Instant::now();
        started.end().await;
        assert!(begun.elapsed() < END_OF_INPUT);
        assert_eq!(started.said(), ["last words"]);
    }

    #[tokio::test]
    async fn one_that_goes_on_is_asked_to_end_and_one_that_does_not_listen_is_ended() {
        for (script, least) in
            [("sleep 60", END_OF_INPUT), ("trap '' TERM; sleep 60 & wait; sleep 60", END_OF_INPUT + ASKED)]
        {
            let mut started = shell(script);
            let lines = started.open().expect("a process");
            drop(lines);
            let begun = Instant::now();
            started.end().await;
            let took = begun.elapsed();
            assert!(took >= least && took < least + ASKED, "{script}: {took:?}");
        }
    }

    #[tokio::test]
    async fn what_one_that_has_ended_left_in_its_group_is_ended_too() {
        let mut started = shell("sleep 60 <&- >/dev/null 2>&1 & echo $!; exit 3");
        let mut lines = started.open().expect("a process");
        let left = lines.receive().await.expect("a line").expect("a number");
        let is_there = || {
            let stat = std::fs::read_to_string(format!("/proc/{left}/stat")).unwrap_or_default();
            // One that nobody has waited for yet has ended all the same.
            stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
        };
        assert!(is_there());
        drop(lines);
        started.end().await;
        let begun = Instant::now();
        while is_there() {
            assert!(begun.elapsed() < ASKED, "process {left} is still there");
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn no_more_than_the_last_lines_are_kept() {
        let mut started = shell("i=0; while [ $i -lt 50 ]; do echo $i >&2; i=$((i+1)); done; cat >/dev/null");
        let mut lines = started.open().expect("a process");
        lines.send("").await.expect("room");
        drop(lines);
        started.end().await;
        let said = started.said();
        assert_eq!((said.len(), said.last().map(String::as_str)), (STDERR_LINES, Some("49")));
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_told() {
        let error = Started::new("/nonexistent/server", &[], []).open().expect_err("an error");
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
