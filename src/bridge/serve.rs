//! The listeners, the connections, and their end.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{Request, StatusCode};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::{sleep, timeout};

use super::budget::Budget;
use super::children::Children;
use super::guard::{self, Guests};
use super::lobby::{Guest, Lobby};
use super::problem::Problem;
use super::settings::Settings;
use super::socket::{Peer, Socket};
use super::{handshake, health, rest};

/// Sockets besides one for each server process: health checks, refusals, idle HTTP connections. With
/// all in use, the longest idle one goes; with none of them idle, more wait in the kernel's queue.
const SPARE_SOCKETS: usize = 64;
/// The longest head of a request, in bytes.
const HEAD_BYTES: usize = 32 * 1024;
/// How long to wait after an accept that failed, as it does when file descriptors run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// What ending may take besides the grace: goodbyes, and processes that are slow to be killed.
const LAST_SECONDS: Duration = Duration::from_secs(3);

/// What every connection shares.
#[derive(Debug)]
pub(crate) struct Bridge {
    pub(crate) settings: Settings,
    pub(crate) guests: Guests,
    pub(crate) children: Arc<Children>,
    /// One permit for each server process that may run.
    pub(crate) slots: Arc<Semaphore>,
    /// For what clients send.
    pub(crate) incoming: Budget,
    stopping: watch::Receiver<bool>,
}

impl Bridge {
    /// Whether the bridge has been told to end.
    pub(crate) fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// Waits until the bridge is told to end.
    pub(crate) async fn stopped(&self) {
        let mut stopping = self.stopping.clone();
        // The other end goes only when the bridge does.
        let _ = stopping.wait_for(|stopping| *stopping).await;
    }
}

/// Serves on every listener until `shutdown` completes; then closes every connection, ends every
/// server process, and returns within [`Settings::stop_grace`] and a few seconds.
pub async fn run(listeners: Vec<TcpListener>, settings: Settings, shutdown: impl Future<Output = ()>) {
    let (stop, stopping) = watch::channel(false);
    let (alive, mut ended) = mpsc::channel::<Infallible>(1);
    let lobby = Arc::new(Lobby::new(settings.max_connections.saturating_add(SPARE_SOCKETS)));
    let grace = settings.stop_grace;
    let bridge = Arc::new(Bridge {
        guests: Guests::new(&settings.allowed_hosts, &settings.allowed_origins),
        children: Arc::new(Children::new(&settings, alive)),
        slots: Arc::new(Semaphore::new(settings.max_connections)),
        incoming: Budget::new(settings.max_buffered / 2, settings.max_message),
        settings,
        stopping,
    });
    let router = router(&bridge);
    for listener in listeners {
        let (router, bridge) = (router.clone(), Arc::clone(&bridge));
        tokio::spawn(accept(listener, Arc::clone(&lobby), router, bridge));
    }
    tokio::select! {
        () = shutdown => {}
        never = reap(&bridge) => match never {},
    }
    let _ = stop.send(true);
    // Every connection and every process holds the bridge's children, and they hold the channel.
    let children = Arc::downgrade(&bridge.children);
    drop((bridge, router));
    if timeout(grace + LAST_SECONDS, ended.recv()).await.is_err() {
        tracing::error!("not everything ended in time; what is left is killed");
        if let Some(children) = children.upgrade() {
            children.kill_all();
        }
    }
}

fn router(bridge: &Arc<Bridge>) -> Router {
    Router::new()
        .route("/", get(handshake::websocket))
        .route("/ws", get(handshake::websocket))
        .route("/mcp", post(rest::call))
        .route("/healthz", get(health::healthz))
        .fallback(async || {
            Problem::new(StatusCode::NOT_FOUND, "there is nothing at this path")
                .hint("WebSocket: / and /ws; REST: POST /mcp; health: /healthz")
                .into_response()
        })
        .method_not_allowed_fallback(async || {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this path has another method")
                .hint("WebSocket: / and /ws; REST: POST /mcp; health: /healthz")
                .into_response()
        })
        .layer(axum::middleware::from_fn_with_state(Arc::clone(bridge), guard::check))
        .with_state(Arc::clone(bridge))
}

async fn accept(listener: TcpListener, lobby: Arc<Lobby>, router: Router, bridge: Arc<Bridge>) {
    let connections = async {
        loop {
            match listener.accept().await {
                Ok((tcp, _)) => {
                    let Some(slot) = lobby.room().await else { return };
                    // A connection that has gone already fails here, and fails again when used.
                    let _ = tcp.set_nodelay(true);
                    let (peer, guest) = (Peer::new(tcp, slot), Guest::new(&lobby));
                    tokio::spawn(serve(peer, guest, router.clone(), Arc::clone(&bridge)));
                }
                Err(error) => {
                    tracing::warn!("cannot accept a connection: {error}");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    tokio::select! {
        () = connections => {}
        () = bridge.stopped() => {}
    }
}

async fn serve(peer: Arc<Peer>, guest: Arc<Guest>, router: Router, bridge: Arc<Bridge>) {
    let waits = bridge.settings.waits;
    let socket = TokioIo::new(Socket::new(Arc::clone(&peer), waits.write));
    let router = TowerToHyperService::new(router);
    let asking = Arc::clone(&guest);
    let service = service_fn(move |mut request: Request<Incoming>| {
        let guest = Arc::clone(&asking);
        guest.asks();
        request.extensions_mut().insert(Arc::clone(&peer));
        let answer = router.call(request);
        async move {
            let answer = answer.await;
            if answer.as_ref().is_ok_and(|answer| answer.status() != StatusCode::SWITCHING_PROTOCOLS) {
                guest.waits();
            }
            answer
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(waits.head)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(socket, service)
        .with_upgrades();
    tokio::pin!(connection);
    // That a client leaves or talks nonsense is its own affair.
    tokio::select! {
        _ = &mut connection => return,
        () = bridge.stopped() => {}
        () = guest.shown_out() => {
            tracing::debug!("closing an idle connection to make room");
            if !guest.has_asked() {
                return;
            }
        }
    }
    connection.as_mut().graceful_shutdown();
    let _ = timeout(bridge.settings.stop_grace, connection).await;
}

/// Reaps orphans as they end, where that falls to us.
async fn reap(bridge: &Bridge) -> Infallible {
    if bridge.settings.reaps_orphans
        && let Ok(mut changes) = signal(SignalKind::child())
    {
        while changes.recv().await.is_some() {
            bridge.children.reap_orphans();
        }
    }
    std::future::pending().await
}
