//! `POST /v1/openapi/order/batch` (`CONTRACT.md` §3).

use std::collections::HashSet;
use std::fmt;

use domain::product::Fault;
use domain::{BusinessId, MerchantId, Money, ProductCode};
use serde::Serialize;

use super::callback_url::CallbackUrl;
use super::fields::{Fields, fault};
use super::problems::{BadRequest, ItemProblems};
use crate::exact;
use crate::strict_json::{self, Value};

const ITEM_LIST: &str = "itemList";
const BIZ_CODE: &str = "bizCode";

/// What a batch may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchLimits {
    /// Items in one batch.
    pub most_items: usize,
}

impl Default for BatchLimits {
    fn default() -> Self {
        Self { most_items: 1_000 }
    }
}

/// A batch of top-ups of one product, well formed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderBatch {
    /// `merchantId`
    #[serde(rename = "merchantId")]
    pub merchant: MerchantId,
    /// `businessId`; that it is the header's is for the caller to check.
    #[serde(rename = "businessId")]
    pub business: BusinessId,
    /// `batchBizCode`
    pub batch_biz_code: String,
    /// `productCode`
    #[serde(rename = "productCode")]
    pub product: ProductCode,
    /// `callbackUrl`; none: the account's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub callback_url: Option<CallbackUrl>,
    /// `itemList`, in the order sent; their numbers are all different.
    #[serde(rename = "itemList")]
    pub items: Vec<BatchItem>,
}

/// One top-up.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchItem {
    /// `bizCode`
    pub biz_code: String,
    /// `account`
    pub account: String,
    /// `accountAttachValues`
    #[serde(
        rename = "accountAttachValues",
        skip_serializing_if = "Option::is_none"
    )]
    pub attach_values: Option<String>,
    /// `spec`, above 0, at most two decimals.
    #[serde(
        serialize_with = "exact::optional_number",
        skip_serializing_if = "Option::is_none"
    )]
    pub spec: Option<Money>,
}

impl OrderBatch {
    /// Reads a body. A number that comes twice is looked for only among items that are all well formed.
    pub fn read(body: &[u8], limits: BatchLimits) -> Result<Self, BadRequest> {
        let body = strict_json::parse(body)?;
        let fields = Fields::of_body(&body)?;
        let batch = Self {
            merchant: MerchantId::new(fields.code("merchantId")?),
            business: BusinessId::new(fields.code("businessId")?),
            batch_biz_code: fields.code("batchBizCode")?.to_owned(),
            product: ProductCode::new(fields.code("productCode")?),
            callback_url: fields.callback_url()?,
            items: read_items(fields.array(ITEM_LIST)?, limits)?,
        };
        let repeated = repeated_numbers(&batch.items);
        if repeated.is_empty() {
            Ok(batch)
        } else {
            Err(BadRequest::NumbersRepeated(repeated))
        }
    }

    /// The body to send.
    ///
    /// # Errors
    /// None in practice: every field can be written as JSON.
    pub fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }
}

impl fmt::Debug for BatchItem {
    /// Without what belongs to the account's holder.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchItem")
            .field("biz_code", &self.biz_code)
            .field("spec", &self.spec)
            .finish_non_exhaustive()
    }
}

