//! What is known anywhere of one order, in a form that can be kept in a set.

use domain::life::{Attempt, Life, Wait, Way};
use domain::{AttemptNo, AttemptState, Epoch, OrderState, SupplierId, UnixMs, Verdict};

const WORKERS: usize = 2;

/// All that matters of an epoch is whether it is still the order's.
pub(crate) const CURRENT: Epoch = Epoch(7);
pub(crate) const OLD: Epoch = Epoch(6);

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
    pub(crate) fn given_up(&self) -> Self {
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
    pub(crate) fn overtaken(&mut self) {
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

impl Truth {
    pub(crate) fn finish(&mut self, charged: bool) {
        self.end = Some(charged);
        self.charges += u8::from(charged);
    }
}

/// What a supplier says when asked.
pub(crate) fn asked(truth: &Truth) -> Said {
    match (truth.formed_at, truth.end) {
        (None, _) => Said::NotFound,
        (Some(_), None) => Said::Processing,
        (Some(_), Some(true)) => Said::Succeeded,
        (Some(_), Some(false)) => Said::Failed,
    }
}

impl Order {
    pub(crate) fn life(&self) -> Life {
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

pub(crate) fn way(n: usize) -> Way {
    Way {
        supplier: SupplierId::new(n.to_string()),
        is_open: true,
        has_room: true,
    }
}
