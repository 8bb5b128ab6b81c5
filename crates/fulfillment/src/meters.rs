//! The work in numbers. Labels are suppliers and lanes, which the catalogue bounds, and words from enums; never an account or an order.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use domain::{Lane, OrderCode, OrderState, SupplierId, UnixMs};
use metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};
use queue::Delivery;

/// Says what each of this room's metrics means, for `/metrics`.
pub fn describe_meters() {
    describe_counter!(
        "refill_orders_finished_total",
        "Orders that reached their end by a worker or a supplier's push, by state (succeeded, failed, cancelled). What people decide is not among them."
    );
    describe_counter!(
        "refill_orders_doubted_total",
        "Orders set aside for a person, by a worker or after a push, because their outcome is not known."
    );
    describe_counter!(
        "refill_orders_overtaking_total",
        "Orders let past somebody's flood, by lane."
    );
    describe_histogram!(
        "refill_hint_late_seconds",
        Unit::Seconds,
        "From the making of an order to the arrival of its hint at a worker, by lane, by the machines' clocks."
    );
    describe_counter!(
        "refill_supplier_answers_total",
        "What suppliers said to calls of any kind, by supplier and verdict."
    );
    describe_histogram!(
        "refill_supplier_call_seconds",
        Unit::Seconds,
        "Duration of calls at suppliers, by supplier."
    );
    describe_gauge!(
        "refill_supplier_calls_in_flight",
        "Calls at suppliers that run now, by supplier."
    );
    describe_counter!(
        "refill_supplier_trips_total",
        "How often this process was the first to find that a supplier fails, by supplier."
    );
    describe_counter!(
        "refill_swept_total",
        "Orders put back to work because their hint was never confirmed (outbox) or was lost (lost_hint)."
    );
    describe_gauge!(
        "refill_sweeper_last_success_timestamp_seconds",
        Unit::Seconds,
        "When this process last swept everything to its end, in seconds since 1970; it cannot while the broker is away."
    );
}

/// A worker begins: what may not have happened for long is there from the beginning, as zero.
pub(crate) fn begun() {
    for state in [
        OrderState::Succeeded,
        OrderState::Failed,
        OrderState::Cancelled,
    ] {
        counter!("refill_orders_finished_total", "state" => state.word()).increment(0);
    }
    counter!("refill_orders_doubted_total").increment(0);
    swept("outbox", 0);
    swept("lost_hint", 0);
    gauge!("refill_sweeper_last_success_timestamp_seconds").set(now().as_secs_f64());
}

/// A supplier is at hand.
pub(crate) fn supplier(supplier: &SupplierId) {
    counter!("refill_supplier_trips_total", "supplier" => supplier.to_string()).increment(0);
    gauge!("refill_supplier_calls_in_flight", "supplier" => supplier.to_string()).increment(0.0);
}

/// A lane is worked on.
pub(crate) fn lane(lane: &Lane) {
    overtaking(lane, 0);
}

/// An order's end.
pub(crate) fn finished(state: OrderState) {
    counter!("refill_orders_finished_total", "state" => state.word()).increment(1);
}

/// An order for a person.
pub(crate) fn doubted() {
    counter!("refill_orders_doubted_total").increment(1);
}

/// Orders let past others.
pub(crate) fn overtaking(lane: &Lane, orders: usize) {
    counter!("refill_orders_overtaking_total", "lane" => lane.to_string()).increment(orders as u64);
}

/// A hint has come.
pub(crate) fn hinted(lane: &Lane, hint: &Delivery) {
    histogram!("refill_hint_late_seconds", "lane" => lane.to_string())
        .record(age(hint.key().order).as_secs_f64());
}

/// How old an order is, by this machine's clock.
pub(crate) fn age(order: OrderCode) -> Duration {
    UnixMs(0).after(now()).since(order.made_at())
}

/// A call at a supplier that runs; counted down when it is dropped.
pub(crate) struct Calling(SupplierId);

impl Calling {
    pub(crate) fn begin(supplier: &SupplierId) -> Self {
        gauge!("refill_supplier_calls_in_flight", "supplier" => supplier.to_string())
            .increment(1.0);
        Self(supplier.clone())
    }
}

impl Drop for Calling {
    fn drop(&mut self) {
        gauge!("refill_supplier_calls_in_flight", "supplier" => self.0.to_string()).decrement(1.0);
    }
}

/// A call has ended.
pub(crate) fn called(supplier: &SupplierId, took: Duration) {
    histogram!("refill_supplier_call_seconds", "supplier" => supplier.to_string())
        .record(took.as_secs_f64());
}

/// What a supplier said.
pub(crate) fn answered(supplier: &SupplierId, verdict: &'static str) {
    counter!("refill_supplier_answers_total", "supplier" => supplier.to_string(), "verdict" => verdict)
        .increment(1);
}

/// A supplier fails.
pub(crate) fn tripped(supplier: &SupplierId) {
    counter!("refill_supplier_trips_total", "supplier" => supplier.to_string()).increment(1);
}

/// Orders were put back to work.
pub(crate) fn swept(what: &'static str, orders: usize) {
    counter!("refill_swept_total", "what" => what).increment(orders as u64);
}

/// A sweep came to its end.
pub(crate) fn sweep_ended() {
    gauge!("refill_sweeper_last_success_timestamp_seconds").set(now().as_secs_f64());
}

fn now() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}
