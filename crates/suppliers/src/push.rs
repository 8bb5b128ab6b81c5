//! A supplier calls us: what it says, once its signature has been checked.

use crate::call::{Heard, QueryCall};
use crate::told::Told;

/// A pushed result. Its verdict is seen only against the order that it names, so look that up first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Push {
    pub(crate) reference: String,
    pub(crate) told: Told,
}

impl Push {
    /// Our number that it is about.
    pub fn reference(&self) -> &str {
        &self.reference
    }

    /// What it means for the order that has this number.
    pub fn against(self, order: &QueryCall<'_>) -> Heard {
        self.told.against(order, None)
    }
}

/// Why a push is not heard. Never shows what was pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PushRefused {
    /// Beyond [`crate::MAX_BODY_BYTES`].
    #[error("the body is too large")]
    TooLarge,
    /// Not a form, not a JSON object, not UTF-8.
    #[error("the body cannot be read")]
    Unreadable,
    /// A field or header that must be there.
    #[error("{0} is missing or malformed")]
    Missing(&'static str),
    /// The same field twice: which one was signed?
    #[error("a field stands twice in the body")]
    Repeated,
    /// Not signed by the supplier's key, or for another account.
    #[error("the signature is wrong")]
    WrongSignature,
}
