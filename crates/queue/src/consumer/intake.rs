//! One queue over one channel: deliveries out, settlements back.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use lapin::options::{
    BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions,
};
use lapin::types::{FieldTable, ShortString};
use lapin::{Channel, message::Delivery as Message};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::acks::{AckBook, Frame, Settlement};
use super::{Delivery, Subscription};
use crate::connection::{Link, LinkError, answered};
use crate::hint;
use crate::meters::{self, ConsumeMeters};
use crate::parked::Parked;
use crate::publisher::PublisherHandle;
use crate::settings::Settings;
use crate::topology;

/// How long a message that could not be put aside waits before it goes back to its queue.
const PARK_AGAIN: Duration = Duration::from_secs(1);
/// How long a queue that the broker refuses waits for the next try.
const REFUSED_AGAIN: Duration = Duration::from_secs(5);

pub(super) struct Intake {
    pub(super) link: Arc<Link>,
    pub(super) settings: Settings,
    pub(super) publisher: PublisherHandle,
    pub(super) subscription: Subscription,
}

/// A subscription that stands.
struct Begun {
    channel: Channel,
    tag: ShortString,
    messages: lapin::Consumer,
}

/// A message being put aside: its tag, and what became of it.
type Parking = FuturesUnordered<BoxFuture<'static, (u64, Settlement)>>;

impl Intake {
    /// Consumes until `shutdown`, or until nobody takes the deliveries any more; then waits for what was handed out.
    pub(super) async fn run(self, shutdown: CancellationToken) -> Result<(), LinkError> {
        let within = self.settings.answer_timeout;
        let queue = &self.subscription.queue;
        let Some(Begun {
            channel,
            tag,
            mut messages,
        }) = self.begin(&shutdown).await?
        else {
            return Ok(());
        };
        let meters = ConsumeMeters::of(queue);
        let (settled, mut settlements) =
            mpsc::channel(usize::from(self.subscription.prefetch).max(1) * 2);
        let mut book = AckBook::default();
        let mut parking = Parking::new();
        let mut waiting = VecDeque::new();
        let mut stop_by: Option<Instant> = None;
        loop {
            let stopping = stop_by.is_some();
            if stopping && book.outstanding() == 0 {
                break;
            }
            let stop_wanted = tokio::select! {
                () = shutdown.cancelled(), if !stopping => true,
                () = self.subscription.deliveries.closed(), if !stopping => true,
                () = tokio::time::sleep_until(stop_by.unwrap_or_else(Instant::now)), if stopping => {
                    tracing::warn!(%queue, unsettled = book.outstanding(), "deliveries still at work go back to their queue");
                    break;
                }
                Some((tag, settlement)) = settlements.recv() => {
                    book.settle(tag, settlement);
                    while let Ok((tag, settlement)) = settlements.try_recv() {
                        book.settle(tag, settlement);
                    }
                    self.flush(&channel, &mut book, &meters).await?;
                    false
                }
                Some((tag, settlement)) = parking.next(), if !parking.is_empty() => {
                    book.settle(tag, settlement);
                    self.flush(&channel, &mut book, &meters).await?;
                    false
                }
                place = self.subscription.deliveries.reserve(), if !waiting.is_empty() => {
                    if let (Ok(place), Some(delivery)) = (place, waiting.pop_front()) {
                        place.send(delivery);
                    }
                    false
                }
                message = messages.next(), if !stopping => {
                    let message = message
                        .ok_or(LinkError::Ended("the broker ended the consumer"))?
                        .map_err(|source| LinkError::Amqp { doing: "consume", source })?;
                    let delivery = self.read(message, &settled, &mut book, &mut parking, &meters);
                    waiting.extend(delivery.and_then(|delivery| self.hand_out(delivery, &waiting)));
                    false
                }
            };
            if stop_wanted {
                waiting.clear();
                stop_by = Some(Instant::now() + self.settings.settle_grace);
                let cancel = channel.basic_cancel(tag.clone(), BasicCancelOptions::default());
                answered(within, "cancel a consumer", cancel).await?;
                // What had been sent before the broker heard of it is not ours any more.
                while let Some(Some(Ok(message))) = messages.next().now_or_never() {
                    book.delivered(message.delivery_tag);
                    book.settle(message.delivery_tag, Settlement::Requeued);
                }
                self.flush(&channel, &mut book, &meters).await?;
            }
        }
        let bye = channel.close(200, ShortString::from("done"));
        answered(within, "close a channel", bye).await
    }

