//! An HTTP/1.1 client of its own: one connection, kept as long as the server keeps it, each answer
//! read to its end, whether its length is given, chunked, or the connection's end.

use std::io;
use std::net::SocketAddr;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Room made for each read.
const READ: usize = 64 * 1024;

/// Where a URL leads.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    address: SocketAddr,
    pub(crate) authority: String,
    pub(crate) path: String,
}

impl Target {
    /// Of `http://ADDRESS:PORT/PATH` or `ws://…`: numbers only, so that no name is looked up.
    pub(crate) fn parse(url: &str) -> io::Result<Self> {
        let refuse = || io::Error::other(format!("not http://ADDRESS:PORT/PATH: {url}"));
        let rest = url.split_once("://").ok_or_else(refuse)?.1;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let address = authority.parse().map_err(|_| refuse())?;
        Ok(Self { address, authority: authority.to_owned(), path: format!("/{path}") })
    }
}

pub(crate) async fn connect(target: &Target) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(target.address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// What matters of an answer's head.
#[derive(Debug, Default)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) session: Option<String>,
    length: Option<usize>,
    chunked: bool,
    closes: bool,
}

/// Reads a head from `stream` and takes it out of `input`.
pub(crate) async fn read_head(stream: &mut TcpStream, input: &mut BytesMut) -> io::Result<Head> {
    loop {
        if let Some(end) = crate::message::position(input, b"\r\n\r\n") {
            let head = parse_head(&input[..end]);
            input.advance(end + 4);
            return head;
        }
        more(stream, input).await?;
    }
}

fn parse_head(bytes: &[u8]) -> io::Result<Head> {
    let text = std::str::from_utf8(bytes).map_err(io::Error::other)?;
    let mut lines = text.split("\r\n");
    let first = lines.next().unwrap_or_default();
    let status = first.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| io::Error::other(format!("not HTTP: {first}")))?;
    let mut head = Head { status, closes: first.starts_with("HTTP/1.0"), ..Head::default() };
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            head.length = value.parse().ok();
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            head.chunked = value.eq_ignore_ascii_case("chunked");
        } else if name.eq_ignore_ascii_case("connection") {
            head.closes = value.eq_ignore_ascii_case("close");
        } else if name.eq_ignore_ascii_case("mcp-session-id") {
            head.session = Some(value.to_owned());
        }
    }
    Ok(head)
}

async fn more(stream: &mut TcpStream, input: &mut BytesMut) -> io::Result<()> {
    input.reserve(READ);
    match stream.read_buf(input).await? {
        0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the connection ended in an answer")),
        _ => Ok(()),
    }
}

#[derive(Debug)]
pub(crate) struct Http {
    target: Target,
    stream: TcpStream,
    input: BytesMut,
    body: Vec<u8>,
    /// The server said that it hangs up after the answer before.
    over: bool,
}

impl Http {
    pub(crate) async fn open(target: &Target) -> io::Result<Self> {
        let stream = connect(target).await?;
        Ok(Self { target: target.clone(), stream, input: BytesMut::new(), body: Vec::new(), over: false })
    }

    /// Sends a whole request; the answer's head and body.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> io::Result<(Head, &[u8])> {
        if self.over {
            self.stream = connect(&self.target).await?;
            self.input.clear();
            self.over = false;
        }
        // A server that refuses a body may hang up before it has all of it, but not without a word.
        let written = self.stream.write_all(request).await;
        let head = match (read_head(&mut self.stream, &mut self.input).await, written) {
            (Ok(head), Ok(())) => head,
            (Ok(head), Err(_)) => Head { closes: true, ..head },
            (Err(_), Err(error)) | (Err(error), Ok(())) => return Err(error),
        };
        self.body.clear();
        self.over = head.closes;
        if head.chunked {
            self.read_chunks().await?;
        } else if let Some(length) = head.length {
            self.take(length).await?;
        } else if !matches!(head.status, 202 | 204) {
            self.over = true;
            while more(&mut self.stream, &mut self.input).await.is_ok() {}
            self.take(self.input.len()).await?;
        }
        Ok((head, &self.body))
    }

    async fn read_chunks(&mut self) -> io::Result<()> {
        loop {
            let end = loop {
                match crate::message::position(&self.input, b"\r\n") {
                    Some(end) => break end,
                    None => more(&mut self.stream, &mut self.input).await?,
                }
            };
            let size = std::str::from_utf8(&self.input[..end]).map_err(io::Error::other)?;
            let size = size.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(size, 16).map_err(io::Error::other)?;
            self.input.advance(end + 2);
            self.take(size).await?;
            while self.input.len() < 2 {
                more(&mut self.stream, &mut self.input).await?;
            }
            self.input.advance(2);
            if size == 0 {
                return Ok(());
            }
        }
    }

    /// Moves `length` bytes of the input to the body.
    async fn take(&mut self, mut length: usize) -> io::Result<()> {
        loop {
            let now = length.min(self.input.len());
            self.body.extend_from_slice(&self.input[..now]);
            self.input.advance(now);
            length -= now;
            if length == 0 {
                return Ok(());
            }
            more(&mut self.stream, &mut self.input).await?;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// What `exchange` makes of answers, the connection ending after the last.
    async fn bodies(answers: &'static [u8], count: usize) -> io::Result<Vec<(u16, Vec<u8>)>> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let target = Target::parse(&format!("http://{}/", listener.local_addr()?))?;
        let server = async {
            let (mut stream, _) = listener.accept().await?;
            stream.write_all(answers).await?;
            stream.shutdown().await?;
            // Read to its end, or the answer may be lost with the connection.
            stream.read_to_end(&mut Vec::new()).await
        };
        let client = async {
            let mut http = Http::open(&target).await?;
            let mut bodies = Vec::new();
            for _ in 0..count {
                let (head, body) = http.exchange(b"x").await?;
                bodies.push((head.status, body.to_vec()));
            }
            Ok(bodies)
        };
        tokio::join!(client, server).0
    }

    #[tokio::test]
    async fn an_answer_ends_where_its_length_its_chunks_or_the_connection_say() -> io::Result<()> {
        let answers = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none\
            HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\ntw\r\n1;x=y\r\no\r\n0\r\n\r\n\
            HTTP/1.1 202 Accepted\r\n\r\nHTTP/1.1 500 No\r\n\r\nthe rest";
        let expected = [(200, "one"), (200, "two"), (202, ""), (500, "the rest")];
        let expected: Vec<_> =
            expected.iter().map(|(status, body)| (*status, body.as_bytes().to_vec())).collect();
        assert_eq!(bodies(answers, 4).await?, expected);
        Ok(())
    }

    #[tokio::test]
    async fn an_answer_that_is_cut_short_is_an_error() {
        assert!(bodies(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\none", 1).await.is_err());
    }
}
