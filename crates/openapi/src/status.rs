//! The closed list of statuses, and what each says about the order (`CONTRACT.md` §2).

use serde::{Serialize, Serializer};

/// After this long, `order/info` knows every order that will ever exist from the request: what was not stored ten seconds after it
/// arrived is rolled back, and a minute leaves room for clocks and networks.
pub const QUERY_AFTER_MS: u32 = 60_000;

/// What became of a request. The numbers are the contract's; there are no others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// Done; for a batch: stored.
    Success = 0,
    /// Failed for a reason that has no number of its own; nothing was stored, for certain.
    Failure = 1,
    /// The signature is wrong, or there is no such account.
    WrongSignature = 2,
    /// A parameter is missing or malformed.
    Malformed = 3,
    /// No such path, or another HTTP method than POST.
    NoSuchMethod = 4,
    /// The timestamp is too far from now.
    TimestampFar = 5,
    /// The nonce has been used before.
    NonceRepeated = 6,
    /// The product, order or merchant does not exist for the caller.
    NotFound = 7,
    /// A number has been used before with other content.
    NumberRepeated = 8,
    /// The balance does not cover the batch.
    BalanceInsufficient = 9,
    /// The caller's address is not in the account's allow list.
    AddressRefused = 10,
    /// Off sale, out of stock, or nobody could deliver it now.
    OutOfStock = 11,
    /// It is not known whether the order was stored.
    OrderAbnormal = 98,
    /// It is not known what became of the data.
    DataAbnormal = 99,
}

/// What a status other than success says about the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Accepted {
    /// Nothing was stored: safe to treat as failed, or to send again with a new nonce.
    No,
    /// Query before acting.
    Unknown,
}

impl Accepted {
    /// The word in the answer.
    pub const fn word(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::Unknown => "unknown",
        }
    }
}

impl Status {
    /// All statuses, in the order of their numbers.
    pub const ALL: [Self; 14] = [
        Self::Success,
        Self::Failure,
        Self::WrongSignature,
        Self::Malformed,
        Self::NoSuchMethod,
        Self::TimestampFar,
        Self::NonceRepeated,
        Self::NotFound,
        Self::NumberRepeated,
        Self::BalanceInsufficient,
        Self::AddressRefused,
        Self::OutOfStock,
        Self::OrderAbnormal,
        Self::DataAbnormal,
    ];

    /// The contract's number.
    pub const fn number(self) -> i32 {
        self as i32
    }

    /// The status with that number.
    pub fn from_number(number: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.number() == number)
    }

    /// What it says about the order; `None` for success, which says it by itself.
    pub const fn accepted(self) -> Option<Accepted> {
        match self {
            Self::Success => None,
            Self::Failure
            | Self::WrongSignature
            | Self::Malformed
            | Self::NoSuchMethod
            | Self::NotFound
            | Self::BalanceInsufficient
            | Self::AddressRefused
            | Self::OutOfStock => Some(Accepted::No),
            Self::TimestampFar
            | Self::NonceRepeated
            | Self::NumberRepeated
            | Self::OrderAbnormal
            | Self::DataAbnormal => Some(Accepted::Unknown),
        }
    }

    /// What it means, for the answer's `message` where nothing more precise is known.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::WrongSignature => "signature verification failed",
            Self::Malformed => "a parameter is missing or malformed",
            Self::NoSuchMethod => "no such method",
            Self::TimestampFar => "the timestamp is too far from now",
            Self::NonceRepeated => "the nonce has been used before",
            Self::NotFound => "the resource does not exist",
            Self::NumberRepeated => "the number has been used before",
            Self::BalanceInsufficient => "the balance is insufficient",
            Self::AddressRefused => "the caller's IP address is not allowed",
            Self::OutOfStock => "out of stock",
            Self::OrderAbnormal => "order abnormal: query it before acting",
            Self::DataAbnormal => "data abnormal: query before acting",
        }
    }
}

impl Serialize for Status {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i32(self.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_says_what_merchants_program_by() {
        let said: Vec<(i32, Option<&str>)> = Status::ALL
            .into_iter()
            .map(|s| (s.number(), s.accepted().map(Accepted::word)))
            .collect();
        let (no, unknown) = (Some("no"), Some("unknown"));
        assert_eq!(
            said,
            [
                (0, None),
                (1, no),
                (2, no),
                (3, no),
                (4, no),
                (5, unknown),
                (6, unknown),
                (7, no),
                (8, unknown),
                (9, no),
                (10, no),
                (11, no),
                (98, unknown),
                (99, unknown),
            ]
        );
    }

    #[test]
    fn a_number_outside_the_list_is_no_status() {
        assert_eq!(Status::from_number(11), Some(Status::OutOfStock));
        for number in [-1, 12, 97, 100, i32::MAX] {
            assert_eq!(Status::from_number(number), None);
        }
    }
}
