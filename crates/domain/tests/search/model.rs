//! The world around one order: two workers, a network, suppliers, pushes, an operator, and a clock that moves in leases. Everything
//! that the platform decides is asked of `domain::life::decide`; what is written here is only what the rest of the world may do.

use std::time::Duration;

use domain::card::SupplierCard;
use domain::life::{
    AttemptChange, Call, Change, Decision, Doubt, Event, LEASE, Life, Posting, Wait, Way, World,
    decide,
};
use domain::{AttemptNo, AttemptState, OrderState, UnixMs, Verdict};

use super::state::{CURRENT, OLD, Order, Request, Said, State, Truth, Try, Worker, asked, way};
use super::steps::{Step, source};
use super::wrong::Wrong;

/// One step of the clock: a lease, and the drain of the network.
pub(crate) const TICK: i64 = 60_000;
/// Leases that a request may still be on its way after its own has ended.
const DRAIN_TICKS: i64 = 1;

/// How far a search looks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Claims of the order.
    pub claims: u8,
    /// Attempts at suppliers.
    pub attempts: usize,
    /// The clock's last tick.
    pub ticks: i64,
}

pub(crate) struct Model {
    /// What the suppliers really keep to.
    pub cards: Vec<SupplierCard>,
    /// What the platform believes that they keep to.
    believed: Vec<SupplierCard>,
    ways: Vec<Way>,
    pub wrong: Option<Wrong>,
    pub bounds: Bounds,
    /// Suppliers contradict themselves: pushes that are not true.
    pub liars: bool,
}

fn card(kind: &str) -> SupplierCard {
    serde_json::from_value(serde_json::json!({
        "resubmit": kind, "resubmit_for": "240s", "not_found_final_after": "60s", "first_query_after": "0s",
        "query_every": "60s", "query_for": "300s", "doubt_query_every": "60s",
    }))
    .unwrap()
}

impl Model {
    pub(crate) fn new(kinds: &[&str], bounds: Bounds) -> Self {
        let cards: Vec<_> = kinds.iter().map(|kind| card(kind)).collect();
        Self {
            believed: cards.clone(),
            ways: (0..cards.len()).map(way).collect(),
            cards,
            wrong: None,
            bounds,
            liars: false,
        }
    }

    pub(crate) fn wrong(mut self, wrong: Wrong) -> Self {
        wrong.misread(&mut self.believed);
        self.wrong = Some(wrong);
        self
    }

    pub(crate) fn start() -> State {
        State {
            tick: 0,
            order: Order {
                state: OrderState::Stored,
                wait: (0, 30_000),
                in_doubt: false,
                attempts: vec![],
            },
            claims: 0,
            workers: [Worker::Idle, Worker::Idle],
            network: vec![],
            truths: vec![],
            settled: 0,
            released: 0,
            discrepancies: 0,
        }
    }

