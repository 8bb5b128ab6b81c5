//! What another platform's answers and reports mean. What a status says about the order is closed (`CONTRACT.md` §2).

use std::collections::HashMap;

use domain::card::CodeVerdict;
use domain::{OrderState, Verdict};
use openapi::replies::{ReceivedItem, ReceivedOrder};
use openapi::{Accepted, ReceivedAnswer, Status};

use crate::call::{Heard, QueryCall, SubmitCall};
use crate::line::Reply;
use crate::push::{Push, PushRefused};
use crate::told::Told;
use crate::words;

/// What the card says of a status, where it says other than the contract.
pub(super) type Codes = HashMap<String, CodeVerdict>;

/// The answer to `order/batch` with one item.
pub(super) fn submitted(reply: &Reply, call: &SubmitCall<'_>, codes: &Codes) -> Heard {
    let Ok(answer) = ReceivedAnswer::read(&reply.body) else {
        return reply.unreadable();
    };
    let said = answer.message.as_deref().unwrap_or_default();
    let meaning = codes
        .get(&answer.status.to_string())
        .copied()
        .unwrap_or_else(|| by_contract(answer.known_status()));
    let reason = || words::reason(said, &format!("the supplier answered {}", answer.status));
    let verdict = match meaning {
        CodeVerdict::Accepted | CodeVerdict::Processing | CodeVerdict::Succeeded => {
            return stored(reply, &answer, call);
        }
        CodeVerdict::Rejected => Verdict::Rejected { reason: reason() },
        CodeVerdict::Failed => Verdict::Failed { reason: reason() },
        CodeVerdict::Unknown => Verdict::Unknown {
            reason: format!("status {}: {}", answer.status, reason()),
        },
    };
    Heard {
        verdict,
        upstream_no: None,
        http_status: Some(reply.status),
        detail: words::detail(&format!("status {} ({said})", answer.status)),
    }
}

/// 0 stored; those after which nothing was stored are explicit; all others ask for a query first.
fn by_contract(status: Option<Status>) -> CodeVerdict {
    match status {
        Some(Status::Success) => CodeVerdict::Accepted,
        Some(known) if known.accepted() == Some(Accepted::No) => CodeVerdict::Rejected,
        _ => CodeVerdict::Unknown,
    }
}

fn stored(reply: &Reply, answer: &ReceivedAnswer, call: &SubmitCall<'_>) -> Heard {
    let Ok(items) = answer.items() else {
        return reply.unreadable();
    };
    let [item] = items.as_slice() else {
        let reason = format!("{} items were answered for one", items.len());
        return Heard::nothing(Some(reply.status), reason);
    };
    if item.biz_code != call.reference {
        let reason = "the answer is about another number than ours";
        return Heard::nothing(Some(reply.status), reason.into());
    }
    let upstream_no = item.order_code.as_deref().and_then(words::number);
    if upstream_no.is_none() {
        let reason = "stored, but without an order code";
        return Heard::nothing(Some(reply.status), reason.into());
    }
    Heard {
        verdict: Verdict::Accepted,
        upstream_no,
        http_status: Some(reply.status),
        detail: stored_detail(item, call),
    }
}

fn stored_detail(item: &ReceivedItem, call: &SubmitCall<'_>) -> String {
    match item.settlement_price {
        Some(price) if price > call.max_cost => format!(
            "stored; settles at {price}, above the {} that we pay at most",
            call.max_cost
        ),
        Some(price) => format!("stored; settles at {price}"),
        None => "stored; no settlement price named".into(),
    }
}

/// The answer to `order/info`.
pub(super) fn queried(reply: &Reply, call: &QueryCall<'_>) -> Heard {
    let Ok(answer) = ReceivedAnswer::read(&reply.body) else {
        return reply.unreadable();
    };
    let said = answer.message.as_deref().unwrap_or_default();
    match answer.known_status() {
        Some(Status::Success) => {}
        Some(Status::NotFound) => {
            return Heard {
                verdict: Verdict::NotFound,
                upstream_no: None,
                http_status: Some(reply.status),
                detail: words::detail(&format!("status 7 ({said})")),
            };
        }
        _ => {
            let said = words::reason(said, "no words");
            let reason = format!(
                "the query was answered with status {} ({said})",
                answer.status
            );
            return Heard::nothing(Some(reply.status), reason);
        }
    }
    match answer.order() {
        Ok(order) if order.biz_code == call.reference => {
            told(order).against(call, Some(reply.status))
        }
        Ok(_) => {
            let reason = "the answer is about another number than ours";
            Heard::nothing(Some(reply.status), reason.into())
        }
        Err(_) => reply.unreadable(),
    }
}

/// A status report, its signature checked.
pub(super) fn pushed(body: &[u8]) -> Result<Push, PushRefused> {
    let order = ReceivedOrder::read_report(body).map_err(|_| PushRefused::Unreadable)?;
    Ok(Push {
        reference: order.biz_code.clone(),
        told: told(order),
    })
}

fn told(order: ReceivedOrder) -> Told {
    let said = order.message.as_deref().unwrap_or_default();
    let reason = |otherwise: &str| words::reason(said, otherwise);
    let verdict = match order.state {
        Some(OrderState::Stored | OrderState::Processing) => Verdict::Processing,
        Some(OrderState::Succeeded) => Verdict::Succeeded {
            voucher: order.voucher.as_deref().and_then(words::voucher),
        },
        Some(OrderState::Failed) => Verdict::Failed {
            reason: reason("the supplier reports a failure"),
        },
        Some(OrderState::Cancelled) => Verdict::Failed {
            reason: reason("the supplier has cancelled the order"),
        },
        None => Verdict::Unknown {
            reason: "the order's status is not listed".into(),
        },
    };
    Told {
        verdict,
        upstream_no: order.order_code.as_deref().and_then(words::number),
        detail: words::detail(&format!(
            "order status {} ({said})",
            order.state.map_or("not listed", OrderState::word)
        )),
        account: order.account.filter(|a| !a.is_empty()),
        ordered: order.spec.map(Ok),
        charged: None,
    }
}

