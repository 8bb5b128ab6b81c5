//! How much an account may send in a second, in this process: requests, or orders.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use domain::BusinessId;

/// An account that has been quiet may send so much at once, in units of time at its rate.
const BURST: Duration = Duration::from_secs(1);

/// One moment per account: until when what it has sent uses up its rate. Only accounts whose signature was right get an
/// entry, so there are never more than there are accounts.
#[derive(Debug, Default)]
pub(crate) struct RateLimits(Mutex<HashMap<BusinessId, Instant>>);

impl RateLimits {
    /// Takes so many of `per_second` (0: no limit). `Err`: not so many are left now, and how long they take to be.
    pub(crate) fn take(
        &self,
        business: &BusinessId,
        count: usize,
        per_second: u32,
        now: Instant,
    ) -> Result<(), Duration> {
        if per_second == 0 {
            return Ok(());
        }
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        let takes = BURST.saturating_mul(count) / per_second;
        let mut used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let until = next(used.get(business).copied(), takes, now)?;
        used.insert(business.clone(), until);
        Ok(())
    }
}

/// Until when the rate is used up after what takes so long; `Err`: after how long it may come. What takes longer than the burst, a large batch, may come
/// as soon as the whole burst is there: it must come at once or never.
fn next(used_until: Option<Instant>, takes: Duration, now: Instant) -> Result<Instant, Duration> {
    let used = used_until.map_or(now, |until| until.max(now));
    let wait = (used + takes.min(BURST)).saturating_duration_since(now + BURST);
    if wait.is_zero() {
        Ok(used + takes)
    } else {
        Err(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(limits: &RateLimits, per_second: u32, tries: usize, now: Instant) -> usize {
        let business = BusinessId::new("b");
        (0..tries)
            .filter(|_| limits.take(&business, 1, per_second, now).is_ok())
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
        assert_eq!(limits.take(&BusinessId::new("other"), 1, 1, now), Ok(()));
    }

    #[test]
    fn whoever_comes_back_after_the_wait_is_let_in() {
        let limits = RateLimits::default();
        let (business, mut now) = (BusinessId::new("b"), Instant::now());
        // 150 of 100 a second: more than may ever be left, so it goes when nothing is used up.
        for waits_ms in [0, 1_500, 1_500] {
            if waits_ms > 0 {
                let wait = Duration::from_millis(waits_ms);
                assert_eq!(limits.take(&business, 150, 100, now), Err(wait));
                now += wait;
            }
            assert_eq!(limits.take(&business, 150, 100, now), Ok(()));
        }
        let wait = limits.take(&business, 20, 100, now).unwrap_err();
        assert_eq!(wait.as_millis(), 700);
        assert_eq!(limits.take(&business, 20, 100, now + wait), Ok(()));
    }
}
