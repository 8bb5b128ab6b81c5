//! Notices that a supplier's calls keep failing, on the results of live orders.
//!
//! Each process counts for itself; what one of them notices is in force in the whole fleet (`store::gates`).

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domain::life::LEASE;
use tokio::time::Instant;

use crate::call::Showing;

/// Half of the time that is looked back.
const HALF: Duration = Duration::from_secs(15);

/// What the results of calls mean for the supplier's gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// It is to be spared.
    Fails,
    /// It answers again.
    Answers,
}

/// Counts the outcomes of one supplier's submits.
#[derive(Debug)]
pub(crate) struct Breaker {
    break_after: u32,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    now: Half,
    before: Half,
    begun: Instant,
    /// A probe runs since then.
    probing: Option<Instant>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Half {
    all: u32,
    failed: u32,
}

impl Breaker {
    pub(crate) fn new(break_after: u32) -> Self {
        Self {
            break_after,
            state: Mutex::new(State {
                now: Half::default(),
                before: Half::default(),
                begun: Instant::now(),
                probing: None,
            }),
        }
    }

    /// Whether this process may send a new order to the tripped supplier: one at a time.
    pub(crate) fn may_probe(&self) -> bool {
        let state = self.state();
        state.probing.is_none_or(|since| since.elapsed() > LEASE)
    }

    /// A probe has begun.
    pub(crate) fn probing(&self) {
        self.state().probing = Some(Instant::now());
    }

    /// Takes how the supplier did at a call. Answers of any kind are good; only silence, nonsense and closed doors are not.
    pub(crate) fn hear(&self, showing: Showing, is_probe: bool) -> Option<News> {
        let mut state = self.state();
        if is_probe {
            state.probing = None;
        }
        let failed = match showing {
            Showing::NotTried => return None,
            Showing::Answered => false,
            Showing::Failed => true,
        };
        if is_probe {
            if failed {
                return Some(News::Fails);
            }
            (state.now, state.before) = Default::default();
            return Some(News::Answers);
        }
        state.turn();
        state.now.all += 1;
        state.now.failed += u32::from(failed);
        let all = state.now.all + state.before.all;
        let fails = state.now.failed + state.before.failed;
        let trips = self.break_after > 0 && fails >= self.break_after && fails * 2 >= all;
        (failed && trips).then_some(News::Fails)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn turn(&mut self) {
        let age = self.begun.elapsed();
        if age < HALF {
            return;
        }
        self.before = if age < HALF * 2 {
            self.now
        } else {
            Half::default()
        };
        self.now = Half::default();
        self.begun = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(breaker: &Breaker, showing: Showing, times: usize) -> Option<News> {
        (0..times)
            .map(|_| breaker.hear(showing, false))
            .fold(None, |_, news| news)
    }

    #[tokio::test(start_paused = true)]
    async fn it_trips_when_many_and_at_least_half_of_the_submits_fail() {
        let breaker = Breaker::new(5);
        assert_eq!(heard(&breaker, Showing::Answered, 6), None);
        assert_eq!(heard(&breaker, Showing::Failed, 5), None, "5 of 11");
        assert_eq!(
            heard(&breaker, Showing::Failed, 1),
            Some(News::Fails),
            "6 of 12"
        );
        let breaker = Breaker::new(5);
        assert_eq!(heard(&breaker, Showing::Failed, 4), None);
        tokio::time::advance(HALF * 2).await;
        assert_eq!(
            heard(&breaker, Showing::Failed, 4),
            None,
            "the first ones are forgotten"
        );
        tokio::time::advance(HALF).await;
        assert_eq!(heard(&breaker, Showing::Failed, 1), Some(News::Fails));
        assert_eq!(heard(&Breaker::new(0), Showing::Failed, 99), None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_not_put_to_it_and_its_refusals_do_not_count() {
        let breaker = Breaker::new(1);
        assert_eq!(heard(&breaker, Showing::NotTried, 9), None);
        assert_eq!(heard(&breaker, Showing::Answered, 9), None);
    }

    #[tokio::test(start_paused = true)]
    async fn one_probe_at_a_time_decides() {
        let breaker = Breaker::new(5);
        assert!(breaker.may_probe());
        breaker.probing();
        assert!(!breaker.may_probe());
        let news = breaker.hear(Showing::Failed, true);
        assert_eq!((news, breaker.may_probe()), (Some(News::Fails), true));
        breaker.probing();
        let news = breaker.hear(Showing::Answered, true);
        assert_eq!((news, breaker.may_probe()), (Some(News::Answers), true));
        breaker.probing();
        tokio::time::advance(LEASE + HALF).await;
        assert!(breaker.may_probe(), "a probe that was lost blocks nobody");
    }
}
