//! How much an account may send in a second, in this process: requests, or orders.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use domain::BusinessId;

/// What an account has in a second at its rate. One that has been quiet may never send more at once.
const SECOND: Duration = Duration::from_secs(1);
/// So many at once are felt by nobody, whatever the rate.
const FEW: u32 = 100;
/// Of a rate at which more than that come in this time, so much may come at once. A whole second's worth would be a second in which all
/// others wait behind it.
const MOMENT: Duration = Duration::from_millis(250);

/// So many at a rate: how much of the account's time they take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Share {
    takes: Duration,
    /// How much may come at once.
    burst: Duration,
    /// 0: no limit.
    per_second: u32,
}

impl Share {
    /// So many of `per_second`; 0: no limit.
    pub(crate) fn of(count: usize, per_second: u32) -> Self {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        let time_of = |count| {
            let time = SECOND.saturating_mul(count).checked_div(per_second);
            time.unwrap_or_default()
        };
        Self {
            takes: time_of(count),
            burst: time_of(FEW).clamp(MOMENT, SECOND),
            per_second,
        }
    }
}

/// What an account has sent.
#[derive(Clone, Copy, Debug)]
struct Sent {
    /// Until when it uses up the rate.
    until: Instant,
    /// The rate: time at another one says nothing.
    per_second: u32,
}

/// Only accounts whose signature was right, and which have a limit, get an entry, so there are never more than there are accounts.
#[derive(Debug, Default)]
pub(crate) struct RateLimits(Mutex<HashMap<BusinessId, Sent>>);

impl RateLimits {
    /// Takes a share. `Err`: there is not so much left now, and how long it takes until there is.
    pub(crate) fn take(
        &self,
        business: &BusinessId,
        share: Share,
        now: Instant,
    ) -> Result<(), Duration> {
        self.move_to(business, share, |used_until| next(used_until, share, now))
    }

    /// Takes a share, whatever is left.
    pub(crate) fn charge(&self, business: &BusinessId, share: Share, now: Instant) {
        let whatever_is_left = |used_until| Ok(used(used_until, now) + share.takes);
        let _ = self.move_to(business, share, whatever_is_left);
    }

    fn move_to(
        &self,
        business: &BusinessId,
        share: Share,
        next: impl FnOnce(Option<Instant>) -> Result<Instant, Duration>,
    ) -> Result<(), Duration> {
        let per_second = share.per_second;
        if per_second == 0 {
            return Ok(());
        }
        let mut accounts = self.accounts();
        let sent = accounts
            .get(business)
            .filter(|s| s.per_second == per_second);
        let until = next(sent.map(|sent| sent.until))?;
        accounts.insert(business.clone(), Sent { until, per_second });
        Ok(())
    }

    /// Gives back what was taken and not used.
    pub(crate) fn give_back(&self, business: &BusinessId, share: Share) {
        let mut accounts = self.accounts();
        if let Some(sent) = accounts.get_mut(business)
            && sent.per_second == share.per_second
            && let Some(earlier) = sent.until.checked_sub(share.takes)
        {
            sent.until = earlier;
        }
    }

    /// Nothing in here can panic halfway, so a poisoned lock guards nothing that is broken.
    fn accounts(&self) -> MutexGuard<'_, HashMap<BusinessId, Sent>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Until when the rate is used up, now at the earliest.
fn used(until: Option<Instant>, now: Instant) -> Instant {
    until.map_or(now, |until| until.max(now))
}

/// Until when the rate is used up after this share; `Err`: after how long it may come. What takes longer than the burst, a large batch,
/// may come as soon as the whole burst is there: it must come at once or never.
fn next(used_until: Option<Instant>, share: Share, now: Instant) -> Result<Instant, Duration> {
    let Share { takes, burst, .. } = share;
    let used = used(used_until, now);
    let wait = (used + takes.min(burst)).saturating_duration_since(now + burst);
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
        let (business, one) = (BusinessId::new("b"), Share::of(1, per_second));
        (0..tries)
            .filter(|_| limits.take(&business, one, now).is_ok())
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
    fn at_once_come_a_hundred_or_what_comes_in_a_moment_and_never_more_than_in_a_second() {
        let at_once = |per_second| taken(&RateLimits::default(), per_second, 3_000, Instant::now());
        assert_eq!([1, 100, 200, 400].map(at_once), [1, 100, 100, 100]);
        assert_eq!([800, 10_000].map(at_once), [200, 2_500]);
    }

    #[test]
    fn zero_is_no_limit_and_accounts_do_not_share() {
        let limits = RateLimits::default();
        let now = Instant::now();
        assert_eq!(taken(&limits, 0, 1_000, now), 1_000);
        assert_eq!(taken(&limits, 1, 5, now), 1);
        let other = BusinessId::new("other");
        assert_eq!(limits.take(&other, Share::of(1, 1), now), Ok(()));
    }

    #[test]
    fn whoever_comes_back_after_the_wait_is_let_in() {
        let limits = RateLimits::default();
        let (business, mut now) = (BusinessId::new("b"), Instant::now());
        // More than may ever be left, so it goes when nothing is used up.
        let large = Share::of(150, 100);
        for waits_ms in [0, 1_500, 1_500] {
            if waits_ms > 0 {
                let wait = Duration::from_millis(waits_ms);
                assert_eq!(limits.take(&business, large, now), Err(wait));
                now += wait;
            }
            assert_eq!(limits.take(&business, large, now), Ok(()));
        }
        let small = Share::of(20, 100);
        let wait = limits.take(&business, small, now).unwrap_err();
        assert_eq!(wait.as_millis(), 700);
        assert_eq!(limits.take(&business, small, now + wait), Ok(()));
    }

    #[test]
    fn what_is_given_back_may_be_sent_again() {
        let limits = RateLimits::default();
        let (business, now) = (BusinessId::new("b"), Instant::now());
        let large = Share::of(1_000, 100);
        for _ in 0..3 {
            assert_eq!(limits.take(&business, large, now), Ok(()));
            assert!(limits.take(&business, large, now).is_err());
            limits.give_back(&business, large);
        }
        assert_eq!(taken(&limits, 100, 200, now), 100);
    }

    #[test]
    fn another_rate_begins_anew() {
        let limits = RateLimits::default();
        let (business, now) = (BusinessId::new("b"), Instant::now());
        let mistyped = Share::of(1_000, 3);
        assert_eq!(limits.take(&business, mistyped, now), Ok(()));
        assert!(limits.take(&business, Share::of(1, 3), now).is_err());
        assert_eq!(limits.take(&business, Share::of(1, 300), now), Ok(()));
        limits.give_back(&business, mistyped);
        assert_eq!(taken(&limits, 300, 400, now), 99);
    }
}
