//! Speaking with what runs in a container: attached standard streams, and `exec`.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use bollard::container::{AttachContainerResults, LogOutput};
use bollard::exec::{CreateExecOptions, StartExecResults};
use bollard::query_parameters::{AttachContainerOptionsBuilder, DownloadFromContainerOptionsBuilder};
use futures_util::{Stream, StreamExt};
use tokio::io::{AsyncWrite, AsyncWriteExt, DuplexStream, duplex};

use super::Docker;
use super::deadline::{ARCHIVE, EXEC, within};
use crate::engine::error::{EngineError, Reason};
use crate::model::User;

/// The standard streams of a container.
pub struct Attached {
    /// To the container. Dropping or shutting it down half-closes the stream: the program sees the
    /// end of its input.
    pub stdin: Pin<Box<dyn AsyncWrite + Send>>,
    /// From the container.
    pub stdout: DuplexStream,
    /// The last lines that it wrote to standard error.
    pub stderr: StderrTail,
}

/// The last lines of standard error, bounded.
#[derive(Debug, Clone, Default)]
pub struct StderrTail(Arc<Mutex<Tail>>);

#[derive(Debug, Default)]
struct Tail {
    lines: VecDeque<String>,
    /// What came after the last line feed: a program may write a line in pieces.
    begun: Vec<u8>,
}

impl StderrTail {
    const LINES: usize = 20;
    /// Bytes of a line; the rest of it is left out.
    const LINE: usize = 4096;

    /// The lines, oldest first; the last one may not have ended.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let Ok(tail) = self.0.lock() else { return Vec::new() };
        let begun = text_of(&tail.begun);
        tail.lines.iter().cloned().chain(begun).collect()
    }

    fn add(&self, chunk: &[u8]) {
        let Ok(mut tail) = self.0.lock() else { return };
        for piece in chunk.split_inclusive(|&byte| byte == b'\n') {
            let room = Self::LINE.saturating_sub(tail.begun.len());
            let text = piece.strip_suffix(b"\n");
            tail.begun.extend(text.unwrap_or(piece).iter().take(room));
            if text.is_some() {
                let line = text_of(&std::mem::take(&mut tail.begun));
                tail.lines.extend(line);
                if tail.lines.len() > Self::LINES {
                    tail.lines.pop_front();
                }
            }
        }
    }
}

/// A line as text; `None` where there is nothing in it.
fn text_of(line: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(line);
    let text = text.trim_end();
    (!text.is_empty()).then(|| text.to_owned())
}

/// What a program run by `exec` printed, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecOutput {
    /// Its exit code.
    pub code: i64,
    /// Standard output, cut at 1 MiB.
    pub stdout: String,
    /// Standard error, cut at 1 MiB.
    pub stderr: String,
}

/// How much of the output waits for its reader before the container has to.
const BUFFER: usize = 64 * 1024;
const EXEC_OUTPUT: usize = 1 << 20;

impl Docker {
    /// Attaches to a container that was created but not started, so that nothing is missed.
    pub async fn attach(&self, name: &str) -> Result<Attached, EngineError> {
        let attached = self.attached(name).await?;
        let (writer, stdout) = duplex(BUFFER);
        let stderr = StderrTail::default();
        tokio::spawn(pump(attached.output, writer, stderr.clone()));
        Ok(Attached { stdin: attached.input, stdout, stderr })
    }

    /// Its streams as the library has them.
    pub(super) async fn attached(&self, name: &str) -> Result<AttachContainerResults, EngineError> {
        let options = AttachContainerOptionsBuilder::default()
            .stdin(true)
            .stdout(true)
            .stderr(true)
            .stream(true)
            .build();
        let attached = self.api.attach_container(name, Some(options)).await;
        attached.map_err(EngineError::failed(format!("attach to container {name}")))
    }

    /// Runs a program in a container that runs, without input, and waits for its end: three minutes
    /// at most.
    pub async fn exec(&self, name: &str, argv: &[&str]) -> Result<ExecOutput, EngineError> {
        let what = format!("run {} in container {name}", argv.join(" "));
        within(EXEC, &what, self.executed(name, argv, &what)).await
    }

