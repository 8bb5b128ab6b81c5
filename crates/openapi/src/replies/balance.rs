//! The answer to `merchant/business/balance`.

use domain::{BusinessId, MerchantId, Money};
use serde::Serialize;

use crate::exact;

/// A business's money.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Balance {
    /// `merchantId`
    #[serde(rename = "merchantId")]
    pub merchant: MerchantId,
    /// `businessId`
    #[serde(rename = "businessId")]
    pub business: BusinessId,
    /// How far it may go below zero.
    #[serde(serialize_with = "exact::number")]
    pub credit_line: Money,
    /// What is prepaid and not yet spent or held for open orders; with the credit line it is what a new batch may cost.
    #[serde(serialize_with = "exact::number")]
    pub amount: Money,
    /// What is held for open orders.
    #[serde(serialize_with = "exact::number")]
    pub held: Money,
    /// How the status reports fare.
    pub callback_health: CallbackHealth,
}

/// How a business's status reports fare.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CallbackHealth {
    /// Reports that wait for their next try after a failed one.
    pub waiting: i64,
    /// Reports that were tried to the end and wait for a resend.
    pub parked: i64,
    /// Endpoints (scheme, host, port) that could not be reached: their reports wait until one that is sent as a probe arrives.
    pub set_aside: Vec<String>,
}
