//! Is it them, or is it us? When many endpoints fail together, it is our own way out that is broken.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use domain::Endpoint;

/// How far back it looks.
const WINDOW: Duration = Duration::from_secs(30);
/// From so many endpoints on, those of before the window are forgotten.
const REMEMBERED: usize = 4_096;
/// Fewer endpoints than that prove nothing.
const ENOUGH: usize = 8;
/// Frozen when at least this share of them, in percent, was last not reached.
const SHARE: usize = 60;
/// So many endpoints in a row have to answer until it thaws.
const THAWED_BY: usize = 3;

/// What this process has seen of the endpoints that it called lately.
#[derive(Debug, Default)]
pub(crate) struct Egress {
    last: HashMap<Endpoint, (Instant, bool)>,
    forgot_at: Option<Instant>,
    frozen: bool,
    answered_in_a_row: usize,
}

/// What a call changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// From now on nobody is blamed and nothing is charged.
    Froze,
    /// All as usual again.
    Thawed,
}

impl Egress {
    /// Whether our own way out is taken for broken: then only single reports are sent, to see whether it still is.
    pub(crate) const fn is_frozen(&self) -> bool {
        self.frozen
    }

    /// Once in a window, if there is much to remember: those that were called before it.
    fn forget(&mut self, now: Instant) {
        let since = |then: Instant| now.saturating_duration_since(then);
        let forgot_lately = self.forgot_at.is_some_and(|at| since(at) < WINDOW);
        if self.last.len() >= REMEMBERED && !forgot_lately {
            self.forgot_at = Some(now);
            self.last.retain(|_, (at, _)| since(*at) < WINDOW);
        }
    }

    /// Takes note of a call.
    pub(crate) fn note(
        &mut self,
        endpoint: &Endpoint,
        reached: bool,
        now: Instant,
    ) -> Option<Turn> {
        if self.frozen {
            self.answered_in_a_row = if reached {
                self.answered_in_a_row + 1
            } else {
                0
            };
            if self.answered_in_a_row < THAWED_BY {
                return None;
            }
            *self = Self::default();
            return Some(Turn::Thawed);
        }
        self.forget(now);
        self.last.insert(endpoint.clone(), (now, reached));
        if reached {
            return None;
        }
        let lately = |at: Instant| now.saturating_duration_since(at) < WINDOW;
        let (mut called, mut unreached) = (0, 0);
        for (_, reached) in self.last.values().filter(|(at, _)| lately(*at)) {
            called += 1;
            unreached += usize::from(!reached);
        }
        if called < ENOUGH || unreached * 100 < called * SHARE {
            return None;
        }
        self.frozen = true;
        self.answered_in_a_row = 0;
        Some(Turn::Froze)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(n: usize) -> Endpoint {
        Endpoint::new(format!("https://shop{n}.example"))
    }

    #[test]
    fn a_tenth_of_all_that_is_dead_is_theirs() {
        let (mut egress, now) = (Egress::default(), Instant::now());
        for n in 0..200 {
            assert_eq!(egress.note(&endpoint(n), n % 10 != 0, now), None);
        }
        assert!(!egress.is_frozen());
    }

    #[test]
    fn a_few_dead_ones_alone_prove_nothing() {
        let (mut egress, now) = (Egress::default(), Instant::now());
        for n in 0..100 {
            assert_eq!(egress.note(&endpoint(n % 5), false, now), None);
        }
    }

    #[test]
    fn most_of_them_together_is_ours_until_some_answer() {
        let (mut egress, now) = (Egress::default(), Instant::now());
        let turns: Vec<_> = (0..8)
            .map(|n| egress.note(&endpoint(n), false, now))
            .collect();
        assert_eq!(turns.iter().flatten().collect::<Vec<_>>(), [&Turn::Froze]);
        assert!(egress.is_frozen());
        assert_eq!(egress.note(&endpoint(1), true, now), None);
        assert_eq!(egress.note(&endpoint(2), false, now), None);
        assert_eq!(egress.note(&endpoint(3), true, now), None);
        assert_eq!(egress.note(&endpoint(4), true, now), None);
        assert_eq!(egress.note(&endpoint(5), true, now), Some(Turn::Thawed));
        assert!(!egress.is_frozen());
    }

    #[test]
    fn endpoints_of_long_ago_are_forgotten() {
        let (mut egress, begun) = (Egress::default(), Instant::now());
        for n in 0..REMEMBERED {
            egress.note(&endpoint(n), true, begun);
        }
        egress.note(&endpoint(REMEMBERED), true, begun + WINDOW);
        assert_eq!(egress.last.len(), 1);
    }

    #[test]
    fn what_was_long_ago_does_not_count() {
        let (mut egress, now) = (Egress::default(), Instant::now());
        for n in 0..7 {
            egress.note(&endpoint(n), false, now);
        }
        assert_eq!(egress.note(&endpoint(8), false, now + WINDOW), None);
    }
}