    /// Takes a step. The error says which promise it broke.
    pub(crate) fn take(&self, before: &State, step: &Step) -> Result<State, String> {
        let mut s = before.clone();
        match step {
            Step::Tick => {
                s.tick += 1;
                let now = s.tick;
                s.network.retain(|r| now < r.tick + 1 + DRAIN_TICKS);
            }
            Step::Claim(w) => self.claim(&mut s, *w)?,
            Step::Send(w) => {
                if let Worker::Claimed {
                    current,
                    tick,
                    attempt,
                    ..
                } = s.workers[*w]
                {
                    s.network.push(Request { attempt, tick });
                    s.network.sort();
                    s.workers[*w] = Worker::Waiting {
                        current,
                        tick,
                        attempt,
                    };
                }
            }
            Step::Ask(w) => {
                if let Worker::Claimed {
                    current, attempt, ..
                } = s.workers[*w]
                {
                    s.workers[*w] = Worker::Heard {
                        current,
                        submit: false,
                        attempt,
                        said: asked(&s.truths[attempt]),
                    };
                }
            }
            Step::GiveUp(w) => s.workers[*w] = s.workers[*w].given_up(),
            Step::Record(w) => {
                let worker = std::mem::replace(&mut s.workers[*w], Worker::Idle);
                if let Worker::Heard {
                    current,
                    submit,
                    attempt,
                    said,
                } = worker
                {
                    let in_force = current || self.wrong == Some(Wrong::NoEpochCheck);
                    let event = Event::Answer {
                        epoch: if in_force { CURRENT } else { OLD },
                        attempt: number(attempt),
                        source: source(submit),
                        verdict: self.heard(said),
                    };
                    self.happen(&mut s, &event)?;
                }
            }
            Step::HoldUp(w) => {
                if let Worker::Heard { current, .. } = s.workers[*w] {
                    let epoch = if current { CURRENT } else { OLD };
                    self.happen(&mut s, &Event::HeldUp { epoch })?;
                }
            }
            Step::Crash(w) => s.workers[*w] = Worker::Idle,
            Step::Arrive(n, news) => Self::arrive(&mut s, *n, *news),
            Step::End(a, charged) => s.truths[*a].finish(*charged),
            Step::Push(a) => {
                let said = if s.truths[*a].end == Some(true) {
                    Said::Succeeded
                } else {
                    Said::Failed
                };
                self.happen(
                    &mut s,
                    &Event::Push {
                        attempt: number(*a),
                        verdict: said.verdict(),
                    },
                )?;
            }
            Step::Lie(a, said) | Step::Forge(a, said) => {
                self.happen(
                    &mut s,
                    &Event::Push {
                        attempt: number(*a),
                        verdict: said.verdict(),
                    },
                )?;
            }
            Step::Operator(a) => {
                let charged = s.truths[*a].end == Some(true);
                self.happen(
                    &mut s,
                    &Event::Operator {
                        charged,
                        reason: "looked".into(),
                    },
                )?;
            }
            Step::Cancel => self.happen(&mut s, &Event::Cancel)?,
        }
        self.check(before, &s)?;
        // The workers are alike: which is which makes no other state.
        s.workers.sort();
        Ok(s)
    }

    fn arrive(s: &mut State, n: usize, news: Said) {
        let request = s.network.remove(n);
        let known = news == Said::Unknown;
        let tick = s.tick;
        let truth = &mut s.truths[request.attempt];
        let said = if known {
            match asked(truth) {
                Said::Processing => Said::Accepted,
                other => other,
            }
        } else {
            if news != Said::Rejected {
                truth.formed_at = Some(tick);
                truth.end = None;
                match news {
                    Said::Succeeded => truth.finish(true),
                    Said::Failed => truth.finish(false),
                    _ => {}
                }
            }
            news
        };
        for worker in &mut s.workers {
            if let Worker::Waiting {
                current,
                tick,
                attempt,
            } = *worker
                && (attempt, tick) == (request.attempt, request.tick)
            {
                *worker = Worker::Heard {
                    current,
                    submit: true,
                    attempt,
                    said,
                };
                break;
            }
        }
    }

    /// What an adapter would make of it, if it were wrong.
    fn heard(&self, said: Said) -> Verdict {
        match (self.wrong, said) {
            (Some(Wrong::TimeoutIsFailure), Said::Unknown)
            | (Some(Wrong::NotFoundIsFailure), Said::NotFound)
            | (Some(Wrong::ProcessingIsFailure), Said::Processing) => Said::Failed.verdict(),
            (Some(Wrong::TimeoutIsRejection), Said::Unknown) => Said::Rejected.verdict(),
            (Some(Wrong::TimeoutIsNotSent), Said::Unknown) => Said::NotSent.verdict(),
            _ => said.verdict(),
        }
    }

    fn claim(&self, s: &mut State, w: usize) -> Result<(), String> {
        s.claims += 1;
        if let Some(call) = self.decide(s, &Event::Claim)? {
            let (submit, no) = match call {
                Call::Submit(no) => (true, no),
                Call::Query(no) => (false, no),
            };
            s.workers[w] = Worker::Claimed {
                current: true,
                tick: s.tick,
                submit,
                attempt: usize::try_from(no.0 - 1).unwrap(),
            };
        }
        Ok(())
    }

