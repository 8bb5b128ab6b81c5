//! The life of an order and its attempts: what happens next, as one pure function.
//!
//! ```text
//!  event                 the order's live attempt          what follows
//!  --------------------  --------------------------------  -------------------------------------------------------
//!  claim                 none                              open one at the first way left, call; else wait; else fail
//!  claim                 calling (worker died), unknown    idempotent: same number again · query: ask · never: doubt
//!  claim                 accepted                          ask, or wait for the push; after `query_for`: doubt
//!  succeeded             live                              charged, order succeeded, settle
//!  failed, rejected      live                              closed; next way, or order failed, release
//!  accepted, processing  live                              look again later
//!  not found             live                              proof only by the card, after the call's deadline; else later
//!  unknown               live                              by the card, as for a claim, later
//!  discrepant            live                              doubt
//!  claim                 live, in doubt                    asked now and then, where the supplier can be; it stays in doubt
//!  any                   closed, or order final            evidence; a contradiction opens a discrepancy, never a flip
//!  operator              live, in doubt                    charged or closed for good
//!  cancel                none, order stored                cancelled, release
//! ```
//!
//! A time-out never closes an attempt, and no second attempt is opened while one is live.

use std::time::Duration;

use crate::card::{Resubmit, SupplierCard};
use crate::verdict::{Evidence, Source, Verdict};
use crate::{AttemptNo, AttemptState, Epoch, Money, OrderState, Reason, SupplierId, UnixMs};

/// How long a claim lasts: the longest call, and time to record what came of it.
pub const LEASE: Duration = Duration::from_mins(1);
/// How soon an order looks again when its supplier has no room, at first.
const ROOM_WAIT: Duration = Duration::from_secs(1);
/// How soon an order looks again when no supplier is open, at first and at most: the longer it has waited, the seldomer it looks.
const WAY_WAIT: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(30));
/// How soon an order looks again whose call was not sent (no connection, as a rule), at first and at most: a quarter of its age.
const UNSENT_WAIT: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(10));
/// The most attempts of one order that were sent, and that are kept of it in all: who waits a day for a supplier makes 170 that were not.
const MAX_SENT: usize = 40;
const MAX_ATTEMPTS: usize = 300;

/// One order as it was read under its row lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Life {
    /// Where it stands.
    pub state: OrderState,
    /// How often it has been claimed.
    pub epoch: Epoch,
    /// When it was stored.
    pub created_at: UnixMs,
    /// What it waits for.
    pub wait: Wait,
    /// Set aside for a person.
    pub in_doubt: bool,
    /// Its attempts, by number.
    pub attempts: Vec<Attempt>,
}

/// What an order waits for; its timer in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// For the message that brings it to a worker; lost if it has not come by then.
    Hint(UnixMs),
    /// For the worker that has claimed it, until then.
    Lease(UnixMs),
    /// For the next look at it.
    Check(UnixMs),
    /// For nothing: it is final, or with a person.
    Nothing,
}

/// One attempt at a supplier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Its number.
    pub no: AttemptNo,
    /// At whom.
    pub supplier: SupplierId,
    /// Where it stands.
    pub state: AttemptState,
    /// When its first call was claimed.
    pub first_call_at: UnixMs,
    /// When its last submit was claimed.
    pub last_call_at: UnixMs,
    /// How many submits were claimed, including those of workers that died.
    pub calls: i16,
    /// The number of the last verdict on it.
    pub last_verdict: Option<i16>,
}

/// What the decision may know beside the order.
pub struct World<'a> {
    /// The database's clock.
    pub now: UnixMs,
    /// The product's ways, lower priority first.
    pub ways: &'a [Way],
    /// How long the order may wait for a way.
    pub wait_for: Duration,
    /// The card of a supplier.
    pub card: &'a (dyn Fn(&SupplierId) -> Option<&'a SupplierCard> + 'a),
}

/// One way to a supplier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// The supplier.
    pub supplier: SupplierId,
    /// Whether new orders may go there: it is not shut for a while, and not too dear.
    pub is_open: bool,
    /// Whether this worker may call it now.
    pub has_room: bool,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A hint was delivered, or the order's time has come.
    Claim,
    /// The supplier answered a call that was claimed at `epoch`.
    Answer {
        /// The claim that made the call.
        epoch: Epoch,
        /// The attempt.
        attempt: AttemptNo,
        /// Submit or query.
        source: Source,
        /// What it means.
        verdict: Verdict,
    },
    /// The supplier called us; its signature is checked.
    Push {
        /// The attempt.
        attempt: AttemptNo,
        /// What it means.
        verdict: Verdict,
    },
    /// A person decided on an order in doubt.
    Operator {
        /// Charged or not.
        charged: bool,
        /// The written reason.
        reason: String,
    },
    /// A person takes a stored order back.
    Cancel,
}