    /// Subscribes. A queue that the broker refuses keeps the others' messages from nobody: it alone is tried again. `None`: nobody wants
    /// it any more.
    async fn begin(&self, shutdown: &CancellationToken) -> Result<Option<Begun>, LinkError> {
        loop {
            match self.subscribe().await {
                Err(LinkError::Amqp { doing, source }) if source.is_amqp_soft_error() => {
                    let queue = &self.subscription.queue;
                    tracing::error!(%queue, doing, error = %source, "the broker refuses the queue, nothing is taken from it");
                }
                begun => return begun.map(Some),
            }
            tokio::select! {
                () = shutdown.cancelled() => return Ok(None),
                () = self.subscription.deliveries.closed() => return Ok(None),
                () = tokio::time::sleep(REFUSED_AGAIN) => {}
            }
        }
    }

    async fn subscribe(&self) -> Result<Begun, LinkError> {
        let within = self.settings.answer_timeout;
        let queue = &self.subscription.queue;
        let channel = self.link.channel(within).await?;
        let declaring = topology::declare(&channel, queue);
        answered(within, "declare a queue", declaring).await?;
        let qos = channel.basic_qos(self.subscription.prefetch, BasicQosOptions::default());
        answered(within, "set the prefetch", qos).await?;
        let name = uuid::Uuid::now_v7().simple();
        let tag = ShortString::from(format!("{}-{name}", self.settings.role));
        let consume = channel.basic_consume(
            queue.short(),
            tag.clone(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        );
        let messages = answered(within, "consume", consume).await?;
        Ok(Begun {
            channel,
            tag,
            messages,
        })
    }

    /// Returns it where there is no place for it yet: after a reconnect those that the old connection handed out have it still. Given back
    /// at once, it would come again at once.
    fn hand_out(&self, delivery: Delivery, waiting: &VecDeque<Delivery>) -> Option<Delivery> {
        if !waiting.is_empty() {
            return Some(delivery);
        }
        match self.subscription.deliveries.try_send(delivery) {
            Ok(()) => None,
            Err(TrySendError::Full(delivery) | TrySendError::Closed(delivery)) => Some(delivery),
        }
    }

    /// What is to be handed out; what cannot be read is put aside.
    fn read(
        &self,
        message: Message,
        settled: &mpsc::Sender<(u64, Settlement)>,
        book: &mut AckBook,
        parking: &mut Parking,
        meters: &ConsumeMeters,
    ) -> Option<Delivery> {
        book.delivered(message.delivery_tag);
        meters.consumed.increment(1);
        if message.redelivered {
            meters.redelivered.increment(1);
        }
        match hint::decode(&message.data) {
            Ok(key) => Some(Delivery {
                key,
                trace: hint::trace_of(&message.properties),
                redelivered: message.redelivered,
                tag: message.delivery_tag,
                settled: Some(settled.clone()),
            }),
            Err(fault) => {
                let queue = self.subscription.queue.clone();
                tracing::error!(%queue, %fault, "a message cannot be decoded and is put aside");
                meters::parked(&queue, &fault);
                let parked = Parked::new(message.data, &message.properties, queue, fault);
                parking.push(park(self.publisher.clone(), parked, message.delivery_tag).boxed());
                None
            }
        }
    }

    async fn flush(
        &self,
        channel: &Channel,
        book: &mut AckBook,
        meters: &ConsumeMeters,
    ) -> Result<(), LinkError> {
        let within = self.settings.answer_timeout;
        for frame in book.flush() {
            match frame {
                Frame::Ack { tag, messages } => {
                    let multiple = messages > 1;
                    let ack = channel.basic_ack(tag, BasicAckOptions { multiple });
                    answered(within, "ack", ack).await?;
                    meters.acked.increment(messages);
                }
                Frame::Requeue { tag } => {
                    let options = BasicNackOptions {
                        multiple: false,
                        requeue: true,
                    };
                    answered(within, "requeue", channel.basic_nack(tag, options)).await?;
                    meters.requeued.increment(1);
                }
            }
        }
        Ok(())
    }
}

async fn park(publisher: PublisherHandle, parked: Parked, tag: u64) -> (u64, Settlement) {
    match publisher.park(parked).await {
        Ok(()) => (tag, Settlement::Done),
        Err(error) => {
            tracing::warn!(%error, "a message could not be put aside yet");
            tokio::time::sleep(PARK_AGAIN).await;
            (tag, Settlement::Requeued)
        }
    }
}
