//! The life of an order and its attempts: what is known of one, what may happen to it, what follows. `decide.rs` says what follows when.

mod decide;

pub use decide::{adjustment, decide, put_off};

use std::time::Duration;

use crate::card::SupplierCard;
use crate::verdict::{Evidence, Source, Verdict};
use crate::{AttemptNo, AttemptState, Epoch, OrderState, SupplierId, UnixMs};

/// How long a claim lasts: the longest call, and time to record what came of it.
pub const LEASE: Duration = Duration::from_mins(1);

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
    /// What the claim of `epoch` heard, a refusal ([`Verdict::refuses_a_call`]), cannot be recorded yet: its lease begins anew. No other
    /// lease does, for its end says when its question was asked.
    HeldUp {
        /// The claim that made the call.
        epoch: Epoch,
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

impl Life {
    /// The attempt that may still charge.
    pub fn live_attempt(&self) -> Option<&Attempt> {
        self.attempts.iter().find(|a| a.state.is_live())
    }
}

impl From<Change> for Decision {
    fn from(change: Change) -> Self {
        Self::Change(Box::new(change))
    }
}