/// What follows from an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Nothing changes.
    Ignore(Ignored),
    /// This is to be written, as a whole or not at all.
    Change(Box<Change>),
}

/// Why nothing changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ignored {
    /// The order is final.
    Final,
    /// A worker is at it.
    Leased,
    /// Its time has not come.
    Early,
    /// It is with a person.
    InDoubt,
    /// The event's claim has been followed by another.
    Stale,
    /// There is no such attempt.
    NoAttempt,
    /// The decision does not fit the state.
    Refused,
}

/// What is to be written, and the call that is to be made after the commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The order's new state.
    pub state: OrderState,
    /// The order's new epoch.
    pub epoch: Epoch,
    /// What becomes of its attempts.
    pub attempt: AttemptChange,
    /// The order's new timer.
    pub wait: Wait,
    /// What becomes of its place at the doubt desk.
    pub doubt: Doubt,
    /// A contradiction with what is final, for a person.
    pub discrepancy: Option<String>,
    /// The message that the merchant reads, for a final state.
    pub message: Option<String>,
    /// What the supplier gave, for a success.
    pub voucher: Option<String>,
    /// The call to make after the commit.
    pub call: Option<Call>,
}

/// What becomes of an order's attempts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttemptChange {
    /// Nothing.
    Keep,
    /// A new one, written before the call.
    Open {
        /// Its number.
        no: AttemptNo,
        /// At whom.
        supplier: SupplierId,
    },
    /// The same number is submitted once more.
    Again {
        /// Its number.
        no: AttemptNo,
    },
    /// A new state. The event's evidence is kept with it.
    Set {
        /// Its number.
        no: AttemptNo,
        /// The new state.
        state: AttemptState,
    },
    /// Only the event's evidence is kept.
    Note {
        /// Its number.
        no: AttemptNo,
    },
}

/// What becomes of an order's place at the doubt desk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// Nothing.
    Keep,
    /// It is set aside for a person, with the reason.
    Open(String),
    /// It is settled.
    Close,
}

/// The call that a claim leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Submit this attempt.
    Submit(AttemptNo),
    /// Ask after this attempt.
    Query(AttemptNo),
}

/// What becomes of the money that is held for an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Posting {
    /// It is paid.
    Settle,
    /// It is free again.
    Release,
}

impl Change {
    /// The posting that reaching the new state brings, if it is final.
    pub fn posting(&self, before: OrderState) -> Option<Posting> {
        if before.is_final() {
            return None;
        }
        match self.state {
            OrderState::Succeeded => Some(Posting::Settle),
            OrderState::Failed | OrderState::Cancelled => Some(Posting::Release),
            OrderState::Stored | OrderState::Processing => None,
        }
    }
}

impl AttemptChange {
    /// The attempt that changes.
    pub const fn no(&self) -> Option<AttemptNo> {
        match self {
            Self::Keep => None,
            Self::Open { no, .. }
            | Self::Again { no }
            | Self::Set { no, .. }
            | Self::Note { no } => Some(*no),
        }
    }

    /// Whether the evidence of the event is kept: always when it changes something, else when it says something new, so that a
    /// day of "still at it" is one line in the order's story.
    pub fn keeps_evidence(&self, attempts: &[Attempt], evidence: &Evidence) -> bool {
        match self {
            Self::Keep | Self::Open { .. } | Self::Again { .. } => false,
            Self::Note { .. } => true,
            Self::Set { no, state } => {
                attempts.iter().find(|a| a.no == *no).is_none_or(|attempt| {
                    attempt.state != *state
                        || attempt.last_verdict != Some(evidence.verdict.number())
                })
            }
        }
    }
}

/// What is written of an order that is due and cannot be moved now, because there is no room for its call, or somebody keeps what its end
/// needs: it is looked at again, the seldomer the longer it has waited, and until then it does not stand before others that are due.
pub fn put_off(life: &Life, now: UnixMs) -> Change {
    let since = life
        .live_attempt()
        .map_or(life.created_at, |a| a.last_call_at);
    Change {
        wait: Wait::Check(now.after(quarter(now.since(since), (ROOM_WAIT, WAY_WAIT.1)))),
        doubt: Doubt::Keep,
        ..life.unchanged()
    }
}

