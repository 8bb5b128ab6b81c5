//! The report of a whole batch (`CONTRACT.md` §6).

use domain::{BatchFacts, OrderCode};
use serde::Serialize;

use crate::exact;

/// The body of the report that a batch is finished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchReport(pub BatchFacts);

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'f> {
    /// Tells it from the report of an order.
    report: &'static str,
    batch_biz_code: &'f str,
    product_code: &'f str,
    item_count: i64,
    succeeded: i64,
    failed: i64,
    cancelled: i64,
    #[serde(serialize_with = "exact::number")]
    settled_amount: domain::Money,
    finish_time: i64,
    not_succeeded: Vec<WrittenItem<'f>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WrittenItem<'f> {
    order_code: OrderCode,
    biz_code: &'f str,
    status: i16,
    message: Option<&'f str>,
}

impl BatchReport {
    /// The bytes to sign and send: the same for the same facts.
    ///
    /// # Errors
    /// None in practice: every field can be written as JSON.
    pub fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        let facts = &self.0;
        serde_json::to_vec(&Written {
            report: "batch",
            batch_biz_code: &facts.batch_biz_code,
            product_code: facts.product.as_str(),
            item_count: facts.succeeded + facts.failed + facts.cancelled,
            succeeded: facts.succeeded,
            failed: facts.failed,
            cancelled: facts.cancelled,
            settled_amount: facts.settled,
            finish_time: facts.finished_at.0,
            not_succeeded: facts
                .not_succeeded
                .iter()
                .map(|item| WrittenItem {
                    order_code: item.order_code,
                    biz_code: &item.biz_code,
                    status: item.state.number(),
                    message: item.message.as_deref(),
                })
                .collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use domain::{FailedItem, Money, OrderState, ProductCode, UnixMs};

    use super::*;

    #[test]
    fn its_bytes() {
        let facts = BatchFacts {
            batch_biz_code: "B-1".into(),
            product: ProductCode::new("P"),
            succeeded: 2,
            failed: 1,
            cancelled: 0,
            settled: Money::from_units(982_000),
            finished_at: UnixMs(1_764_000_000_000),
            not_succeeded: vec![FailedItem {
                order_code: "0199f3c2a1b47c3e8d5f60718293a4b5".parse().unwrap(),
                biz_code: "n-3".into(),
                state: OrderState::Failed,
                message: None,
            }],
        };
        let text = String::from_utf8(BatchReport(facts).to_json().unwrap()).unwrap();
        assert_eq!(
            text,
            r#"{"report":"batch","batchBizCode":"B-1","productCode":"P","itemCount":3,"succeeded":2,"failed":1,"cancelled":0,"settledAmount":98.2,"finishTime":1764000000000,"notSucceeded":[{"orderCode":"0199f3c2a1b47c3e8d5f60718293a4b5","bizCode":"n-3","status":3,"message":null}]}"#
        );
    }
}
