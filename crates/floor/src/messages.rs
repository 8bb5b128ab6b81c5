//! The two messages that an order has, both persistent and confirmed.

use futures::StreamExt;
use futures::future::try_join_all;
use lapin::options::{
    BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
    QueueDeclareOptions, QueuePurgeOptions,
};
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, Consumer};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use uuid::Uuid;

use crate::FloorError;

pub(crate) const ORDERS: &str = "floor.orders";
pub(crate) const REPORTS: &str = "floor.reports";

const PREFETCH: u16 = 500;
const PERSISTENT: u8 = 2;

/// What both messages say.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) id: Uuid,
    pub(crate) biz_code: String,
    pub(crate) account: String,
}

#[derive(Clone)]
pub(crate) struct Broker {
    connection: Arc<Connection>,
    publishing: Channel,
}

impl Broker {
    /// Connects, and begins with empty queues.
    pub(crate) async fn open(url: &str) -> Result<Self, FloorError> {
        let connection = Connection::connect(url, ConnectionProperties::default()).await?;
        let publishing = connection.create_channel().await?;
        publishing
            .confirm_select(ConfirmSelectOptions::default())
            .await?;
        for queue in [ORDERS, REPORTS] {
            let mut arguments = FieldTable::default();
            arguments.insert(
                ShortString::from("x-queue-type"),
                AMQPValue::LongString(LongString::from("quorum")),
            );
            let durable = QueueDeclareOptions {
                durable: true,
                ..QueueDeclareOptions::default()
            };
            let name = ShortString::from(queue);
            publishing
                .queue_declare(name.clone(), durable, arguments)
                .await?;
            publishing
                .queue_purge(name, QueuePurgeOptions::default())
                .await?;
        }
        Ok(Self {
            connection: Arc::new(connection),
            publishing,
        })
    }

    /// Returns when the broker has confirmed all of them.
    pub(crate) async fn publish(&self, queue: &str, orders: &[Order]) -> Result<(), FloorError> {
        let sent = orders.iter().map(async |order| {
            let body = serde_json::to_vec(order)?;
            let properties = BasicProperties::default().with_delivery_mode(PERSISTENT);
            let confirm = self
                .publishing
                .basic_publish(
                    ShortString::default(),
                    ShortString::from(queue),
                    BasicPublishOptions::default(),
                    &body,
                    properties,
                )
                .await?;
            let confirmation = confirm.await?;
            confirmation
                .is_ack()
                .then_some(())
                .ok_or_else(|| FloorError::unexpected("a message was refused"))
        });
        try_join_all(sent).await.map(drop)
    }

    /// Everything that comes to a queue.
    pub(crate) async fn consume(&self, queue: &str) -> Result<Consumer, FloorError> {
        let channel = self.connection.create_channel().await?;
        channel
            .basic_qos(PREFETCH, BasicQosOptions::default())
            .await?;
        let options = BasicConsumeOptions::default();
        let consumer = channel
            .basic_consume(
                ShortString::from(queue),
                ShortString::default(),
                options,
                FieldTable::default(),
            )
            .await?;
        Ok(consumer)
    }
}

/// One message, waited for.
pub(crate) async fn next(
    consumer: &mut Consumer,
) -> Result<(Order, lapin::message::Delivery), FloorError> {
    let delivery = consumer
        .next()
        .await
        .ok_or_else(|| FloorError::unexpected("the broker ended the consumer"))??;
    Ok((serde_json::from_slice(&delivery.data)?, delivery))
}
