//! What happens next to an order, as one pure function.
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
//!  held up               live, leased                      a new lease, while a refusal cannot be recorded
//!  claim                 live, in doubt                    asked now and then, where the supplier can be; it stays in doubt
//!  any                   closed, or order final            evidence; a contradiction opens a discrepancy, never a flip
//!  operator              live, in doubt                    charged or closed for good
//!  cancel                none, order stored                cancelled, release
//! ```
//!
//! A time-out never closes an attempt, and no second attempt is opened while one is live.

mod heard;

use std::time::Duration;

use self::heard::{answer, held_up, next_look_in_doubt, push};
use super::{
    Attempt, AttemptChange, Call, Change, Decision, Doubt, Event, Ignored, LEASE, Life, Wait, Way,
    World,
};
use crate::card::{Resubmit, SupplierCard};
use crate::verdict::Verdict;
use crate::{AttemptNo, AttemptState, Money, OrderState, Reason, UnixMs};

/// How soon an order looks again when its supplier has no room, at first.
const ROOM_WAIT: Duration = Duration::from_secs(1);
/// How soon an order looks again when no supplier is open, at first and at most: the longer it has waited, the seldomer it looks.
const WAY_WAIT: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(30));
/// The most attempts of one order that were sent, and that are kept of it in all: who waits a day for a supplier makes 170 that were not. A
/// reference has room for so many.
const MAX_SENT: usize = 40;
const MAX_ATTEMPTS: usize = 255;

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
        Event::HeldUp { epoch } => held_up(life, *epoch, world),
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
    if life.wait == Wait::Nothing {
        return Decision::Ignore(Ignored::InDoubt);
    }
    let can_be_asked =
        |attempt: &&Attempt| (world.card)(&attempt.supplier).is_some_and(SupplierCard::can_query);
    let mut change = life.unchanged();
    change.doubt = Doubt::Keep;
    match life.live_attempt().filter(can_be_asked) {
        Some(attempt) => {
            change.claimed(world);
            change.call = Some(Call::Query(attempt.no));
        }
        // Not any more, since its supplier's card was changed.
        None => change.wait = Wait::Nothing,
    }
    change.into()
}

/// No attempt may charge: take the next way, wait for one, or give up.
fn open(life: &Life, world: &World<'_>) -> Decision {
    let mut change = life.unchanged();
    if let Some(why) = life.asks_nobody_more(world) {
        change.finish(OrderState::Failed, Some(why.into()));
        return change.into();
    }
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

impl Attempt {
    /// Its call was never sent.
    fn was_not_sent(&self) -> bool {
        self.last_verdict == Some(Verdict::NotSent.number())
    }

    /// Its supplier had refused, and says now that it has charged, or charged something else.
    fn may_be_charged_after_all(&self) -> bool {
        let told = self.last_verdict;
        !self.state.is_live() && matches!(told, Some(Verdict::SUCCEEDED | Verdict::DISCREPANT))
    }
}

impl Life {
    fn attempt(&self, no: AttemptNo) -> Option<&Attempt> {
        self.attempts.iter().find(|a| a.no == no)
    }

    fn next_attempt_no(&self) -> AttemptNo {
        AttemptNo(self.attempts.last().map_or(1, |a| a.no.0 + 1))
    }

    /// The ways whose suppliers have not refused the order. A call that was never sent is no refusal.
    fn untried<'a>(&'a self, world: &'a World<'_>) -> impl Iterator<Item = &'a Way> {
        let sent = self.attempts.iter().filter(|a| !a.was_not_sent());
        let spent = sent.count() >= MAX_SENT || self.attempts.len() >= MAX_ATTEMPTS;
        world.ways.iter().filter(move |way| {
            !spent
                && !self
                    .attempts
                    .iter()
                    .any(|a| a.supplier == way.supplier && !a.was_not_sent())
        })
    }

    /// The first that is open, of those that could not be reached least often: who cannot be reached keeps nobody from the next one.
    fn next_way<'a>(&'a self, world: &'a World<'_>) -> Option<&'a Way> {
        let unreached = |way: &&Way| {
            let at_it = self.attempts.iter().filter(|a| a.supplier == way.supplier);
            at_it.count()
        };
        self.untried(world)
            .filter(|way| way.is_open)
            .min_by_key(unreached)
    }

    /// Why no supplier is asked any more, whatever way is open.
    fn asks_nobody_more(&self, world: &World<'_>) -> Option<&'static str> {
        // A person sees what is right: another supplier might charge once more.
        if self.attempts.iter().any(Attempt::may_be_charged_after_all) {
            return Some("a supplier reported an end after it had refused the order");
        }
        let last_not_sent = self.attempts.last().is_some_and(Attempt::was_not_sent);
        (last_not_sent && self.waited_out(world)).then_some("no supplier could be reached")
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

#[cfg(test)]
mod tests;
