//! The answers, each over a channel of its own: the broker closes a channel over what it refuses, and what a channel holds when it goes
//! is in its queue again.

use std::time::Duration;

use futures::future::try_join_all;
use lapin::message::BasicGetMessage;
use lapin::options::{
    BasicAckOptions, BasicGetOptions, BasicNackOptions, BasicPublishOptions, ConfirmSelectOptions,
    QueueDeclareOptions,
};
use lapin::protocol::{AMQPErrorKind, AMQPSoftError};
use lapin::types::{FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Confirmation, ErrorKind};

use super::QueueSight;
use super::parked::{Fate, ParkedMessage, ParkedSight, Settled, back_home, is_worn, renewed};
use crate::connection::{Link, LinkError, answered};
use crate::topology::QueueName;

/// The most parked messages that are taken in hand at once.
const MOST: usize = 1_000;

/// How many messages wait in each queue, and who consumes.
pub(super) async fn look(
    link: &Link,
    within: Duration,
    queues: Vec<QueueName>,
) -> Result<Vec<QueueSight>, LinkError> {
    let mut sights = Vec::with_capacity(queues.len());
    for queue in queues {
        let channel = link.channel(within).await?;
        let passive = QueueDeclareOptions {
            passive: true,
            ..QueueDeclareOptions::default()
        };
        let declared = channel.queue_declare(queue.short(), passive, FieldTable::default());
        let (ready, consumers) = match answered(within, "look at a queue", declared).await {
            Ok(state) => {
                leave(&channel, within).await?;
                (state.message_count(), state.consumer_count())
            }
            Err(error) if is_missing(&error) => (0, 0),
            Err(error) => return Err(error),
        };
        sights.push(QueueSight {
            queue,
            ready,
            consumers,
        });
    }
    Ok(sights)
}

/// What lies in `refill.parked`, from its head.
pub(super) async fn take_a_look(
    link: &Link,
    within: Duration,
    most: usize,
) -> Result<ParkedSight, LinkError> {
    let channel = link.channel(within).await?;
    let taken = match take(&channel, within, most).await {
        Err(error) if is_missing(&error) => return Ok(ParkedSight::default()),
        taken => taken?,
    };
    let more = taken.last().map_or(0, |last| last.message_count);
    let messages = taken.iter().map(ParkedMessage::read).collect();
    // A quorum queue gives up on a message that was handed back too often: so the worn ones are replaced.
    let worn: Vec<_> = taken.iter().filter(|taken| is_worn(taken)).collect();
    if !worn.is_empty() {
        confirms(&channel, within).await?;
        let copies = worn.iter().map(|worn| {
            let (body, properties) = renewed(worn);
            (QueueName::parked(), body, properties)
        });
        let stored = publish(&channel, within, copies.collect()).await?;
        for (old, stored) in worn.iter().zip(stored) {
            if stored.is_ok() {
                ack(&channel, within, old).await?;
            }
        }
    }
    give_back(&channel, within, &taken).await?;
    Ok(ParkedSight { messages, more })
}

/// Lets the parked messages of these ids go where they shall; the others stay.
pub(super) async fn settle(
    link: &Link,
    within: Duration,
    ids: &[String],
    fate: Fate,
) -> Result<Settled, LinkError> {
    let mut settled = Settled::default();
    let channel = link.channel(within).await?;
    let taken = match take(&channel, within, MOST).await {
        Err(error) if is_missing(&error) => return Ok(settled),
        taken => taken?,
    };
    let chosen = taken
        .iter()
        .map(|taken| (taken, ParkedMessage::read(taken)));
    let mut chosen: Vec<_> = chosen
        .filter(|(_, message)| ids.contains(&message.id))
        .collect();
    if fate == Fate::Requeued {
        chosen.retain(|(_, message)| match message.way_home() {
            Ok(_) => true,
            Err(why) => settled.stay(message, why),
        });
        confirms(&channel, within).await?;
        let copies = chosen.iter().filter_map(|(taken, message)| {
            let (body, properties) = back_home(taken);
            Some((message.way_home().ok()?, body, properties))
        });
        let stored = publish(&channel, within, copies.collect()).await?;
        let mut stored = stored.into_iter();
        chosen.retain(|(_, message)| match stored.next() {
            Some(Ok(())) => true,
            Some(Err(why)) => settled.stay(message, why),
            None => false,
        });
    }
    for (taken, _) in chosen {
        ack(&channel, within, taken).await?;
        settled.settled += 1;
    }
    give_back(&channel, within, &taken).await?;
    Ok(settled)
}

