//! The broker's queues, and what was put aside there.

use queue::{Fate, ParkedMessage, QueueName};
use serde_json::{Value, json};

/// How a queue stands.
pub fn queue(queue: &QueueName, ready: u32, consumers: u32) -> Value {
    json!({ "queue": queue.as_str(), "ready": ready, "consumers": consumers })
}

/// A message that could not be read.
pub fn parked_message(message: &ParkedMessage) -> Value {
    json!({
        "id": message.id, "reason": message.reason, "explanation": message.explanation, "from": message.origin,
        "parkedAt": message.parked_at_ms, "bytes": message.bytes, "body": String::from_utf8_lossy(&message.body),
        "staysBecause": message.way_home().err(),
    })
}

/// How many messages went where.
pub fn settled(fate: Fate, settled: usize) -> Value {
    match fate {
        Fate::Requeued => json!({ "requeued": settled }),
        Fate::Dropped => json!({ "dropped": settled }),
    }
}
