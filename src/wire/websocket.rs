//! A WebSocket as a stream of lines: one text frame, one message. No compression.

use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::header::{HeaderName, HeaderValue};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::door::{Door, Stream};
use super::place::Place;
use super::refusal::understood;
use crate::mcp::{FrameError, Lines, Open};

/// Where a WebSocket is and what may come over it.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// What is connected to.
    pub addr: Place,
    /// What the `Host` header says, such as `localhost:8765`.
    pub host: String,
    /// The path, such as `/ws`.
    pub path: String,
    /// More headers, such as `Authorization`.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The longest message, in bytes.
    pub max_message: usize,
    /// How long the connection and its handshake may take.
    pub deadline: Duration,
}

/// Why there is no WebSocket.
#[derive(Debug, thiserror::Error)]
pub enum WebSocketError {
    /// Host or path cannot stand in a request.
    #[error("{0:?} cannot be requested")]
    Unspeakable(String),
    /// Nobody listens there, or it cannot be reached.
    #[error("cannot connect to {0}")]
    Connect(Place, #[source] io::Error),
    /// The server answered with something else than a WebSocket.
    #[error("{addr} refused the WebSocket with status {status}{detail}")]
    Refused {
        /// Who refused.
        addr: Place,
        /// The HTTP status.
        status: u16,
        /// The body's words, after a colon, where there are any; at most 512 characters.
        detail: String,
    },
    /// The handshake broke off or was no handshake.
    #[error("the handshake with {0} failed")]
    Handshake(Place, #[source] Box<Error>),
    /// [`Endpoint::deadline`] passed.
    #[error("{0} did not answer within {1:?}")]
    Timeout(Place, Duration),
}

/// Why a server closed: kept apart from the connection, to be asked after its end.
#[derive(Debug, Clone, Default)]
pub struct Goodbye(Arc<OnceLock<String>>);

impl Goodbye {
    /// The server's close code and reason, such as `1011: the server ended with exit status: 1`.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.0.get().map(String::as_str)
    }
}

/// An open WebSocket.
#[derive(Debug)]
pub struct WebSocket {
    stream: WebSocketStream<Box<dyn Stream>>,
    goodbye: Goodbye,
}

impl WebSocket {
    /// What the server says when it closes.
    #[must_use]
    pub fn goodbye(&self) -> Goodbye {
        self.goodbye.clone()
    }
}

/// Opens a WebSocket.
pub async fn connect(endpoint: &Endpoint) -> Result<WebSocket, WebSocketError> {
    connect_through(&Door::default(), endpoint).await
}

/// As [`connect`], through a door.
pub async fn connect_through(door: &Door, endpoint: &Endpoint) -> Result<WebSocket, WebSocketError> {
    // On the heap: a handshake takes kilobytes.
    timeout(endpoint.deadline, Box::pin(open(door, endpoint)))
        .await
        .map_err(|_| WebSocketError::Timeout(endpoint.addr.clone(), endpoint.deadline))?
}

/// Opens sockets at one endpoint, and knows what the last one was closed with.
pub(super) struct Opener<'a> {
    pub(super) door: &'a Door,
    pub(super) endpoint: Endpoint,
    pub(super) goodbye: Option<Goodbye>,
}

impl Open for Opener<'_> {
    type Lines = WebSocket;
    type Error = WebSocketError;

    async fn open(&mut self) -> Result<WebSocket, WebSocketError> {
        let socket = connect_through(self.door, &self.endpoint).await?;
        self.goodbye = Some(socket.goodbye());
        Ok(socket)
    }
}

impl Opener<'_> {
    /// What the last one was closed with.
    pub(super) fn reason(&self) -> Option<&str> {
        self.goodbye.as_ref().and_then(Goodbye::reason)
    }
}

async fn open(door: &Door, endpoint: &Endpoint) -> Result<WebSocket, WebSocketError> {
    let addr = endpoint.addr.clone();
    let url = format!("ws://{}{}", endpoint.host, endpoint.path);
    let mut request =
        url.as_str().into_client_request().map_err(|_| WebSocketError::Unspeakable(url.clone()))?;
    request.headers_mut().extend(endpoint.headers.iter().cloned());
    request.headers_mut().extend(door.headers());
    let stream = match door.connect(&addr).await {
        Ok(stream) => stream,
        Err(error) => return Err(WebSocketError::Connect(addr, error)),
    };
    match client_async_with_config(request, stream, Some(config(endpoint.max_message))).await {
        Ok((stream, _)) => Ok(WebSocket { stream, goodbye: Goodbye::default() }),
        Err(Error::Http(response)) => {
            let body = response.body().as_deref().unwrap_or_default();
            let detail = understood(body).words();
            Err(WebSocketError::Refused { addr, status: response.status().as_u16(), detail })
        }
        Err(error) => Err(WebSocketError::Handshake(addr, Box::new(error))),
    }
}

/// Bounds for one connection: a message as long as `max`, and little memory while it is idle.
fn config(max: usize) -> WebSocketConfig {
    WebSocketConfig::default()
        .max_message_size(Some(max))
        .max_frame_size(Some(max))
        .read_buffer_size(16 * 1024)
        .write_buffer_size(0)
}

impl Lines for WebSocket {
    async fn send(&mut self, line: &str) -> io::Result<()> {
        self.stream.send(Message::text(line)).await.map_err(io::Error::other)
    }

    /// Waits until the server has said it too.
    async fn close(&mut self) {
        if self.stream.close(None).await.is_ok() {
            while let Some(Ok(_)) = self.stream.next().await {}
        }
    }

    async fn receive(&mut self) -> Result<Option<String>, FrameError> {
        loop {
            match self.stream.next().await {
                Some(Ok(Message::Text(text))) => return Ok(Some(text.as_str().to_owned())),
                Some(Ok(Message::Binary(_))) => return Err(FrameError::NotUtf8),
                Some(Ok(Message::Close(Some(CloseFrame { code, reason })))) => {
                    let words = format!("{}: {reason}", u16::from(code));
                    let _ = self.goodbye.0.set(words.clone());
                    // These say that the server is gone, which a caller may mend by calling again;
                    // the others say that it did not like what it got.
                    if !matches!(code, CloseCode::Normal | CloseCode::Away | CloseCode::Error) {
                        return Err(FrameError::Io(io::Error::other(format!("closed with {words}"))));
                    }
                }
                Some(Ok(_)) => {}
                None | Some(Err(Error::ConnectionClosed | Error::AlreadyClosed)) => return Ok(None),
                Some(Err(Error::Protocol(error))) => return Err(FrameError::Io(io::Error::other(error))),
                Some(Err(Error::Io(error))) => return Err(FrameError::Io(error)),
                Some(Err(error)) => return Err(FrameError::Io(io::Error::other(error))),
            }
        }
    }
}
