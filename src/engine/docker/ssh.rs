//! An engine behind SSH, reached as the Docker CLI reaches it: each connection is a process
//! `ssh HOST docker system dial-stdio`, with the user's own configuration, keys and known hosts.

use std::io;
use std::pin::{Pin, pin};
use std::process::Stdio;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bollard::errors::Error;
use bollard::{BollardRequest, ClientVersion, Docker as Bollard};
use hyper::Uri;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::sync::oneshot;
use tower_service::Service;

/// What ssh says before it ends; of more than that the beginning is kept.
const MAX_WORDS: u64 = 16 * 1024;
/// A process that ssh leaves behind may hold its standard error open.
const LAST_WORDS: Duration = Duration::from_millis(200);
/// Ends a process once there is nobody any more at the other end of the input, who may have been killed.
#[cfg(unix)]
const WATCH: &str = "read -r nothing; kill \"$1\"";
/// Seconds for the way to the other machine's SSH server.
const CONNECT_TIMEOUT: &str = "ConnectTimeout=10";

/// The engine at `ssh://[USER@]HOST[:PORT]`. Nothing is sent yet.
pub(super) fn open(address: &str, timeout: u64, version: &ClientVersion) -> Result<Bollard, Error> {
    let malformed = || io::Error::other("an address of this kind is ssh://[USER@]HOST[:PORT], and no more");
    let destination = Destination::parse(address).ok_or_else(|| Error::IOError { err: malformed() })?;
    let connector = Connector(destination);
    let client = Client::builder(TokioExecutor::new()).build::<_, _>(connector);
    let transport = move |request: BollardRequest| {
        let client = client.clone();
        async move { client.request(request).await.map_err(Error::from) }
    };
    // The name is not looked up: whoever is at the other end of the process answers.
    Bollard::connect_with_custom_transport(transport, Some("http://docker"), timeout, version)
}

/// Where to, as ssh's arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Destination {
    options: Vec<String>,
    host: String,
}

impl Destination {
    fn parse(address: &str) -> Option<Self> {
        let uri: Uri = address.parse().ok()?;
        let authority = uri.authority()?;
        let (user, place) = match authority.as_str().rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, authority.as_str()),
        };
        let port = place.strip_prefix(authority.host())?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        // A socket's path and a password are not ssh's to have.
        if uri.path().len() > 1 || host.is_empty() || user.is_some_and(|user| user.contains(':')) {
            return None;
        }
        let mut options = Vec::new();
        if let Some(user) = user {
            options.extend(["-l".to_owned(), user.to_owned()]);
        }
        if !port.is_empty() {
            let number: u16 = port.strip_prefix(':')?.parse().ok()?;
            options.extend(["-p".to_owned(), number.to_string()]);
        }
        Some(Self { options, host })
    }

    fn command(&self) -> Command {
        let mut command = Command::new("ssh");
        // Nobody is asked for a password or whether a key is the right one: that has its own answer.
        command.args(["-T", "-o", "BatchMode=yes", "-o", CONNECT_TIMEOUT]);
        // After `--` a host is no option, whatever its name.
        command.args(&self.options).args(["--", &self.host, "docker", "system", "dial-stdio"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        // A signal for the group that we are in is ours to pass on, once nothing is left to be asked.
        #[cfg(unix)]
        command.process_group(0);
        command
    }
}

#[derive(Debug, Clone)]
struct Connector(Destination);

impl Service<Uri> for Connector {
    type Response = TokioIo<Link>;
    type Error = io::Error;
    type Future = std::future::Ready<io::Result<TokioIo<Link>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        std::future::ready(Link::start(self.0.command()).map(TokioIo::new))
    }
}

/// A process whose input and output are the connection. A task owns it, and ends it with this.
struct Link {
    input: Option<ChildStdin>,
    output: ChildStdout,
    /// Whether the other end has said anything: until then its end is ssh's failure.
    heard: bool,
    ended: oneshot::Receiver<String>,
    _alive: oneshot::Sender<()>,
}

