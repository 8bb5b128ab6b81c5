//! What is counted. Labels are names of our queues, which the catalogue bounds, and words from enums.

use std::time::Duration;

use metrics::{
    Counter, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram,
};

use crate::hint::HintError;
use crate::topology::QueueName;

/// Says what each of this room's metrics means, for `/metrics`.
pub fn describe_meters() {
    describe_counter!(
        "refill_queue_published_total",
        "Messages sent to the broker, by queue."
    );
    describe_counter!(
        "refill_queue_confirmed_total",
        "Messages that the broker has confirmed, by queue."
    );
    describe_counter!(
        "refill_queue_returned_total",
        "Messages that the broker could not route and gave back, by queue."
    );
    describe_histogram!(
        "refill_queue_confirm_seconds",
        Unit::Seconds,
        "From the first message of a set to the confirm of its last, by queue."
    );
    describe_counter!(
        "refill_queue_consumed_total",
        "Messages that the broker has delivered to this process, by queue."
    );
    describe_counter!(
        "refill_queue_redelivered_total",
        "Of the consumed messages those that had been delivered before, by queue."
    );
    describe_counter!(
        "refill_queue_acked_total",
        "Messages whose work is done, by queue."
    );
    describe_counter!(
        "refill_queue_requeued_total",
        "Messages given back to the broker, by queue."
    );
    describe_counter!(
        "refill_queue_parked_total",
        "Messages that could not be read and were put aside in refill.parked, by the queue they came from and the reason."
    );
    describe_gauge!(
        "refill_queue_connected",
        "Whether the connection to the broker stands and is not blocked, by purpose (publish, consume, look): 1, or 0."
    );
    describe_counter!(
        "refill_queue_reconnects_total",
        "Connections to the broker that ended and were made anew, by purpose."
    );
}

/// Counts of what one queue was sent.
pub(crate) struct PublishMeters {
    pub(crate) published: Counter,
    pub(crate) confirmed: Counter,
    pub(crate) returned: Counter,
    confirm_seconds: Histogram,
}

impl PublishMeters {
    pub(crate) fn of(queue: &QueueName) -> Self {
        let name = queue.to_string();
        Self {
            published: counter!("refill_queue_published_total", "queue" => name.clone()),
            confirmed: counter!("refill_queue_confirmed_total", "queue" => name.clone()),
            returned: counter!("refill_queue_returned_total", "queue" => name.clone()),
            confirm_seconds: histogram!("refill_queue_confirm_seconds", "queue" => name),
        }
    }

    /// A whole set was confirmed, this long after it was begun.
    pub(crate) fn set_confirmed(&self, after: Duration) {
        self.confirm_seconds.record(after.as_secs_f64());
    }
}

/// Counts of what one queue gave us.
pub(crate) struct ConsumeMeters {
    pub(crate) consumed: Counter,
    pub(crate) redelivered: Counter,
    pub(crate) acked: Counter,
    pub(crate) requeued: Counter,
}

impl ConsumeMeters {
    pub(crate) fn of(queue: &QueueName) -> Self {
        let name = queue.to_string();
        for reason in HintError::REASONS {
            counter!("refill_queue_parked_total", "queue" => name.clone(), "reason" => reason)
                .increment(0);
        }
        Self {
            consumed: counter!("refill_queue_consumed_total", "queue" => name.clone()),
            redelivered: counter!("refill_queue_redelivered_total", "queue" => name.clone()),
            acked: counter!("refill_queue_acked_total", "queue" => name.clone()),
            requeued: counter!("refill_queue_requeued_total", "queue" => name),
        }
    }
}

/// A message was put aside.
pub(crate) fn parked(queue: &QueueName, fault: &HintError) {
    counter!("refill_queue_parked_total", "queue" => queue.to_string(), "reason" => fault.reason())
        .increment(1);
}

/// There is to be a connection, and is none yet.
pub(crate) fn begun(purpose: &'static str) {
    connected(purpose, false);
    counter!("refill_queue_reconnects_total", "purpose" => purpose).increment(0);
}

/// Whether the connection that publishes or consumes stands.
pub(crate) fn connected(purpose: &'static str, connected: bool) {
    gauge!("refill_queue_connected", "purpose" => purpose).set(f64::from(u8::from(connected)));
}

/// A connection ended and is made anew.
pub(crate) fn reconnecting(purpose: &'static str) {
    counter!("refill_queue_reconnects_total", "purpose" => purpose).increment(1);
}
