//! How many messages wait in a queue.

use std::sync::Arc;
use std::time::Duration;

use lapin::options::QueueDeclareOptions;
use lapin::types::{FieldTable, ShortString};
use tokio::sync::oneshot;

use super::DepthUnknown;
use crate::connection::{Link, LinkError, answered};
use crate::topology::QueueName;

/// Asks over a channel of its own: the broker answers a queue that does not exist by closing the channel.
pub(super) async fn answer(
    link: Arc<Link>,
    within: Duration,
    queue: QueueName,
    reply: oneshot::Sender<Result<u32, DepthUnknown>>,
) {
    let depth = ask(&link, within, &queue)
        .await
        .map_err(|error| DepthUnknown(error.to_string()));
    // Nobody waits any more if the asker was cancelled.
    let _ = reply.send(depth);
}

async fn ask(link: &Link, within: Duration, queue: &QueueName) -> Result<u32, LinkError> {
    let channel = link.channel(within).await?;
    let options = QueueDeclareOptions {
        passive: true,
        ..QueueDeclareOptions::default()
    };
    let declared = channel.queue_declare(queue.short(), options, FieldTable::default());
    match answered(within, "ask for a queue's depth", declared).await {
        Ok(state) => {
            let bye = channel.close(200, ShortString::from("asked"));
            answered(within, "close a channel", bye).await?;
            Ok(state.message_count())
        }
        Err(LinkError::Amqp { source, .. }) if source.is_amqp_soft_error() => Ok(0),
        Err(error) => Err(error),
    }
}
