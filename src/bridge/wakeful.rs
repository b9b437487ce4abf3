//! Staying awake for what comes within microseconds.
//!
//! A processor that has nothing to do sleeps, and takes tens of microseconds to wake: for a quick server and a
//! client that asks again at once, most of a round trip. So the bridge's thread looks for what comes next for a
//! moment before it sleeps, while no more than one call is under way. Where that is mostly in vain, it sleeps over
//! nearly all events, so that slow servers and clients that think cost next to nothing; where there is but one
//! processor, it never does, for others need it. See `docs/adr/0011-staying-awake.md`.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use memchr::memmem::Finder;
use tokio::sync::Notify;
use tokio::task::yield_now;

use crate::mcp::Words;
use crate::model::{Luck, may_stay_awake};

/// How long it looks: about what falling asleep and waking cost two processes.
const SPAN: Duration = Duration::from_micros(100);

/// What keeps the bridge's thread awake.
#[derive(Debug)]
pub(crate) struct Wakeful {
    /// `None` where it never stays awake.
    watch: Option<Mutex<Watch>>,
    begins: Notify,
}

impl Wakeful {
    /// As suits this process's share of the machine.
    pub(crate) fn here() -> Self {
        Self::new(may_stay_awake())
    }

    fn new(may_stay_awake: bool) -> Self {
        Self { watch: may_stay_awake.then(Mutex::default), begins: Notify::new() }
    }

    /// A call has come, and is under way until what is returned is dropped.
    pub(crate) fn begin(&self) -> UnderWay<'_> {
        self.note(Event::Asked);
        UnderWay(self)
    }

    fn note(&self, event: Event) {
        if self.watch().is_some_and(|mut watch| watch.note(event, Instant::now())) {
            self.begins.notify_one();
        }
    }

    /// Stays awake where it pays, until it is told to stop.
    pub(crate) async fn keep(&self, stopped: impl Future<Output = ()>) {
        tokio::pin!(stopped);
        loop {
            tokio::select! {
                () = self.begins.notified() => {}
                () = &mut stopped => return,
            }
            while let Some(until) = self.until() {
                // Before the look: whoever was kept from running looks once more.
                let is_last = Instant::now() >= until;
                // The runtime looks what has come, without sleeping, after everybody else had a turn.
                yield_now().await;
                // And so has everybody else on this processor, who may be the one who is waited for.
                std::thread::yield_now();
                if is_last && let Some(mut watch) = self.watch() {
                    watch.give_up(until);
                }
            }
        }
    }

    /// Until when the thread stays awake, where it does.
    fn until(&self) -> Option<Instant> {
        self.watch()?.awake.map(|(_, until)| until)
    }

    fn watch(&self) -> Option<MutexGuard<'_, Watch>> {
        // It is valid after every event: a panic elsewhere does not spoil it.
        Some(self.watch.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A call that is under way.
#[derive(Debug)]
pub(crate) struct UnderWay<'w>(&'w Wakeful);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.note(Event::Answered);
    }
}

/// The calls of a connection whose lines are passed on unread: the last one counts, until anything is said.
#[derive(Debug)]
pub(crate) struct Talk<'w> {
    wakeful: &'w Wakeful,
    is_asked: AtomicBool,
}

impl<'w> Talk<'w> {
    pub(crate) fn new(wakeful: &'w Wakeful) -> Self {
        Self { wakeful, is_asked: AtomicBool::new(false) }
    }

    /// The client says a line; what has no id is no call.
    pub(crate) fn hears(&self, line: &[u8]) {
        static ID: Words = Words::new(|| Finder::new("\"id\""));
        if ID.are_in(line) {
            self.wakeful.note(Event::Asked);
            if self.is_asked.swap(true, Ordering::Relaxed) {
                self.wakeful.note(Event::Answered);
            }
        }
    }

    /// The server said something.
    pub(crate) fn says(&self) {
        if self.is_asked.swap(false, Ordering::Relaxed) {
            self.wakeful.note(Event::Answered);
        }
    }
}

impl Drop for Talk<'_> {
    fn drop(&mut self) {
        self.says();
    }
}

/// After what the thread may stay awake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    /// For the server's answer.
    Asked,
    /// For the client's next request.
    Answered,
}

#[derive(Debug, Default)]
struct Watch {
    under_way: usize,
    /// After what the thread stays awake, and until when.
    awake: Option<(Event, Instant)>,
    after: [Luck; 2],
}

impl Watch {
    /// Something has happened; true where the thread is to stay awake now.
    fn note(&mut self, event: Event, now: Instant) -> bool {
        if let Some((before, _)) = self.awake.take() {
            self.after[before as usize].learn(true);
        }
        match event {
            Event::Asked => self.under_way += 1,
            Event::Answered => self.under_way -= 1,
        }
        if self.under_way > 1 {
            // There is enough to do, and others need the processor for it.
            self.after = [Luck::NONE, Luck::NONE];
        } else if self.after[event as usize].is_worth_it() {
            self.awake = Some((event, now + SPAN));
        }
        self.awake.is_some()
    }

