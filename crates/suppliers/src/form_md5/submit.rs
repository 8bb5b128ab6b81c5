//! Submit: `POST {base}/yrapi.php/index/recharge`.

use domain::Verdict;
use domain::card::{CodeVerdict, SupplierCard};
use serde::Deserialize;
use serde_json::Value;

use super::{Fields, FormMd5, Loose};
use crate::amount;
use crate::call::{Heard, SubmitCall};
use crate::line::Reply;
use crate::told::Told;
use crate::words;

/// The code of an accepted order, unless the card says otherwise.
const ACCEPTED: &str = "0";

/// The form, without its signature; `None` when the face value cannot be said in the supplier's unit.
pub(super) fn fields(adapter: &FormMd5, call: &SubmitCall<'_>) -> Option<Fields> {
    let unit = adapter.card.money_unit;
    let mut fields: Fields = vec![
        ("userid".into(), adapter.user_id.clone()),
        ("out_trade_num".into(), call.reference.into()),
        ("product_id".into(), call.sku.into()),
        ("mobile".into(), call.account.into()),
        ("notify_url".into(), adapter.notify_url.clone()),
        ("amount".into(), amount::exact(call.face_value, unit)?),
    ];
    if let Some(name) = &adapter.card.max_cost_field {
        fields.push((name.clone(), amount::at_most(call.max_cost, unit)));
    }
    let attached = call.attach.iter();
    fields.extend(attached.map(|a| (format!("param{}", a.place), a.value.clone())));
    Some(fields)
}

/// The order cannot be written in this supplier's words, now or later: nothing is sent, and another way may be taken.
pub(super) fn not_expressible() -> Heard {
    let reason = "the face value cannot be expressed in the supplier's money unit";
    Heard {
        verdict: Verdict::Rejected {
            reason: reason.into(),
        },
        upstream_no: None,
        http_status: None,
        detail: reason.into(),
    }
}

#[derive(Deserialize)]
struct Answer {
    errno: Loose,
    #[serde(default)]
    errmsg: Loose,
    #[serde(default)]
    data: Value,
}

#[derive(Default, Deserialize)]
struct Formed {
    #[serde(default)]
    order_number: Loose,
    #[serde(default)]
    out_trade_num: Loose,
    #[serde(default)]
    mobile: Loose,
    #[serde(default)]
    voucher: Loose,
}

/// What the answer means, by the card.
pub(super) fn read(reply: &Reply, call: &SubmitCall<'_>, card: &SupplierCard) -> Heard {
    let Ok(answer) = serde_json::from_slice::<Answer>(&reply.body) else {
        return reply.unreadable();
    };
    let Some(code) = answer.errno.given() else {
        return reply.unreadable();
    };
    let order: Formed = match answer.data {
        data @ Value::Object(_) => match serde_json::from_value(data) {
            Ok(order) => order,
            Err(_) => return reply.unreadable(),
        },
        _ => Formed::default(),
    };
    let upstream_no = words::number(order.order_number.as_str());
    let verdict = verdict(code, answer.errmsg.as_str(), &order, card);
    if order
        .out_trade_num
        .given()
        .is_some_and(|n| n != call.reference)
    {
        // An answer to somebody's other question proves nothing about ours.
        return Heard::nothing(
            Some(reply.status),
            "the answer is about another number than ours".into(),
        );
    }
    let told = Told {
        verdict,
        detail: words::detail(&format!(
            "errno {code} ({}), order_number {}",
            answer.errmsg.as_str(),
            if upstream_no.is_some() {
                "given"
            } else {
                "absent"
            }
        )),
        upstream_no,
        account: order.mobile.given().map(str::to_owned),
        ordered: None,
        charged: None,
    };
    told.against(&call.as_query(), Some(reply.status))
}

