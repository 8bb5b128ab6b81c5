//! A batch whose orders are all final, as its merchant sees it.

use crate::{Money, OrderCode, OrderState, ProductCode, UnixMs};

/// What became of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchFacts {
    /// The merchant's number of it.
    pub batch_biz_code: String,
    /// The product.
    pub product: ProductCode,
    /// Orders that succeeded.
    pub succeeded: i64,
    /// Orders that failed.
    pub failed: i64,
    /// Orders that were cancelled.
    pub cancelled: i64,
    /// What the successful orders cost.
    pub settled: Money,
    /// Those that did not succeed, in the order of the batch.
    pub not_succeeded: Vec<FailedItem>,
    /// When the last one became final.
    pub finished_at: UnixMs,
}

/// An order that did not succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedItem {
    /// The platform's number.
    pub order_code: OrderCode,
    /// The merchant's number.
    pub biz_code: String,
    /// Failed or cancelled.
    pub state: OrderState,
    /// Why, where that is known.
    pub message: Option<String>,
}
