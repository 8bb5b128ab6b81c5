//! Deliberately wrong platforms. Each must be caught, or the search proves nothing.

use domain::card::{Resubmit, SupplierCard};
use domain::life::{Event, Life, Wait};
use domain::{AttemptState, OrderState, UnixMs};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// Sends the same number again although the supplier does not promise to know it.
    ResendsOnTimeout,
    /// … or for longer than it promises.
    ResendsForEver,
    /// Takes a time-out for "failed", and gives the money back.
    TimeoutIsFailure,
    /// Takes a 5xx for "rejected", and goes to the next supplier.
    TimeoutIsRejection,
    /// Takes a broken connection for "never sent".
    TimeoutIsNotSent,
    /// Takes "not found" for "failed".
    NotFoundIsFailure,
    /// Takes "in progress" for "failed".
    ProcessingIsFailure,
    /// Takes "not found" as proof as soon as the call is over.
    NotFoundIsProofAtOnce,
    /// Takes "not found" as proof by the time at which it is recorded, not at which it was asked.
    NotFoundAgesWell,
    /// Keeps the lease of a question whose answer cannot be recorded, and so forgets when it was asked.
    HoldsUpQuestions,
    /// Believes a refusal although an earlier call of the same number may have arrived.
    ForgetsEarlierCalls,
    /// Lets the answer to an old claim speak.
    NoEpochCheck,
    /// Opens a second attempt while one is live.
    NoLiveAttemptIndex,
    /// Believes pushes that nobody signed.
    PushOfAnybody,
    /// Posts the money again with each news about a final order.
    SettlesAgain,
    /// Lets a late push change a final state.
    LatePushFlips,
    /// Acknowledges the message at the claim and keeps no timer.
    NoTimerBehindACall,
    /// Cancels what has been claimed.
    CancelAtAnyTime,
    /// Decides on orders without looking whether they are final.
    ForgetsThatItIsOver,
}

impl Wrong {
    pub(crate) const ALL: [Self; 19] = [
        Self::ResendsOnTimeout,
        Self::ResendsForEver,
        Self::TimeoutIsFailure,
        Self::TimeoutIsRejection,
        Self::TimeoutIsNotSent,
        Self::NotFoundIsFailure,
        Self::ProcessingIsFailure,
        Self::NotFoundIsProofAtOnce,
        Self::NotFoundAgesWell,
        Self::HoldsUpQuestions,
        Self::ForgetsEarlierCalls,
        Self::NoEpochCheck,
        Self::NoLiveAttemptIndex,
        Self::PushOfAnybody,
        Self::SettlesAgain,
        Self::LatePushFlips,
        Self::NoTimerBehindACall,
        Self::CancelAtAnyTime,
        Self::ForgetsThatItIsOver,
    ];

    /// The kind of supplier that shows it.
    pub(crate) fn shown_by(self) -> &'static str {
        match self {
            Self::ResendsForEver | Self::ForgetsEarlierCalls => "idempotent",
            _ => "query",
        }
    }

    /// Falsifies the suppliers' cards.
    pub(crate) fn misread(self, cards: &mut [SupplierCard]) {
        for card in cards {
            match self {
                Self::ResendsOnTimeout => card.resubmit = Resubmit::Idempotent,
                Self::ResendsForEver => card.resubmit_for *= 100,
                _ => {}
            }
        }
    }

    /// Falsifies what the decision gets to see of the order.
    pub(crate) fn spoil(self, life: &mut Life, event: &Event) {
        match self {
            Self::NotFoundIsProofAtOnce if matches!(event, Event::Answer { .. }) => {
                for attempt in &mut life.attempts {
                    // A lease and a drain earlier than it was.
                    attempt.last_call_at.0 -= 120_000;
                }
            }
            Self::NotFoundAgesWell => {
                if let (Event::Answer { .. }, Wait::Lease(_)) = (event, life.wait) {
                    life.wait = Wait::Lease(UnixMs(i64::MAX));
                }
            }
            Self::ForgetsEarlierCalls => life.attempts.iter_mut().for_each(|a| a.calls = 1),
            Self::NoLiveAttemptIndex if matches!(event, Event::Claim) => {
                for attempt in &mut life.attempts {
                    if attempt.state == AttemptState::Unknown {
                        attempt.state = AttemptState::NotCharged;
                    }
                }
            }
            Self::LatePushFlips if matches!(event, Event::Push { .. }) => reopen(life),
            Self::ForgetsThatItIsOver if !matches!(event, Event::Push { .. }) => reopen(life),
            Self::CancelAtAnyTime if matches!(event, Event::Cancel) => {
                life.state = OrderState::Stored;
                life.attempts.clear();
            }
            _ => {}
        }
    }
}

fn reopen(life: &mut Life) {
    life.state = OrderState::Processing;
    for attempt in &mut life.attempts {
        attempt.state = AttemptState::Accepted;
    }
}
