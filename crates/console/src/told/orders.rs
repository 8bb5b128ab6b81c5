//! Orders: found, told, taken back.

use serde_json::{Value, json};
use store::story::{AttemptLine, FoundOrder};

use super::Told;
use crate::words::address;

/// An order that a search has found.
pub fn found(order: &FoundOrder) -> Value {
    json!({
        "orderCode": order.key.order, "state": order.state.word(), "business": order.key.business.as_str(), "bizCode": order.biz_code,
        "batchBizCode": order.batch_biz_code, "product": order.product.as_str(), "account": order.account,
        "price": order.price.to_string(), "createdAt": order.created_at.0,
    })
}

/// How many orders were taken back, of how many.
pub fn cancelled(cancelled: usize, of: usize) -> Value {
    json!({ "cancelled": cancelled, "of": of })
}

impl Told {
    /// The whole story.
    pub fn json(&self) -> Value {
        let order = &self.order;
        let moments = self.moments.iter().map(
            |event| json!({"at": event.at.0, "kind": event.kind, "what": event.what, "more": event.more}),
        );
        json!({
            "orderCode": order.key.order, "business": order.key.business.as_str(), "bizCode": order.biz_code,
            "batchBizCode": order.batch_biz_code, "product": order.product.as_str(), "account": order.account,
            "spec": order.spec.to_string(), "price": order.price.to_string(), "state": order.state.word(), "message": order.message,
            "hasVoucher": order.has_voucher, "claims": order.claims, "createdAt": order.created_at.0,
            "finishedAt": order.finished_at.map(|at| at.0),
            "attempts": order.attempts.iter().map(attempt).collect::<Value>(),
            "report": order.report.as_ref().map(|report| json!({
                "state": report.state, "to": address(&report.url), "dueAt": report.due_at.map(|at| at.0),
            })),
            "timeline": moments.collect::<Value>(), "onlyNewest": self.is_cut,
            "standing": self.standing, "nextAt": self.next_at.map(|at| at.0),
        })
    }
}

fn attempt(attempt: &AttemptLine) -> Value {
    json!({
        "no": attempt.no.0, "supplier": attempt.supplier.as_str(), "reference": attempt.reference, "sku": attempt.sku,
        "atMost": attempt.cost.to_string(), "state": attempt.state.word(), "calls": attempt.calls,
        "upstreamNo": attempt.upstream_no, "firstCallAt": attempt.first_call_at.0, "lastCallAt": attempt.last_call_at.0,
        "closedAt": attempt.closed_at.map(|at| at.0),
    })
}
