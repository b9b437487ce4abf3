//! A client's TCP connection: with a deadline on writes, and a way to see that the client has gone
//! while nobody reads.

use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep, sleep};

/// The connection itself, shared by whoever reads and writes it and whoever watches it.
#[derive(Debug)]
pub(crate) struct Peer {
    tcp: TcpStream,
    address: IpAddr,
    since: Instant,
    /// When the last byte came, in microseconds after `since`.
    heard: AtomicU64,
    /// When the first byte came after the last request was answered, likewise; 0 where none has.
    begun: AtomicU64,
    /// When the client last took something, likewise.
    told: AtomicU64,
    /// Whether something waits to be taken: then the deadline on writes decides.
    is_owed: AtomicBool,
    // One of the sockets that the bridge holds at a time.
    _slot: OwnedSemaphorePermit,
}

impl Peer {
    pub(crate) fn new(tcp: TcpStream, address: IpAddr, slot: OwnedSemaphorePermit) -> Arc<Self> {
        Arc::new(Self {
            tcp,
            address,
            since: Instant::now(),
            heard: AtomicU64::new(0),
            begun: AtomicU64::new(0),
            told: AtomicU64::new(0),
            is_owed: AtomicBool::new(false),
            _slot: slot,
        })
    }

    /// Where it comes from.
    pub(crate) fn address(&self) -> IpAddr {
        self.address
    }

    /// How long ago the last byte came; a long message counts while it comes.
    pub(crate) fn silence(&self) -> Duration {
        self.at(&self.heard).elapsed()
    }

    /// The client owes its next request: what it sends from now on is of that one.
    pub(crate) fn owes(&self) {
        self.begun.store(0, Ordering::Relaxed);
    }

    /// When the request that it owes began, if it has.
    pub(crate) fn begun(&self) -> Option<Instant> {
        (self.begun.load(Ordering::Relaxed) > 0).then(|| self.at(&self.begun))
    }

    /// When the client last took something.
    pub(crate) fn told(&self) -> Instant {
        self.at(&self.told)
    }

    /// Whether something waits for the client to take it.
    pub(crate) fn is_owed(&self) -> bool {
        self.is_owed.load(Ordering::Relaxed)
    }

    fn at(&self, moment: &AtomicU64) -> Instant {
        self.since + Duration::from_micros(moment.load(Ordering::Relaxed))
    }

    fn now(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Reads what has come. A read that takes less than there is room for has emptied the socket, and
    /// tells the reactor so: that saves the read that would find nothing. (So does tokio's `poll_read`,
    /// which a shared socket does not have.)
    fn read(&self, into: &mut ReadBuf<'_>) -> io::Result<()> {
        let room = into.remaining();
        let mut count = 0;
        let done = self.tcp.try_io(Interest::READABLE, || {
            count = self.tcp.try_read_buf(into)?;
            let is_empty = cfg!(any(target_os = "linux", target_os = "android")) && 0 < count && count < room;
            if is_empty { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
        });
        if count > 0 || done.is_ok() {
            self.hear();
            return Ok(());
        }
        done
    }

    fn hear(&self) {
        let now = self.now();
        self.heard.store(now, Ordering::Relaxed);
        if self.begun.load(Ordering::Relaxed) == 0 {
            self.begun.store(now.max(1), Ordering::Relaxed);
        }
    }

    /// Waits until the client has closed its side, even while unread bytes wait before that end.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(crate) async fn has_left(&self) {
        // Urgent data, which nobody sends us, is the one interest that a readable socket does not
        // meet; that the peer closed its side meets every interest in reading.
        loop {
            match self.tcp.ready(Interest::PRIORITY).await {
                Ok(ready) if ready.is_priority() && !ready.is_read_closed() => {
                    let ignored = self
                        .tcp
                        .try_io(Interest::PRIORITY, || Err::<(), _>(io::ErrorKind::WouldBlock.into()));
                    drop(ignored);
                }
                Ok(_) | Err(_) => return,
            }
        }
    }

    /// Elsewhere only a ping that is not answered tells.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    pub(crate) async fn has_left(&self) {
        std::future::pending().await
    }
}

/// The connection as a byte stream. A write of which the client takes nothing for `patience`
/// fails with [`io::ErrorKind::TimedOut`].
#[derive(Debug)]
pub(crate) struct Socket {
    peer: Arc<Peer>,
    patience: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Socket {
    pub(crate) fn new(peer: Arc<Peer>, patience: Duration) -> Self {
        Self { peer, patience, stalled: None }
    }

    fn poll_write_with(
        &mut self,
        cx: &mut Context<'_>,
        write: impl Fn(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            match self.peer.tcp.poll_write_ready(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    self.peer.is_owed.store(true, Ordering::Relaxed);
                    let patience = self.patience;
                    let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(patience)));
                    ready!(stalled.as_mut().poll(cx));
                    return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                }
            }
            match write(&self.peer.tcp) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => {
                    self.stalled = None;
                    self.peer.is_owed.store(false, Ordering::Relaxed);
                    self.peer.told.store(self.peer.now(), Ordering::Relaxed);
                    return Poll::Ready(done);
                }
            }
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.peer.tcp.poll_read_ready(cx))?;
            match self.peer.read(into) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return Poll::Ready(done),
            }
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_with(cx, |tcp| tcp.try_write(bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_with(cx, |tcp| tcp.try_write_vectored(slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Of a connection that the client has closed already, this is no news.
        let tcp = rustix::net::shutdown(&self.peer.tcp, rustix::net::Shutdown::Write);
        Poll::Ready(tcp.or_else(
            |error| {
                if error == rustix::io::Errno::NOTCONN { Ok(()) } else { Err(error.into()) }
            },
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::sync::Semaphore;

    async fn pair(patience: Duration) -> (Socket, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let client = TcpStream::connect(listener.local_addr().expect("an address")).await.expect("a way");
        let (server, address) = listener.accept().await.expect("a client");
        let slot = Arc::new(Semaphore::new(1)).try_acquire_owned().expect("a slot");
        (Socket::new(Peer::new(server, address.ip(), slot), patience), client)
    }

    #[tokio::test]
    async fn a_client_that_takes_nothing_fails_the_write() {
        let (mut server, _client) = pair(Duration::from_millis(50)).await;
        let flood = vec![0; 64 << 20];
        let error = server.write_all(&flood).await.expect_err("nobody reads");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_client_that_leaves_is_seen_behind_its_unread_bytes() {
        let (server, mut client) = pair(Duration::from_mins(1)).await;
        client.write_all(b"unread").await.expect("room");
        let watch = server.peer.has_left();
        tokio::pin!(watch);
        let early = tokio::time::timeout(Duration::from_millis(50), &mut watch).await;
        assert!(early.is_err(), "it has not left yet");
        drop(client);
        tokio::time::timeout(Duration::from_secs(5), watch).await.expect("it has left");
    }

    #[tokio::test]
    async fn bytes_come_and_go_and_the_end_is_seen() {
        let (mut server, mut client) = pair(Duration::from_mins(1)).await;
        server.write_all(b"to you").await.expect("room");
        server.shutdown().await.expect("an open side");
        let mut got = String::new();
        client.read_to_string(&mut got).await.expect("text");
        client.write_all(b"to me").await.expect("room");
        drop(client);
        let mut back = String::new();
        server.read_to_string(&mut back).await.expect("text");
        assert_eq!((got.as_str(), back.as_str()), ("to you", "to me"));
    }
}
