//! A message that cannot be decoded, as it is put aside for people to look at.

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};
use uuid::Uuid;

use crate::hint::{BODY_MAX, HintError, PERSISTENT};
use crate::topology::QueueName;

/// A message on its way to `refill.parked`.
#[derive(Clone, Debug)]
pub(crate) struct Parked {
    id: String,
    body: Vec<u8>,
    bytes: usize,
    origin: QueueName,
    fault: HintError,
    original_id: Option<ShortString>,
}

impl Parked {
    /// Puts aside `body` from the queue `origin` for its `fault`. A body longer than any hint is kept
    /// by its beginning.
    pub(crate) fn new(
        mut body: Vec<u8>,
        properties: &BasicProperties,
        origin: QueueName,
        fault: HintError,
    ) -> Self {
        let bytes = body.len();
        body.truncate(BODY_MAX);
        Self {
            id: format!("parked/{}", Uuid::now_v7().simple()),
            body,
            bytes,
            origin,
            fault,
            original_id: properties.message_id().clone(),
        }
    }

    /// The new message's id.
    pub(crate) fn message_id(&self) -> &str {
        &self.id
    }

    /// The new message's body.
    pub(crate) fn body(&self) -> Vec<u8> {
        self.body.clone()
    }

    /// The new message's headers: why, from where, and how long the body was.
    pub(crate) fn properties(&self) -> BasicProperties {
        let mut headers = FieldTable::default();
        let mut header = |name: &str, text: &str| {
            let text = AMQPValue::LongString(LongString::from(text));
            headers.insert(ShortString::from(name), text);
        };
        header("refill-reason", self.fault.reason());
        header("refill-explanation", &self.fault.to_string());
        header("refill-origin", self.origin.as_str());
        header("refill-bytes", &self.bytes.to_string());
        if let Some(id) = &self.original_id {
            header("refill-message-id", id.as_str());
        }
        BasicProperties::default()
            .with_delivery_mode(PERSISTENT)
            .with_message_id(ShortString::from(self.id.as_str()))
            .with_headers(headers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_without_end_is_kept_by_its_beginning() {
        let fault = HintError::TooBig { bytes: 9_999 };
        let properties = BasicProperties::default();
        let parked = Parked::new(vec![7; 9_999], &properties, QueueName::callbacks(), fault);
        assert_eq!(parked.body().len(), BODY_MAX);
        let properties = parked.properties();
        let headers = properties.headers().as_ref().unwrap().inner();
        let text = |name: &str| {
            headers
                .get(name)
                .unwrap()
                .as_long_string()
                .unwrap()
                .to_string()
        };
        assert_eq!(text("refill-bytes"), "9999");
        assert_eq!(text("refill-reason"), "too_big");
        assert_eq!(text("refill-origin"), "refill.callbacks");
    }
}
