//! The door in numbers.

use std::time::Duration;

use metrics::{counter, gauge, histogram};

/// A request in work; counted down when it is dropped.
pub(crate) struct InFlight;

impl InFlight {
    pub(crate) fn begin() -> Self {
        gauge!("refill_ingress_in_flight").increment(1.0);
        Self
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        gauge!("refill_ingress_in_flight").decrement(1.0);
    }
}

/// One answered request. `status` is the contract's number, empty where the contract does not speak.
pub(crate) fn answered(path: &'static str, http: u16, status: Option<i32>, took: Duration) {
    let status = status.map(|s| s.to_string()).unwrap_or_default();
    counter!("refill_ingress_requests_total", "path" => path, "http" => http.to_string(), "status" => status).increment(1);
    histogram!("refill_ingress_request_seconds", "path" => path).record(took.as_secs_f64());
}

/// One batch that is stored now.
pub(crate) fn stored(items: usize) {
    counter!("refill_ingress_batches_total").increment(1);
    counter!("refill_ingress_orders_total").increment(items.try_into().unwrap_or(u64::MAX));
}

/// What became of announcing a batch.
pub(crate) fn announced(outcome: &'static str) {
    counter!("refill_ingress_announced_total", "outcome" => outcome).increment(1);
}

/// Whether batches are refused because too many wait for the broker.
pub(crate) fn backlog_full(full: bool) {
    gauge!("refill_ingress_backlog_full").set(if full { 1.0 } else { 0.0 });
}

/// Connections that are open.
pub(crate) fn connections(open: usize) {
    let open = u32::try_from(open).unwrap_or(u32::MAX);
    gauge!("refill_ingress_connections").set(f64::from(open));
}

/// Businesses that are refused more in a lane because what they have there waits too long.
pub(crate) fn behind(businesses: usize) {
    let businesses = u32::try_from(businesses).unwrap_or(u32::MAX);
    gauge!("refill_ingress_businesses_behind").set(f64::from(businesses));
}