/// Takes messages from the head of `refill.parked`, to be acked or handed back.
async fn take(
    channel: &Channel,
    within: Duration,
    most: usize,
) -> Result<Vec<BasicGetMessage>, LinkError> {
    let mut taken = vec![];
    while taken.len() < most.min(MOST) {
        let get = channel.basic_get(QueueName::parked().short(), BasicGetOptions::default());
        match answered(within, "look at a parked message", get).await? {
            Some(message) => taken.push(message),
            None => break,
        }
    }
    Ok(taken)
}

/// Hands back what was not acked, and takes leave of the channel: then the broker has heard all of it.
async fn give_back(
    channel: &Channel,
    within: Duration,
    taken: &[BasicGetMessage],
) -> Result<(), LinkError> {
    let all = BasicNackOptions {
        multiple: true,
        requeue: true,
    };
    if !taken.is_empty() {
        // Zero means: whatever is unacked.
        answered(within, "hand back", channel.basic_nack(0, all)).await?;
    }
    leave(channel, within).await
}

async fn leave(channel: &Channel, within: Duration) -> Result<(), LinkError> {
    let bye = channel.close(200, ShortString::from("looked"));
    answered(within, "close a channel", bye).await
}

async fn confirms(channel: &Channel, within: Duration) -> Result<(), LinkError> {
    let select = channel.confirm_select(ConfirmSelectOptions::default());
    answered(within, "ask for confirms", select).await
}

async fn ack(
    channel: &Channel,
    within: Duration,
    message: &BasicGetMessage,
) -> Result<(), LinkError> {
    let one = BasicAckOptions { multiple: false };
    let tag = message.delivery_tag;
    answered(within, "ack a parked message", channel.basic_ack(tag, one)).await
}

/// Publishes to queues that must be there, and says of each whether the broker has it.
async fn publish(
    channel: &Channel,
    within: Duration,
    messages: Vec<(QueueName, Vec<u8>, BasicProperties)>,
) -> Result<Vec<Result<(), &'static str>>, LinkError> {
    let mut confirms = Vec::with_capacity(messages.len());
    for (queue, body, properties) in messages {
        let mandatory = BasicPublishOptions {
            mandatory: true,
            ..BasicPublishOptions::default()
        };
        let sending = channel.basic_publish("".into(), queue.short(), mandatory, &body, properties);
        confirms.push(answered(within, "publish", sending).await?);
    }
    let confirmed = answered(within, "confirm", try_join_all(confirms)).await?;
    let read = |confirmation| match confirmation {
        Confirmation::Ack(None) => Ok(()),
        Confirmation::Ack(Some(_)) | Confirmation::Nack(Some(_)) => {
            Err("the broker has no such queue")
        }
        Confirmation::Nack(None) | Confirmation::NotRequested => {
            Err("the broker could not take it")
        }
    };
    Ok(confirmed.into_iter().map(read).collect())
}

/// Whether the broker has no such queue (yet).
fn is_missing(error: &LinkError) -> bool {
    let LinkError::Amqp { source, .. } = error else {
        return false;
    };
    matches!(source.kind(), ErrorKind::ProtocolError(said)
        if *said.kind() == AMQPErrorKind::Soft(AMQPSoftError::NOTFOUND))
}