    fn happen(&self, s: &mut State, event: &Event) -> Result<(), String> {
        self.decide(s, event).map(drop)
    }

    fn decide(&self, s: &mut State, event: &Event) -> Result<Option<Call>, String> {
        let now = UnixMs(s.tick * TICK);
        let mut life = s.order.life();
        if let Some(wrong) = self.wrong {
            wrong.spoil(&mut life, event);
        }
        let open = if life.attempts.len() < self.bounds.attempts {
            &self.ways[..]
        } else {
            &[]
        };
        let world = World {
            now,
            ways: open,
            wait_for: Duration::from_mins(2),
            card: &|id| {
                id.as_str()
                    .parse::<usize>()
                    .ok()
                    .and_then(|n| self.believed.get(n))
            },
        };
        match decide(&life, event, &world) {
            Decision::Ignore(_) => Ok(None),
            Decision::Change(change) => {
                self.write(s, &life, event, &change, now)?;
                Ok(change.call)
            }
        }
    }

    /// What the store does with a change.
    fn write(
        &self,
        s: &mut State,
        life: &Life,
        event: &Event,
        change: &Change,
        now: UnixMs,
    ) -> Result<(), String> {
        let before = s.order.state;
        let posted = if self.wrong == Some(Wrong::SettlesAgain) && before.is_final() {
            change.posting(OrderState::Processing)
        } else {
            change.posting(life.state)
        };
        match posted {
            Some(Posting::Settle) => s.settled += 1,
            Some(Posting::Release) => s.released += 1,
            None => {}
        }
        s.discrepancies += u8::from(change.discrepancy.is_some() && s.discrepancies < 2);
        s.order.state = change.state;
        if change.epoch != CURRENT {
            s.workers.iter_mut().for_each(Worker::overtaken);
        }
        s.order.wait = match change.wait {
            Wait::Hint(at) => (0, at.0),
            Wait::Lease(at) => (1, at.0),
            Wait::Check(at) => (2, at.0),
            Wait::Nothing => (3, 0),
        };
        if self.wrong == Some(Wrong::NoTimerBehindACall) && change.call.is_some() {
            s.order.wait = (3, 0);
        }
        match change.doubt {
            Doubt::Keep => {}
            Doubt::Open(_) => s.order.in_doubt = true,
            Doubt::Close => s.order.in_doubt = false,
        }
        let verdict = match event {
            Event::Answer { verdict, .. } | Event::Push { verdict, .. } => Some(verdict.number()),
            _ => None,
        };
        match &change.attempt {
            AttemptChange::Keep => {}
            AttemptChange::Open { supplier, .. } => {
                if s.order.attempts.iter().any(|a| a.state.holds())
                    && self.wrong != Some(Wrong::NoLiveAttemptIndex)
                {
                    return Err("the database would refuse a second live attempt".into());
                }
                s.order.attempts.push(Try {
                    supplier: supplier.as_str().parse().unwrap(),
                    state: AttemptState::Calling,
                    first_call_at: now.0,
                    last_call_at: now.0,
                    calls: 1,
                    last_verdict: None,
                });
                s.truths.push(Truth::default());
            }
            AttemptChange::Again { no } => {
                let attempt = &mut s.order.attempts[index(*no)];
                attempt.calls += 1;
                attempt.last_call_at = now.0;
            }
            AttemptChange::Set { no, state } => {
                let attempt = &mut s.order.attempts[index(*no)];
                attempt.state = *state;
                attempt.last_verdict = verdict;
            }
            AttemptChange::Note { no } => s.order.attempts[index(*no)].last_verdict = verdict,
        }
        Ok(())
    }
}

fn number(attempt: usize) -> AttemptNo {
    AttemptNo(i16::try_from(attempt + 1).unwrap())
}

fn index(no: AttemptNo) -> usize {
    usize::try_from(no.0 - 1).unwrap()
}

/// The clock of this model moves in leases; with another lease its cards would have to change.
const _: () = assert!(LEASE.as_millis() == 60_000);