fn verdict(code: &str, said: &str, order: &Formed, card: &SupplierCard) -> Verdict {
    let formed = order.order_number.given().is_some();
    let meaning = match card.result_codes.get(code) {
        Some(meaning) => *meaning,
        None if code == ACCEPTED => CodeVerdict::Accepted,
        None => CodeVerdict::Unknown,
    };
    let reason = || words::reason(said, &format!("the supplier answered {code}"));
    match meaning {
        CodeVerdict::Accepted if formed => Verdict::Accepted,
        CodeVerdict::Accepted => Verdict::Unknown {
            reason: "accepted, but without an order number".into(),
        },
        CodeVerdict::Processing => Verdict::Processing,
        CodeVerdict::Succeeded => Verdict::Succeeded {
            voucher: words::voucher(order.voucher.as_str()),
        },
        CodeVerdict::Rejected if formed => Verdict::Unknown {
            reason: "rejected, but with an order number".into(),
        },
        CodeVerdict::Rejected => Verdict::Rejected { reason: reason() },
        CodeVerdict::Failed => Verdict::Failed { reason: reason() },
        CodeVerdict::Unknown => Verdict::Unknown {
            reason: format!("code {}: {}", words::detail(code), reason()),
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::fixture::{reply, supplier};
    use super::*;
    use crate::call::Attach;

    fn call(attach: &[Attach]) -> SubmitCall<'_> {
        SubmitCall {
            reference: "R1",
            sku: "7",
            account: "13900000000",
            face_value: "50".parse().unwrap(),
            max_cost: "48.905".parse().unwrap(),
            attach,
        }
    }

    fn card(extra: Value) -> Value {
        let mut card = json!({
            "resubmit": "query",
            "result_codes": { "203": "rejected", "204": "failed", "205": "processing", "206": "succeeded" },
        });
        if let (Value::Object(card), Value::Object(extra)) = (&mut card, extra) {
            card.extend(extra);
        }
        card
    }

    fn heard(json: &str) -> Heard {
        let supplier = supplier(card(json!({})));
        read(&reply(json), &call(&[]), &supplier.card)
    }

    #[test]
    fn each_answer_means_what_the_card_says_and_else_nothing() {
        for (json, word) in [
            (
                r#"{"errno":0,"errmsg":"ok","data":{"order_number":"Y1"}}"#,
                "accepted",
            ),
            (r#"{"errno":"0","data":{"order_number":17}}"#, "accepted"),
            (r#"{"errno":203,"errmsg":"余额不足","data":[]}"#, "rejected"),
            (r#"{"errno":"203"}"#, "rejected"),
            (r#"{"errno":204,"errmsg":"x","data":null}"#, "failed"),
            (
                r#"{"errno":205,"data":{"order_number":"Y1"}}"#,
                "processing",
            ),
            (
                r#"{"errno":206,"data":{"order_number":"Y1","voucher":"V"}}"#,
                "succeeded",
            ),
            // not explicit, contradictory or not listed: unknown
            (r#"{"errno":0}"#, "unknown"),
            (r#"{"errno":0,"data":{"order_number":""}}"#, "unknown"),
            (r#"{"errno":203,"data":{"order_number":"Y1"}}"#, "unknown"),
            (r#"{"errno":1,"errmsg":"订单号已存在"}"#, "unknown"),
            (r#"{"errno":-1}"#, "unknown"),
            (r#"{"errno":0.5}"#, "unknown"),
            (r#"{"errno":null}"#, "unknown"),
            (r#"{"errno":false}"#, "unknown"),
            (r#"{"errno":[203]}"#, "unknown"),
            (r#"{"errno":203,"errno":0}"#, "unknown"),
            (r#"{"errno":203,"errmsg":{}}"#, "unknown"),
            (r#"{"errno":0,"data":{"order_number":{}}}"#, "unknown"),
            (r#"{"errno":203,"errmsg":"cut o"#, "unknown"),
            (r#"{"errno":203} trailing"#, "unknown"),
            (r#"{"message":"hi"}"#, "unknown"),
            ("<html>502</html>", "unknown"),
            ("", "unknown"),
            // not ours
            (r#"{"errno":203,"data":{"out_trade_num":"R2"}}"#, "unknown"),
            (
                r#"{"errno":0,"data":{"order_number":"Y1","mobile":"13900000001"}}"#,
                "discrepant",
            ),
        ] {
            assert_eq!(heard(json).verdict.word(), word, "{json}");
        }
    }

    #[test]
    fn hostile_bodies_are_unknown() {
        let deep = format!("{}{}", "[".repeat(60_000), "]".repeat(4_000));
        let nested = format!(r#"{{"errno":0,"data":{}}}"#, "[".repeat(50_000));
        for body in [
            deep.as_str(),
            nested.as_str(),
            "\0\0\0",
            "\u{feff}{\"errno\":203}",
        ] {
            assert_eq!(heard(body).verdict.word(), "unknown");
        }
    }

    #[test]
    fn what_is_kept_shows_the_supplier_s_words_but_no_account() {
        let heard = heard(r#"{"errno":203,"errmsg":"号码13900000000停机"}"#);
        assert_eq!(heard.verdict.reason(), Some("号码13***00停机"));
        assert!(!heard.detail.contains("13900000000"), "{}", heard.detail);
        assert_eq!(heard.http_status, Some(200));
    }

    #[test]
    fn the_form_has_the_order_s_fields_in_the_supplier_s_unit() {
        let attach = [2, 3].map(|place| Attach {
            place,
            name: "n".into(),
            value: format!("v{place}"),
        });
        let supplier = supplier(card(
            json!({ "money_unit": "fen", "max_cost_field": "price" }),
        ));
        let adapter = FormMd5::build(&supplier).unwrap();
        let fields = fields(&adapter, &call(&attach)).unwrap();
        let fields: Vec<_> = fields
            .iter()
            .map(|(k, v)| (k.as_str(), v.as_str()))
            .collect();
        assert_eq!(
            fields,
            [
                ("userid", "10001"),
                ("out_trade_num", "R1"),
                ("product_id", "7"),
                ("mobile", "13900000000"),
                ("notify_url", "http://push.example/v1/supplier/s1/push"),
                ("amount", "5000"),
                ("price", "4890"),
                ("param2", "v2"),
                ("param3", "v3"),
            ]
        );
    }

    #[test]
    fn a_face_value_that_the_unit_cannot_say_is_not_sent() {
        let adapter = FormMd5::build(&supplier(card(json!({ "money_unit": "fen" })))).unwrap();
        let call = SubmitCall {
            face_value: "0.001".parse().unwrap(),
            ..call(&[])
        };
        assert_eq!(fields(&adapter, &call), None);
    }
}
