//! Notices that a supplier's calls keep failing, on the results of live orders.
//!
//! Each process counts for itself; what one of them notices is in force in the whole fleet (`store::gates`).

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domain::life::LEASE;
use domain::{Source, Verdict};
use tokio::time::Instant;

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

    /// Takes the outcome of a call. Answers of any kind are good; only silence and nonsense are not.
    pub(crate) fn hear(&self, source: Source, verdict: &Verdict, is_probe: bool) -> Option<News> {
        if source != Source::Submit {
            return None;
        }
        let failed = matches!(verdict, Verdict::Unknown { .. });
        let mut state = self.state();
        if is_probe {
            state.probing = None;
            return match verdict {
                Verdict::NotSent => None,
                _ if failed => Some(News::Fails),
                _ => {
                    (state.now, state.before) = Default::default();
                    Some(News::Answers)
                }
            };
        }
        if *verdict == Verdict::NotSent {
            return None;
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

    fn silence() -> Verdict {
        Verdict::Unknown {
            reason: "time-out".into(),
        }
    }

    fn heard(breaker: &Breaker, verdict: &Verdict, times: usize) -> Option<News> {
        (0..times)
            .map(|_| breaker.hear(Source::Submit, verdict, false))
            .fold(None, |_, news| news)
    }

    #[tokio::test(start_paused = true)]
    async fn it_trips_when_many_and_at_least_half_of_the_submits_fail() {
        let breaker = Breaker::new(5);
        assert_eq!(heard(&breaker, &Verdict::Accepted, 6), None);
        assert_eq!(heard(&breaker, &silence(), 5), None, "5 of 11");
        assert_eq!(heard(&breaker, &silence(), 1), Some(News::Fails), "6 of 12");
        let breaker = Breaker::new(5);
        assert_eq!(heard(&breaker, &silence(), 4), None);
        tokio::time::advance(HALF * 2).await;
        assert_eq!(
            heard(&breaker, &silence(), 4),
            None,
            "the first ones are forgotten"
        );
        tokio::time::advance(HALF).await;
        assert_eq!(heard(&breaker, &silence(), 1), Some(News::Fails));
        assert_eq!(heard(&Breaker::new(0), &silence(), 99), None);
    }

    #[tokio::test(start_paused = true)]
    async fn answers_to_questions_and_calls_that_were_not_sent_do_not_count() {
        let breaker = Breaker::new(1);
        assert_eq!(breaker.hear(Source::Query, &silence(), false), None);
        assert_eq!(breaker.hear(Source::Submit, &Verdict::NotSent, false), None);
        let refusal = Verdict::Rejected {
            reason: "no".into(),
        };
        assert_eq!(heard(&breaker, &refusal, 9), None, "a refusal is an answer");
    }

    #[tokio::test(start_paused = true)]
    async fn one_probe_at_a_time_decides() {
        let breaker = Breaker::new(5);
        assert!(breaker.may_probe());
        breaker.probing();
        assert!(!breaker.may_probe());
        let news = breaker.hear(Source::Submit, &silence(), true);
        assert_eq!((news, breaker.may_probe()), (Some(News::Fails), true));
        breaker.probing();
        let news = breaker.hear(Source::Submit, &Verdict::Accepted, true);
        assert_eq!((news, breaker.may_probe()), (Some(News::Answers), true));
        breaker.probing();
        tokio::time::advance(LEASE + HALF).await;
        assert!(breaker.may_probe(), "a probe that was lost blocks nobody");
    }
}
