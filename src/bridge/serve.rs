//! The listeners, the connections, and their end.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::{sleep, timeout};

use super::auth::gate::Gate;
use super::budget::Budget;
use super::catalog::Catalogs;
use super::ceiling::SPARE_SOCKETS;
use super::children::Children;
use super::connection;
use super::guard::Guests;
use super::held::Held;
use super::lobby::{Guest, Lobby};
use super::pool::Pool;
use super::readiness::Readiness;
use super::reception::Port;
use super::sessions::Sessions;
use super::settings::Settings;
use super::socket::Peer;
use super::telemetry::Telemetry;
use super::wakeful::Wakeful;
use super::warm::Warm;

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
    /// Calls whose server waits for its client.
    pub(crate) held: Held,
    /// MCP's sessions over HTTP.
    pub(crate) sessions: Sessions,
    /// The tools of theirs.
    pub(crate) catalogs: Catalogs,
    /// For what clients send.
    pub(crate) incoming: Budget,
    /// What requests are accounted with.
    pub(crate) telemetry: Arc<Telemetry>,
    /// For whoever asks again at once.
    pub(crate) wakeful: Wakeful,
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

/// Where a bridge listens.
#[derive(Debug)]
pub struct Listeners {
    /// For every wire.
    pub wires: Vec<TcpListener>,
    /// For `/metrics` alone, without asking who is there.
    pub metrics: Option<TcpListener>,
}

impl From<Vec<TcpListener>> for Listeners {
    fn from(wires: Vec<TcpListener>) -> Self {
        Self { wires, metrics: None }
    }
}

/// Serves on every listener until `shutdown` completes; then closes every connection, ends every
/// server process, and returns within [`Settings::stop_grace`] and a few seconds.
pub async fn run(listeners: impl Into<Listeners>, settings: Settings, shutdown: impl Future<Output = ()>) {
    let Listeners { wires, metrics } = listeners.into();
    let (stop, stopping) = watch::channel(false);
    let (alive, mut ended) = mpsc::channel::<Infallible>(1);
    let room = settings.max_connections.saturating_add(SPARE_SOCKETS);
    let lobby = Arc::new(Lobby::new(room, settings.waits));
    let grace = settings.stop_grace;
    let children = Arc::new(Children::new(&settings, alive));
    let (telemetry, exporting) = Telemetry::start(&settings.telemetry, Arc::clone(children.metrics()));
    let slots = Arc::new(Semaphore::new(settings.max_children));
    let warm = Warm::new(Arc::clone(&children), Arc::clone(&slots), settings.warm);
    let pool = Pool::new(Arc::clone(&children), Arc::clone(&slots), warm, &settings);
    let is_tls = settings.doors.tls.is_some();
    let bridge = Arc::new(Bridge {
        guests: Guests::new(&settings.allowed_hosts, &settings.allowed_origins, is_tls),
        gate: Gate::new(&settings.doors),
        catalogs: Catalogs::new(Arc::clone(&pool), settings.call_timeout, stopping.clone()),
        pool,
        children,
        websockets: Arc::new(Semaphore::new(settings.max_connections)),
        slots,
        held: Held::default(),
        sessions: Sessions::new(settings.max_sessions),
        readiness: Readiness::default(),
        incoming: Budget::new(settings.max_buffered / 2, settings.max_message),
        telemetry,
        wakeful: Wakeful::here(),
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
    let (looking, watched) = (Arc::clone(&bridge), Arc::clone(&lobby));
    tokio::spawn(async move {
        tokio::select! {
            ((), ()) = async { tokio::join!(looking.gate.keep_looking(), watched.keep_looking()) } => {}
            () = looking.stopped() => {}
        }
    });
    let awake = Arc::clone(&bridge);
    tokio::spawn(async move { awake.wakeful.keep(awake.stopped()).await });
    let wires = wires.into_iter().map(|listener| (listener, Port::Wires));
    let metrics = metrics.map(|listener| (listener, Port::Metrics));
    for (listener, port) in wires.chain(metrics) {
        tokio::spawn(accept(listener, Arc::clone(&lobby), port, Arc::clone(&bridge)));
    }
    tokio::select! {
        () = shutdown => {}
        never = reap(&bridge) => match never {},
    }
    let _ = stop.send(true);
    bridge.held.clear();
    bridge.pool.stop();
    // Every connection and every process holds the bridge's children, and they hold the channel.
    let children = Arc::downgrade(&bridge.children);
    drop(bridge);
    if timeout(grace + LAST_SECONDS, ended.recv()).await.is_err() {
        tracing::error!("not everything ended in time; what is left is killed");
        if let Some(children) = children.upgrade() {
            children.kill_all();
        }
    }
    if let Some(exporting) = exporting {
        exporting.finish().await;
    }
}

async fn accept(listener: TcpListener, lobby: Arc<Lobby>, port: Port, bridge: Arc<Bridge>) {
    let connections = async {
        loop {
            match listener.accept().await {
                Ok((tcp, address)) => {
                    let Some(slot) = lobby.room().await else { return };
                    // A connection that has gone already fails here, and fails again when used.
                    let _ = tcp.set_nodelay(true);
                    let peer = Peer::new(tcp, address.ip(), slot);
                    let guest = Guest::new(&lobby, &peer);
                    tokio::spawn(connection::serve(peer, guest, port, Arc::clone(&bridge)));
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
