//! A bounded number of tries within a bounded time.

use std::time::Duration;

use crate::Backoff;

/// Delays between tries, with a cap on the tries and a deadline for all of them.
#[derive(Debug)]
pub struct Schedule {
    delays: Backoff,
    tries_left: u32,
    deadline: Duration,
}

impl Schedule {
    /// At most `tries` tries in all (the first one included), none of which may begin later than
    /// `deadline` after the first.
    pub fn new(delays: Backoff, tries: u32, deadline: Duration) -> Self {
        Self {
            delays,
            tries_left: tries.saturating_sub(1),
            deadline,
        }
    }

    /// How long to wait before the next try, when `elapsed` has passed since the first began;
    /// `None` when there is to be no further try.
    pub fn next_delay(&mut self, elapsed: Duration) -> Option<Duration> {
        if self.tries_left == 0 {
            return None;
        }
        let delay = self.delays.next_delay();
        if elapsed.saturating_add(delay) > self.deadline {
            self.tries_left = 0;
            return None;
        }
        self.tries_left -= 1;
        Some(delay)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second_long() -> Backoff {
        Backoff::new(Duration::from_secs(1), Duration::from_secs(1))
    }

    #[test]
    fn the_first_try_counts() {
        let mut schedule = Schedule::new(second_long(), 3, Duration::MAX);
        assert!(schedule.next_delay(Duration::ZERO).is_some());
        assert!(schedule.next_delay(Duration::ZERO).is_some());
        assert_eq!(schedule.next_delay(Duration::ZERO), None);
    }

    #[test]
    fn a_single_try_is_never_repeated() {
        for tries in [0, 1] {
            let mut schedule = Schedule::new(second_long(), tries, Duration::MAX);
            assert_eq!(schedule.next_delay(Duration::ZERO), None);
        }
    }

    #[test]
    fn no_try_begins_after_the_deadline() {
        let mut schedule = Schedule::new(second_long(), 100, Duration::from_secs(10));
        assert!(schedule.next_delay(Duration::from_secs(9)).is_some());
        assert_eq!(schedule.next_delay(Duration::from_millis(9_001)), None);
        assert_eq!(
            schedule.next_delay(Duration::ZERO),
            None,
            "a schedule that ended stays ended"
        );
    }
}