/// The longer something has waited, the seldomer it looks.
fn quarter(waited: Duration, (least, most): (Duration, Duration)) -> Duration {
    (waited / 4).clamp(least, most)
}

/// Decides what follows from an event. The only place where an order's fate is decided.
pub fn decide(life: &Life, event: &Event, world: &World<'_>) -> Decision {
    match event {
        Event::Claim => claim(life, world),
        Event::Answer {
            epoch,
            attempt,
            source,
            verdict,
        } => answer(life, *epoch, *attempt, *source, verdict, world),
        Event::Push { attempt, verdict } => push(life, *attempt, verdict, world),
        Event::Operator { charged, reason } => operator(life, *charged, reason),
        Event::Cancel => cancel(life),
    }
}

fn claim(life: &Life, world: &World<'_>) -> Decision {
    if life.state.is_final() {
        return Decision::Ignore(Ignored::Final);
    }
    match life.wait {
        Wait::Lease(until) if until > world.now => return Decision::Ignore(Ignored::Leased),
        Wait::Check(at) if at > world.now => return Decision::Ignore(Ignored::Early),
        _ => {}
    }
    match life.live_attempt() {
        _ if life.in_doubt => ask_in_doubt(life, world),
        Some(attempt) => pursue(life, attempt, world),
        None => open(life, world),
    }
}

/// A person decides, unless the supplier finds its voice again first.
fn ask_in_doubt(life: &Life, world: &World<'_>) -> Decision {
    let asked = life
        .live_attempt()
        .filter(|_| life.wait != Wait::Nothing)
        .filter(|attempt| (world.card)(&attempt.supplier).is_some_and(SupplierCard::can_query));
    let Some(attempt) = asked else {
        return Decision::Ignore(Ignored::InDoubt);
    };
    let mut change = life.unchanged();
    change.doubt = Doubt::Keep;
    change.claimed(world);
    change.call = Some(Call::Query(attempt.no));
    change.into()
}

/// No attempt may charge: take the next way, wait for one, or give up.
fn open(life: &Life, world: &World<'_>) -> Decision {
    let mut change = life.unchanged();
    match life.next_way(world) {
        Some(way) if way.has_room => {
            let no = life.next_attempt_no();
            change.claimed(world);
            change.attempt = AttemptChange::Open {
                no,
                supplier: way.supplier.clone(),
            };
            change.call = Some(Call::Submit(no));
        }
        Some(_) => change.wait = Wait::Check(world.now.after(ROOM_WAIT)),
        None if life.may_find_a_way(world) && !life.waited_out(world) => {
            let give_up_at = life.created_at.after(world.wait_for);
            let wait = quarter(world.now.since(life.created_at), WAY_WAIT);
            change.wait = Wait::Check(world.now.after(wait).min(give_up_at));
        }
        None => change.finish(
            OrderState::Failed,
            Some("no supplier could take the order".into()),
        ),
    }
    change.into()
}

/// An attempt may charge: clear the doubt by the means that its supplier's card allows.
fn pursue(life: &Life, attempt: &Attempt, world: &World<'_>) -> Decision {
    let mut change = life.unchanged();
    let Some(card) = (world.card)(&attempt.supplier) else {
        change.set_aside(Reason::SupplierGone, None, world.now);
        return change.into();
    };
    match next_step(attempt, card, world.now) {
        Step::Again => {
            change.claimed(world);
            change.attempt = AttemptChange::Again { no: attempt.no };
            change.call = Some(Call::Submit(attempt.no));
        }
        Step::Ask => {
            change.claimed(world);
            change.call = Some(Call::Query(attempt.no));
        }
        Step::Later(at) => change.wait = Wait::Check(at),
        Step::Person(reason) => change.set_aside(reason, Some(card), world.now),
    }
    change.into()
}

/// How a live attempt is cleared up.
enum Step {
    Again,
    Ask,
    Later(UnixMs),
    Person(Reason),
}

