//! How many requests an account may send in a second, in this process.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use domain::BusinessId;

/// An account that has been quiet may send so much at once, in units of time at its rate.
const BURST: Duration = Duration::from_secs(1);

/// One moment per account: until when its requests so far have used up its rate. Only accounts whose signature was right get an
/// entry, so there are never more than there are accounts.
#[derive(Debug, Default)]
pub(crate) struct RateLimits(Mutex<HashMap<BusinessId, Instant>>);

impl RateLimits {
    /// Takes one request's share of `per_second` (0: no limit). `false`: nothing is left now.
    pub(crate) fn take(&self, business: &BusinessId, per_second: u32, now: Instant) -> bool {
        if per_second == 0 {
            return true;
        }
        let mut used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let until = used.get(business).copied();
        match next(until, per_second, now) {
            Some(next) => {
                used.insert(business.clone(), next);
                true
            }
            None => false,
        }
    }
}

/// Until when the rate is used up after one more request; `None`: the request must wait.
fn next(used_until: Option<Instant>, per_second: u32, now: Instant) -> Option<Instant> {
    let share = BURST / per_second;
    let next = used_until.map_or(now, |until| until.max(now)) + share;
    (next <= now + BURST).then_some(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(limits: &RateLimits, per_second: u32, tries: usize, now: Instant) -> usize {
        let business = BusinessId::new("b");
        (0..tries)
            .filter(|_| limits.take(&business, per_second, now))
            .count()
    }

    #[test]
    fn a_second_s_worth_may_come_at_once_and_then_at_the_rate() {
        let limits = RateLimits::default();
        let now = Instant::now();
        assert_eq!(taken(&limits, 10, 50, now), 10);
        assert_eq!(taken(&limits, 10, 50, now + Duration::from_millis(350)), 3);
        assert_eq!(taken(&limits, 10, 50, now + Duration::from_mins(1)), 10);
    }

    #[test]
    fn zero_is_no_limit_and_accounts_do_not_share() {
        let limits = RateLimits::default();
        let now = Instant::now();
        assert_eq!(taken(&limits, 0, 1_000, now), 1_000);
        assert_eq!(taken(&limits, 1, 5, now), 1);
        assert!(limits.take(&BusinessId::new("other"), 1, now));
    }
}
