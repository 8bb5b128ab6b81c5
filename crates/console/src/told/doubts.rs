//! Cases that wait for persons, and what persons say about them.

use domain::OrderCode;
use serde_json::{Value, json};
use store::doubt_desk::{Closed, OpenCase};

/// A case.
pub fn case(case: &OpenCase) -> Value {
    let (attempt, supplier, reference) = case.attempt.clone().unwrap_or_default();
    let evidence: Vec<_> = case
        .evidence
        .iter()
        .map(|e| json!({"attempt": e.attempt.0, "source": e.source, "verdict": e.verdict, "detail": e.detail, "actor": e.actor, "at": e.at.0}))
        .collect();
    json!({
        "orderCode": case.key.order, "businessId": case.key.business, "kind": case.kind, "reason": case.reason,
        "since": case.opened_at.0, "ageSeconds": case.age_ms / 1_000, "amount": case.amount.to_string(),
        "nextCheckAt": case.next_check_at.map(|at| at.0), "attempt": attempt, "supplier": supplier, "reference": reference,
        "proposed": case.proposal.as_ref().map(|p| json!({"charged": p.charged, "by": p.by, "evidence": p.reason})),
        "evidence": evidence,
    })
}

/// The word for what somebody says.
pub const fn outcome(charged: bool) -> &'static str {
    if charged { "charged" } else { "not-charged" }
}

/// The first person's word was taken.
pub fn proposed(order: OrderCode, charged: bool, by: &str) -> Value {
    json!({ "orderCode": order, "proposed": outcome(charged), "by": by })
}

/// The case is closed.
pub fn closed(order: OrderCode, closed: &Closed) -> Value {
    match closed {
        Closed::Settled(state) => json!({ "orderCode": order, "state": state.word() }),
        Closed::Adjusted(moved) => json!({ "orderCode": order, "adjusted": moved.to_string() }),
    }
}