fn read_items(values: &[Value<'_>], limits: BatchLimits) -> Result<Vec<BatchItem>, BadRequest> {
    if values.len() > limits.most_items {
        let rule = format!(
            "has {} items; at most {} are allowed",
            values.len(),
            limits.most_items
        );
        return Err(fault(ITEM_LIST, rule).into());
    }
    let mut items = Vec::with_capacity(values.len());
    let mut problems = ItemProblems::default();
    for (index, value) in values.iter().enumerate() {
        match Fields::of(value) {
            Some(fields) => items.extend(read_item(index, fields, &mut problems)),
            None => problems.note(index, None, fault(ITEM_LIST, "must hold JSON objects only")),
        }
    }
    if problems.is_empty() {
        Ok(items)
    } else {
        Err(BadRequest::Items(problems))
    }
}

/// The item, or all its problems.
fn read_item(index: usize, fields: Fields<'_>, problems: &mut ItemProblems) -> Option<BatchItem> {
    let biz_code = fields.code(BIZ_CODE);
    let shown = biz_code.as_ref().ok().copied();
    let account = noted(fields.account(), index, shown, problems);
    let attach_values = noted(fields.attach_values(), index, shown, problems);
    let spec = noted(fields.spec(), index, shown, problems);
    let biz_code = noted(biz_code, index, None, problems);
    Some(BatchItem {
        biz_code: biz_code?.to_owned(),
        account: account?.to_owned(),
        attach_values: attach_values?.map(str::to_owned),
        spec: spec?,
    })
}

fn noted<T>(
    read: Result<T, Fault>,
    index: usize,
    biz_code: Option<&str>,
    problems: &mut ItemProblems,
) -> Option<T> {
    read.map_err(|fault| problems.note(index, biz_code, fault))
        .ok()
}

fn repeated_numbers(items: &[BatchItem]) -> ItemProblems {
    let mut seen = HashSet::with_capacity(items.len());
    let mut problems = ItemProblems::default();
    for (index, item) in items.iter().enumerate() {
        if !seen.insert(item.biz_code.as_str()) {
            let fault = fault(BIZ_CODE, "comes twice in this batch");
            problems.note(index, Some(&item.biz_code), fault);
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Status;

    const HEAD: &str = r#""merchantId":"m","businessId":"b","batchBizCode":"B1","productCode":"P""#;

    fn read(body: &str) -> Result<OrderBatch, BadRequest> {
        OrderBatch::read(body.as_bytes(), BatchLimits { most_items: 200 })
    }

    fn with_items(items: &str) -> Result<OrderBatch, BadRequest> {
        read(&format!(r#"{{{HEAD},"itemList":[{items}]}}"#))
    }

    fn listed(
        refused: Result<OrderBatch, BadRequest>,
    ) -> Vec<(usize, Option<String>, &'static str)> {
        let problems = refused.unwrap_err().item_problems().cloned().unwrap();
        let entry = |p: &super::super::ItemProblem| (p.index, p.biz_code.clone(), p.field);
        problems.listed().iter().map(entry).collect()
    }

    #[test]
    fn a_batch_is_read_and_written_back_the_same() {
        let batch = with_items(
            r#"{"bizCode":"n-1","account":"13900000000","accountAttachValues":"张三","spec":"50.10"},
               {"bizCode":"n-2","account":"a@b.example","later":{}}"#,
        )
        .unwrap();
        assert_eq!(batch.items[0].spec, Some("50.1".parse().unwrap()));
        assert_eq!(batch.items[1].attach_values, None);
        let written = batch.to_json().unwrap();
        let text = String::from_utf8(written).unwrap();
        assert!(text.contains(r#""spec":50.1}"#), "{text}");
        assert!(!text.contains("callbackUrl"), "{text}");
        assert_eq!(read(&text), Ok(batch));
    }

    #[test]
    fn without_items_it_is_an_empty_batch_but_its_other_fields_must_be_right() {
        for body in [
            format!("{{{HEAD}}}"),
            format!(r#"{{{HEAD},"itemList":[]}}"#),
            format!(r#"{{{HEAD},"itemList":null,"callbackUrl":null}}"#),
        ] {
            assert_eq!(read(&body).unwrap().items, []);
        }
        for (body, message) in [
            ("[]", "the body must be a JSON object"),
            ("{}", "merchantId is required"),
            (
                r#"{"merchantId":"m","businessId":7}"#,
                "businessId must be a string",
            ),
            (
                r#"{"merchantId":"m","businessId":"b","batchBizCode":"a b"}"#,
                "batchBizCode must be 1 to 64 visible characters",
            ),
            (
                r#"{"merchantId":"m","businessId":"b","batchBizCode":"1","productCode":null}"#,
                "productCode is required",
            ),
        ] {
            let refusal = read(body).unwrap_err();
            assert_eq!(refusal.to_string(), message);
            assert_eq!(refusal.status(), Status::Malformed);
        }
        let refusal = read(&format!(r#"{{{HEAD},"callbackUrl":"ftp://x"}}"#)).unwrap_err();
        assert_eq!(refusal.to_string(), "callbackUrl must be http or https");
        let refusal = read(&format!(r#"{{{HEAD},"itemList":{{}}}}"#)).unwrap_err();
        assert_eq!(refusal.to_string(), "itemList must be an array");
    }

    #[test]
    fn every_problem_of_every_item_is_named() {
        let refused = with_items(
            r#"{"bizCode":"1","account":"","spec":1.001},
               {"account":"2","spec":0},
               7,
               {"bizCode":"4","account":"a\u200bb","accountAttachValues":"x\u0000","spec":true},
               {"bizCode":"5","account":"5","spec":"NaN"}"#,
        );
        assert_eq!(
            listed(refused),
            [
                (0, Some("1".to_owned()), "account"),
                (0, Some("1".to_owned()), "spec"),
                (1, None, "spec"),
                (1, None, "bizCode"),
                (2, None, "itemList"),
                (3, Some("4".to_owned()), "account"),
                (3, Some("4".to_owned()), "accountAttachValues"),
                (3, Some("4".to_owned()), "spec"),
                (4, Some("5".to_owned()), "spec"),
            ]
        );
    }

    #[test]
    fn a_hundred_problems_are_listed_and_all_are_counted() {
        let items = vec!["1"; 150].join(",");
        let refusal = with_items(&items).unwrap_err();
        let problems = refusal.item_problems().unwrap();
        assert_eq!((problems.listed().len(), problems.total()), (100, 150));
        assert!(refusal.to_string().contains("150 problems"), "{refusal}");
    }

    #[test]
    fn a_number_twice_in_one_batch_is_not_malformed_but_repeated() {
        let item = r#"{"bizCode":"1","account":"2"}"#;
        let refused = with_items(&format!(r#"{item},{{"bizCode":"3","account":"2"}},{item}"#));
        assert_eq!(
            refused.as_ref().unwrap_err().status(),
            Status::NumberRepeated
        );
        assert_eq!(listed(refused), [(2, Some("1".to_owned()), "bizCode")]);
        let also_malformed = with_items(&format!("{item},{item},0"));
        assert_eq!(also_malformed.unwrap_err().status(), Status::Malformed);
    }

    #[test]
    fn sizes_are_bounded() {
        let item = |code: &str, account: &str, attach: &str| {
            with_items(&format!(
                r#"{{"bizCode":"{code}","account":"{account}","accountAttachValues":"{attach}"}}"#
            ))
        };
        let (code, account, attach) = ("号".repeat(64), "6".repeat(128), "值".repeat(1_024));
        assert!(item(&code, &account, &attach).is_ok());
        assert!(item(&(code + "1"), "1", "").is_err());
        assert!(item("1", &(account + "1"), "").is_err());
        assert!(item("1", "1", &(attach + "1")).is_err());
        let too_many = with_items(&vec!["0"; 201].join(",")).unwrap_err();
        assert_eq!(
            too_many.to_string(),
            "itemList has 201 items; at most 200 are allowed"
        );
    }

    #[test]
    fn a_duplicate_key_is_refused_in_an_item_too() {
        let refusal = with_items(r#"{"bizCode":"1","account":"1","account":"2"}"#).unwrap_err();
        assert!(refusal.to_string().contains("is there twice"), "{refusal}");
        assert_eq!(refusal.status(), Status::Malformed);
    }

    #[test]
    fn accounts_are_not_printed() {
        let batch = with_items(r#"{"bizCode":"1","account":"13912345678"}"#).unwrap();
        assert!(!format!("{batch:?}").contains("139"));
    }
}
