//! The world around one order: two workers, a network, suppliers, pushes, an operator, and a clock that moves in leases. Everything
//! that the platform decides is asked of `domain::life::decide`; what is written here is only what the rest of the world may do.

use std::time::Duration;

use domain::card::{Resubmit, SupplierCard};
use domain::life::{
    Attempt, AttemptChange, Call, Change, Decision, Doubt, Event, LEASE, Life, Posting, Wait, Way,
    World, decide,
};
use domain::{AttemptNo, AttemptState, Epoch, OrderState, Source, SupplierId, UnixMs, Verdict};

use super::wrong::Wrong;

/// One step of the clock: a lease, and the drain of the network.
pub(crate) const TICK: i64 = 60_000;
/// Leases that a request may still be on its way after its own has ended.
const DRAIN_TICKS: i64 = 1;
/// How long an idempotent supplier remembers a number, from when it formed the order.
const MEMORY_TICKS: i64 = 4;
const WORKERS: usize = 2;
/// All that matters of an epoch is whether it is still the order's.
const CURRENT: Epoch = Epoch(7);
const OLD: Epoch = Epoch(6);

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

/// The order and all that is known of it anywhere.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub tick: i64,
    pub order: Order,
    /// Claims so far.
    pub claims: u8,
    pub workers: [Worker; WORKERS],
    pub network: Vec<Request>,
    /// What the suppliers did, by attempt.
    pub truths: Vec<Truth>,
    /// Postings so far.
    pub settled: u8,
    pub released: u8,
    /// Contradictions that were put before a person.
    pub discrepancies: u8,
}

/// `Life`, in a form that can be kept in a set.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Order {
    pub state: OrderState,
    pub wait: (u8, i64),
    pub in_doubt: bool,
    pub attempts: Vec<Try>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Try {
    pub supplier: usize,
    pub state: AttemptState,
    pub first_call_at: i64,
    pub last_call_at: i64,
    pub calls: i16,
    pub last_verdict: Option<i16>,
}

/// One process, as far as this order goes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Worker {
    Idle,
    /// Its claim is committed, its call not made.
    Claimed {
        current: bool,
        tick: i64,
        submit: bool,
        attempt: usize,
    },
    /// Its submit is on its way, or has arrived.
    Waiting {
        current: bool,
        tick: i64,
        attempt: usize,
    },
    /// It has heard something and not recorded it.
    Heard {
        current: bool,
        submit: bool,
        attempt: usize,
        said: Said,
    },
}

impl Worker {
    /// It hears nothing, or never asked.
    fn given_up(&self) -> Self {
        match *self {
            Self::Claimed {
                current,
                submit,
                attempt,
                ..
            } => Self::Heard {
                current,
                submit,
                attempt,
                said: if submit { Said::NotSent } else { Said::Unknown },
            },
            Self::Waiting {
                current, attempt, ..
            } => Self::Heard {
                current,
                submit: true,
                attempt,
                said: Said::Unknown,
            },
            ref other => other.clone(),
        }
    }

    /// Another claim or answer has been written since its own.
    fn overtaken(&mut self) {
        match self {
            Self::Idle => {}
            Self::Claimed { current, .. }
            | Self::Waiting { current, .. }
            | Self::Heard { current, .. } => *current = false,
        }
    }
}

/// A verdict, without its words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Said {
    Succeeded,
    Failed,
    Rejected,
    Accepted,
    Processing,
    NotFound,
    NotSent,
    Unknown,
}

impl Said {
    pub(crate) fn verdict(self) -> Verdict {
        let reason = "…".to_owned();
        match self {
            Self::Succeeded => Verdict::Succeeded { voucher: None },
            Self::Failed => Verdict::Failed { reason },
            Self::Rejected => Verdict::Rejected { reason },
            Self::Accepted => Verdict::Accepted,
            Self::Processing => Verdict::Processing,
            Self::NotFound => Verdict::NotFound,
            Self::NotSent => Verdict::NotSent,
            Self::Unknown => Verdict::Unknown { reason },
        }
    }
}

