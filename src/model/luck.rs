//! Whether it pays to look for what comes next, for a moment, instead of sleeping at once: see
//! `docs/adr/0011-staying-awake.md`.

/// The most events that are slept over before it is tried anew.
const MOST_SLEPT_OVER: u32 = 31;

/// How it went with one kind of event: each time in vain, about twice as many of the next are slept over.
#[derive(Debug, Clone, Copy, Default)]
pub struct Luck {
    /// So many were slept over after the last time in vain.
    penalty: u32,
    /// So many are still slept over.
    left: u32,
}

impl Luck {
    /// As after many times in vain.
    pub const NONE: Self = Self { penalty: MOST_SLEPT_OVER, left: MOST_SLEPT_OVER };

    /// Whether to stay awake for the next event; each one is asked about once.
    pub fn is_worth_it(&mut self) -> bool {
        let is_worth_it = self.left == 0;
        self.left = self.left.saturating_sub(1);
        is_worth_it
    }

    /// Whether the event came while somebody stayed awake for it.
    pub fn learn(&mut self, came: bool) {
        self.penalty = if came { 0 } else { (2 * self.penalty + 1).min(MOST_SLEPT_OVER) };
        self.left = self.penalty;
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
    fn what_comes_is_waited_for_again_and_what_does_not_ever_less_often() {
        let mut luck = Luck::default();
        assert_eq!(awake(&mut luck, 5, true), [0, 1, 2, 3, 4]);
        assert_eq!(awake(&mut luck, 200, false), [0, 2, 6, 14, 30, 62, 94, 126, 158, 190]);
    }

    #[test]
    fn what_comes_again_is_soon_waited_for_each_time() {
        let mut luck = Luck::NONE;
        assert_eq!(awake(&mut luck, 34, true), [31, 32, 33]);
    }
}
