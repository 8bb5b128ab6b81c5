//! How much of what its card allows is asked of a supplier now: less as soon as it falters, more by and by while it does not. One that
//! comes back from an outage at half its strength gets what it can do, not what its card says it could.

use std::time::Duration;

use tokio::time::Instant;

/// All that the card allows, in thousandths.
const ALL: u64 = 1_000;
/// However badly it falters, it is not given up: that is for the breaker.
const LEAST: u64 = 20;
/// How often the pace may grow.
const GROWS_EVERY: Duration = Duration::from_millis(100);

/// One supplier's pace, learned by one process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// In thousandths.
    part: u64,
    /// What it can do is not known at all: it is found out fast, until it falters.
    doubling: bool,
    eased_at: Option<Instant>,
    grown_at: Option<Instant>,
}

impl Pace {
    pub(crate) const fn new() -> Self {
        Self {
            part: ALL,
            doubling: false,
            eased_at: None,
            grown_at: None,
        }
    }

    /// What is left of a limit of the card: at least one, unless the limit is 0.
    pub(crate) fn of(&self, limit: u32) -> u32 {
        let part = (u64::from(limit) * self.part).div_ceil(ALL);
        u32::try_from(part).unwrap_or(limit)
    }

    /// Begins with little: the supplier has just come back.
    pub(crate) const fn start_over(&mut self) {
        self.part = LEAST;
        self.doubling = true;
    }

    /// Learns from a call that has ended. One bad moment counts once: a call that had begun before the pace was eased says nothing new.
    pub(crate) fn learn(&mut self, begun: Instant, faltered: bool, now: Instant) {
        if faltered {
            if self.eased_at.is_none_or(|eased| begun > eased) {
                let eased = self.part * 8 / 10;
                self.doubling = eased <= LEAST;
                self.part = eased.max(LEAST);
                self.eased_at = Some(now);
            }
        } else if self.part < ALL && self.grown_at.is_none_or(|grown| now - grown >= GROWS_EVERY) {
            let step = if self.doubling {
                self.part * 15 / 100
            } else {
                5
            };
            self.part = (self.part + step.max(1)).min(ALL);
            self.grown_at = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A supplier that can do `strength` thousandths of its card, for so many seconds; of the calls, how many it took and refused.
    fn run(pace: &mut Pace, strength: u64, seconds: u64, now: &mut Instant) -> (u64, u64) {
        let (mut taken, mut refused) = (0, 0);
        for _ in 0..seconds * 100 {
            // A hundredth of a second's calls at a card of 10,000 a second; they take as long.
            let asked = u64::from(pace.of(10_000)) / 100;
            let can = strength * 10 / 100;
            let begun = *now;
            *now += Duration::from_millis(10);
            for n in 0..asked {
                pace.learn(begun, n >= can, *now);
            }
            taken += asked.min(can);
            refused += asked.saturating_sub(can);
        }
        (taken, refused)
    }

    #[test]
    fn a_supplier_at_half_strength_gets_nearly_what_it_can_do_and_little_more() {
        let mut now = Instant::now();
        let mut pace = Pace::new();
        run(&mut pace, 0, 3, &mut now);
        assert_eq!(pace.of(1_000), 20, "nothing is answered");
        let (taken, refused) = run(&mut pace, 500, 30, &mut now);
        assert!(
            taken > 500 * 10 * 30 * 8 / 10,
            "{taken} of {}",
            500 * 10 * 30
        );
        assert!(refused * 20 < taken, "{refused} of {taken}");
        run(&mut pace, 1_000, 20, &mut now);
        assert_eq!(pace.of(1_000), 1_000, "all of it again");
    }

    #[test]
    fn calls_that_were_on_their_way_are_one_bad_moment() {
        let now = Instant::now();
        let mut pace = Pace::new();
        for _ in 0..1_000 {
            pace.learn(now, true, now + Duration::from_millis(1));
        }
        assert_eq!(pace.of(1_000), 800);
    }

    #[test]
    fn there_is_always_one_call_unless_there_is_none_at_all() {
        let mut pace = Pace::new();
        pace.start_over();
        assert_eq!((pace.of(1), pace.of(0)), (1, 0));
    }
}