    async fn executed(&self, name: &str, argv: &[&str], what: &str) -> Result<ExecOutput, EngineError> {
        let failed = || EngineError::failed(what);
        let options = CreateExecOptions {
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            cmd: Some(argv.to_vec()),
            ..CreateExecOptions::default()
        };
        let id = self.api.create_exec(name, options).await.map_err(failed())?.id;
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        if let StartExecResults::Attached { mut output, .. } =
            self.api.start_exec(&id, None).await.map_err(failed())?
        {
            while let Some(chunk) = output.next().await {
                let chunk = chunk.map_err(failed())?;
                let to = if matches!(chunk, LogOutput::StdErr { .. }) { &mut stderr } else { &mut stdout };
                let room = EXEC_OUTPUT.saturating_sub(to.len());
                to.extend(chunk.as_ref().iter().take(room));
            }
        }
        let code = self.api.inspect_exec(&id).await.map_err(failed())?.exit_code.unwrap_or(-1);
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ok(ExecOutput { code, stdout: text(stdout), stderr: text(stderr) })
    }
}

impl Docker {
    /// Who owns a path in a container, and its mode: the head of the archive that the engine would
    /// copy out, so that no program in the container is needed.
    pub async fn owner_of(&self, name: &str, path: &str) -> Result<(User, u32), EngineError> {
        let what = format!("look at {path} in container {name}");
        within(ARCHIVE, &what, self.owner_in_archive(name, path, &what)).await
    }

    async fn owner_in_archive(&self, name: &str, path: &str, what: &str) -> Result<(User, u32), EngineError> {
        let options = DownloadFromContainerOptionsBuilder::default().path(path).build();
        let mut archive = self.api.download_from_container(name, Some(options)).boxed();
        let mut head = Vec::new();
        while head.len() < TAR_BLOCK {
            match archive.next().await {
                Some(chunk) => head.extend_from_slice(&chunk.map_err(EngineError::failed(what))?),
                None => break,
            }
        }
        let mut block = [0; TAR_BLOCK];
        let found = head.len().min(TAR_BLOCK);
        block[..found].copy_from_slice(&head[..found]);
        let header = tar::Header::from_byte_slice(&block);
        let number = |read: std::io::Result<u64>| read.ok().and_then(|number| u32::try_from(number).ok());
        let owner = number(header.uid()).zip(number(header.gid())).zip(header.mode().ok());
        let unreadable = || EngineError::Failed {
            what: what.to_owned(),
            reason: Reason("its archive cannot be read".to_owned()),
        };
        let ((uid, gid), mode) = owner.ok_or_else(unreadable)?;
        Ok((User { uid, gid }, mode & 0o7777))
    }
}

/// The size of a header in a tar archive.
const TAR_BLOCK: usize = 512;

/// Moves a container's output to its readers until either ends.
async fn pump(
    mut output: Pin<Box<dyn Stream<Item = Result<LogOutput, bollard::errors::Error>> + Send>>,
    mut stdout: DuplexStream,
    stderr: StderrTail,
) {
    while let Some(Ok(chunk)) = output.next().await {
        match chunk {
            LogOutput::StdErr { message } => stderr.add(&message),
            other => {
                if stdout.write_all(other.as_ref()).await.is_err() {
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_comes_in_pieces_is_one_line() {
        let tail = StderrTail::default();
        for piece in [&b"OSError: [Errno 30] '"[..], b"/home", b"'\n\n", b"and\r\nthen"] {
            tail.add(piece);
        }
        assert_eq!(tail.lines(), ["OSError: [Errno 30] '/home'", "and", "then"]);
    }

    #[test]
    fn only_the_last_lines_are_kept_and_no_line_grows_for_ever() {
        let tail = StderrTail::default();
        for number in 0..100 {
            tail.add(format!("{number}\n").as_bytes());
        }
        assert_eq!((tail.lines().len(), tail.lines()[0].as_str()), (StderrTail::LINES, "80"));
        for _ in 0..100 {
            tail.add(&[b'x'; 1000]);
        }
        assert_eq!(tail.lines().last().map(String::len), Some(StderrTail::LINE));
    }
}
