//! What one call of the publisher carries.

use domain::OrderKey;
use lapin::BasicProperties;
use traces::TraceParent;

use crate::hint;
use crate::parked::Parked;

/// The messages that are answered for together.
#[derive(Debug)]
pub(crate) enum Load {
    /// One hint for each order.
    Hints {
        keys: Vec<OrderKey>,
        trace: Option<TraceParent>,
    },
    /// One message that could not be decoded.
    Parked(Box<Parked>),
}

/// A message, ready for the broker.
pub(crate) struct Message {
    pub(crate) body: Vec<u8>,
    pub(crate) properties: BasicProperties,
}

impl Load {
    /// How many messages there are.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Hints { keys, .. } => keys.len(),
            Self::Parked(_) => 1,
        }
    }

    /// The message at `index`, counted from 0.
    pub(crate) fn message(&self, index: usize) -> Option<Message> {
        match self {
            Self::Hints { keys, trace } => keys.get(index).map(|key| Message {
                body: hint::encode(key),
                properties: hint::properties(key, trace.as_ref()),
            }),
            Self::Parked(parked) => (index == 0).then(|| Message {
                body: parked.body(),
                properties: parked.properties(),
            }),
        }
    }

    /// Whether one of the messages has this id.
    pub(crate) fn carries(&self, message_id: &str) -> bool {
        match self {
            Self::Hints { keys, .. } => keys.iter().any(|key| hint::message_id(key) == message_id),
            Self::Parked(parked) => parked.message_id() == message_id,
        }
    }
}
