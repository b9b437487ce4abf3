//! Over the engine's socket on this machine, what the library does not hand over: the head of an answer, and the
//! connection itself.

use std::io::{self, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::eager::Eager;
use super::streams::{BUFFER, Frames, Input, Output, Sink, Streams};

const ALL: &str = "stream=1&stdin=1&stdout=1&stderr=1";
/// For the head of the engine's answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest head of an answer, in bytes.
const LONGEST: usize = 16 * 1024;

/// The head of an answer, and what came with it of the rest.
struct Answer {
    stream: tokio::net::UnixStream,
    head: String,
    rest: Vec<u8>,
}

impl Answer {
    /// Connects and asks, without a body.
    async fn to(socket: &str, request: &str) -> io::Result<Self> {
        let mut stream = tokio::net::UnixStream::connect(socket).await?;
        let asked = format!("{request}\r\nHost: docker\r\nContent-Length: 0\r\n\r\n");
        stream.write_all(asked.as_bytes()).await?;
        let mut read = Vec::with_capacity(LONGEST);
        loop {
            let room = LONGEST - read.len();
            if (&mut stream).take(room as u64).read_buf(&mut read).await? == 0 {
                let cut = String::from_utf8_lossy(&read).into_owned();
                return Err(io::Error::other(format!("the engine hung up after {cut:?}")));
            }
            if let Some(end) = memchr::memmem::find(&read, b"\r\n\r\n") {
                let rest = read.split_off(end + 4);
                return Ok(Self { stream, head: String::from_utf8_lossy(&read).into_owned(), rest });
            }
        }
    }

    fn status(&self) -> &str {
        self.head.split_ascii_whitespace().nth(1).unwrap_or_default()
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        fields.find_map(|(field, value)| field.eq_ignore_ascii_case(name).then(|| value.trim()))
    }
}

/// The headers `Server` and `Api-Version` of an engine that says that it is there; `None` where that, which answers,
/// does not.
pub(super) async fn pinged(socket: &str) -> io::Result<Option<(String, String)>> {
    let answer = Answer::to(socket, "GET /_ping HTTP/1.1").await?;
    let said = |name| answer.header(name).filter(|_| answer.status() == "200").map(str::to_owned);
    Ok(said("Server").zip(said("Api-Version")))
}

/// Asks for the connection itself, which then carries a container's streams.
pub(super) async fn attach(socket: &str, container: &str) -> io::Result<Streams> {
    let request =
        format!("POST /containers/{container}/attach?{ALL} HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: tcp");
    let answer = timeout(PATIENCE, Answer::to(socket, &request)).await??;
    // An engine that did not understand the upgrade hands the connection over all the same.
    if !matches!(answer.status(), "101" | "200") {
        let words = String::from_utf8_lossy(&answer.rest).trim().to_owned();
        return Err(io::Error::other(format!(
            "the engine answered with status {}: {words}",
            answer.status()
        )));
    }
    let stream = answer.stream.into_std()?;
    stream.set_nonblocking(false)?;
    debug_assert!(answer.rest.len() <= BUFFER, "what came with the head fits");
    let output = Frames::new(Eager::new(stream.try_clone()?), &answer.rest);
    Ok(Streams { input: Arc::new(stream), output: Box::new(output) })
}

impl Input for UnixStream {
    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let mut way = self;
        way.write_all(bytes)
    }

    fn close(&self) {
        // One that is closed already is fine.
        let _ = self.shutdown(Shutdown::Write);
    }
}

impl Output for Frames<Eager> {
    fn copy(self: Box<Self>, sink: &mut Sink<'_>) -> io::Result<()> {
        self.copy_all(sink)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::UnixListener;

    /// What is found out from one who answers with `answer`, and what it was asked.
    async fn pinged_by(answer: &'static str) -> (io::Result<Option<(String, String)>>, String) {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join("engine.sock");
        let listener = UnixListener::bind(&socket).expect("a socket");
        let answering = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a client");
            let mut asked = vec![0; 256];
            let count = stream.read(&mut asked).await.expect("a request");
            // Byte by byte: a head comes in whatever pieces.
            for byte in answer.as_bytes() {
                stream.write_all(&[*byte]).await.expect("room");
            }
            String::from_utf8_lossy(&asked[..count]).into_owned()
        });
        let found = pinged(&socket.display().to_string()).await;
        (found, answering.await.expect("an answer"))
    }

    #[tokio::test]
    async fn an_engine_says_who_it_is_and_what_it_speaks_in_the_head_of_an_answer() {
        let (found, asked) =
            pinged_by("HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nserver:Docker/27.0\r\n\r\nOK").await;
        assert_eq!(found.expect("an answer"), Some(("Docker/27.0".to_owned(), "1.41".to_owned())));
        assert_eq!(asked, "GET /_ping HTTP/1.1\r\nHost: docker\r\nContent-Length: 0\r\n\r\n");
    }

    #[tokio::test]
    async fn whoever_does_not_say_it_is_asked_otherwise() {
        for answer in [
            "HTTP/1.1 200 OK\r\nServer: nginx\r\n\r\n",
            "HTTP/1.1 403 No\r\nServer: x\r\nApi-Version: 1.41\r\n\r\n",
        ] {
            assert_eq!(pinged_by(answer).await.0.expect("an answer"), None, "{answer}");
        }
    }

    #[tokio::test]
    async fn one_that_hangs_up_within_the_head_is_told() {
        let (found, _) = pinged_by("HTTP/1.1 200 OK\r\nServ").await;
        assert_eq!(
            found.expect_err("an error").to_string(),
            "the engine hung up after \"HTTP/1.1 200 OK\\r\\nServ\""
        );
    }
}
