//! Delays that grow.

use std::time::Duration;

use ::backoff::ExponentialBackoffBuilder;
use ::backoff::SystemClock;
use ::backoff::backoff::Backoff as _;
use ::backoff::exponential::ExponentialBackoff;

/// Each delay is twice the one before.
const GROWTH: f64 = 2.0;

/// With jitter a delay is up to this share shorter than its nominal length.
const JITTER: f64 = 0.5;

/// An endless row of delays: `first`, doubled each time, never longer than `max`.
#[derive(Debug)]
pub struct Backoff {
    first: Duration,
    max: Duration,
    delays: ExponentialBackoff<SystemClock>,
}

impl Backoff {
    /// Delays from `first` up to `max`, without jitter. A `max` below `first` is taken as `first`.
    pub fn new(first: Duration, max: Duration) -> Self {
        Self::build(first, max.max(first), 0.0)
    }

    /// The same delays, each shortened by a random share of up to a half, so that a fleet that lost
    /// the same broker does not come back in one beat.
    #[must_use]
    pub fn with_jitter(self) -> Self {
        Self::build(self.first, self.max, JITTER)
    }

    fn build(first: Duration, max: Duration, jitter: f64) -> Self {
        // The crate spreads a delay to both sides of its centre. Centring it on the middle of
        // [nominal * (1 - jitter), nominal] keeps `max` the longest delay there is.
        let centre = 1.0 - jitter / 2.0;
        let delays = ExponentialBackoffBuilder::new()
            .with_initial_interval(first.mul_f64(centre))
            .with_max_interval(max.mul_f64(centre))
            .with_multiplier(GROWTH)
            .with_randomization_factor(jitter / 2.0 / centre)
            .with_max_elapsed_time(None)
            .build();
        Self { first, max, delays }
    }

    /// The next delay.
    pub fn next_delay(&mut self) -> Duration {
        // Without a limit of elapsed time the crate never ends the row.
        self.delays.next_backoff().unwrap_or(self.max).min(self.max)
    }

    /// Begins again with `first`: what was waited for has come.
    pub fn reset(&mut self) {
        self.delays.reset();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_millis(100);
    const MAX: Duration = Duration::from_secs(1);

    fn nominal(step: u32) -> Duration {
        (FIRST * 2_u32.pow(step)).min(MAX)
    }

    #[test]
    fn delays_double_up_to_the_longest() {
        let mut backoff = Backoff::new(FIRST, MAX);
        for step in 0..10 {
            let delay = backoff.next_delay();
            let error = delay.abs_diff(nominal(step));
            assert!(error < Duration::from_micros(1), "step {step}: {delay:?}");
            assert!(delay <= MAX);
        }
    }

    #[test]
    fn jitter_takes_off_up_to_a_half_and_adds_nothing() {
        let mut shortest = MAX;
        for _ in 0..1_000 {
            let mut backoff = Backoff::new(FIRST, MAX).with_jitter();
            for step in 0..6 {
                let delay = backoff.next_delay();
                let slack = Duration::from_micros(1);
                assert!(delay <= nominal(step) + slack, "step {step}: {delay:?}");
                assert!(delay + slack >= nominal(step) / 2, "step {step}: {delay:?}");
                if step == 5 {
                    shortest = shortest.min(delay);
                }
            }
        }
        assert!(shortest < MAX * 6 / 10, "no jitter at all: {shortest:?}");
    }

    #[test]
    fn a_reset_begins_with_the_first_delay() {
        let mut backoff = Backoff::new(FIRST, MAX);
        let first = backoff.next_delay();
        backoff.next_delay();
        backoff.reset();
        assert_eq!(backoff.next_delay(), first);
    }

    #[test]
    fn a_longest_delay_below_the_first_is_the_first() {
        let mut backoff = Backoff::new(MAX, FIRST);
        assert_eq!(backoff.next_delay(), MAX);
        assert_eq!(backoff.next_delay(), MAX);
    }
}
