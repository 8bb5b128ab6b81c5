//! The states of an order (`CONTRACT.md` §5) and of one attempt at a supplier.

/// Where an order stands. The numbers are the contract's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OrderState {
    /// Stored, not yet claimed by a worker.
    Stored = 0,
    /// A worker has claimed it; a supplier may have been asked.
    Processing = 1,
    /// Charged. Final.
    Succeeded = 2,
    /// Not charged and never will be. Final.
    Failed = 3,
    /// Taken back before a worker claimed it. Final.
    Cancelled = 4,
}

impl OrderState {
    /// All states, in the order of their numbers.
    pub const ALL: [Self; 5] = [
        Self::Stored,
        Self::Processing,
        Self::Succeeded,
        Self::Failed,
        Self::Cancelled,
    ];

    /// A final state is reached once and never left.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }

    /// The contract's number.
    pub const fn number(self) -> i16 {
        self as i16
    }

    /// The state with that number.
    pub fn from_number(number: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.number() == number)
    }

    /// The word that logs and people use.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Processing => "processing",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Where one attempt stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AttemptState {
    /// Written before the call; a worker is calling, or died while it did.
    Calling = 0,
    /// The supplier said that it will finish later.
    Accepted = 1,
    /// Nobody knows whether the supplier charges.
    Unknown = 2,
    /// The supplier charged: closed, with evidence.
    Charged = 3,
    /// The supplier did not charge and will not: closed, with evidence.
    NotCharged = 4,
}

impl AttemptState {
    /// All states, in the order of their numbers.
    pub const ALL: [Self; 5] = [
        Self::Calling,
        Self::Accepted,
        Self::Unknown,
        Self::Charged,
        Self::NotCharged,
    ];

    /// May still charge.
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Calling | Self::Accepted | Self::Unknown)
    }

    /// Live or charged: while one attempt holds the order, the database refuses another.
    pub const fn holds(self) -> bool {
        !matches!(self, Self::NotCharged)
    }

    /// The database's number.
    pub const fn number(self) -> i16 {
        self as i16
    }

    /// The state with that number.
    pub fn from_number(number: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.number() == number)
    }

    /// The word that logs and people use.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Calling => "calling",
            Self::Accepted => "accepted",
            Self::Unknown => "unknown",
            Self::Charged => "charged",
            Self::NotCharged => "not charged",
        }
    }
}
