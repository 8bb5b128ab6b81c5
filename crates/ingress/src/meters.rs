//! The door in numbers. Labels are our paths, and numbers from the contract and from HTTP; never a merchant's name.

use std::time::Duration;

use domain::SupplierId;
use metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};

use store::life::{Fate, Moved};

use crate::settings::Settings;

/// The path of batches, whose latency is what merchants are promised.
const BATCHES: &str = "order/batch";

/// Says what each of this room's metrics means, for `/metrics`.
pub fn describe_meters() {
    describe_counter!(
        "refill_ingress_requests_total",
        "Answered requests, by path, HTTP status and the contract's status (empty where the contract does not speak)."
    );
    describe_counter!(
        "refill_ingress_refused_total",
        "Refused requests, by path and reason, finer than the contract's status. Suppliers' pushes are not among them."
    );
    describe_histogram!(
        "refill_ingress_request_seconds",
        Unit::Seconds,
        "From a request's head to its answer, by path, whatever the answer."
    );
    describe_histogram!(
        "refill_ingress_accepted_seconds",
        Unit::Seconds,
        "From a batch's head to the answer 0: stored, money held."
    );
    describe_gauge!("refill_ingress_in_flight", "Requests in work.");
    describe_gauge!(
        "refill_ingress_in_flight_most",
        "Requests past their signature that may be in work (ingress.max_in_flight)."
    );
    describe_gauge!("refill_ingress_connections", "Open connections.");
    describe_gauge!(
        "refill_ingress_connections_most",
        "Connections that may be open (ingress.max_connections)."
    );
    describe_counter!("refill_ingress_batches_total", "Batches stored.");
    describe_counter!("refill_ingress_orders_total", "Orders stored.");
    describe_histogram!(
        "refill_ingress_batches_together",
        "Batches stored in one transaction: the busier the door, the more."
    );
    describe_counter!(
        "refill_ingress_announced_total",
        "Stored batches by what became of their hints: confirmed, not_confirmed, no_place; a sweeper announces the last two again."
    );
    describe_counter!(
        "refill_supplier_pushes_total",
        "Results that suppliers pushed, by supplier and verdict."
    );
    describe_gauge!(
        "refill_ingress_backlog_full",
        "Whether batches are refused because too many wait for the broker (ingress.max_backlog_batches): 1, or 0."
    );
    describe_gauge!(
        "refill_ingress_businesses_behind",
        "Accounts that are refused more orders because theirs wait in a lane, or their reports wait, for too long (ingress.max_waiting_ms)."
    );
}

/// A door opens: what may not have happened for long is there from the beginning, as zero.
pub(crate) fn begun(settings: &Settings) {
    gauge!("refill_ingress_in_flight").set(0.0);
    gauge!("refill_ingress_in_flight_most").set(number(settings.max_in_flight));
    gauge!("refill_ingress_connections_most").set(number(settings.max_connections));
    connections(0);
    for reason in [
        "overloaded",
        "too_late",
        "rate_limited",
        "order_limited",
        "database_slow",
    ] {
        counter!("refill_ingress_refused_total", "path" => BATCHES, "reason" => reason)
            .increment(0);
    }
    counter!("refill_ingress_batches_total").increment(0);
    counter!("refill_ingress_orders_total").increment(0);
    for outcome in ["confirmed", "not_confirmed", "no_place"] {
        counter!("refill_ingress_announced_total", "outcome" => outcome).increment(0);
    }
    backlog_full(false);
    behind(0);
}

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
    if (path, status) == (BATCHES, Some(0)) {
        histogram!("refill_ingress_accepted_seconds").record(took.as_secs_f64());
    }
    let status = status.map(|s| s.to_string()).unwrap_or_default();
    counter!("refill_ingress_requests_total", "path" => path, "http" => http.to_string(), "status" => status).increment(1);
    histogram!("refill_ingress_request_seconds", "path" => path).record(took.as_secs_f64());
}

/// One request that is not done, and why.
pub(crate) fn refused(path: &'static str, reason: &'static str) {
    counter!("refill_ingress_refused_total", "path" => path, "reason" => reason).increment(1);
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

/// A supplier has told by itself what became of an order.
pub(crate) fn pushed(supplier: &SupplierId, verdict: &'static str) {
    counter!("refill_supplier_pushes_total", "supplier" => supplier.to_string(), "verdict" => verdict)
        .increment(1);
}

/// What a push did to its order; the room `fulfillment`, where most orders end, says what these two mean.
pub(crate) fn moved(moved: &Moved) {
    match moved.fate {
        Fate::Finished { .. } => {
            counter!("refill_orders_finished_total", "state" => moved.state.word()).increment(1);
        }
        Fate::Doubt => counter!("refill_orders_doubted_total").increment(1),
        Fate::Again | Fate::Waiting => {}
    }
}

/// Whether batches are refused because too many wait for the broker.
pub(crate) fn backlog_full(full: bool) {
    gauge!("refill_ingress_backlog_full").set(if full { 1.0 } else { 0.0 });
}

/// Connections that are open.
pub(crate) fn connections(open: usize) {
    gauge!("refill_ingress_connections").set(number(open));
}

/// Businesses that are refused more in a lane because what they have there waits too long.
pub(crate) fn behind(businesses: usize) {
    gauge!("refill_ingress_businesses_behind").set(number(businesses));
}

fn number(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
