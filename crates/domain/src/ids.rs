//! The names of things: each its own type, so that none is taken for another.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A text identifier that has a meaning.
macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Takes a text that has been checked, or comes from our own database.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

text_id!(
    /// An account of a merchant: the `businessId` of the contract.
    BusinessId
);
text_id!(
    /// The owner of one or more businesses: the `merchantId` of the contract.
    MerchantId
);
text_id!(
    /// A product that is sold: the `productCode` of the contract.
    ProductCode
);
text_id!(
    /// A group of products that share suppliers; each has a queue of its own.
    Lane
);
text_id!(
    /// An upstream supplier.
    SupplierId
);

/// The platform's number of an order: a UUIDv7, 32 hex digits outside (`CONTRACT.md` §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct OrderCode(Uuid);

/// A text that is not an order code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not an order code (32 hexadecimal digits)")]
pub struct NotAnOrderCode;

impl OrderCode {
    /// A new code, greater than every code that this process made before.
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }

    /// From the database's form.
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// The database's form.
    pub const fn uuid(self) -> Uuid {
        self.0
    }

    /// When it was made, by the clock of the process that took the order in.
    pub fn made_at(self) -> UnixMs {
        let ms = self.0.as_u128() >> 80;
        UnixMs(i64::try_from(ms).unwrap_or(i64::MAX))
    }

    /// The smallest code that could have been made at a moment: what is below was made before.
    pub fn first_at(at: UnixMs) -> Self {
        let ms = u128::try_from(at.0).unwrap_or(0);
        Self(Uuid::from_u128(ms << 80))
    }
}

impl fmt::Display for OrderCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.simple())
    }
}

impl FromStr for OrderCode {
    type Err = NotAnOrderCode;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() != 32 {
            return Err(NotAnOrderCode);
        }
        Uuid::try_parse(text).map(Self).map_err(|_| NotAnOrderCode)
    }
}

impl From<OrderCode> for String {
    fn from(code: OrderCode) -> Self {
        code.to_string()
    }
}

impl TryFrom<String> for OrderCode {
    type Error = NotAnOrderCode;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

/// An order as every table and message names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OrderKey {
    /// Whose order it is.
    pub business: BusinessId,
    /// Which order it is.
    pub order: OrderCode,
}

/// How often an order has been claimed; what an older claim writes is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub i32);

impl Epoch {
    /// The epoch of the next claim.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// The number of an attempt within its order, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptNo(pub i16);

/// A moment by the database's clock, Unix milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixMs(pub i64);

impl UnixMs {
    /// The moment `duration` later.
    #[must_use]
    pub fn after(self, duration: std::time::Duration) -> Self {
        let ms = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(ms))
    }

    /// How much later this is than `earlier`; zero if it is not.
    pub fn since(self, earlier: Self) -> std::time::Duration {
        let ms = self.0.saturating_sub(earlier.0);
        std::time::Duration::from_millis(u64::try_from(ms).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_code_is_32_hex_digits_outside() {
        let code = OrderCode::generate();
        let text = code.to_string();
        assert_eq!(text.len(), 32);
        assert_eq!(text.parse(), Ok(code));
        assert_eq!("0".repeat(31).parse::<OrderCode>(), Err(NotAnOrderCode));
        assert_eq!(
            code.uuid().to_string().parse::<OrderCode>(),
            Err(NotAnOrderCode)
        );
    }

    #[test]
    fn a_code_tells_when_it_was_made() {
        let code = OrderCode::generate();
        let at = code.made_at();
        assert!(at > UnixMs(1_764_000_000_000));
        assert!(OrderCode::first_at(at) <= code && code < OrderCode::first_at(UnixMs(at.0 + 1)));
        assert_eq!(OrderCode::first_at(at).made_at(), at);
    }

    #[test]
    fn codes_of_one_process_grow() {
        let codes: Vec<_> = (0..1_000).map(|_| OrderCode::generate()).collect();
        assert!(codes.is_sorted());
    }
}
