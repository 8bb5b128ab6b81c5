//! `order/info`, and the report that says the same.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Desk, answered, refused};
use crate::book::{End, Entry};

/// What an order costs that names no face value.
const PRICE_WITHOUT_SPEC: &str = "10";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Info {
    biz_code: String,
}

pub(super) async fn answer(
    State(desk): State<Arc<Desk>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    desk.strength.note_query();
    if let Err(refused) = desk.check(&headers, &body) {
        return *refused;
    }
    let Ok(asked) = serde_json::from_slice::<Info>(&body) else {
        return refused(3, "bizCode");
    };
    match desk.book.get(&asked.biz_code) {
        Some(entry) => answered(0, "success", &order(&entry, entry.visible_end())),
        None => refused(7, "no such order"),
    }
}

/// The face value as the JSON number that was sent; null: none was.
fn spec(entry: &Entry) -> Value {
    serde_json::from_str(&entry.face).unwrap_or(Value::Null)
}

/// This supplier sells at face value.
pub(super) fn price(entry: &Entry) -> Value {
    match spec(entry) {
        Value::Null => serde_json::from_str(PRICE_WITHOUT_SPEC).unwrap_or(Value::Null),
        spec => spec,
    }
}

/// An order as the contract shows it. It came alone under its own number, or in a batch of another.
pub(super) fn order(entry: &Entry, end: Option<End>) -> Value {
    let status = match end {
        Some(End::Succeeded) => 2,
        Some(End::Failed) => 3,
        _ => 1,
    };
    json!({
        "orderCode": entry.number, "bizCode": entry.reference, "batchBizCode": entry.batch,
        "productCode": entry.product, "account": entry.account, "spec": spec(entry), "settlementPrice": price(entry),
        "status": status, "message": if status == 3 { json!("failed at the operator") } else { Value::Null },
        "voucher": if status == 2 { json!(entry.voucher()) } else { Value::Null },
        "finishTime": if status > 1 { json!(entry.ends_at) } else { Value::Null },
    })
}
