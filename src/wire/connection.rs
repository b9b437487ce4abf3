//! A server by its URL, over whichever wire that names.

use std::io;
use std::time::Duration;

use super::door::Door;
use super::streamable::Streamable;
use super::url::{Url, Wire};
use super::websocket::{Endpoint, Opener, WebSocket, WebSocketError};
use crate::mcp::{Client, ConnectError, FrameError, Lines, Order, Patience};

/// The longest message, in bytes: as much as the bridge passes on unless told otherwise.
const MAX_MESSAGE: usize = 16 << 20;
/// How long a WebSocket may take to open.
const OPEN: Duration = Duration::from_secs(10);

/// A connection over one of the wires.
#[derive(Debug)]
pub enum Connection {
    /// A WebSocket.
    WebSocket(Box<WebSocket>),
    /// Streamable HTTP.
    Http(Box<Streamable>),
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// What TLS needs cannot be had.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
    /// The server was not reached, or was not understood; with what it said as it closed.
    #[error("{}", said(error, goodbye.as_deref()))]
    Connect {
        /// Why.
        #[source]
        error: ConnectError<WebSocketError>,
        /// A WebSocket's close code and reason.
        goodbye: Option<String>,
    },
}

fn said(error: &ConnectError<WebSocketError>, goodbye: Option<&str>) -> String {
    goodbye.map_or_else(|| error.to_string(), |words| format!("{error} (closed with {words})"))
}

/// Connects to a server, and finds out how it speaks: over a WebSocket as over stdio, handshake first; over
/// HTTP stateless first, as the specification has it, since there a handshake costs a session.
pub async fn open(url: &Url, door: &Door, patience: Patience) -> Result<Client<Connection>, OpenError> {
    let door =
        if url.tls { door.clone().with_tls().map_err(OpenError::Tls)? } else { door.clone().without_tls() };
    match url.wire {
        Wire::Http => {
            let mut http = || {
                let http = Streamable::new(url.clone(), door.clone(), MAX_MESSAGE);
                Ok(Connection::Http(Box::new(http)))
            };
            let client = Client::connect_in(Order::StatelessFirst, &mut http, patience).await;
            client.map_err(|error| OpenError::Connect { error, goodbye: None })
        }
        Wire::WebSocket => {
            let endpoint = Endpoint {
                addr: url.place.clone(),
                host: url.authority.clone(),
                path: url.path.clone(),
                headers: Vec::new(),
                max_message: MAX_MESSAGE,
                deadline: OPEN,
            };
            let mut socket = Opener { door: &door, endpoint, goodbye: None };
            let client = Client::connect_in(Order::HandshakeFirst, &mut socket, patience).await;
            let client = client.map(|client| client.map(|socket| Connection::WebSocket(Box::new(socket))));
            client.map_err(|error| OpenError::Connect { error, goodbye: socket.reason().map(str::to_owned) })
        }
    }
}

impl Connection {
    /// What the server said as it closed: a WebSocket's code and reason.
    #[must_use]
    pub fn goodbye(&self) -> Option<String> {
        match self {
            Self::WebSocket(socket) => socket.goodbye().reason().map(str::to_owned),
            Self::Http(_) => None,
        }
    }
}

impl Lines for Connection {
    async fn send(&mut self, line: &str) -> io::Result<()> {
        match self {
            Self::WebSocket(socket) => socket.send(line).await,
            Self::Http(http) => http.send(line).await,
        }
    }

    async fn receive(&mut self) -> Result<Option<String>, FrameError> {
        match self {
            Self::WebSocket(socket) => socket.receive().await,
            Self::Http(http) => http.receive().await,
        }
    }

    fn withdraw(&mut self) -> bool {
        match self {
            Self::WebSocket(socket) => socket.withdraw(),
            Self::Http(http) => http.withdraw(),
        }
    }

    async fn close(&mut self) {
        match self {
            Self::WebSocket(socket) => socket.close().await,
            Self::Http(http) => http.close().await,
        }
    }
}
