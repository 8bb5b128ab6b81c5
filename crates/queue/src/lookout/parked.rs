//! A parked message as it is shown, and the ways on which it may leave.

use std::hash::{DefaultHasher, Hash, Hasher};

use lapin::BasicProperties;
use lapin::message::BasicGetMessage;
use lapin::types::{AMQPValue, ShortString};
use uuid::Uuid;

use crate::hint::PERSISTENT;
use crate::topology::QueueName;

/// A message that was handed back so often is replaced by a copy: without a policy the broker drops it after 20 times.
const WORN: i64 = 10;

/// What becomes of a parked message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Back to the queue that it came from.
    Requeued,
    /// Gone for ever. The order that it may have named has its row, and a sweeper.
    Dropped,
}

/// A message in `refill.parked`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParkedMessage {
    /// Its own id; one made from its content for a message that came without.
    pub id: String,
    /// One word for why it could not be read, like `not_json`.
    pub reason: String,
    /// The same in a sentence.
    pub explanation: String,
    /// The queue that it came from, as it says.
    pub origin: String,
    /// When it was put aside, in milliseconds since 1970.
    pub parked_at_ms: Option<i64>,
    /// The body's length when it came.
    pub bytes: usize,
    /// The body, of a long one the beginning; whatever somebody sent.
    pub body: Vec<u8>,
}

/// What lies in `refill.parked`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParkedSight {
    /// The oldest.
    pub messages: Vec<ParkedMessage>,
    /// How many lie behind them.
    pub more: u32,
}

/// What became of messages that were to go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// So many did.
    pub settled: usize,
    /// Those that stay, and why.
    pub stayed: Vec<(String, &'static str)>,
}

impl Settled {
    /// Remembers that it stays; `false`, for `retain`.
    pub(super) fn stay(&mut self, message: &ParkedMessage, why: &'static str) -> bool {
        self.stayed.push((message.id.clone(), why));
        false
    }
}

fn header(properties: &BasicProperties, name: &str) -> Option<String> {
    let headers = properties.headers().as_ref()?.inner();
    match headers.get(name)? {
        AMQPValue::LongString(text) => Some(String::from_utf8_lossy(text.as_bytes()).into_owned()),
        _ => None,
    }
}

impl ParkedMessage {
    /// Reads it, whoever wrote it.
    pub(super) fn read(message: &BasicGetMessage) -> Self {
        Self::of(&message.properties, &message.data)
    }

    fn of(properties: &BasicProperties, body: &[u8]) -> Self {
        let text = |name: &str| header(properties, name).unwrap_or_default();
        let origin = text("refill-origin");
        let own_id = properties.message_id().as_ref().map(ShortString::as_str);
        let id = own_id.filter(|id| !id.is_empty()).map_or_else(
            || {
                let mut content = DefaultHasher::new();
                (&origin, body).hash(&mut content);
                format!("unnamed/{:016x}", content.finish())
            },
            str::to_owned,
        );
        Self {
            parked_at_ms: drawn_at(&id),
            id,
            reason: text("refill-reason"),
            explanation: text("refill-explanation"),
            origin,
            bytes: text("refill-bytes").parse().unwrap_or(body.len()),
            body: body.to_owned(),
        }
    }

    /// The queue to which it may go back, or why it may not.
    pub fn way_home(&self) -> Result<QueueName, &'static str> {
        if self.bytes > self.body.len() {
            return Err("only the beginning of its body was kept");
        }
        let home = QueueName::of_work(&self.origin);
        home.ok_or("it does not say which queue of ours it came from")
    }
}

/// When an id of ours was drawn.
fn drawn_at(id: &str) -> Option<i64> {
    let uuid: Uuid = id.strip_prefix("parked/")?.parse().ok()?;
    let (seconds, nanos) = uuid.get_timestamp()?.to_unix();
    i64::try_from(seconds * 1_000 + u64::from(nanos / 1_000_000)).ok()
}

/// Whether it was handed back so often that the broker may soon give it up.
pub(super) fn is_worn(message: &BasicGetMessage) -> bool {
    let headers = message.properties.headers().as_ref();
    let count = headers.and_then(|headers| headers.inner().get("x-delivery-count"));
    count.is_some_and(|count| match count {
        AMQPValue::LongLongInt(count) => *count >= WORN,
        AMQPValue::LongInt(count) => i64::from(*count) >= WORN,
        AMQPValue::LongUInt(count) => i64::from(*count) >= WORN,
        _ => false,
    })
}

/// The same message anew, to be parked again.
pub(super) fn renewed(message: &BasicGetMessage) -> (Vec<u8>, BasicProperties) {
    (message.data.clone(), message.properties.clone())
}

/// The message as it came first, for the queue that it came from.
pub(super) fn back_home(message: &BasicGetMessage) -> (Vec<u8>, BasicProperties) {
    let mut properties = BasicProperties::default().with_delivery_mode(PERSISTENT);
    if let Some(id) = first_id(&message.properties) {
        properties = properties.with_message_id(id);
    }
    (message.data.clone(), properties)
}

/// The id that it had when it came first. Whoever puts a message there may write anything.
fn first_id(properties: &BasicProperties) -> Option<ShortString> {
    ShortString::try_new(header(properties, "refill-message-id")?).ok()
}

#[cfg(test)]
mod tests {
    use lapin::types::{AMQPValue, FieldTable};

    use super::*;
    use crate::hint::HintError;
    use crate::parked::Parked;

    fn parked(body: &[u8], origin: QueueName) -> ParkedMessage {
        let came = BasicProperties::default();
        let parked = Parked::new(body.to_owned(), &came, origin, HintError::NotJson);
        ParkedMessage::of(&parked.properties(), &parked.body())
    }

    #[test]
    fn a_parked_message_knows_its_way_home_and_when_it_was_parked() {
        let message = parked(b"\xff", QueueName::callbacks());
        assert_eq!(message.way_home(), Ok(QueueName::callbacks()));
        assert_eq!((message.reason.as_str(), message.bytes), ("not_json", 1));
        assert!(message.parked_at_ms.unwrap() > 1_700_000_000_000);
    }

    #[test]
    fn an_id_that_no_message_can_have_is_left_out() {
        let named = |id: String| {
            let mut headers = FieldTable::default();
            headers.insert("refill-message-id".into(), AMQPValue::LongString(id.into()));
            BasicProperties::default().with_headers(headers)
        };
        assert_eq!(first_id(&named("b/1".into())), Some("b/1".into()));
        assert_eq!(first_id(&named("b".repeat(300))), None);
    }

    #[test]
    fn what_was_cut_or_is_not_ours_has_no_way_home() {
        let message = parked(&[b'a'; 9_999], QueueName::callbacks());
        assert!(message.way_home().unwrap_err().contains("beginning"));
        let foreign = ParkedMessage::of(&BasicProperties::default(), b"x");
        assert!(foreign.way_home().is_err());
        assert_ne!(
            foreign.id,
            ParkedMessage::of(&BasicProperties::default(), b"y").id
        );
        for name in [
            "refill.parked",
            "refill.orders.",
            "refill.orders.A",
            "amq.gen-1",
        ] {
            let message = ParkedMessage {
                origin: name.into(),
                ..foreign.clone()
            };
            assert!(message.way_home().is_err(), "{name}");
        }
    }
}
