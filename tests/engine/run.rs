//! `run` as clients use it: bytes in, bytes out, and no container that outlives it, however it ends.

mod ends;
mod leases;
mod streams;

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::channel;

use super::docker::{PATIENCE, until};
use super::rig::Rig;

/// Image of a program that copies, for tests about streams and ends.
const COPYING: &str = "FROM scratch\nCOPY contained-fixture /server\nENTRYPOINT [\"/server\"]\n";

/// A rig whose server is the fixture with these words as its command.
fn rig(name: &str, words: &str) -> Rig {
    let mut rig = Rig::new(name);
    let image = rig.image("server", COPYING);
    rig.use_image(&image, "status");
    rig.set("MCPO_ORCHESTRATOR_COMMAND", words);
    rig
}

/// A client of `run`: what it started, and its way in and out.
struct Client {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Option<BufReader<ChildStdout>>,
}

impl Client {
    /// Starts `run` and waits until its server answers.
    fn of(rig: &Rig) -> Self {
        let mut client = Self::begin(rig, &[]);
        assert_eq!(client.ask("are you there"), "are you there");
        client
    }

    fn begin(rig: &Rig, args: &[&str]) -> Self {
        Self::start(&mut rig.command(&[&["run"], args].concat()))
    }

    fn start(command: &mut Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().expect("the command line");
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().map(BufReader::new);
        Self { child, stdin, stdout }
    }

    fn ask(&mut self, line: &str) -> String {
        writeln!(self.stdin.as_mut().expect("a pipe"), "{line}").expect("room");
        self.line()
    }

    fn line(&mut self) -> String {
        let mut stdout = self.stdout.take().expect("a pipe");
        let (tell, heard) = channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            let read = stdout.read_line(&mut line);
            tell.send((stdout, line, read))
        });
        let (stdout, line, read) = heard.recv_timeout(PATIENCE).expect("an answer in time");
        read.expect("an answer");
        self.stdout = Some(stdout);
        line.trim_end().to_owned()
    }

    /// Kills it, as nobody can be asked to agree to.
    fn kill(self) {
        drop(self);
    }

    /// Waits for its end, and returns its code.
    fn code(&mut self) -> Option<i32> {
        let mut code = None;
        until("run ends", || {
            code = self.child.try_wait().expect("a state");
            code.is_some()
        });
        code.and_then(|status| status.code())
    }
}

/// Even where a test fails, nothing goes on.
impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn none_left(rig: &Rig) {
    assert_eq!(rig.clients(), Vec::<String>::new());
}
