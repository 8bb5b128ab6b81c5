//! Queues about which the broker says nothing, although it answers otherwise.
//!
//! A broker that was killed while it made a queue may come back with half of it: it is there when it is declared, and never confirms
//! a message nor feeds a consumer. Nobody can wait for that to end, so such a queue is thrown away and made anew. What lies in it is
//! hints, and every hint that is missed is sent again from the database.

use std::collections::HashMap;

use crate::topology::QueueName;

/// Connections in a row that stayed without one confirm for the queue.
const PATIENCE: u32 = 3;

/// How often in a row the broker was silent about each queue.
#[derive(Debug, Default)]
pub(super) struct Silence(HashMap<QueueName, u32>);

impl Silence {
    /// A set of messages to `queue` went unanswered, and the connection is given up for it.
    pub(super) fn broken_off(&mut self, queue: QueueName) {
        // Messages that were put aside exist nowhere else; a person looks after their queue.
        if queue != QueueName::parked() {
            *self.0.entry(queue).or_default() += 1;
        }
    }

    /// A message to `queue` was confirmed.
    pub(super) fn ended(&mut self, queue: &QueueName) {
        self.0.remove(queue);
    }

    /// Whether `queue` is to be made anew; patience begins again.
    pub(super) fn is_over(&mut self, queue: &QueueName) -> bool {
        let over = self.0.get(queue).is_some_and(|times| *times >= PATIENCE);
        if over {
            self.0.remove(queue);
        }
        over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_is_given_up_after_three_silent_connections_in_a_row() {
        let (queue, mut silence) = (QueueName::callbacks(), Silence::default());
        for _ in 0..2 {
            silence.broken_off(queue.clone());
        }
        assert!(!silence.is_over(&queue));
        silence.ended(&queue);
        for _ in 0..2 {
            silence.broken_off(queue.clone());
        }
        assert!(!silence.is_over(&queue), "a confirm begins the count anew");
        silence.broken_off(queue.clone());
        assert!(silence.is_over(&queue));
        assert!(!silence.is_over(&queue), "made anew once");
    }

    #[test]
    fn what_was_put_aside_is_never_thrown_away() {
        let (queue, mut silence) = (QueueName::parked(), Silence::default());
        for _ in 0..9 {
            silence.broken_off(queue.clone());
        }
        assert!(!silence.is_over(&queue));
    }
}
