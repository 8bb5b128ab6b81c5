//! Push: the supplier posts a form to our address, signed like our own.

use std::collections::HashSet;

use domain::card::MoneyUnit;
use domain::{Reason, Verdict};

use super::Fields;
use super::sign::ApiKey;
use crate::amount;
use crate::line::MAX_BODY_BYTES;
use crate::push::{Push, PushRefused};
use crate::told::Told;
use crate::words;

/// More fields than any supplier sends.
const MAX_FIELDS: usize = 64;

/// Reads a push; nothing in it counts before its signature has been checked.
pub(super) fn read(
    body: &[u8],
    user_id: &str,
    key: &ApiKey,
    unit: MoneyUnit,
) -> Result<Push, PushRefused> {
    let form = Form::read(body)?;
    let sign = form.get("sign").ok_or(PushRefused::Missing("sign"))?;
    if !key.signed(&form.0, sign) || form.get("userid").is_some_and(|id| id != user_id) {
        return Err(PushRefused::WrongSignature);
    }
    let reference = form
        .get("out_trade_num")
        .ok_or(PushRefused::Missing("out_trade_num"))?;
    let state = form.get("state").ok_or(PushRefused::Missing("state"))?;
    let remark = form.get("remark").unwrap_or_default();
    let charged = form.get("charge_amount");
    Ok(Push {
        reference: reference.to_owned(),
        told: Told {
            verdict: verdict(state, remark, form.get("voucher").unwrap_or_default()),
            upstream_no: form.get("order_number").and_then(words::number),
            account: form.get("mobile").map(str::to_owned),
            ordered: None,
            charged: charged.map(|a| amount::read(a, unit)),
            detail: words::detail(&format!(
                "state {state}, charge_amount {}, remark {remark}",
                charged.unwrap_or_default()
            )),
        },
    })
}

/// The fields that were received.
struct Form(Fields);

impl Form {
    fn read(body: &[u8]) -> Result<Self, PushRefused> {
        if body.len() > MAX_BODY_BYTES {
            return Err(PushRefused::TooLarge);
        }
        let mut names = HashSet::new();
        let mut fields = Fields::new();
        for (name, value) in url::form_urlencoded::parse(body) {
            if fields.len() == MAX_FIELDS {
                return Err(PushRefused::Unreadable);
            }
            if !names.insert(name.to_string()) {
                return Err(PushRefused::Repeated);
            }
            fields.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(fields))
    }

    /// A field that is there and not empty.
    fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(n, _)| n == name)?;
        (!value.is_empty()).then_some(value)
    }
}

fn verdict(state: &str, remark: &str, voucher: &str) -> Verdict {
    match state {
        "0" => Verdict::Processing,
        "1" => Verdict::Succeeded {
            voucher: words::voucher(voucher),
        },
        "2" => Verdict::Failed {
            reason: words::reason(remark, "the supplier reports a failure"),
        },
        "-1" => Verdict::Failed {
            reason: words::reason(remark, "the supplier has cancelled the order"),
        },
        "3" => Reason::PartialSuccess.into(),
        other => Verdict::Unknown {
            reason: format!("state {} is not listed", words::detail(other)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::KEY;
    use super::*;
    use crate::call::QueryCall;

    const GOOD: [(&str, &str); 9] = [
        ("userid", "10001"),
        ("order_number", "Y1"),
        ("out_trade_num", "R1"),
        ("otime", "1764000000"),
        ("state", "1"),
        ("mobile", "13900000000"),
        ("remark", ""),
        ("charge_amount", "50.00"),
        ("voucher", "卡号 1"),
    ];

    fn with(name: &'static str, value: &'static str) -> Vec<(&'static str, &'static str)> {
        let rest = GOOD.into_iter().filter(|(n, _)| *n != name);
        rest.chain([(name, value)]).collect()
    }

    fn body(fields: &[(&str, &str)]) -> String {
        let owned: Fields = fields
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        let sign = ApiKey::new(KEY).sign(&owned);
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(fields).append_pair("sign", &sign);
        form.finish()
    }

    fn pushed(body: &str) -> Result<Push, PushRefused> {
        read(body.as_bytes(), "10001", &ApiKey::new(KEY), MoneyUnit::Yuan)
    }

    fn word(fields: &[(&str, &str)]) -> &'static str {
        let order = QueryCall {
            reference: "R1",
            account: "13900000000",
            face_value: domain::Money::from_yuan(50),
        };
        let push = pushed(&body(fields)).unwrap();
        assert_eq!(push.reference(), "R1");
        push.against(&order).verdict.word()
    }

    #[test]
    fn each_state_has_its_meaning() {
        assert_eq!(word(&GOOD), "succeeded");
        for (state, word_of_it) in [
            ("0", "processing"),
            ("3", "discrepant"),
            ("9", "unknown"),
            ("01", "unknown"),
        ] {
            assert_eq!(word(&with("state", state)), word_of_it, "{state}");
        }
        for state in ["2", "-1"] {
            let mut fields = with("state", state);
            assert_eq!(word(&fields), "discrepant", "charged, and failed");
            fields.retain(|(name, _)| *name != "charge_amount");
            assert_eq!(word(&fields), "failed");
        }
        assert_eq!(word(&with("mobile", "13900000001")), "discrepant");
        assert_eq!(word(&with("charge_amount", "20")), "discrepant");
        assert_eq!(word(&with("charge_amount", "many")), "discrepant");
    }

    #[test]
    fn whatever_is_changed_after_signing_is_refused() {
        let good = body(&GOOD);
        assert!(pushed(&good).is_ok());
        for (from, to) in [
            ("state=1", "state=2"),
            ("R1", "R2"),
            ("50.00", "5.00"),
            ("&remark=", ""),
            ("userid=10001", "userid=10001&extra=1"),
            ("%E5%8D%A1", "%FF%FE%FD"),
        ] {
            let bad = good.replace(from, to);
            assert_ne!(bad, good, "{from}");
            assert_eq!(pushed(&bad), Err(PushRefused::WrongSignature), "{from}");
        }
    }

    #[test]
    fn another_account_s_push_is_refused_though_its_signature_is_right() {
        let other = body(&with("userid", "10002"));
        assert_eq!(pushed(&other), Err(PushRefused::WrongSignature));
    }

    #[test]
    fn a_push_that_is_not_one_is_refused() {
        let repeated = format!("{}&state=2", body(&GOOD));
        let many: Vec<String> = (0..100).map(|n| format!("f{n}=1")).collect();
        for (body, why) in [
            (String::new(), PushRefused::Missing("sign")),
            ("{\"state\":1}".into(), PushRefused::Missing("sign")),
            ("sign=".into(), PushRefused::Missing("sign")),
            ("sign=x".into(), PushRefused::WrongSignature),
            (repeated, PushRefused::Repeated),
            (many.join("&"), PushRefused::Unreadable),
            ("a".repeat(MAX_BODY_BYTES + 1), PushRefused::TooLarge),
            (body(&GOOD[..2]), PushRefused::Missing("out_trade_num")),
            (body(&GOOD[..3]), PushRefused::Missing("state")),
        ] {
            assert_eq!(pushed(&body), Err(why), "{body:.60}");
        }
    }
}
