//! How much one endpoint can take, learned from how it answers.

use std::time::Duration;

use crate::judge::Reach;

/// What an endpoint that nothing is known of gets at once.
const AT_FIRST: usize = 16;
/// How long a call takes, until one has been seen to end.
const FIRST_GUESS: Duration = Duration::from_millis(200);
/// From here on an endpoint is slow, and its calls have slots of their own.
const SLOW: Duration = Duration::from_secs(2);

/// One endpoint's pace: one more call at once for each round of good answers, half as many after a bad one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    limit: usize,
    most: usize,
    good: usize,
    call: Duration,
    /// Calls in a row that did not reach it.
    unreached: u32,
}

impl Pace {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            limit: AT_FIRST.min(most),
            most,
            good: 0,
            call: FIRST_GUESS,
            unreached: 0,
        }
    }

    /// Calls at the same time.
    pub(crate) const fn limit(&self) -> usize {
        self.limit
    }

    /// Whether its calls take so long that they must not hold the slots of the others.
    pub(crate) fn is_slow(&self) -> bool {
        self.call > SLOW
    }

    /// Calls in a row that did not reach it.
    pub(crate) const fn unreached(&self) -> u32 {
        self.unreached
    }

    /// Learns from a call that has ended.
    pub(crate) fn learn(&mut self, reach: Reach, took: Duration) {
        match reach {
            Reach::NotDialled => return,
            Reach::Answered => {
                self.unreached = 0;
                self.good += 1;
                if self.good >= self.limit {
                    self.good = 0;
                    self.limit = (self.limit + 1).min(self.most);
                }
            }
            Reach::Busy => {
                self.unreached = 0;
                self.halve();
            }
            Reach::Unreached => {
                self.unreached = self.unreached.saturating_add(1);
                self.halve();
            }
        }
        self.call = (self.call * 3 + took) / 4;
    }

    fn halve(&mut self) {
        self.good = 0;
        self.limit = (self.limit / 2).max(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUICK: Duration = Duration::from_millis(2);

    #[test]
    fn good_answers_raise_it_to_the_most_and_no_further() {
        let mut pace = Pace::new(40);
        for _ in 0..5_000 {
            pace.learn(Reach::Answered, QUICK);
        }
        assert_eq!(pace.limit(), 40);
        assert!(!pace.is_slow());
    }

    #[test]
    fn bad_ones_halve_it_and_leave_one() {
        let mut pace = Pace::new(40);
        pace.learn(Reach::Busy, QUICK);
        assert_eq!((pace.limit(), pace.unreached()), (8, 0));
        for _ in 0..9 {
            pace.learn(Reach::Unreached, QUICK);
        }
        assert_eq!((pace.limit(), pace.unreached()), (1, 9));
        pace.learn(Reach::NotDialled, QUICK);
        assert_eq!(pace.unreached(), 9);
        pace.learn(Reach::Answered, QUICK);
        assert_eq!(pace.unreached(), 0);
    }

    #[test]
    fn one_time_out_is_enough_to_be_slow_and_quick_answers_heal_it() {
        let mut pace = Pace::new(40);
        pace.learn(Reach::Unreached, Duration::from_secs(10));
        assert!(pace.is_slow());
        for _ in 0..3 {
            pace.learn(Reach::Answered, QUICK);
        }
        assert!(!pace.is_slow());
    }
}
