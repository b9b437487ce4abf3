//! Spans on their way to a collector, over OTLP/HTTP in JSON.
//!
//! Own code on the HTTP client that is here: see `docs/adr/0007-telemetry.md`. A request's end puts a span
//! into a queue or, where that is full, drops and counts it; one task sends what is there in batches. What
//! the collector does not take is dropped and counted too: keeping it would be a queue without end.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::lookup_host;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};

use super::collector::Collector;
use super::metrics::Metrics;
use super::span::{self, Span};
use crate::wire::door::Door;
use crate::wire::http::{self, Limits};

/// The most spans that wait.
const QUEUE: usize = 2048;
/// The most spans that are sent at once.
const BATCH: usize = 512;
/// How long the first span of a batch waits for others.
const GATHER: Duration = Duration::from_secs(5);
/// How long a collector may take for a batch, its name's resolution included.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the last spans may take when the bridge ends, after all else has.
const FLUSH: Duration = Duration::from_secs(1);
/// The longest answer of a collector's that is read, in bytes.
const ANSWER_BYTES: usize = 64 * 1024;

/// Takes spans.
#[derive(Debug)]
pub(super) struct Exporter {
    queue: mpsc::Sender<Span>,
    metrics: Arc<Metrics>,
}

impl Exporter {
    /// Starts the task that sends.
    pub(super) fn start(collector: Collector, metrics: Arc<Metrics>) -> (Self, Exporting) {
        let (queue, spans) = mpsc::channel(QUEUE);
        let (stop, stopped) = oneshot::channel();
        let sender = Sender { collector, metrics: Arc::clone(&metrics), unwell: false };
        let task = tokio::spawn(sender.run(spans, stopped));
        (Self { queue, metrics }, Exporting { stop, task })
    }

    /// Puts a span on its way, if there is room.
    pub(super) fn take(&self, span: Span) {
        if self.queue.try_send(span).is_err() {
            self.metrics.spans_dropped.add(1);
        }
    }
}

/// The task that sends.
#[derive(Debug)]
pub(crate) struct Exporting {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Exporting {
    /// Sends what is left, for [`FLUSH`] at most.
    pub(crate) async fn finish(mut self) {
        let _ = self.stop.send(());
        if timeout(FLUSH, &mut self.task).await.is_err() {
            tracing::warn!("the collector of traces is too slow: the last spans are lost");
            self.task.abort();
        }
    }
}

struct Sender {
    collector: Collector,
    metrics: Arc<Metrics>,
    /// Whether the last batch was not taken: an outage is told once.
    unwell: bool,
}

impl Sender {
    async fn run(mut self, mut spans: mpsc::Receiver<Span>, mut stopped: oneshot::Receiver<()>) {
        let mut batch = Vec::new();
        let mut stopping = false;
        while !stopping {
            stopping = gather(&mut spans, &mut batch, &mut stopped).await;
            self.send(&mut batch).await;
        }
        spans.close();
        while spans.recv_many(&mut batch, BATCH).await > 0 {
            self.send(&mut batch).await;
        }
    }

    async fn send(&mut self, batch: &mut Vec<Span>) {
        let count = batch.len() as u64;
        if count == 0 {
            return;
        }
        let body = span::export(&self.collector.service, batch);
        let sent = timeout(PATIENCE, self.post(body)).await;
        match sent.unwrap_or_else(|_| Err(format!("no answer within {PATIENCE:?}"))) {
            Ok(()) => {
                self.metrics.spans_sent.add(count);
                if self.unwell {
                    tracing::info!("the collector of traces takes spans again");
                }
                self.unwell = false;
            }
            Err(error) => {
                self.metrics.spans_dropped.add(count);
                if !self.unwell {
                    let Collector { authority, .. } = &self.collector;
                    tracing::warn!("the collector of traces at {authority} does not take spans: {error}");
                }
                self.unwell = true;
            }
        }
    }

    async fn post(&self, body: String) -> Result<(), String> {
        let Collector { host, port, authority, path, .. } = &self.collector;
        let in_words = |error: &dyn std::error::Error| match error.source() {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        };
        let found = lookup_host((host.as_str(), *port))
            .await
            .and_then(|mut all| all.next().ok_or_else(|| io::Error::other("the name has no address")));
        let address = found.map_err(|error| in_words(&error))?;
        let limits = Limits { deadline: PATIENCE, body: ANSWER_BYTES };
        let answer = http::post_json_through(&Door::default(), address, path, authority, body, limits).await;
        match answer.map_err(|error| in_words(&error))?.status {
            200..300 => Ok(()),
            status => Err(format!("status {status}")),
        }
    }
}

/// Waits for a span, and then a while for more. Returns whether that was told to be the last.
async fn gather(
    spans: &mut mpsc::Receiver<Span>,
    batch: &mut Vec<Span>,
    stopped: &mut oneshot::Receiver<()>,
) -> bool {
    let mut until: Option<Instant> = None;
    while batch.len() < BATCH {
        let room = BATCH - batch.len();
        let more = async {
            match until {
                None => Some(spans.recv_many(batch, room).await),
                Some(until) => timeout_at(until, spans.recv_many(batch, room)).await.ok(),
            }
        };
        tokio::select! {
            _ = &mut *stopped => return true,
            more = more => match more {
                // Nobody is left who could have a span.
                Some(0) => return true,
                Some(_) => until = until.or_else(|| Some(Instant::now() + GATHER)),
                None => return false,
            },
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::SystemTime;

    use crate::bridge::telemetry::access_log::Line;
    use crate::bridge::telemetry::trace::Parent;
    use tokio::net::TcpListener;

    fn span() -> Span {
        let line = Line {
            id: "a",
            principal: None,
            peer: None,
            wire: "rest",
            http_method: "POST",
            path: "/mcp",
            method: None,
            tool: None,
            status: Some(200),
            rpc_fault: None,
            outcome: "ok",
            received: 0,
            sent: 0,
            duration: Duration::ZERO,
            server: None,
            trace: None,
        };
        Span::of(&line, Parent::begin(), None, None, SystemTime::now())
    }

    #[tokio::test]
    async fn spans_that_a_silent_collector_has_no_room_for_are_dropped_and_counted_at_once() {
        let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", silent.local_addr().expect("an address"));
        let metrics = Arc::new(Metrics::default());
        let collector = Collector::parse(&url, "s").expect("a collector");
        let (exporter, exporting) = Exporter::start(collector, Arc::clone(&metrics));
        for _ in 0..BATCH {
            exporter.take(span());
        }
        // It has come to ask, and waits for an answer.
        let _asking = timeout(PATIENCE, silent.accept()).await.expect("in time").expect("a client");
        for _ in 0..QUEUE + 3 {
            exporter.take(span());
        }
        assert_eq!((metrics.spans_dropped.read(), metrics.spans_sent.read()), (3, 0));
        let ending = Instant::now();
        exporting.finish().await;
        assert!(ending.elapsed() < 2 * FLUSH);
    }

    #[tokio::test]
    async fn spans_for_a_collector_that_is_not_there_are_counted_as_dropped() {
        let metrics = Arc::new(Metrics::default());
        let free = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address");
        let collector = Collector::parse(&format!("http://{free}"), "s").expect("a collector");
        let (exporter, exporting) = Exporter::start(collector, Arc::clone(&metrics));
        exporter.take(span());
        exporting.finish().await;
        assert_eq!((metrics.spans_dropped.read(), metrics.spans_sent.read()), (1, 0));
    }
}
