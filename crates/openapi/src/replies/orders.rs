//! Orders, as answers and reports show them.

use domain::{Money, OrderCode, OrderFacts, ProductCode};
use serde::{Serialize, Serializer};

use crate::exact;

/// One stored item in the answer to `order/batch`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredItem {
    /// The platform's number.
    pub order_code: OrderCode,
    /// The merchant's number.
    pub biz_code: String,
    /// What it costs the merchant.
    #[serde(serialize_with = "exact::number")]
    pub settlement_price: Money,
}

/// The answer to `order/info`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderInfo(pub OrderFacts);

/// The body of the status report, and of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallbackReport(pub OrderFacts);

impl Serialize for OrderInfo {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Written::new(&self.0, Some(self.0.created_at.0)).serialize(serializer)
    }
}

impl Serialize for CallbackReport {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Written::new(&self.0, None).serialize(serializer)
    }
}

impl CallbackReport {
    /// The bytes to sign and send: the same for the same facts, so that a retry carries the same body.
    ///
    /// # Errors
    /// None in practice: every field can be written as JSON.
    pub fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }
}

/// The contract's fields in the contract's order.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'f> {
    order_code: OrderCode,
    biz_code: &'f str,
    batch_biz_code: &'f str,
    product_code: &'f ProductCode,
    account: &'f str,
    #[serde(serialize_with = "exact::number")]
    spec: Money,
    #[serde(serialize_with = "exact::number")]
    settlement_price: Money,
    status: i16,
    message: Option<&'f str>,
    voucher: Option<&'f str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    create_time: Option<i64>,
    finish_time: Option<i64>,
}

impl<'f> Written<'f> {
    fn new(facts: &'f OrderFacts, create_time: Option<i64>) -> Self {
        Self {
            order_code: facts.order_code,
            biz_code: &facts.biz_code,
            batch_biz_code: &facts.batch_biz_code,
            product_code: &facts.product,
            account: &facts.account,
            spec: facts.spec,
            settlement_price: facts.price,
            status: facts.state.number(),
            message: facts.message.as_deref(),
            voucher: facts.voucher.as_deref(),
            create_time,
            finish_time: facts.finished_at.map(|at| at.0),
        }
    }
}

/// The answer to `order/batch/info`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchInfo {
    /// The merchant's number of the batch.
    pub batch_biz_code: String,
    /// The product.
    pub product_code: ProductCode,
    /// When it was stored, Unix milliseconds.
    pub create_time: i64,
    /// How many orders it has.
    pub item_count: i64,
    /// How many of them stand where.
    pub counts: StateCounts,
    /// What all of them cost.
    #[serde(serialize_with = "exact::number")]
    pub total_amount: Money,
    /// Of it, held for open orders.
    #[serde(serialize_with = "exact::number")]
    pub held_amount: Money,
    /// Of it, paid for successful orders.
    #[serde(serialize_with = "exact::number")]
    pub settled_amount: Money,
    /// Of it, given back for failed and cancelled orders.
    #[serde(serialize_with = "exact::number")]
    pub released_amount: Money,
    /// The page, from 1.
    pub page_no: u32,
    /// Orders on a page.
    pub page_size: u32,
    /// The orders of this page, in the order of the batch.
    pub order_list: Vec<OrderInfo>,
}

/// How many orders stand where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct StateCounts {
    /// Status 0.
    pub stored: i64,
    /// Status 1.
    pub processing: i64,
    /// Status 2.
    pub succeeded: i64,
    /// Status 3.
    pub failed: i64,
    /// Status 4.
    pub cancelled: i64,
}

#[cfg(test)]
mod tests {
    use domain::{OrderState, UnixMs};

    use super::*;

    fn facts() -> OrderFacts {
        OrderFacts {
            order_code: "0199f3c2a1b47c3e8d5f60718293a4b5".parse().unwrap(),
            biz_code: "n-1".into(),
            batch_biz_code: "B1".into(),
            product: ProductCode::new("P"),
            account: "13900000000".into(),
            spec: "50".parse().unwrap(),
            price: "49.1001".parse().unwrap(),
            state: OrderState::Succeeded,
            message: None,
            voucher: Some("V\"1".into()),
            created_at: UnixMs(1_764_000_000_000),
            finished_at: Some(UnixMs(1_764_000_000_123)),
        }
    }

    #[test]
    fn a_report_has_the_contract_s_fields_in_one_order_and_exact_numbers() {
        let bytes = CallbackReport(facts()).to_json().unwrap();
        assert_eq!(
            String::from_utf8(bytes).unwrap(),
            r#"{"orderCode":"0199f3c2a1b47c3e8d5f60718293a4b5","bizCode":"n-1","batchBizCode":"B1","productCode":"P","account":"13900000000","spec":50,"settlementPrice":49.1001,"status":2,"message":null,"voucher":"V\"1","finishTime":1764000000123}"#
        );
    }

    #[test]
    fn an_order_s_info_adds_when_it_was_stored() {
        let open = OrderFacts {
            finished_at: None,
            state: OrderState::Processing,
            ..facts()
        };
        let text = serde_json::to_string(&OrderInfo(open)).unwrap();
        assert!(
            text.ends_with(r#""status":1,"message":null,"voucher":"V\"1","createTime":1764000000000,"finishTime":null}"#),
            "{text}"
        );
    }

    #[test]
    fn a_price_is_an_exact_number_however_large() {
        let item = StoredItem {
            order_code: facts().order_code,
            biz_code: "1".into(),
            settlement_price: Money::from_units(i64::MAX),
        };
        let text = serde_json::to_string(&item).unwrap();
        assert!(
            text.contains(r#""settlementPrice":922337203685477.5807}"#),
            "{text}"
        );
    }
}
