//! The connections that the bridge holds at a time, and how long each may owe a request. When there is no
//! room, the one goes that has owed one for longest: an idle connection must not keep anybody out.
//!
//! A request costs a connection two notes of its own. The order of all is put right only when somebody looks:
//! to make room, or for those who take too long.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::settings::Waits;
use super::socket::Peer;

/// How often is looked for those who take too long, where they may take longer.
const LOOK: Duration = Duration::from_secs(1);
/// The moment since which one who is being served owes a request.
const SERVED: u64 = u64::MAX;

/// Who is in, and who of them owes a complete head of a request.
#[derive(Debug)]
pub(crate) struct Lobby {
    sockets: Arc<Semaphore>,
    /// In the order in which they began to wait, as far as was known when they were last looked at.
    order: Mutex<Order>,
    next: AtomicU64,
    entered: Notify,
    opened: Instant,
    waits: Waits,
}

/// A moment, in microseconds after the lobby opened, and a number that nobody else has.
type Place = (u64, u64);
type Order = BTreeMap<Place, Arc<Seat>>;

#[derive(Debug)]
struct Seat {
    peer: Arc<Peer>,
    number: u64,
    /// Whether it is in the order, and its moment there; changed by whoever has the order alone.
    listed: AtomicBool,
    moment: AtomicU64,
    /// Since when it owes a request; [`SERVED`] while it does not.
    since: AtomicU64,
    asked: AtomicBool,
    dawdles: AtomicBool,
    shown_out: Notify,
}

impl Seat {
    fn since(&self) -> u64 {
        self.since.load(Ordering::SeqCst)
    }

    fn put_into(self: Arc<Self>, order: &mut Order) {
        // Only whoever finds it unlisted lists it: the client may ask, and be answered, meanwhile.
        let since = self.since();
        if since != SERVED && !self.listed.swap(true, Ordering::SeqCst) {
            self.moment.store(since, Ordering::Relaxed);
            order.insert((since, self.number), self);
        }
    }

    /// Takes it out, and puts it in again where it belongs, if it still owes a request.
    fn put_right(order: &mut Order, place: Place) {
        if let Some(seat) = order.remove(&place) {
            seat.listed.store(false, Ordering::SeqCst);
            seat.put_into(order);
        }
    }
}

impl Lobby {
    /// Room for `max` connections, which may owe a request for as long as `waits` says.
    pub(crate) fn new(max: usize, waits: Waits) -> Self {
        Self {
            sockets: Arc::new(Semaphore::new(max)),
            order: Mutex::default(),
            next: AtomicU64::new(0),
            entered: Notify::new(),
            opened: Instant::now(),
            waits,
        }
    }

    /// Room for one more, made if it must be. Waits while every connection is being served. `None`
    /// never comes before the end of the bridge.
    pub(crate) async fn room(&self) -> Option<OwnedSemaphorePermit> {
        loop {
            if let Ok(slot) = Arc::clone(&self.sockets).try_acquire_owned() {
                return Some(slot);
            }
            // Listening starts before the look, so that nobody enters unseen between the two.
            let mut entered = pin!(self.entered.notified());
            entered.as_mut().enable();
            if let Some(oldest) = self.take_oldest() {
                oldest.shown_out.notify_one();
            }
            tokio::select! {
                slot = Arc::clone(&self.sockets).acquire_owned() => return slot.ok(),
                () = entered => {}
            }
        }
    }

    /// Shows out whoever takes too long, for as long as it is polled.
    pub(crate) async fn keep_looking(&self) {
        let shortest = self.waits.head.min(self.waits.idle);
        let mut look = interval((shortest / 4).clamp(Duration::from_millis(1), LOOK));
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            look.tick().await;
            self.show_out_who_dawdles(micros(shortest));
        }
    }

    /// Takes the one out of the order that has owed a request for longest.
    fn take_oldest(&self) -> Option<Arc<Seat>> {
        let mut order = self.order();
        loop {
            let (&place, seat) = order.first_key_value()?;
            if seat.since() == place.0 {
                return order.remove(&place);
            }
            // Who is being served goes, and all others move back: each is put right once.
            Seat::put_right(&mut order, place);
        }
    }

    /// `shortest` is how long nobody is too late, in microseconds.
    fn show_out_who_dawdles(&self, shortest: u64) {
        let now = self.micros_of(Instant::now());
        let mut order = self.order();
        let (mut wrong, mut late) = (Vec::new(), Vec::new());
        for (&place, seat) in order.range(..=(now.saturating_sub(shortest), u64::MAX)) {
            if seat.since() != place.0 {
                wrong.push(place);
            } else if self.is_late(seat, place.0, now) {
                late.push(place);
            }
        }
        for place in wrong {
            Seat::put_right(&mut order, place);
        }
        for seat in late.iter().filter_map(|place| order.remove(place)) {
            seat.shown_out.notify_one();
        }
    }

    /// Whether one that has owed a request since then has owed it for too long. While it takes its last
    /// answer it is not.
    fn is_late(&self, seat: &Seat, since: u64, now: u64) -> bool {
        let peer = &seat.peer;
        if peer.is_owed() {
            return false;
        }
        let after = |moment: u64| now.saturating_sub(moment.max(self.micros_of(peer.told())));
        // Somebody new has as long to begin as to finish.
        let head = match peer.begun() {
            _ if !seat.asked.load(Ordering::Relaxed) => since,
            Some(begun) => self.micros_of(begun),
            None => return after(since) >= micros(self.waits.idle),
        };
        let dawdles = after(head) >= micros(self.waits.head);
        seat.dawdles.store(dawdles, Ordering::Relaxed);
        dawdles
    }

    fn micros_of(&self, moment: Instant) -> u64 {
        micros(moment.saturating_duration_since(self.opened))
    }

    fn order(&self) -> MutexGuard<'_, Order> {
        // The map is valid after every statement: a panic elsewhere does not spoil it.
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// One connection's place in the lobby.
#[derive(Debug)]
pub(crate) struct Guest {
    lobby: Arc<Lobby>,
    seat: Arc<Seat>,
}

