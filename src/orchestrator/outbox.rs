//! The one way to stdout: a bounded queue of lines, and one task that writes them.

use std::io;

use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

/// The most answers that wait to be written; whoever has another one waits.
const QUEUE: usize = 32;

/// A sender of lines. What is sent is written in order, and all of it before the writer ends.
#[derive(Debug, Clone)]
pub(super) struct Outbox(mpsc::Sender<String>);

/// The queue's other end.
#[derive(Debug)]
pub(super) struct Writer(mpsc::Receiver<String>);

pub(super) fn open() -> (Outbox, Writer) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    (Outbox(sender), Writer(receiver))
}

impl Outbox {
    /// Queues a line, without its line feed. Fails once the writer is gone.
    pub(super) async fn send(&self, line: String) -> io::Result<()> {
        self.0.send(line).await.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl Writer {
    /// Writes until every [`Outbox`] is dropped and the queue is empty.
    pub(super) async fn write_to(mut self, mut output: impl AsyncWrite + Unpin) -> io::Result<()> {
        while let Some(mut line) = self.0.recv().await {
            line.push('\n');
            output.write_all(line.as_bytes()).await?;
            if self.0.is_empty() {
                output.flush().await?;
            }
        }
        output.flush().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_queue_holds_back_whoever_has_another_line() {
        let (outbox, _writer) = open();
        for _ in 0..QUEUE {
            outbox.send(String::new()).await.expect("open");
        }
        assert_eq!(outbox.0.capacity(), 0);
    }

    #[tokio::test]
    async fn lines_are_written_whole_in_order_and_all_of_them() {
        let (outbox, writer) = open();
        let send = async move {
            for number in 0..100 {
                outbox.send(number.to_string()).await.expect("open");
            }
        };
        let mut written = Vec::new();
        let (done, ()) = tokio::join!(writer.write_to(&mut written), send);
        done.expect("written");
        let written = String::from_utf8(written).expect("UTF-8");
        let numbers: Vec<u32> = written.lines().map(|line| line.parse().expect("a number")).collect();
        assert_eq!(numbers, (0..100).collect::<Vec<u32>>());
    }
}
