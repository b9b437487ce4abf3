//! One client's connection, from its first byte to its last.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, StatusCode};
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::auth::Caller;
use super::lobby::Guest;
use super::reception::Port;
use super::serve::Bridge;
use super::socket::{Peer, Socket};
use super::telemetry::Counted;
use super::tls::{Tls, client_of};

/// Serves a connection until it or the bridge ends, or its room is needed.
pub(crate) async fn serve(peer: Arc<Peer>, guest: Arc<Guest>, port: Port, bridge: Arc<Bridge>) {
    let socket = Socket::new(Arc::clone(&peer), bridge.settings.waits.write);
    let caller = Caller { address: peer.address(), certificate: None };
    match bridge.settings.doors.tls.clone() {
        None => converse(socket, caller, peer, guest, port, &bridge).await,
        // On the heap, for connections in the clear carry its size too.
        Some(tls) => Box::pin(encrypted(&tls, socket, caller, peer, guest, port, &bridge)).await,
    }
}

async fn encrypted(
    tls: &Tls,
    socket: Socket,
    mut caller: Caller,
    peer: Arc<Peer>,
    guest: Arc<Guest>,
    port: Port,
    bridge: &Arc<Bridge>,
) {
    tokio::select! {
        shaken = shake_hands(tls, socket, bridge) => match shaken {
            Ok(stream) => {
                caller.certificate = client_of(stream.get_ref().1);
                guest.waits();
                converse(stream, caller, peer, guest, port, bridge).await;
            }
            Err(error) => tracing::debug!("no TLS with {}: {error}", caller.address),
        },
        () = bridge.stopped() => {}
        () = guest.shown_out() => {}
    }
}

async fn shake_hands(tls: &Tls, socket: Socket, bridge: &Bridge) -> io::Result<TlsStream<Socket>> {
    let shaken = timeout(bridge.settings.waits.head, TlsAcceptor::from(tls.config()).accept(socket)).await;
    shaken.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    caller: Caller,
    peer: Arc<Peer>,
    guest: Arc<Guest>,
    port: Port,
    bridge: &Arc<Bridge>,
) {
    let (asking, answering) = (Arc::clone(&guest), Arc::clone(bridge));
    let service = service_fn(move |request: Request<Incoming>| {
        let (guest, bridge) = (Arc::clone(&asking), Arc::clone(&answering));
        let (peer, caller) = (Arc::clone(&peer), caller.clone());
        guest.asks();
        async move {
            // On the heap, for an idle connection would carry its size too.
            let answer = Box::pin(port.answer(&bridge, peer, &caller, request)).await;
            // Only once all of the answer is on its way does the client owe something again.
            let owes = (answer.status() != StatusCode::SWITCHING_PROTOCOLS).then(|| Owes(guest));
            Ok::<_, Infallible>(answer.map(|body| Told { body, _guest: owes }))
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // The lobby knows who takes too long.
        .header_read_timeout(None)
        .max_buf_size(bridge.settings.max_head)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::pin!(connection);
    // That a client leaves or talks nonsense is its own affair.
    tokio::select! {
        _ = &mut connection => return,
        () = bridge.stopped() => {}
        () = guest.shown_out() => {
            tracing::debug!("closing a connection that is idle, or slow to ask");
            if guest.has_nothing_to_come() {
                return;
            }
        }
    }
    connection.as_mut().graceful_shutdown();
    let _ = timeout(bridge.settings.stop_grace, connection).await;
}

/// An answer's body, which may go on for as long as the client likes.
struct Told {
    body: Counted,
    _guest: Option<Owes>,
}

/// Puts a guest among those who owe a request, when it is dropped.
struct Owes(Arc<Guest>);

impl Drop for Owes {
    fn drop(&mut self) {
        self.0.waits();
    }
}

impl hyper::body::Body for Told {
    type Data = Bytes;
    type Error = axum_core::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum_core::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