impl Link {
    fn start(mut command: Command) -> io::Result<Self> {
        let told = |error: io::Error| io::Error::other(format!("cannot start ssh: {error}"));
        let mut child = command.spawn().map_err(told)?;
        let streams = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(input), Some(output), Some(stderr)) = streams else {
            return Err(io::Error::other("ssh has no streams"));
        };
        let (end, ended) = oneshot::channel();
        let (alive, dropped) = oneshot::channel();
        let watcher = child.id().and_then(watch);
        tokio::spawn(async move {
            own(child, stderr, dropped, end).await;
            drop(watcher);
        });
        Ok(Self { input: Some(input), output, heard: false, ended, _alive: alive })
    }

    /// Why there is no connection, in ssh's words.
    fn poll_failure(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        let words = ready!(Pin::new(&mut self.ended).poll(context)).unwrap_or_default();
        // Not said twice: from now on the end is an end.
        self.heard = true;
        let last = words.lines().map(str::trim).rfind(|line| !line.is_empty());
        Poll::Ready(io::Error::other(last.unwrap_or("ssh ended without a word").to_owned()))
    }
}

/// What ends ssh where this process is killed: it would stay for as long as the other end says nothing, and has
/// no way to see who is at the other end of its streams.
#[cfg(unix)]
fn watch(ssh: u32) -> Option<Child> {
    let mut command = Command::new("sh");
    command.args(["-c", WATCH, "sh", &ssh.to_string()]).process_group(0).kill_on_drop(true);
    // Without it, ssh goes with what it speaks with.
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()
}

/// Elsewhere there is no such program.
#[cfg(not(unix))]
fn watch(_: u32) -> Option<Child> {
    None
}

async fn own(
    mut child: Child,
    mut stderr: ChildStderr,
    dropped: oneshot::Receiver<()>,
    end: oneshot::Sender<String>,
) {
    let mut words = Vec::new();
    let is_over = {
        let mut drained = pin!(async {
            let _ = (&mut stderr).take(MAX_WORDS).read_to_end(&mut words).await;
            let _ = tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await;
        });
        let mut dropped = pin!(dropped);
        tokio::select! {
            () = &mut drained => tokio::select! {
                _ = child.wait() => true,
                _ = &mut dropped => false,
            },
            _ = child.wait() => {
                let _ = tokio::time::timeout(LAST_WORDS, &mut drained).await;
                true
            }
            _ = &mut dropped => false,
        }
    };
    if is_over {
        let _ = end.send(String::from_utf8_lossy(&words).into_owned());
    } else {
        let _ = child.kill().await;
    }
}

impl Connection for Link {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for Link {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.output).poll_read(context, buffer))?;
        if buffer.filled().len() > before {
            self.heard = true;
        } else if !self.heard {
            return self.poll_failure(context).map(Err);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Link {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Some(input) = &mut self.input else {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        };
        match ready!(Pin::new(input).poll_write(context, bytes)) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe && !self.heard => {
                self.poll_failure(context).map(Err)
            }
            other => Poll::Ready(other),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.input.as_mut().map_or(Poll::Ready(Ok(())), |input| Pin::new(input).poll_flush(context))
    }

    /// The end of what is sent, and not of what is heard: a pipe ends where it is closed.
    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.input = None;
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(address: &str) -> Option<String> {
        Destination::parse(address).map(|found| [found.options, vec![found.host]].concat().join(" "))
    }

    #[test]
    fn an_address_becomes_ssh_s_arguments() {
        for (address, expected) in [
            ("ssh://far", "far"),
            ("ssh://far/", "far"),
            ("ssh://me@far", "-l me far"),
            ("ssh://me@far.example:2222", "-l me -p 2222 far.example"),
            ("ssh://[::1]:22", "-p 22 ::1"),
        ] {
            assert_eq!(arguments(address).as_deref(), Some(expected), "{address}");
        }
    }

    #[test]
    fn what_ssh_cannot_be_told_is_refused() {
        for address in ["ssh://", "ssh://me:secret@far", "ssh://far/run/docker.sock", "ssh://far:port"] {
            assert_eq!(arguments(address), None, "{address}");
        }
    }

    #[test]
    fn a_host_that_looks_like_an_option_is_none() {
        let found = Destination::parse("ssh://-oProxyCommand=x").expect("a name");
        let command = found.command();
        let words: Vec<_> = command.as_std().get_args().collect();
        let host = words.iter().position(|word| *word == "-oProxyCommand=x").expect("the host");
        assert_eq!(words[host - 1], "--");
    }
}
