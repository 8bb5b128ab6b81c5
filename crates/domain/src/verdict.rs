//! What a supplier's answer means. Adapters translate; `life` decides what follows.

/// What an answer, a push or a person says about one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Charged. Final and explicit.
    Succeeded {
        /// What the supplier gave for it: a serial number, a card code.
        voucher: Option<String>,
    },
    /// Accepted once, then failed: not charged. Final and explicit.
    Failed {
        /// The supplier's words.
        reason: String,
    },
    /// Explicitly not accepted; nothing was formed.
    Rejected {
        /// The supplier's words.
        reason: String,
    },
    /// Will finish later.
    Accepted,
    /// Not finished yet.
    Processing,
    /// The supplier does not know our reference.
    NotFound,
    /// The answer contradicts the order (amount, account, partial success): for a person.
    Discrepant {
        /// What does not fit.
        reason: String,
    },
    /// The call was never sent: the worker gave up before its first byte.
    NotSent,
    /// Time-out, broken connection, 5xx, unreadable body, unlisted code.
    Unknown {
        /// What happened.
        reason: String,
    },
}

impl Verdict {
    /// The number of a success.
    pub const SUCCEEDED: i16 = 0;
    /// The number of an end that is another one than was asked for.
    pub const DISCREPANT: i16 = 6;

    /// A call's own word that it formed nothing. Of no other call: it counts only as long as the claim that made it is in force, and no
    /// later question brings it to light.
    pub const fn refuses_a_call(&self, source: Source) -> bool {
        matches!(source, Source::Submit) && matches!(self, Self::Rejected { .. } | Self::NotSent)
    }

    /// The number that the evidence keeps.
    pub const fn number(&self) -> i16 {
        match self {
            Self::Succeeded { .. } => Self::SUCCEEDED,
            Self::Failed { .. } => 1,
            Self::Rejected { .. } => 2,
            Self::Accepted => 3,
            Self::Processing => 4,
            Self::NotFound => 5,
            Self::Discrepant { .. } => Self::DISCREPANT,
            Self::NotSent => 7,
            Self::Unknown { .. } => 8,
        }
    }

    /// The word for a verdict's number.
    pub const fn word_of(number: i16) -> &'static str {
        match number {
            0 => "succeeded",
            1 => "failed",
            2 => "rejected",
            3 => "accepted",
            4 => "processing",
            5 => "not found",
            6 => "discrepant",
            7 => "not sent",
            _ => "unknown",
        }
    }

    /// The word that logs and people use.
    pub const fn word(&self) -> &'static str {
        Self::word_of(self.number())
    }

    /// The supplier's words, where it used any.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Failed { reason }
            | Self::Rejected { reason }
            | Self::Discrepant { reason }
            | Self::Unknown { reason } => Some(reason),
            _ => None,
        }
    }
}

/// Where a verdict comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// The answer to our submit.
    Submit = 0,
    /// The answer to our query.
    Query = 1,
    /// The supplier called us.
    Push = 2,
    /// A person decided.
    Operator = 3,
}

impl Source {
    /// The number that the evidence keeps.
    pub const fn number(self) -> i16 {
        self as i16
    }

    /// The word for a source's number.
    pub const fn word_of(number: i16) -> &'static str {
        match number {
            0 => "submit",
            1 => "query",
            2 => "push",
            _ => "operator",
        }
    }
}

/// One piece of evidence about one attempt: a verdict, where it comes from and what it rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// Where it comes from.
    pub source: Source,
    /// What it says.
    pub verdict: Verdict,
    /// The supplier's own number, where it gave one.
    pub upstream_no: Option<String>,
    /// The answer's substance, masked and cut to a bounded length; for a person who reads the order's story.
    pub detail: String,
    /// Who decided, where a person did.
    pub actor: Option<String>,
}