fn next_step(attempt: &Attempt, card: &SupplierCard, now: UnixMs) -> Step {
    let accepted = attempt.state == AttemptState::Accepted;
    let drain = card.not_found_final_after.unwrap_or_default();
    let first_query_at = attempt.last_call_at.after(card.first_query_after);
    // Only after the call can no longer arrive does the supplier know for certain what became of it.
    let known_from = if accepted {
        attempt.first_call_at
    } else {
        attempt.last_call_at.after(LEASE).after(drain)
    };
    let query_until = known_from.after(card.query_for);
    match card.resubmit {
        Resubmit::Never if !accepted => Step::Person(Reason::CannotBeAsked),
        Resubmit::Never if now >= query_until => Step::Person(Reason::AcceptedWithoutEnd),
        Resubmit::Never => Step::Later(query_until),
        Resubmit::Idempotent if !accepted => {
            // It has to arrive while the supplier still remembers the number.
            let arrived_by = now.after(LEASE).after(drain);
            if arrived_by <= attempt.first_call_at.after(card.resubmit_for) {
                Step::Again
            } else {
                Step::Person(Reason::UnknownForTooLong)
            }
        }
        Resubmit::Idempotent | Resubmit::Query => {
            if now >= query_until {
                Step::Person(Reason::NoEndForTooLong)
            } else if now < first_query_at {
                Step::Later(first_query_at)
            } else {
                Step::Ask
            }
        }
    }
}

fn answer(
    life: &Life,
    epoch: Epoch,
    no: AttemptNo,
    source: Source,
    verdict: &Verdict,
    world: &World<'_>,
) -> Decision {
    let Some(attempt) = life.attempt(no) else {
        return Decision::Ignore(Ignored::NoAttempt);
    };
    if life.state.is_final() || !attempt.state.is_live() {
        return after_the_end(life, attempt, verdict);
    }
    if epoch != life.epoch {
        // What a late worker heard is kept as evidence; only the claim that is in force may act on it.
        return if tells_an_end(verdict) {
            life.noted(no).into()
        } else {
            Decision::Ignore(Ignored::Stale)
        };
    }
    heard(life, attempt, source, verdict, world)
}

fn push(life: &Life, no: AttemptNo, verdict: &Verdict, world: &World<'_>) -> Decision {
    let Some(attempt) = life.attempt(no) else {
        return Decision::Ignore(Ignored::NoAttempt);
    };
    if life.state.is_final() || !attempt.state.is_live() {
        return after_the_end(life, attempt, verdict);
    }
    if !tells_an_end(verdict) && !matches!(verdict, Verdict::Discrepant { .. }) {
        // "Still at it" changes nothing: the timer that runs stays in force.
        return Decision::Ignore(Ignored::Early);
    }
    heard(life, attempt, Source::Push, verdict, world)
}

/// A verdict on a live attempt, from the one who may speak for it.
fn heard(
    life: &Life,
    attempt: &Attempt,
    source: Source,
    verdict: &Verdict,
    world: &World<'_>,
) -> Decision {
    let mut change = life.unchanged();
    // Whoever waited for an answer until now is overtaken by this one.
    change.epoch = life.epoch.next();
    let set = |state| AttemptChange::Set {
        no: attempt.no,
        state,
    };
    let Some(card) = (world.card)(&attempt.supplier) else {
        change.attempt = AttemptChange::Note { no: attempt.no };
        change.set_aside(Reason::SupplierGone, None, world.now);
        return change.into();
    };
    match verdict {
        Verdict::Succeeded { voucher } => {
            change.attempt = set(AttemptState::Charged);
            change.voucher.clone_from(voucher);
            change.finish(OrderState::Succeeded, None);
        }
        Verdict::Failed { reason } => {
            change.attempt = set(AttemptState::NotCharged);
            move_on(life, &mut change, reason, world);
        }
        // After an earlier submit of the same number, a refusal speaks for this call only, not for the earlier one.
        Verdict::Rejected { reason } if source == Source::Submit && attempt.calls <= 1 => {
            change.attempt = set(AttemptState::NotCharged);
            move_on(life, &mut change, reason, world);
        }
        Verdict::NotSent if source == Source::Submit && attempt.calls <= 1 => {
            let wait = quarter(world.now.since(life.created_at), UNSENT_WAIT);
            change.attempt = set(AttemptState::NotCharged);
            change.wait = Wait::Check(world.now.after(wait));
        }
        Verdict::NotFound if is_proof(life, attempt, card) => {
            change.attempt = set(AttemptState::NotCharged);
            move_on(
                life,
                &mut change,
                "the supplier never formed the order",
                world,
            );
        }
        Verdict::Discrepant { reason } => {
            change.attempt = set(AttemptState::Unknown);
            change.set_aside_as_said(reason, Some(card), world.now);
        }
        Verdict::Accepted | Verdict::Processing => {
            change.attempt = set(AttemptState::Accepted);
            look_again(
                attempt,
                AttemptState::Accepted,
                &mut change,
                card,
                source,
                world.now,
            );
        }
        Verdict::Rejected { .. }
        | Verdict::NotSent
        | Verdict::NotFound
        | Verdict::Unknown { .. } => {
            // A supplier that said "accepted" once stays accepted: a failed query takes nothing back.
            let state = match attempt.state {
                AttemptState::Accepted => AttemptState::Accepted,
                _ => AttemptState::Unknown,
            };
            change.attempt = set(state);
            look_again(attempt, state, &mut change, card, source, world.now);
        }
    }
    change.into()
}

