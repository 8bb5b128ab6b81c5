//! Reports in numbers. Labels are words from enums; never a merchant or an address.

use metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};
use store::callbacks::{Next, Tried};

use crate::pools::Pool;

/// The round of a report that nobody has asked for again.
const FIRST_ROUND: i16 = 1;

/// Says what each of this room's metrics means, for `/metrics`.
pub fn describe_meters() {
    describe_counter!(
        "refill_reports_tried_total",
        "Tries to deliver a status report, by outcome."
    );
    describe_histogram!(
        "refill_report_seconds",
        Unit::Seconds,
        "Duration of tries to deliver a status report."
    );
    describe_histogram!(
        "refill_report_lag_seconds",
        Unit::Seconds,
        "From an order's end to the delivery of its report, of reports that nobody asked for again."
    );
    describe_counter!(
        "refill_reports_given_up_total",
        "Reports parked after their last try; they are sent again on request only."
    );
    describe_gauge!(
        "refill_endpoints_not_well",
        "Merchants' endpoints that are set aside, recover, or are paused."
    );
    describe_gauge!(
        "refill_callback_egress_frozen",
        "Whether most endpoints cannot be reached, so that our own way out is taken for broken and nothing is charged: 1, or 0."
    );
    describe_gauge!(
        "refill_callback_slots_in_use",
        "Reports on their way, by kind of traffic (first, retry, replay, slow, probe)."
    );
    describe_gauge!(
        "refill_callback_slots_most",
        "Reports that may be on their way, by kind of traffic."
    );
}

/// Reports begin to be sent: what may not have happened for long is there from the beginning, as zero.
pub(crate) fn begun(max_in_flight: usize) {
    for outcome in [
        "delivered",
        "not_success",
        "redirected",
        "http_error",
        "timed_out",
        "broken",
        "closed_address",
        "not_sent",
    ] {
        counter!("refill_reports_tried_total", "outcome" => outcome).increment(0);
    }
    counter!("refill_reports_given_up_total").increment(0);
    for pool in Pool::ALL {
        gauge!("refill_callback_slots_most", "pool" => pool.name())
            .set(number(pool.of(max_in_flight)));
    }
}

/// What a try came to.
pub(crate) fn tried(tried: &Tried) {
    counter!("refill_reports_tried_total", "outcome" => tried.outcome).increment(1);
    histogram!("refill_report_seconds").record(tried.duration.as_secs_f64());
    match tried.next {
        Next::Delivered if tried.round == FIRST_ROUND => {
            histogram!("refill_report_lag_seconds").record(tried.since_final.as_secs_f64());
        }
        Next::Parked => counter!("refill_reports_given_up_total").increment(1),
        _ => {}
    }
}

/// How merchants' endpoints are, and our way to them.
pub(crate) fn endpoints(not_well: usize, is_frozen: bool) {
    gauge!("refill_endpoints_not_well").set(number(not_well));
    gauge!("refill_callback_egress_frozen").set(f64::from(u8::from(is_frozen)));
}

/// Slots in use.
pub(crate) fn slots(pool: Pool, in_use: usize) {
    gauge!("refill_callback_slots_in_use", "pool" => pool.name()).set(number(in_use));
}

fn number(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
