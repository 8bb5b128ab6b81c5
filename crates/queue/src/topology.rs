//! Which queues there are, and how one is declared.

use std::fmt;
use std::sync::Arc;

use domain::Lane;
use lapin::Channel;
use lapin::options::QueueDeclareOptions;
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};

/// The longest name of a lane, in bytes.
const LANE_NAME_MAX: usize = 64;

/// The name of one of Refill's queues.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QueueName(Arc<str>);

/// A lane whose name cannot name a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the name of a lane has 1 to 64 characters out of a-z, 0-9, `_` and `-`")]
pub struct NotALaneName;

impl QueueName {
    /// The queue of the orders of `lane`.
    pub fn orders(lane: &Lane) -> Result<Self, NotALaneName> {
        let name = lane.as_str();
        let fits = (1..=LANE_NAME_MAX).contains(&name.len());
        let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
        if !fits || !name.bytes().all(allowed) {
            return Err(NotALaneName);
        }
        Ok(Self(format!("refill.orders.{name}").into()))
    }

    /// The queue of reports that are due to merchants.
    pub fn callbacks() -> Self {
        Self("refill.callbacks".into())
    }

    /// Where messages lie that could not be decoded.
    pub fn parked() -> Self {
        Self("refill.parked".into())
    }

    /// The queue of this name, if it is one whose messages are worked on.
    pub(crate) fn of_work(name: &str) -> Option<Self> {
        match name.strip_prefix("refill.orders.") {
            Some(lane) => Self::orders(&Lane::new(lane)).ok(),
            None => (name == "refill.callbacks").then(Self::callbacks),
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as the AMQP client takes it: every name is far below its 255 bytes.
    pub(crate) fn short(&self) -> ShortString {
        ShortString::from(self.as_str())
    }
}

impl fmt::Display for QueueName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Declares `queue`: durable and quorum, nothing else. The arguments of a queue cannot be changed
/// later; limits and dead-lettering are policies of the broker.
pub(crate) async fn declare(channel: &Channel, queue: &QueueName) -> lapin::Result<()> {
    let options = QueueDeclareOptions {
        durable: true,
        ..QueueDeclareOptions::default()
    };
    let mut arguments = FieldTable::default();
    arguments.insert(
        ShortString::from("x-queue-type"),
        AMQPValue::LongString(LongString::from("quorum")),
    );
    channel
        .queue_declare(queue.short(), options, arguments)
        .await
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(lane: &str) -> Result<QueueName, NotALaneName> {
        QueueName::orders(&Lane::new(lane))
    }

    #[test]
    fn a_lane_names_its_queue() {
        assert_eq!(
            named("mobile_cn-1").unwrap().as_str(),
            "refill.orders.mobile_cn-1"
        );
    }

    #[test]
    fn a_name_that_could_confuse_the_broker_names_no_queue() {
        let long = "a".repeat(65);
        for bad in [
            "",
            "Mobile",
            "a.b",
            "a b",
            "a/b",
            "a#",
            "手机",
            long.as_str(),
        ] {
            assert_eq!(named(bad), Err(NotALaneName), "{bad:?}");
        }
        assert!(named(&"a".repeat(64)).is_ok());
    }
}