/// The attempt is closed without a charge: on to the next way, or the order has failed.
fn move_on(life: &Life, change: &mut Change, reason: &str, world: &World<'_>) {
    if life.untried(world).next().is_some() {
        change.state = OrderState::Processing;
        change.wait = Wait::Check(world.now);
        change.doubt = life.close_doubt();
    } else {
        change.finish(OrderState::Failed, Some(reason.to_owned()));
    }
}

/// The attempt stays live: when is it looked at next, or is it a case for a person?
fn look_again(
    attempt: &Attempt,
    state: AttemptState,
    change: &mut Change,
    card: &SupplierCard,
    source: Source,
    now: UnixMs,
) {
    if change.doubt == Doubt::Close {
        // No news for whoever has to decide.
        change.doubt = Doubt::Keep;
        change.wait = next_look_in_doubt(card, now);
        return;
    }
    let attempt = Attempt {
        state,
        ..attempt.clone()
    };
    change.wait = match next_step(&attempt, card, now) {
        Step::Later(at) => Wait::Check(at),
        Step::Ask if source == Source::Submit => Wait::Check(now.after(card.first_query_after)),
        Step::Again | Step::Ask => Wait::Check(now.after(card.query_every)),
        Step::Person(reason) => {
            change.set_aside(reason, Some(card), now);
            return;
        }
    };
}

fn next_look_in_doubt(card: &SupplierCard, now: UnixMs) -> Wait {
    if card.can_query() {
        Wait::Check(now.after(card.doubt_query_every))
    } else {
        Wait::Nothing
    }
}

/// `NotFound` proves that nothing was formed only when it was asked after the last moment at which a call of ours could arrive. The
/// claim that asked says when; the answer may have been recorded much later.
fn is_proof(life: &Life, attempt: &Attempt, card: &SupplierCard) -> bool {
    let (Some(drain), Wait::Lease(until)) = (card.not_found_final_after, life.wait) else {
        return false;
    };
    let last_arrival = attempt.last_call_at.after(LEASE).after(drain);
    attempt.state != AttemptState::Accepted && until >= last_arrival.after(LEASE)
}

/// Something is said about what has ended: kept, and looked into where it contradicts.
fn after_the_end(life: &Life, attempt: &Attempt, verdict: &Verdict) -> Decision {
    let contradiction = match (attempt.state, verdict) {
        (AttemptState::NotCharged, Verdict::Succeeded { .. }) => Some(Reason::ChargeAfterAll),
        (AttemptState::Charged, Verdict::Failed { .. }) => Some(Reason::FailureAfterAll),
        (_, Verdict::Discrepant { .. }) => Some(Reason::UnfitAfterTheEnd),
        _ => None,
    };
    match contradiction {
        // The same words again are no news.
        Some(_) if attempt.last_verdict == Some(verdict.number()) => {
            Decision::Ignore(Ignored::Final)
        }
        Some(reason) => {
            let mut change = life.noted(attempt.no);
            change.discrepancy = Some(reason.text().into());
            change.into()
        }
        None => Decision::Ignore(Ignored::Final),
    }
}

fn operator(life: &Life, charged: bool, reason: &str) -> Decision {
    let Some(attempt) = life.live_attempt().filter(|_| life.in_doubt) else {
        return Decision::Ignore(Ignored::Refused);
    };
    let mut change = life.unchanged();
    change.epoch = life.epoch.next();
    let (attempt_state, state, message) = if charged {
        (AttemptState::Charged, OrderState::Succeeded, None)
    } else {
        (
            AttemptState::NotCharged,
            OrderState::Failed,
            Some(reason.to_owned()),
        )
    };
    change.attempt = AttemptChange::Set {
        no: attempt.no,
        state: attempt_state,
    };
    change.finish(state, message);
    change.into()
}

