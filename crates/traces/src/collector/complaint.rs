//! When a word about the collector is due: once when it goes away, once when it is back, and seldom if it comes and goes.

use std::time::{Duration, Instant};

/// Between two complaints.
const SELDOM: Duration = Duration::from_mins(10);

/// What is to be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// It does not take spans.
    Away,
    /// It takes them again, after a complaint.
    Back,
}

/// What has been said so far.
#[derive(Debug, Default)]
pub(super) struct Complaint {
    /// It was said that the collector is away, and not yet that it is back.
    open: bool,
    last: Option<Instant>,
}

impl Complaint {
    /// What came of a call says what is to be said.
    pub(super) fn hear(&mut self, taken: bool, now: Instant) -> Option<Word> {
        match (taken, self.open) {
            (true, true) => {
                self.open = false;
                Some(Word::Back)
            }
            (false, false) if self.last.is_none_or(|last| now >= last + SELDOM) => {
                self.open = true;
                self.last = Some(now);
                Some(Word::Away)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_that_stays_away_is_one_line_and_one_that_flaps_is_few() {
        let begun = Instant::now();
        let mut complaint = Complaint::default();
        let mut hear = |taken, s| complaint.hear(taken, begun + Duration::from_secs(s));
        assert_eq!(hear(true, 0), None);
        assert_eq!(hear(false, 1), Some(Word::Away));
        assert!((2..5_000).all(|s| hear(false, s).is_none()));
        assert_eq!(hear(true, 5_000), Some(Word::Back));
        assert_eq!(hear(false, 5_001), Some(Word::Away));
        assert_eq!(hear(true, 5_002), Some(Word::Back));
        assert!((5_003..5_500).all(|s| hear(s % 2 == 0, s).is_none()));
        assert_eq!(hear(false, 5_601), Some(Word::Away));
    }
}
