//! What may happen next.

use domain::card::Resubmit;
use domain::{OrderState, Source};

use super::model::Model;
use super::state::{Said, State, Worker};
use super::wrong::Wrong;

/// How long an idempotent supplier remembers a number, from when it formed the order.
const MEMORY_TICKS: i64 = 4;

/// One thing that may happen next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Tick,
    Claim(usize),
    Send(usize),
    /// The supplier answers a query. An answer that is lost is a worker that gives up.
    Ask(usize),
    GiveUp(usize),
    Record(usize),
    /// What it has heard cannot be recorded yet.
    HoldUp(usize),
    Crash(usize),
    /// A submit arrives, and what the supplier does with it. Its answer is lost where the worker has given up.
    Arrive(usize, Said),
    End(usize, bool),
    Push(usize),
    Operator(usize),
    Cancel,
    /// Only for liars: a push that says so, signed by the supplier.
    Lie(usize, Said),
    /// Only where signatures are not checked: a push from anybody.
    Forge(usize, Said),
}

impl Model {
    /// Everything that may happen in a state.
    pub(crate) fn steps(&self, s: &State) -> Vec<Step> {
        let mut steps = vec![];
        if s.tick < self.bounds.ticks {
            steps.push(Step::Tick);
        }
        for (w, worker) in s.workers.iter().enumerate() {
            match worker {
                Worker::Idle => {
                    if s.claims < self.bounds.claims && !s.order.state.is_final() {
                        steps.push(Step::Claim(w));
                    }
                    continue;
                }
                // A call must begin in the tick of its claim; it fits into the lease then.
                Worker::Claimed {
                    tick, submit: true, ..
                } if *tick == s.tick => steps.push(Step::Send(w)),
                Worker::Claimed {
                    tick,
                    submit: false,
                    ..
                } if *tick == s.tick => {
                    steps.push(Step::Ask(w));
                }
                Worker::Claimed { .. } | Worker::Waiting { .. } => {}
                Worker::Heard { submit, said, .. } => {
                    steps.push(Step::Record(w));
                    if self.keeps_its_lease(*submit, *said) {
                        steps.push(Step::HoldUp(w));
                    }
                }
            }
            if !matches!(worker, Worker::Heard { .. }) {
                steps.push(Step::GiveUp(w));
            }
            steps.push(Step::Crash(w));
        }
        for (n, request) in s.network.iter().enumerate() {
            if n > 0 && s.network[n - 1] == *request {
                continue;
            }
            let formed = s.truths[request.attempt].formed_at.is_some();
            let news: &[Said] = if formed && self.remembers(s, request.attempt) {
                &[Said::Unknown]
            } else {
                &[
                    Said::Rejected,
                    Said::Accepted,
                    Said::Succeeded,
                    Said::Failed,
                ]
            };
            for said in news {
                steps.push(Step::Arrive(n, *said));
            }
        }
        for (a, truth) in s.truths.iter().enumerate() {
            if truth.formed_at.is_some() && truth.end.is_none() {
                steps.extend([Step::End(a, true), Step::End(a, false)]);
            }
            if truth.end.is_some() {
                steps.push(Step::Push(a));
            }
            if self.liars {
                steps.extend([Step::Lie(a, Said::Succeeded), Step::Lie(a, Said::Failed)]);
            }
            if self.wrong == Some(Wrong::PushOfAnybody) {
                steps.extend([
                    Step::Forge(a, Said::Succeeded),
                    Step::Forge(a, Said::Failed),
                ]);
            }
        }
        if s.order.in_doubt && s.network.is_empty() {
            let live = s.order.attempts.iter().position(|a| a.state.is_live());
            if let Some(a) = live
                && (s.truths[a].formed_at.is_none() || s.truths[a].end.is_some())
                && !s
                    .workers
                    .iter()
                    .any(|w| matches!(w, Worker::Claimed { submit: true, .. }))
            {
                steps.push(Step::Operator(a));
            }
        }
        if s.order.state == OrderState::Stored || self.wrong == Some(Wrong::CancelAtAnyTime) {
            steps.push(Step::Cancel);
        }
        steps
    }

    /// By design only what refuses a call.
    fn keeps_its_lease(&self, submit: bool, said: Said) -> bool {
        said.verdict().refuses_a_call(source(submit))
            || (self.wrong == Some(Wrong::HoldsUpQuestions) && said == Said::NotFound)
    }

    fn remembers(&self, s: &State, attempt: usize) -> bool {
        let card = &self.cards[s.order.attempts[attempt].supplier];
        let formed = s.truths[attempt].formed_at.unwrap_or(s.tick);
        card.resubmit == Resubmit::Idempotent && s.tick < formed + MEMORY_TICKS
    }
}

pub(crate) fn source(submit: bool) -> Source {
    if submit {
        Source::Submit
    } else {
        Source::Query
    }
}