#[cfg(test)]
mod tests {
    use domain::Money;

    use super::*;

    fn reply(json: &str) -> Reply {
        Reply {
            status: 200,
            body: json.as_bytes().to_vec(),
        }
    }

    fn submit() -> SubmitCall<'static> {
        SubmitCall {
            reference: "R1",
            sku: "P",
            account: "13900000000",
            face_value: Money::from_yuan(50),
            max_cost: Money::from_yuan(49),
            attach: &[],
        }
    }

    fn submitted_word(json: &str) -> &'static str {
        let heard = submitted(&reply(json), &submit(), &Codes::new());
        heard.verdict.word()
    }

    fn queried_word(json: &str) -> &'static str {
        let heard = queried(&reply(json), &submit().as_query());
        heard.verdict.word()
    }

    #[test]
    fn each_status_of_a_submit_means_what_the_contract_closes() {
        for (status, word) in [
            (1, "rejected"),
            (2, "rejected"),
            (3, "rejected"),
            (4, "rejected"),
            (5, "unknown"),
            (6, "unknown"),
            (7, "rejected"),
            (8, "unknown"),
            (9, "rejected"),
            (10, "rejected"),
            (11, "rejected"),
            (12, "unknown"),
            (98, "unknown"),
            (99, "unknown"),
            (-1, "unknown"),
        ] {
            let json = format!(r#"{{"status":{status},"message":"m","data":null}}"#);
            assert_eq!(submitted_word(&json), word, "{status}");
        }
    }

    #[test]
    fn only_our_one_item_with_a_code_is_accepted() {
        let item = r#"{"orderCode":"0199f3c2a1b47c3e8d5f60718293a4b5","bizCode":"R1","settlementPrice":48.9}"#;
        for (data, word) in [
            (format!("[{item}]"), "accepted"),
            (format!("[{item},{item}]"), "unknown"),
            ("[]".into(), "unknown"),
            ("null".into(), "unknown"),
            (r#"{"orderCode":"1"}"#.into(), "unknown"),
            (r#"[{"bizCode":"R1"}]"#.into(), "unknown"),
            (r#"[{"orderCode":"","bizCode":"R1"}]"#.into(), "unknown"),
            (r#"[{"orderCode":"1","bizCode":"R2"}]"#.into(), "unknown"),
            (format!("[{item}"), "unknown"),
        ] {
            let json = format!(r#"{{"status":0,"message":"","data":{data}}}"#);
            assert_eq!(submitted_word(&json), word, "{data}");
        }
        for body in [
            "",
            "<html>",
            "[0]",
            r#"{"status":"0"}"#,
            r#"{"status":9,"status":0}"#,
        ] {
            assert_eq!(submitted_word(body), "unknown", "{body}");
        }
    }

    #[test]
    fn the_card_may_say_other_than_the_contract() {
        let codes: Codes = [("9".to_owned(), CodeVerdict::Unknown)].into();
        let heard = submitted(&reply(r#"{"status":9}"#), &submit(), &codes);
        assert_eq!(heard.verdict.word(), "unknown");
    }

    #[test]
    fn a_price_above_what_we_pay_is_noted() {
        let json =
            r#"{"status":0,"data":[{"orderCode":"1","bizCode":"R1","settlementPrice":49.5}]}"#;
        let heard = submitted(&reply(json), &submit(), &Codes::new());
        assert_eq!(heard.verdict, Verdict::Accepted);
        assert!(heard.detail.contains("above the 49"), "{}", heard.detail);
    }

    #[test]
    fn each_state_of_a_queried_order_has_its_meaning() {
        for (order, word) in [
            (r#""status":0"#, "processing"),
            (r#""status":1"#, "processing"),
            (r#""status":2,"voucher":"V""#, "succeeded"),
            (
                r#""status":2,"spec":50.00,"account":"13900000000""#,
                "succeeded",
            ),
            (r#""status":3,"message":"x""#, "failed"),
            (r#""status":4"#, "failed"),
            (r#""status":5"#, "unknown"),
            (r#""status":"2""#, "unknown"),
            (r#""status":2,"spec":49"#, "discrepant"),
            (r#""status":3,"spec":49"#, "discrepant"),
            (r#""status":2,"account":"13900000001""#, "discrepant"),
        ] {
            let json = format!(r#"{{"status":0,"message":"","data":{{"bizCode":"R1",{order}}}}}"#);
            assert_eq!(queried_word(&json), word, "{order}");
        }
    }

    #[test]
    fn only_a_seven_says_that_there_is_no_such_order() {
        assert_eq!(
            queried_word(r#"{"status":7,"message":"no such order"}"#),
            "not found"
        );
        for json in [
            r#"{"status":0,"data":null}"#,
            r#"{"status":0,"data":{"bizCode":"R2","status":2}}"#,
            r#"{"status":0,"data":{"status":2}}"#,
            r#"{"status":2}"#,
            r#"{"status":1}"#,
            r#"{"status":98}"#,
            "{}",
            "",
        ] {
            assert_eq!(queried_word(json), "unknown", "{json}");
        }
    }
}
