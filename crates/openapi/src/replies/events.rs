//! The answers to `order/events` and `callback/resend`.

use serde::Serialize;

use super::CallbackReport;

/// A business's changes in the order in which they were committed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Events {
    /// The oldest first.
    pub events: Vec<CallbackReport>,
    /// To be given with the next request.
    pub cursor: String,
}

/// How many reports are sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Resent {
    /// Their number.
    pub resent: i64,
}
