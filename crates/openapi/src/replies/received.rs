//! Answers and reports of another platform, as far as they can be trusted: unknown fields are ignored, what is missing is none, and
//! nothing is taken from bytes that are longer than any honest answer.

use domain::{Money, OrderState};
use serde::{Deserialize, Deserializer};

use crate::answer::{ReceivedAnswer, Unreadable, read_bounded};
use crate::exact;
use crate::status::Status;

/// One item in an answer to `order/batch`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReceivedItem {
    /// The other platform's number.
    #[serde(default)]
    pub order_code: Option<String>,
    /// Our number.
    pub biz_code: String,
    /// What it costs.
    #[serde(default, deserialize_with = "exact::received_amount")]
    pub settlement_price: Option<Money>,
}

/// An order in an answer to `order/info`, or a status report.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReceivedOrder {
    /// The other platform's number.
    #[serde(default)]
    pub order_code: Option<String>,
    /// Our number.
    pub biz_code: String,
    /// What was topped up.
    #[serde(default)]
    pub account: Option<String>,
    /// The face value.
    #[serde(default, deserialize_with = "exact::received_amount")]
    pub spec: Option<Money>,
    /// What it costs.
    #[serde(default, deserialize_with = "exact::received_amount")]
    pub settlement_price: Option<Money>,
    /// Where it stands; none for a number that the contract does not list.
    #[serde(rename = "status", deserialize_with = "received_state")]
    pub state: Option<OrderState>,
    /// For people.
    #[serde(default)]
    pub message: Option<String>,
    /// What was given for it.
    #[serde(default)]
    pub voucher: Option<String>,
}

impl ReceivedAnswer {
    /// The items of a stored batch.
    pub fn items(&self) -> Result<Vec<ReceivedItem>, Unreadable> {
        Ok(self.data()?)
    }

    /// The order that was asked for.
    pub fn order(&self) -> Result<ReceivedOrder, Unreadable> {
        Ok(self.data()?)
    }

    /// Whether the other platform says that it stored nothing, and never will for this request.
    pub fn stored_nothing(&self) -> bool {
        self.known_status()
            .and_then(Status::accepted)
            .is_some_and(|accepted| accepted == crate::status::Accepted::No)
    }
}

impl ReceivedOrder {
    /// Reads the body of a status report; that its signature is right is for the caller to check first.
    pub fn read_report(body: &[u8]) -> Result<Self, Unreadable> {
        read_bounded(body)
    }
}

impl std::fmt::Debug for ReceivedOrder {
    /// Without what belongs to the account's holder.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReceivedOrder")
            .field("biz_code", &self.biz_code)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

fn received_state<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<OrderState>, D::Error> {
    let number = i64::deserialize(deserializer)?;
    Ok(i16::try_from(number).ok().and_then(OrderState::from_number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(data: &str) -> ReceivedAnswer {
        ReceivedAnswer::read(format!(r#"{{"status":0,"message":"","data":{data}}}"#).as_bytes())
            .unwrap()
    }

    #[test]
    fn amounts_are_exact_whether_number_or_string() {
        let items = answer(
            r#"[{"orderCode":"1","bizCode":"r","settlementPrice":49.10,"new":{"a":[1.5]}},{"bizCode":"s","settlementPrice":"0.1"}]"#,
        )
        .items()
        .unwrap();
        assert_eq!(items[0].settlement_price, Some("49.1".parse().unwrap()));
        assert_eq!(items[1].settlement_price, Some("0.1".parse().unwrap()));
        assert_eq!(items[1].order_code, None);
    }

    #[test]
    fn an_order_is_read_as_far_as_it_goes() {
        let order = answer(r#"{"bizCode":"r","status":2,"spec":50,"voucher":"v","message":null}"#)
            .order()
            .unwrap();
        assert_eq!(order.state, Some(OrderState::Succeeded));
        assert_eq!(order.spec, Some(Money::from_yuan(50)));
        let odd = ReceivedOrder::read_report(br#"{"bizCode":"r","status":70000}"#).unwrap();
        assert_eq!(odd.state, None);
    }

    #[test]
    fn nothing_is_concluded_from_what_is_not_of_the_form() {
        for data in ["null", "[]", "{}", r#"{"bizCode":"r"}"#, r#"{"status":2}"#] {
            assert!(answer(data).order().is_err(), "{data}");
        }
        for body in [
            r#"{"bizCode":"r","status":2,"status":3}"#,
            r#"{"bizCode":"r","status":2.5}"#,
            r#"{"bizCode":"r","status":2,"spec":[]}"#,
            r#"{"bizCode":"r","status":2,"spec":1e99}"#,
            r#"{"bizCode":"r","status":2} x"#,
        ] {
            assert!(
                ReceivedOrder::read_report(body.as_bytes()).is_err(),
                "{body}"
            );
        }
        let long = vec![b' '; 2 << 20];
        assert!(matches!(
            ReceivedOrder::read_report(&long),
            Err(Unreadable::TooLong)
        ));
    }

    #[test]
    fn only_the_closed_list_says_that_nothing_was_stored() {
        for (status, nothing) in [
            (0, false),
            (1, true),
            (8, false),
            (9, true),
            (98, false),
            (42, false),
        ] {
            let read =
                ReceivedAnswer::read(format!(r#"{{"status":{status}}}"#).as_bytes()).unwrap();
            assert_eq!(read.stored_nothing(), nothing, "{status}");
        }
    }
}