fn cancel(life: &Life) -> Decision {
    if life.state.is_final() {
        return Decision::Ignore(Ignored::Final);
    }
    if life.state != OrderState::Stored || !life.attempts.is_empty() {
        return Decision::Ignore(Ignored::Refused);
    }
    let mut change = life.unchanged();
    change.epoch = life.epoch.next();
    change.finish(OrderState::Cancelled, Some("cancelled".into()));
    change.into()
}

/// What moves on the merchant's prepaid money when two persons have found what a final order should have cost: the whole price where
/// it was delivered, nothing where it was not. The state stays as it is.
pub fn adjustment(price: Money, paid: Money, delivered: bool) -> Money {
    let owed = if delivered { price } else { Money::ZERO };
    Money::from_units(paid.units() - owed.units())
}

fn tells_an_end(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Succeeded { .. } | Verdict::Failed { .. })
}

impl Life {
    /// The attempt that may still charge.
    pub fn live_attempt(&self) -> Option<&Attempt> {
        self.attempts.iter().find(|a| a.state.is_live())
    }

    fn attempt(&self, no: AttemptNo) -> Option<&Attempt> {
        self.attempts.iter().find(|a| a.no == no)
    }

    fn next_attempt_no(&self) -> AttemptNo {
        AttemptNo(self.attempts.last().map_or(1, |a| a.no.0 + 1))
    }

    /// The ways whose suppliers have not refused the order. A call that was never sent is no refusal.
    fn untried<'a>(&'a self, world: &'a World<'_>) -> impl Iterator<Item = &'a Way> {
        let not_sent = Some(Verdict::NotSent.number());
        let sent = self.attempts.iter().filter(|a| a.last_verdict != not_sent);
        let spent = sent.count() >= MAX_SENT || self.attempts.len() >= MAX_ATTEMPTS;
        world.ways.iter().filter(move |way| {
            !spent
                && !self
                    .attempts
                    .iter()
                    .any(|a| a.supplier == way.supplier && a.last_verdict != not_sent)
        })
    }

    fn next_way<'a>(&'a self, world: &'a World<'_>) -> Option<&'a Way> {
        self.untried(world).find(|way| way.is_open)
    }

    /// A way may open again, or the first one be added to the catalogue.
    fn may_find_a_way(&self, world: &World<'_>) -> bool {
        self.attempts.is_empty() || self.untried(world).next().is_some()
    }

    fn waited_out(&self, world: &World<'_>) -> bool {
        world.now >= self.created_at.after(world.wait_for)
    }

    fn close_doubt(&self) -> Doubt {
        if self.in_doubt {
            Doubt::Close
        } else {
            Doubt::Keep
        }
    }

    fn unchanged(&self) -> Change {
        Change {
            state: self.state,
            epoch: self.epoch,
            attempt: AttemptChange::Keep,
            wait: self.wait,
            doubt: self.close_doubt(),
            discrepancy: None,
            message: None,
            voucher: None,
            call: None,
        }
    }

    fn noted(&self, no: AttemptNo) -> Change {
        Change {
            attempt: AttemptChange::Note { no },
            doubt: Doubt::Keep,
            ..self.unchanged()
        }
    }
}

impl Change {
    fn claimed(&mut self, world: &World<'_>) {
        self.state = OrderState::Processing;
        self.epoch = self.epoch.next();
        self.wait = Wait::Lease(world.now.after(LEASE));
    }

    fn finish(&mut self, state: OrderState, message: Option<String>) {
        self.state = state;
        self.message = message;
        self.wait = Wait::Nothing;
    }

    fn set_aside(&mut self, reason: Reason, card: Option<&SupplierCard>, now: UnixMs) {
        self.set_aside_as_said(reason.text(), card, now);
    }

    /// The reason is what a verdict says (`Reason` where it is ours).
    fn set_aside_as_said(&mut self, reason: &str, card: Option<&SupplierCard>, now: UnixMs) {
        self.doubt = Doubt::Open(reason.to_owned());
        self.wait = card.map_or(Wait::Nothing, |card| next_look_in_doubt(card, now));
    }
}

impl From<Change> for Decision {
    fn from(change: Change) -> Self {
        Self::Change(Box::new(change))
    }
}

#[cfg(test)]
#[path = "life_tests.rs"]
mod tests;