impl Guest {
    /// A new connection, which owes its first request.
    pub(crate) fn new(lobby: &Arc<Lobby>, peer: &Arc<Peer>) -> Arc<Self> {
        let seat = Arc::new(Seat {
            peer: Arc::clone(peer),
            number: lobby.next.fetch_add(1, Ordering::Relaxed),
            listed: AtomicBool::new(false),
            moment: AtomicU64::new(0),
            since: AtomicU64::new(SERVED),
            asked: AtomicBool::new(false),
            dawdles: AtomicBool::new(false),
            shown_out: Notify::new(),
        });
        let guest = Self { lobby: Arc::clone(lobby), seat };
        guest.waits();
        Arc::new(guest)
    }

    /// It owes a request (again).
    pub(crate) fn waits(&self) {
        self.seat.peer.owes();
        self.seat.since.store(self.lobby.micros_of(Instant::now()), Ordering::SeqCst);
        if !self.seat.listed.load(Ordering::SeqCst) {
            Arc::clone(&self.seat).put_into(&mut self.lobby.order());
        }
        self.lobby.entered.notify_waiters();
    }

    /// The head of a request is complete.
    pub(crate) fn asks(&self) {
        self.seat.asked.store(true, Ordering::Relaxed);
        self.seat.since.store(SERVED, Ordering::SeqCst);
    }

    /// Waits until its room is needed, or its patience has ended.
    pub(crate) async fn shown_out(&self) {
        self.seat.shown_out.notified().await;
    }

    /// Whether nothing is on its way to it, so that it can be left at once.
    pub(crate) fn has_nothing_to_come(&self) -> bool {
        let dawdles = self.seat.dawdles.load(Ordering::Relaxed) && self.seat.since() != SERVED;
        dawdles || !self.seat.asked.load(Ordering::Relaxed)
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut order = self.lobby.order();
        order.remove(&(self.seat.moment.load(Ordering::Relaxed), self.seat.number));
    }
}

#[cfg(test)]
mod tests {
    use super::super::socket::Socket;
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::time::advance;

    const A_LITTLE: Duration = Duration::from_millis(1);
    const NEARLY: [Duration; 2] = [Duration::from_millis(3_999), Duration::from_millis(39_999)];
    const HEAD: Duration = Duration::from_secs(4);
    const IDLE: Duration = Duration::from_secs(40);

    /// Somebody whose first request was answered just now, with the connection's two ends.
    async fn answered() -> (Arc<Lobby>, Arc<Guest>, Socket, TcpStream) {
        let waits = Waits { head: HEAD, idle: IDLE, ..Waits::default() };
        let lobby = Arc::new(Lobby::new(1, waits));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let client = TcpStream::connect(listener.local_addr().expect("an address")).await.expect("a way");
        let (tcp, address) = listener.accept().await.expect("a client");
        let peer = Peer::new(tcp, address.ip(), lobby.room().await.expect("room"));
        let guest = Guest::new(&lobby, &peer);
        guest.asks();
        advance(Duration::from_secs(100)).await;
        guest.waits();
        (lobby, guest, Socket::new(peer, HEAD), client)
    }

    async fn is_shown_out(lobby: &Lobby, guest: &Guest) -> bool {
        lobby.show_out_who_dawdles(micros(HEAD));
        tokio::select! {
            biased;
            () = guest.shown_out() => true,
            () = std::future::ready(()) => false,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_later_head_has_its_time_from_its_first_byte_and_no_more() {
        for pause in [Duration::ZERO, Duration::from_secs(3), Duration::from_secs(30)] {
            let (lobby, guest, mut socket, mut client) = answered().await;
            advance(pause).await;
            assert!(!is_shown_out(&lobby, &guest).await, "after {pause:?}: it may be idle");
            client.write_all(b"G").await.expect("room");
            assert_eq!(socket.read_u8().await.expect("a byte"), b'G');
            advance(NEARLY[0]).await;
            assert!(!is_shown_out(&lobby, &guest).await, "after {pause:?}: it has a little time left");
            advance(A_LITTLE).await;
            assert!(is_shown_out(&lobby, &guest).await, "after {pause:?}: it had its time");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_begins_nothing_has_the_time_for_a_pause() {
        let (lobby, guest, ..) = answered().await;
        advance(NEARLY[1]).await;
        assert!(!is_shown_out(&lobby, &guest).await, "it has a little time left");
        advance(A_LITTLE).await;
        assert!(is_shown_out(&lobby, &guest).await, "it had its time");
    }
}
