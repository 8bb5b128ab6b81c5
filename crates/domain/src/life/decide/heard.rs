//! What follows from what a supplier has said, by answer or by push.

use std::time::Duration;

use super::{Step, next_step, quarter};
use crate::card::SupplierCard;
use crate::life::{
    Attempt, AttemptChange, Change, Decision, Doubt, Ignored, LEASE, Life, Wait, World,
};
use crate::verdict::{Source, Verdict};
use crate::{AttemptNo, AttemptState, Epoch, OrderState, Reason, UnixMs};

/// How soon an order looks again whose call was not sent (no connection, as a rule), at first and at most: a quarter of its age.
const UNSENT_WAIT: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(10));

pub(super) fn answer(
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

/// Nobody else claims the order before its refusal is recorded: it would be sent once more, and no refusal would count from then on.
pub(super) fn held_up(life: &Life, epoch: Epoch, world: &World<'_>) -> Decision {
    if life.state.is_final() {
        return Decision::Ignore(Ignored::Final);
    }
    if epoch != life.epoch || !matches!(life.wait, Wait::Lease(_)) {
        return Decision::Ignore(Ignored::Stale);
    }
    let mut change = life.unchanged();
    change.doubt = Doubt::Keep;
    change.wait = Wait::Lease(world.now.after(LEASE));
    change.into()
}

pub(super) fn push(life: &Life, no: AttemptNo, verdict: &Verdict, world: &World<'_>) -> Decision {
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
        // A late worker heard of a success, and now it is none: that is not for us to decide.
        Verdict::Failed { .. } | Verdict::Rejected { .. } | Verdict::NotFound
            if attempt.last_verdict == Some(Verdict::SUCCEEDED) =>
        {
            change.attempt = set(AttemptState::Unknown);
            change.set_aside(Reason::SuccessThenFailure, None, world.now);
        }
        Verdict::Failed { reason } => {
            change.attempt = set(AttemptState::NotCharged);
            move_on(life, &mut change, reason, world);
        }
        // After an earlier submit of the same number, a refusal speaks for this call only, not for the earlier one.
        Verdict::Rejected { reason } if verdict.refuses_a_call(source) && attempt.calls <= 1 => {
            change.attempt = set(AttemptState::NotCharged);
            move_on(life, &mut change, reason, world);
        }
        Verdict::NotSent if verdict.refuses_a_call(source) && attempt.calls <= 1 => {
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
            // Nor is it asked after: what a query says has no amount, and would settle what a person has to look at.
            change.set_aside_as_said(reason, None, world.now);
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

pub(super) fn next_look_in_doubt(card: &SupplierCard, now: UnixMs) -> Wait {
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

fn tells_an_end(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Succeeded { .. } | Verdict::Failed { .. })
}
