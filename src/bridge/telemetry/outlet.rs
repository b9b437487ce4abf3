//! The log's way to stderr: a queue with a cap, and a thread that writes. Whoever started us may not read
//! our stderr, and a full pipe must hold up neither a request nor the end.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// The most bytes of lines that wait; further lines are lost, and counted.
const QUEUE_BYTES: usize = 1024 * 1024;
/// How long the last lines may take.
const LAST_WORDS: Duration = Duration::from_secs(1);

#[derive(Debug)]
enum Message {
    Line(Vec<u8>),
    /// What came before is to be written; then this is told.
    Last(Sender<()>),
}

#[derive(Debug, Default)]
struct Queue {
    bytes: AtomicUsize,
    lost: AtomicU64,
}

/// Takes lines. Never waits.
#[derive(Debug, Clone)]
pub(crate) struct Outlet {
    lines: Sender<Message>,
    queue: Arc<Queue>,
}

/// Dropped, it waits for the last lines.
#[derive(Debug)]
pub(crate) struct Closing(Sender<Message>);

impl Outlet {
    /// Starts the thread that writes `to`; `notice` words how many lines were lost.
    pub(crate) fn start(
        to: impl Write + Send + 'static,
        notice: fn(u64) -> String,
    ) -> io::Result<(Self, Closing)> {
        let (lines, messages) = channel();
        let queue = Arc::new(Queue::default());
        let shared = Arc::clone(&queue);
        thread::Builder::new().name("log".to_owned()).spawn(move || write(to, &messages, &shared, notice))?;
        Ok((Self { lines: lines.clone(), queue }, Closing(lines)))
    }

    fn take(&self, line: Vec<u8>) {
        let bytes = line.len();
        let before = self.queue.bytes.fetch_add(bytes, Ordering::Relaxed);
        if before + bytes > QUEUE_BYTES || self.lines.send(Message::Line(line)).is_err() {
            self.queue.bytes.fetch_sub(bytes, Ordering::Relaxed);
            self.queue.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn write(mut to: impl Write, messages: &Receiver<Message>, queue: &Queue, notice: fn(u64) -> String) {
    // That nobody reads is nobody's loss.
    while let Ok(message) = messages.recv() {
        match message {
            Message::Line(line) => {
                let _ = to.write_all(&line);
                queue.bytes.fetch_sub(line.len(), Ordering::Relaxed);
            }
            Message::Last(told) => {
                let _ = told.send(());
            }
        }
        let lost = queue.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let _ = writeln!(to, "{}", notice(lost));
        }
    }
}

impl Drop for Closing {
    fn drop(&mut self) {
        let (told, written) = channel();
        if self.0.send(Message::Last(told)).is_ok() {
            let _ = written.recv_timeout(LAST_WORDS);
        }
    }
}

/// One event's line, handed over when it is whole.
#[derive(Debug)]
pub(crate) struct Line<'o> {
    outlet: &'o Outlet,
    bytes: Vec<u8>,
}

impl<'o> MakeWriter<'o> for Outlet {
    type Writer = Line<'o>;

    fn make_writer(&'o self) -> Line<'o> {
        Line { outlet: self, bytes: Vec::new() }
    }
}

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        self.outlet.take(std::mem::take(&mut self.bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes only once it is let, and shows what it wrote.
    struct Slow(Receiver<()>, Sender<Vec<u8>>);

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            self.1.send(bytes.to_vec()).expect("a reader");
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_that_nobody_reads_are_lost_past_the_cap_and_counted() {
        let ((go, gate), (written, seen)) = (channel(), channel());
        let (outlet, closing) =
            Outlet::start(Slow(gate, written), |lost| format!("{lost} lost")).expect("a thread");
        let kibibyte = vec![b'x'; 1024];
        for _ in 0..QUEUE_BYTES / 1024 + 3 {
            outlet.make_writer().write_all(&kibibyte).expect("room");
        }
        drop(go);
        drop(closing);
        let all: Vec<u8> = seen.try_iter().flatten().collect();
        let text = String::from_utf8(all).expect("text");
        assert!(text.contains("3 lost\n"), "{}", &text[text.len() - 40..]);
        assert_eq!(text.matches('x').count(), QUEUE_BYTES);
        assert_eq!(outlet.queue.bytes.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn the_end_waits_for_a_reader_no_longer_than_it_may() {
        let ((_go, gate), (written, _seen)) = (channel(), channel());
        let (outlet, closing) = Outlet::start(Slow(gate, written), |_| String::new()).expect("a thread");
        outlet.make_writer().write_all(b"never").expect("room");
        let begun = std::time::Instant::now();
        drop(closing);
        assert!((LAST_WORDS..2 * LAST_WORDS).contains(&begun.elapsed()));
    }
}
