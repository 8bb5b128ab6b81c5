//! Suppliers, lanes and endpoints: how they stand, and what was shut or opened.

use domain::Endpoint;
use serde_json::{Value, json};
use store::endpoints::{EndpointLine, Standing};
use store::gates::{Pause, SupplierLine};

use crate::actions::Gate;

/// All suppliers, and all that is paused.
pub fn suppliers(suppliers: &[SupplierLine], pauses: &[Pause]) -> Value {
    json!({
        "suppliers": suppliers.iter().map(supplier).collect::<Value>(),
        "pauses": pauses.iter().map(pause).collect::<Value>(),
    })
}

fn supplier(line: &SupplierLine) -> Value {
    json!({
        "id": line.id, "enabled": line.is_enabled, "calling": line.calling,
        "tripped": line.tripped.as_ref().map(|(reason, trips, probe_at)| json!({"reason": reason, "trips": trips, "probeAt": probe_at.0})),
    })
}

/// A pause.
pub(crate) fn pause(pause: &Pause) -> Value {
    json!({"supplier": pause.supplier, "lane": pause.lane, "by": pause.by, "reason": pause.reason, "since": pause.since.0})
}

/// It is shut for new orders, and was not before.
pub fn paused(gate: &Gate, changed: bool) -> Value {
    json!({ "paused": gate.to_string(), "changed": changed })
}

/// It is open again.
pub fn resumed(gate: &Gate) -> Value {
    json!({ "resumed": gate.to_string(), "changed": true })
}

/// The word for how an endpoint stands.
pub const fn endpoint_state(standing: Standing) -> &'static str {
    match standing {
        Standing::SetAside { .. } => "set aside",
        Standing::Recovering { .. } => "recovering",
        Standing::Paused => "paused",
    }
}

/// An endpoint that is not well.
pub fn endpoint(line: &EndpointLine) -> Value {
    json!({
        "endpoint": line.endpoint.as_str(), "state": endpoint_state(line.standing), "reason": line.reason, "probes": line.probes,
        "since": line.since.0,
    })
}

/// Nothing is sent there any more.
pub fn endpoint_paused(endpoint: &Endpoint) -> Value {
    json!({ "endpoint": endpoint.as_str(), "state": "paused" })
}

/// It is probed with the next report.
pub fn endpoint_resumed(endpoint: &Endpoint) -> Value {
    json!({ "endpoint": endpoint.as_str(), "state": "set aside" })
}