    /// Nothing came until then.
    fn give_up(&mut self, until: Instant) {
        if let Some((event, _)) = self.awake.take_if(|(_, awake)| *awake == until) {
            self.after[event as usize].learn(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use rustix::time::{ClockId, clock_gettime};
    use tokio::time::sleep;

    const QUICK: Duration = Duration::from_micros(50);
    const SLOW: Duration = Duration::from_millis(1);

    /// Calls one after another; for each, whether the thread stayed awake for the answer and for the next
    /// request.
    fn calls(watch: &mut Watch, server: Duration, client: Duration, count: usize) -> Vec<(bool, bool)> {
        let mut now = Instant::now();
        let mut pass = |watch: &mut Watch, event, time| {
            let stays_awake = watch.note(event, now);
            now += time;
            if let Some((_, until)) = watch.awake.filter(|(_, until)| *until < now) {
                watch.give_up(until);
            }
            stays_awake
        };
        let call = |_| (pass(watch, Event::Asked, server), pass(watch, Event::Answered, client));
        (0..count).map(call).collect()
    }

    #[test]
    fn a_quick_server_and_a_quick_client_find_the_bridge_awake() {
        assert_eq!(calls(&mut Watch::default(), QUICK, QUICK, 100), [(true, true); 100]);
    }

    #[test]
    fn a_slow_server_is_hardly_ever_waited_for_and_a_quick_client_as_ever() {
        let calls = calls(&mut Watch::default(), SLOW, QUICK, 200);
        let awake: Vec<usize> = (0..200).filter(|&call| calls[call].0).collect();
        assert_eq!(awake, [0, 32, 64, 96, 128, 160, 192]);
        assert!(calls.iter().all(|call| call.1));
    }

    #[test]
    fn what_comes_before_the_last_look_was_not_waited_for_in_vain_however_late_that_is() {
        let (mut watch, mut now) = (Watch::default(), Instant::now());
        for event in [Event::Asked, Event::Answered].repeat(50) {
            assert!(watch.note(event, now), "{watch:?}");
            now += SLOW;
        }
    }

    #[test]
    fn a_server_that_has_become_quick_finds_it_awake_again() {
        let mut watch = Watch::default();
        calls(&mut watch, SLOW, QUICK, 64);
        let calls = calls(&mut watch, QUICK, QUICK, 64);
        assert!(calls.iter().skip(31).all(|call| call.0));
    }

    #[test]
    fn with_several_calls_under_way_and_for_a_while_after_it_never_stays_awake() {
        let (mut watch, mut now) = (Watch::default(), Instant::now());
        watch.note(Event::Asked, now);
        for event in [Event::Asked, Event::Answered].repeat(50) {
            now += QUICK;
            assert!(!watch.note(event, now), "{watch:?}");
        }
        now += QUICK;
        watch.note(Event::Answered, now);
        let calls = calls(&mut watch, QUICK, QUICK, 64);
        // Two of the answers before have been slept over already.
        assert_eq!(calls[..29], [(false, false); 29]);
        assert_eq!(calls[31..], [(true, true); 33]);
    }

    #[test]
    fn on_one_processor_it_never_stays_awake() {
        let wakeful = Wakeful::new(false);
        let call = wakeful.begin();
        assert_eq!(wakeful.until(), None);
        drop(call);
        assert_eq!(wakeful.until(), None);
    }

    #[test]
    fn a_line_without_an_id_is_no_call_and_the_next_word_of_the_server_answers_all() {
        let wakeful = Wakeful::new(true);
        let under_way = || wakeful.watch().map(|watch| watch.under_way);
        let talk = Talk::new(&wakeful);
        talk.hears(br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
        assert_eq!(under_way(), Some(0));
        talk.hears(br#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#);
        talk.hears(br#"{"jsonrpc":"2.0","id":2,"method":"ping"}"#);
        assert_eq!(under_way(), Some(1));
        talk.says();
        talk.says();
        assert_eq!(under_way(), Some(0));
        talk.hears(br#"{"jsonrpc":"2.0","id":3,"method":"ping"}"#);
        drop(talk);
        assert_eq!(under_way(), Some(0));
    }

    fn processor_time() -> Duration {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).expect("below a billion"))
    }

    #[tokio::test]
    async fn a_call_that_takes_long_does_not_keep_the_processor_busy() {
        let wakeful = Arc::new(Wakeful::new(true));
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let kept = tokio::spawn({
            let wakeful = Arc::clone(&wakeful);
            async move { wakeful.keep(async { drop(stopped.await) }).await }
        });
        let (before, call) = (processor_time(), wakeful.begin());
        // Not whether it still is: whoever is kept from running for a moment may be past that.
        assert!(wakeful.until().is_some());
        sleep(Duration::from_millis(200)).await;
        let used = processor_time().saturating_sub(before);
        assert!(used < Duration::from_millis(100), "{used:?}");
        assert_eq!(wakeful.until(), None);
        drop((call, stop));
        kept.await.expect("its end");
    }
}
