//! Whether it pays to look for what comes next, for a moment, instead of sleeping at once: see
//! `docs/adr/0011-staying-awake.md`.

/// So many events are slept over before it is tried anew.
const SLEPT_OVER: u32 = 31;
/// What one time in vain costs, in times that paid: most have to, for it to go on.
const PRICE: u32 = 4;
/// The most times that are remembered: a server that has become slow is soon known to be.
const REMEMBERED: u32 = 16;

/// How it went with one kind of event.
#[derive(Debug, Clone, Copy, Default)]
pub struct Luck {
    /// What it paid of late, less what it cost.
    credit: u32,
    /// So many are still slept over, without any.
    left: u32,
}

impl Luck {
    /// As after many times in vain.
    pub const NONE: Self = Self { credit: 0, left: SLEPT_OVER };

    /// Whether to stay awake for the next event; each one is asked about once.
    pub fn is_worth_it(&mut self) -> bool {
        if self.credit > 0 {
            return true;
        }
        let is_worth_it = self.left == 0;
        self.left = self.left.saturating_sub(1);
        is_worth_it
    }

    /// Whether the event came while somebody stayed awake for it.
    pub fn learn(&mut self, came: bool) {
        if came {
            self.credit = (self.credit + 1).min(REMEMBERED);
            return;
        }
        self.credit = self.credit.saturating_sub(PRICE);
        if self.credit == 0 {
            self.left = SLEPT_OVER;
        }
    }
}

/// Whether this process has more than one processor by its affinity and its control group's quota: on one alone,
/// whoever stays awake is in the way of what it waits for.
#[must_use]
pub fn may_stay_awake() -> bool {
    std::thread::available_parallelism().is_ok_and(|processors| processors.get() > 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of so many events, those that somebody stayed awake for.
    fn awake(luck: &mut Luck, count: usize, comes: bool) -> Vec<usize> {
        let asked = (0..count).filter(|_| {
            let is_worth_it = luck.is_worth_it();
            if is_worth_it {
                luck.learn(comes);
            }
            is_worth_it
        });
        asked.collect()
    }

    #[test]
    fn what_comes_is_waited_for_again_and_what_does_not_hardly_ever() {
        let mut luck = Luck::default();
        assert_eq!(awake(&mut luck, 5, true), [0, 1, 2, 3, 4]);
        assert_eq!(awake(&mut luck, 100, false), [0, 1, 33, 65, 97]);
        assert_eq!(awake(&mut Luck::default(), 100, false), [0, 32, 64, 96]);
    }

    #[test]
    fn what_comes_again_is_soon_waited_for_each_time() {
        let mut luck = Luck::NONE;
        assert_eq!(awake(&mut luck, 34, true), [31, 32, 33]);
    }

    #[test]
    fn a_time_in_vain_now_and_then_changes_nothing_and_every_third_one_does() {
        let waited = |every: usize| {
            let mut luck = Luck::default();
            (1..=1000).map(|event| awake(&mut luck, 1, event % every > 0).len()).sum::<usize>()
        };
        assert_eq!(waited(10), 1000);
        assert!(waited(3) < 100, "{}", waited(3));
    }
}
