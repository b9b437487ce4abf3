//! The server itself, a line at a time.

use std::io;
use std::process::Stdio;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// Room made for each read.
const READ: usize = 64 * 1024;

#[derive(Debug)]
pub(crate) struct Pipe {
    /// Killed when dropped.
    child: Child,
    stdin: ChildStdin,
    stdout: ChildStdout,
    input: BytesMut,
    /// The length of the line that was handed out last, its end included.
    taken: usize,
    line: Vec<u8>,
}

impl Pipe {
    pub(crate) fn open(command: &[String]) -> io::Result<Self> {
        let Some((program, arguments)) = command.split_first() else {
            return Err(io::Error::other("the pipe needs a command behind --"));
        };
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("the server has no pipes"));
        };
        Ok(Self { child, stdin, stdout, input: BytesMut::new(), taken: 0, line: Vec::new() })
    }

    pub(crate) async fn send(&mut self, message: &[u8]) -> io::Result<()> {
        if message.len() > READ {
            self.stdin.write_all(message).await?;
            return self.stdin.write_all(b"\n").await;
        }
        self.line.clear();
        self.line.extend_from_slice(message);
        self.line.push(b'\n');
        self.stdin.write_all(&self.line).await
    }

    pub(crate) async fn receive(&mut self) -> io::Result<&[u8]> {
        self.input.advance(std::mem::take(&mut self.taken));
        let mut seen = 0;
        loop {
            // Looked for in two steps, because the first one goes a word at a time.
            let fresh = &self.input[seen..];
            if fresh.contains(&b'\n')
                && let Some(end) = fresh.iter().position(|byte| *byte == b'\n')
            {
                self.taken = seen + end + 1;
                return Ok(&self.input[..self.taken - 1]);
            }
            seen = self.input.len();
            self.input.reserve(READ);
            if self.stdout.read_buf(&mut self.input).await? == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server ended"));
            }
        }
    }

    pub(crate) async fn close(mut self) {
        drop(self.stdin);
        // A server that does not end is killed as it is dropped.
        let _ = self.child.wait().await;
    }
}
