//! An order, as its merchant sees it in answers and reports.

use crate::{Money, OrderCode, OrderState, ProductCode, UnixMs};

/// What is known about an order, as its merchant sees it.
#[derive(Clone, PartialEq, Eq)]
pub struct OrderFacts {
    /// The platform's number.
    pub order_code: OrderCode,
    /// The merchant's number.
    pub biz_code: String,
    /// The merchant's number of the batch.
    pub batch_biz_code: String,
    /// The product.
    pub product: ProductCode,
    /// What is topped up.
    pub account: String,
    /// The face value.
    pub spec: Money,
    /// What it costs the merchant.
    pub price: Money,
    /// Where it stands.
    pub state: OrderState,
    /// Why, where that is known.
    pub message: Option<String>,
    /// What the supplier gave for it.
    pub voucher: Option<String>,
    /// When it was stored.
    pub created_at: UnixMs,
    /// When it reached its final state.
    pub finished_at: Option<UnixMs>,
}

impl std::fmt::Debug for OrderFacts {
    /// Without what belongs to the account's holder.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OrderFacts")
            .field("order_code", &self.order_code)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
