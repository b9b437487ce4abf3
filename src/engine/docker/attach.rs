//! Speaking with what runs in a container: attached standard streams, and `exec`.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use bollard::container::LogOutput;
use bollard::exec::{CreateExecOptions, StartExecResults};
use bollard::query_parameters::{AttachContainerOptionsBuilder, DownloadFromContainerOptionsBuilder};
use futures_util::{Stream, StreamExt};
use tokio::io::{AsyncWrite, AsyncWriteExt, DuplexStream, duplex};

use super::Docker;
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
pub struct StderrTail(Arc<Mutex<VecDeque<String>>>);

impl StderrTail {
    const LINES: usize = 20;
    const LINE: usize = 1024;

    /// The lines, oldest first.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.0.lock().map(|lines| lines.iter().cloned().collect()).unwrap_or_default()
    }

    fn add(&self, chunk: &[u8]) {
        let Ok(mut lines) = self.0.lock() else { return };
        for line in String::from_utf8_lossy(chunk).lines().filter(|line| !line.trim().is_empty()) {
            lines.push_back(line.chars().take(Self::LINE).collect());
            if lines.len() > Self::LINES {
                lines.pop_front();
            }
        }
    }
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
        let options = AttachContainerOptionsBuilder::default()
            .stdin(true)
            .stdout(true)
            .stderr(true)
            .stream(true)
            .build();
        let attached = self.api.attach_container(name, Some(options)).await;
        let attached = attached.map_err(EngineError::failed(format!("attach to container {name}")))?;
        let (writer, stdout) = duplex(BUFFER);
        let stderr = StderrTail::default();
        tokio::spawn(pump(attached.output, writer, stderr.clone()));
        Ok(Attached { stdin: attached.input, stdout, stderr })
    }

    /// Runs a program in a container that runs, without input, and waits for its end.
    pub async fn exec(&self, name: &str, argv: &[&str]) -> Result<ExecOutput, EngineError> {
        let failed = || EngineError::failed(format!("run {} in container {name}", argv.join(" ")));
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
        let options = DownloadFromContainerOptionsBuilder::default().path(path).build();
        let mut archive = self.api.download_from_container(name, Some(options)).boxed();
        let mut head = Vec::new();
        while head.len() < TAR_BLOCK {
            match archive.next().await {
                Some(chunk) => head.extend_from_slice(&chunk.map_err(EngineError::failed(what.clone()))?),
                None => break,
            }
        }
        let mut block = [0; TAR_BLOCK];
        let found = head.len().min(TAR_BLOCK);
        block[..found].copy_from_slice(&head[..found]);
        let header = tar::Header::from_byte_slice(&block);
        let number = |read: std::io::Result<u64>| read.ok().and_then(|number| u32::try_from(number).ok());
        let owner = number(header.uid()).zip(number(header.gid())).zip(header.mode().ok());
        let unreadable =
            || EngineError::Failed { what, reason: Reason("its archive cannot be read".to_owned()) };
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
