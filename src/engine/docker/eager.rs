//! A connection to the engine on this machine of which the next bytes are looked for awake, where that was not in
//! vain before: see `docs/adr/0011-staying-awake.md`.

use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};

use crate::model::{Luck, may_stay_awake};

/// How long: past what a request takes to a quick server in a container and back.
const SPAN: Duration = Duration::from_micros(500);

/// The connection; nobody else reads from it.
#[derive(Debug)]
pub(super) struct Eager {
    stream: UnixStream,
    /// `None` where it always sleeps.
    luck: Option<Luck>,
}

impl Eager {
    pub(super) fn new(stream: UnixStream) -> Self {
        Self { stream, luck: may_stay_awake().then(Luck::default) }
    }

    /// What comes within the span, if anything does.
    fn soon(&self, into: &mut [u8]) -> Option<io::Result<usize>> {
        let until = Instant::now() + SPAN;
        loop {
            // Before the look: whoever was kept from running looks once more.
            let is_last = Instant::now() >= until;
            match recv(&self.stream, &mut *into, RecvFlags::DONTWAIT) {
                Err(Errno::AGAIN) if is_last => return None,
                // Whoever else is to run on this processor may be the one who is waited for.
                Err(Errno::AGAIN) => std::thread::yield_now(),
                came => return Some(came.map(|(_, count)| count).map_err(io::Error::from)),
            }
        }
    }
}

impl Read for Eager {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.luck.as_mut().is_some_and(Luck::is_worth_it) {
            let came = self.soon(into);
            if let Some(luck) = &mut self.luck {
                luck.learn(came.is_some());
            }
            if let Some(came) = came {
                return came;
            }
        }
        self.stream.read(into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::net::Shutdown;

    fn pair() -> (Eager, UnixStream) {
        let (near, far) = UnixStream::pair().expect("a pair");
        (Eager { stream: near, luck: Some(Luck::default()) }, far)
    }

    #[test]
    fn what_is_there_is_read_and_so_is_what_comes_late_and_the_end() {
        let (mut eager, mut far) = pair();
        let mut read = [0; 8];
        far.write_all(b"there").expect("room");
        assert_eq!(eager.read(&mut read).expect("bytes"), 5);
        assert!(eager.luck.as_mut().is_some_and(Luck::is_worth_it));
        // Far later than anybody stays awake.
        let late = std::thread::spawn(move || {
            std::thread::sleep(20 * SPAN);
            far.write_all(b"late").expect("room");
            far.shutdown(Shutdown::Write).expect("an open side");
            far
        });
        assert_eq!(eager.read(&mut read).expect("bytes"), 4);
        assert_eq!(&read[..4], b"late");
        assert_eq!(eager.read(&mut read).expect("the end"), 0);
        late.join().expect("no panic");
    }

    #[test]
    fn a_connection_that_breaks_is_an_error() {
        let (eager, mut far) = pair();
        // What was never read makes the end of a local socket a break.
        (&eager.stream).write_all(b"unread").expect("room");
        far.write_all(b"x").expect("room");
        drop(far);
        let mut eager = eager;
        let mut read = [0; 8];
        assert_eq!(eager.read(&mut read).expect("bytes"), 1);
        assert_eq!(eager.read(&mut read).expect_err("a break").kind(), io::ErrorKind::ConnectionReset);
    }
}
