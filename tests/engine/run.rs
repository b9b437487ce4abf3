//! `run` as clients use it: bytes in, bytes out, and no container that outlives it, however it ends.

mod ends;
mod held_up;
mod leases;
mod streams;
mod ways;

use std::io::{BufRead, BufReader, Read, Write};
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
        Self::started(&mut rig.command(&[&["run"], args].concat()))
    }

    fn started(command: &mut Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().expect("the command line");
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().map(BufReader::new);
        Self { child, stdin, stdout }
    }

    fn ask(&mut self, line: &str) -> String {
        self.say(line);
        self.line()
    }

    fn say(&mut self, line: &str) {
        writeln!(self.stdin.as_mut().expect("a pipe"), "{line}").expect("room");
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

    /// Sends bytes to the end, and hears everything that the server says.
    fn sent_and_heard(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut stdin = self.stdin.take().expect("a pipe");
        let bytes = bytes.to_owned();
        let writer = std::thread::spawn(move || stdin.write_all(&bytes));
        let mut heard = Vec::new();
        self.stdout.take().expect("a pipe").read_to_end(&mut heard).expect("what it says");
        writer.join().expect("a thread").expect("room");
        heard
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

/// Bytes of which no two stretches are the same.
fn noise(bytes: u32) -> Vec<u8> {
    (0..bytes).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

fn none_left(rig: &Rig) {
    assert_eq!(rig.clients(), Vec::<String>::new());
}
