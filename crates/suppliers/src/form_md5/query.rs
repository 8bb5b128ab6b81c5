//! Query: `POST {base}/yrapi.php/index/check`, up to twenty numbers at a time.

use domain::Verdict;
use domain::card::MoneyUnit;
use serde::Deserialize;

use super::{Fields, Loose};
use crate::amount;
use crate::call::{Heard, QueryCall};
use crate::line::Reply;
use crate::told::Told;
use crate::words;

/// The form, without its signature.
pub(super) fn fields(user_id: &str, calls: &[QueryCall<'_>]) -> Fields {
    let numbers: Vec<&str> = calls.iter().map(|c| c.reference).collect();
    vec![
        ("userid".into(), user_id.into()),
        ("out_trade_nums".into(), numbers.join(",")),
    ]
}

#[derive(Deserialize)]
struct Answer {
    errno: Loose,
    #[serde(default)]
    errmsg: Loose,
    #[serde(default)]
    data: serde_json::Value,
}

#[derive(Deserialize)]
struct Entry {
    out_trade_num: Loose,
    status: Loose,
    #[serde(default)]
    order_number: Loose,
    #[serde(default)]
    mobile: Loose,
    #[serde(default)]
    charge_amount: Loose,
    #[serde(default)]
    voucher: Loose,
    #[serde(default)]
    remark: Loose,
}

/// What the answer means for each of the calls, in their order.
pub(super) fn read(reply: &Reply, calls: &[QueryCall<'_>], unit: MoneyUnit) -> Vec<Heard> {
    let orders = match orders(reply) {
        Ok(orders) => orders,
        Err(heard) => return vec![*heard; calls.len()],
    };
    calls
        .iter()
        .map(|call| about(call, &orders, reply.status, unit))
        .collect()
}

/// All orders of the answer, or nothing: absence proves something only in an answer that was read as a whole.
fn orders(reply: &Reply) -> Result<Vec<Entry>, Box<Heard>> {
    let answer: Answer =
        serde_json::from_slice(&reply.body).map_err(|_| Box::new(reply.unreadable()))?;
    if answer.errno.as_str() != "0" {
        let reason = format!(
            "the query was answered with errno {} ({})",
            words::detail(answer.errno.as_str()),
            words::reason(answer.errmsg.as_str(), "no words")
        );
        return Err(Box::new(Heard::nothing(Some(reply.status), reason)));
    }
    let orders: Vec<Entry> =
        serde_json::from_value(answer.data).map_err(|_| Box::new(reply.unreadable()))?;
    if orders.iter().any(|o| o.out_trade_num.given().is_none()) {
        return Err(Box::new(reply.unreadable()));
    }
    Ok(orders)
}

fn about(call: &QueryCall<'_>, orders: &[Entry], http_status: u16, unit: MoneyUnit) -> Heard {
    let mut ours = orders
        .iter()
        .filter(|o| o.out_trade_num.as_str() == call.reference)
        .map(|order| told(order, unit).against(call, Some(http_status)));
    match (ours.next(), ours.next()) {
        (Some(heard), None) => heard,
        (None, _) => Heard {
            verdict: Verdict::NotFound,
            upstream_no: None,
            http_status: Some(http_status),
            detail: format!("our number is not among the {} answered", orders.len()),
        },
        (Some(_), Some(_)) => Heard::nothing(
            Some(http_status),
            "the answer has our number more than once".into(),
        ),
    }
}

fn told(order: &Entry, unit: MoneyUnit) -> Told {
    let status = order.status.as_str();
    let remark = order.remark.as_str();
    Told {
        verdict: verdict(status, remark, order.voucher.as_str()),
        upstream_no: words::number(order.order_number.as_str()),
        account: order.mobile.given().map(str::to_owned),
        ordered: None,
        charged: order.charge_amount.given().map(|a| amount::read(a, unit)),
        detail: words::detail(&format!(
            "status {status}, charge_amount {}, remark {remark}",
            order.charge_amount.as_str()
        )),
    }
}

fn verdict(status: &str, remark: &str, voucher: &str) -> Verdict {
    match status {
        "1" | "2" | "3" => Verdict::Processing,
        "4" => Verdict::Succeeded {
            voucher: words::voucher(voucher),
        },
        "5" => Verdict::Failed {
            reason: words::reason(remark, "the supplier reports a failure"),
        },
        "6" => Verdict::Failed {
            reason: words::reason(remark, "the supplier reports a refund"),
        },
        other => Verdict::Unknown {
            reason: format!("status {} is not listed", words::detail(other)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::reply;
    use super::*;

    const CALLS: [QueryCall<'static>; 2] = [call("R1"), call("R2")];

    const fn call(reference: &'static str) -> QueryCall<'static> {
        QueryCall {
            reference,
            account: "13900000000",
            face_value: domain::Money::from_yuan(50),
        }
    }

    fn words_of(json: &str) -> Vec<&'static str> {
        let heard = read(&reply(json), &CALLS, MoneyUnit::Yuan);
        heard.iter().map(|h| h.verdict.word()).collect()
    }

    fn word_of_status(order: &str) -> &'static str {
        let json = format!(r#"{{"errno":0,"data":[{{"out_trade_num":"R1",{order}}}]}}"#);
        words_of(&json)[0]
    }

    #[test]
    fn each_status_has_its_meaning() {
        for (order, word) in [
            (r#""status":1"#, "processing"),
            (r#""status":"2""#, "processing"),
            (r#""status":3"#, "processing"),
            (r#""status":4,"voucher":"V-1""#, "succeeded"),
            (
                r#""status":4,"charge_amount":"50.00","mobile":"13900000000""#,
                "succeeded",
            ),
            (r#""status":5,"remark":"停机""#, "failed"),
            (r#""status":5,"charge_amount":"0.00""#, "failed"),
            (r#""status":6"#, "failed"),
            (r#""status":0"#, "unknown"),
            (r#""status":7"#, "unknown"),
            (r#""status":"""#, "unknown"),
            (r#""status":null"#, "unknown"),
            (r#""status":4,"charge_amount":"30""#, "discrepant"),
            (r#""status":5,"charge_amount":"50""#, "discrepant"),
            (r#""status":4,"mobile":"13900000001""#, "discrepant"),
        ] {
            assert_eq!(word_of_status(order), word, "{order}");
        }
    }

    #[test]
    fn answers_come_in_the_order_of_the_questions() {
        let json = r#"{"errno":0,"data":[
            {"out_trade_num":"R2","status":4},{"out_trade_num":"R9","status":5},{"out_trade_num":"R1","status":5}]}"#;
        assert_eq!(words_of(json), ["failed", "succeeded"]);
    }

    #[test]
    fn a_missing_number_is_not_found_only_in_an_answer_that_was_read_whole() {
        let whole = r#"{"errno":0,"data":[{"out_trade_num":"R2","status":3}]}"#;
        assert_eq!(words_of(whole), ["not found", "processing"]);
        assert_eq!(words_of(r#"{"errno":0,"data":[]}"#), ["not found"; 2]);
        for json in [
            r#"{"errno":0}"#,
            r#"{"errno":0,"data":null}"#,
            r#"{"errno":0,"data":{}}"#,
            r#"{"errno":0,"data":[{"status":4}]}"#,
            r#"{"errno":0,"data":[{"out_trade_num":"","status":4}]}"#,
            r#"{"errno":0,"data":[{"out_trade_num":"R2"}]}"#,
            r#"{"errno":0,"data":[null]}"#,
            r#"{"errno":0,"data":[{"out_trade_num":"R2","stat"#,
            r#"{"errno":1,"errmsg":"busy","data":[]}"#,
            r#"{"data":[]}"#,
            "not json",
        ] {
            assert_eq!(words_of(json), ["unknown"; 2], "{json}");
        }
    }

    #[test]
    fn a_number_that_is_answered_twice_says_nothing() {
        let json = r#"{"errno":0,"data":[{"out_trade_num":"R1","status":4},{"out_trade_num":"R1","status":5}]}"#;
        assert_eq!(words_of(json)[0], "unknown");
    }

    #[test]
    fn a_voucher_is_kept_whole_and_not_shown() {
        let json = r#"{"errno":0,"data":[{"out_trade_num":"R1","status":4,"order_number":"Y9","voucher":"1234-5678-9012-3456"}]}"#;
        let heard = read(&reply(json), &CALLS, MoneyUnit::Yuan).swap_remove(0);
        let voucher = Some("1234-5678-9012-3456".to_owned());
        assert_eq!(heard.verdict, Verdict::Succeeded { voucher });
        assert_eq!(heard.upstream_no.as_deref(), Some("Y9"));
        assert!(!heard.detail.contains("5678"));
    }
}
