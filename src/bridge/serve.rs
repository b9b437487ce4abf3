//! The listeners, the connections, and their end.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::{sleep, timeout};

use super::auth::cors;
use super::auth::gate::{self, Gate};
use super::budget::Budget;
use super::ceiling::SPARE_SOCKETS;
use super::children::Children;
use super::connection;
use super::guard::{self, Guests};
use super::lobby::{Guest, Lobby};
use super::pool::Pool;
use super::problem::Problem;
use super::readiness::{self, Readiness};
use super::settings::Settings;
use super::socket::Peer;
use super::warm::Warm;
use super::{handshake, health, rest};

/// How long to wait after an accept that failed, as it does when file descriptors run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// What ending may take besides the grace: goodbyes, and processes that are slow to be killed.
const LAST_SECONDS: Duration = Duration::from_secs(3);

/// What every connection shares.
#[derive(Debug)]
pub(crate) struct Bridge {
    pub(crate) settings: Settings,
    pub(crate) guests: Guests,
    pub(crate) gate: Gate,
    pub(crate) children: Arc<Children>,
    /// One permit for each WebSocket that may be open.
    pub(crate) websockets: Arc<Semaphore>,
    /// One permit for each server process that may run.
    pub(crate) slots: Arc<Semaphore>,
    pub(crate) readiness: Readiness,
    /// The servers that calls take turns on.
    pub(crate) pool: Arc<Pool>,
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
    let children = Arc::new(Children::new(&settings, alive));
    let slots = Arc::new(Semaphore::new(settings.max_children));
    let warm = Warm::new(Arc::clone(&children), Arc::clone(&slots), settings.warm);
    let bridge = Arc::new(Bridge {
        guests: Guests::new(&settings.allowed_hosts, &settings.allowed_origins),
        gate: Gate::new(&settings.doors),
        pool: Pool::new(Arc::clone(&children), Arc::clone(&slots), warm, &settings),
        children,
        websockets: Arc::new(Semaphore::new(settings.max_connections)),
        slots,
        readiness: Readiness::default(),
        incoming: Budget::new(settings.max_buffered / 2, settings.max_message),
        settings,
        stopping,
    });
    if bridge.settings.warm > 0 {
        let bridge = Arc::clone(&bridge);
        tokio::spawn(async move {
            tokio::select! {
                () = bridge.pool.prepare() => {}
                () = bridge.stopped() => {}
            }
        });
    }
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
        .route("/readyz", get(readiness::readyz))
        .fallback(async || {
            Problem::new(StatusCode::NOT_FOUND, "there is nothing at this path")
                .hint("WebSocket: / and /ws; REST: POST /mcp; health: /healthz and /readyz")
                .into_response()
        })
        .method_not_allowed_fallback(async || {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this path has another method")
                .hint("WebSocket: / and /ws; REST: POST /mcp; health: /healthz and /readyz")
                .into_response()
        })
        .layer(from_fn_with_state(Arc::clone(bridge), gate::check))
        .layer(from_fn_with_state(Arc::clone(bridge), cors::share))
        .layer(from_fn_with_state(Arc::clone(bridge), guard::check))
        .with_state(Arc::clone(bridge))
}

async fn accept(listener: TcpListener, lobby: Arc<Lobby>, router: Router, bridge: Arc<Bridge>) {
    let connections = async {
        loop {
            match listener.accept().await {
                Ok((tcp, address)) => {
                    let Some(slot) = lobby.room().await else { return };
                    // A connection that has gone already fails here, and fails again when used.
                    let _ = tcp.set_nodelay(true);
                    let (peer, guest) = (Peer::new(tcp, address.ip(), slot), Guest::new(&lobby));
                    tokio::spawn(connection::serve(peer, guest, router.clone(), Arc::clone(&bridge)));
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
