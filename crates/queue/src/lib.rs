//! RabbitMQ: it moves hints, nothing else. All AMQP of Refill is in this room.
//!
//! A message says that an order's row wants work; losing every message loses no order, and one that comes ten times does the work
//! once. Depends on `domain` (keys), `retry` (delays between connections), `trust` (whom it believes by TLS) and `traces` (which
//! trace a hint belongs to); knows neither the database nor what the work is.
//!
//! ```no_run
//! # async fn example(settings: queue::Settings, key: domain::OrderKey) -> Option<()> {
//! # let shutdown = tokio_util::sync::CancellationToken::new();
//! let (publisher, publishing) = queue::Publisher::new(settings.clone());
//! let (consumer, consuming) = queue::Consumer::new(settings, publisher.clone());
//! let tasks = [tokio::spawn(publishing.run(shutdown.clone())), tokio::spawn(consuming.run(shutdown.clone()))];
//! let queue = queue::QueueName::callbacks();
//! let mut deliveries = consumer.subscribe(queue.clone(), 500).await?;
//! let confirmed = publisher.publish(&queue, vec![key]).await;
//! let delivery = deliveries.recv().await?;
//! // … the work, its commit, and only then:
//! delivery.ack();
//! # drop((tasks, confirmed)); Some(())
//! # }
//! ```
//!
//! Read `topology` (which queues), `hint` (what a message says), `publisher`, `consumer`, then `connection` (how one ends).
//! `lookout` is for whoever only looks, and for what was put aside.

mod connection;
mod consumer;
mod hint;
mod lookout;
mod meters;
mod parked;
mod publisher;
mod settings;
mod topology;

pub use crate::consumer::{Consumer, ConsumerHandle, ConsumerTask, Delivery, DepthUnknown};
pub use crate::hint::HintError;
pub use crate::lookout::{
    Away, Fate, Lookout, LookoutHandle, LookoutTask, ParkedMessage, ParkedSight, QueueSight,
    Settled, Unseen,
};
pub use crate::meters::describe_meters;
pub use crate::publisher::{PublishError, Publisher, PublisherHandle, PublisherTask};
pub use crate::settings::{BadSettings, Settings};
pub use crate::topology::{NotALaneName, QueueName};
