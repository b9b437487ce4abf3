//! One HTTP/1.1 request to a server that we run: no redirects, no proxies, no names to resolve.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;

use super::door::Door;

/// What a request may cost.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// From the connection's first packet to the answer's last byte.
    pub deadline: Duration,
    /// The longest answer, in bytes.
    pub body: usize,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The media type, where one was given.
    pub content_type: Option<String>,
    /// The body.
    pub body: Bytes,
}

/// Why nothing came back.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The path or the host cannot stand in a request.
    #[error("{0:?} cannot be requested")]
    Unspeakable(String),
    /// Nobody listens there, or it cannot be reached.
    #[error("cannot connect to {0}")]
    Connect(SocketAddr, #[source] std::io::Error),
    /// The connection broke, or its other end speaks no HTTP.
    #[error("{0} broke off the exchange")]
    Broken(SocketAddr, #[source] hyper::Error),
    /// The answer is longer than [`Limits::body`].
    #[error("the answer of {0} is longer than {1} bytes")]
    TooLong(SocketAddr, usize),
    /// [`Limits::deadline`] passed.
    #[error("{0} did not answer within {1:?}")]
    Timeout(SocketAddr, Duration),
}

/// `GET path`, with `host` in the `Host` header.
pub async fn get(addr: SocketAddr, path: &str, host: &str, limits: Limits) -> Result<Answer, HttpError> {
    get_through(&Door::default(), addr, path, host, limits).await
}

/// As [`get`], through a door.
pub async fn get_through(
    door: &Door,
    addr: SocketAddr,
    path: &str,
    host: &str,
    limits: Limits,
) -> Result<Answer, HttpError> {
    request(door, addr, Method::GET, path, host, None, limits).await
}

/// `POST path` with a JSON text as its body.
pub async fn post_json(
    addr: SocketAddr,
    path: &str,
    host: &str,
    json: String,
    limits: Limits,
) -> Result<Answer, HttpError> {
    post_json_through(&Door::default(), addr, path, host, json, limits).await
}

/// As [`post_json`], through a door.
pub async fn post_json_through(
    door: &Door,
    addr: SocketAddr,
    path: &str,
    host: &str,
    json: String,
    limits: Limits,
) -> Result<Answer, HttpError> {
    request(door, addr, Method::POST, path, host, Some(json), limits).await
}

async fn request(
    door: &Door,
    addr: SocketAddr,
    method: Method,
    path: &str,
    host: &str,
    json: Option<String>,
    limits: Limits,
) -> Result<Answer, HttpError> {
    let mut head =
        Request::builder().method(method).uri(path).header(HOST, host).header(ACCEPT, "application/json");
    if json.is_some() {
        head = head.header(CONTENT_TYPE, "application/json");
    }
    let mut request = head
        .body(Full::new(Bytes::from(json.unwrap_or_default())))
        .map_err(|_| HttpError::Unspeakable(format!("{host}{path}")))?;
    request.headers_mut().extend(door.headers());
    timeout(limits.deadline, exchange(door, addr, request, limits.body))
        .await
        .map_err(|_| HttpError::Timeout(addr, limits.deadline))?
}

async fn exchange(
    door: &Door,
    addr: SocketAddr,
    request: Request<Full<Bytes>>,
    max: usize,
) -> Result<Answer, HttpError> {
    let stream = door.connect(&addr.into()).await.map_err(|error| HttpError::Connect(addr, error))?;
    let broken = |error| HttpError::Broken(addr, error);
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let answer = async {
        let response = sender.send_request(request).await.map_err(broken)?;
        let (head, body) = response.into_parts();
        let content_type = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let body = Limited::new(body, max).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() {
                return HttpError::TooLong(addr, max);
            }
            match error.downcast::<hyper::Error>() {
                Ok(error) => broken(*error),
                Err(error) => HttpError::Connect(addr, std::io::Error::other(error)),
            }
        })?;
        Ok(Answer {
            status: head.status.as_u16(),
            content_type: content_type.map(str::to_owned),
            body: body.to_bytes(),
        })
    };
    // The connection carries the exchange: it is polled beside it and dropped with it.
    tokio::pin!(answer);
    tokio::select! {
        answer = &mut answer => answer,
        end = connection => match end {
            Ok(()) => answer.await,
            Err(error) => Err(broken(error)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    async fn serve(reply: &'static [u8], hang: bool) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let addr = listener.local_addr().expect("an address");
        tokio::spawn(async move {
            let (mut tcp, _) = listener.accept().await.expect("a client");
            let mut head = [0; 1024];
            let _ = tcp.read(&mut head).await;
            let _ = tcp.write_all(reply).await;
            if hang {
                std::future::pending::<()>().await;
            }
        });
        addr
    }

    fn limits(deadline: u64, body: usize) -> Limits {
        Limits { deadline: Duration::from_millis(deadline), body }
    }

    #[tokio::test]
    async fn an_answer_comes_with_its_status_type_and_body() {
        let addr = serve(
            b"HTTP/1.1 404 Not Found\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}",
            false,
        )
        .await;
        let answer = get(addr, "/healthz", "localhost", limits(5000, 2)).await.expect("an answer");
        let content_type = Some("application/json".to_owned());
        assert_eq!(answer, Answer { status: 404, content_type, body: Bytes::from_static(b"{}") });
    }

    #[tokio::test]
    async fn an_answer_past_the_cap_silence_and_nonsense_are_different_errors() {
        let long = serve(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc", false).await;
        assert!(matches!(get(long, "/", "x", limits(5000, 2)).await, Err(HttpError::TooLong(_, 2))));
        let silent = serve(b"", true).await;
        assert!(matches!(get(silent, "/", "x", limits(50, 2)).await, Err(HttpError::Timeout(..))));
        let nonsense = serve(b"220 mail\r\n\r\n", false).await;
        assert!(matches!(get(nonsense, "/", "x", limits(5000, 2)).await, Err(HttpError::Broken(..))));
        let bad = get(nonsense, "/ b", "x", limits(5000, 2)).await;
        assert!(matches!(bad, Err(HttpError::Unspeakable(_))));
    }
}