/// A submit on its way.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Request {
    pub attempt: usize,
    /// When it was claimed; it arrives within its lease and the drain, or never.
    pub tick: i64,
}

/// What a supplier really did for one attempt.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Truth {
    pub formed_at: Option<i64>,
    pub end: Option<bool>,
    pub charges: u8,
}

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

pub(crate) struct Model {
    /// What the suppliers really keep to.
    cards: Vec<SupplierCard>,
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

    /// What may never happen.
    fn check(&self, before: &State, s: &State) -> Result<(), String> {
        let broken = |promise: &str| Err(promise.to_owned());
        let charges: u8 = s.truths.iter().map(|t| t.charges).sum();
        let order = &s.order;
        if before.order.state.is_final() && order.state != before.order.state {
            return broken("a final state was flipped");
        }
        if s.settled + s.released > 1 {
            return broken("an order was posted twice");
        }
        if order.attempts.iter().filter(|a| a.state.is_live()).count() > 1 {
            return broken("two attempts are live");
        }
        let posted = match order.state {
            OrderState::Succeeded => (1, 0),
            OrderState::Failed | OrderState::Cancelled => (0, 1),
            OrderState::Stored | OrderState::Processing => (0, 0),
        };
        if (s.settled, s.released) != posted {
            return broken("the money does not follow the state");
        }
        if !order.state.is_final() && !order.in_doubt && order.wait.0 == 3 {
            return broken("an order stands still, and nobody is told");
        }
        if order.state.is_final() && order.in_doubt {
            let cleared = order.attempts.iter().all(|a| !a.state.is_live());
            if !cleared {
                return broken("a final order keeps a live attempt");
            }
        }
        if self.liars {
            let told = |said: i16| order.attempts.iter().any(|a| a.last_verdict == Some(said));
            if order.state == OrderState::Failed && told(0) && s.discrepancies == 0 {
                return broken("a charge after a failure was swept under the carpet");
            }
            return Ok(());
        }
        if charges > 1 {
            return broken("an account was charged twice");
        }
        match order.state {
            OrderState::Succeeded if charges == 0 => broken("success without a charge"),
            OrderState::Failed | OrderState::Cancelled if charges > 0 => {
                broken("charged, and reported as not charged")
            }
            OrderState::Failed | OrderState::Cancelled
                if s.truths
                    .iter()
                    .any(|t| t.formed_at.is_some() && t.end.is_none()) =>
            {
                broken("reported as not charged while a supplier is still at it")
            }
            _ => Ok(()),
        }
    }
}

impl Truth {
    fn finish(&mut self, charged: bool) {
        self.end = Some(charged);
        self.charges += u8::from(charged);
    }
}

/// What a supplier says when asked.
fn asked(truth: &Truth) -> Said {
    match (truth.formed_at, truth.end) {
        (None, _) => Said::NotFound,
        (Some(_), None) => Said::Processing,
        (Some(_), Some(true)) => Said::Succeeded,
        (Some(_), Some(false)) => Said::Failed,
    }
}

impl Order {
    fn life(&self) -> Life {
        let at = UnixMs(self.wait.1);
        Life {
            state: self.state,
            epoch: CURRENT,
            created_at: UnixMs(0),
            wait: match self.wait.0 {
                0 => Wait::Hint(at),
                1 => Wait::Lease(at),
                2 => Wait::Check(at),
                _ => Wait::Nothing,
            },
            in_doubt: self.in_doubt,
            attempts: (1..)
                .zip(&self.attempts)
                .map(|(no, a)| Attempt {
                    no: AttemptNo(no),
                    supplier: way(a.supplier).supplier,
                    state: a.state,
                    first_call_at: UnixMs(a.first_call_at),
                    last_call_at: UnixMs(a.last_call_at),
                    calls: a.calls,
                    last_verdict: a.last_verdict,
                })
                .collect(),
        }
    }
}

fn way(n: usize) -> Way {
    Way {
        supplier: SupplierId::new(n.to_string()),
        is_open: true,
        has_room: true,
    }
}

fn source(submit: bool) -> Source {
    if submit {
        Source::Submit
    } else {
        Source::Query
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
