//! Consuming: one connection per process, one channel per queue, all owned by one task.
//!
//! A delivery is handed out as a [`Delivery`], and whoever has it says what became of it. What is said about a delivery of a
//! connection that has ended changes nothing: the broker has given that message to somebody else.

mod acks;
mod depth;
mod intake;

use std::sync::Arc;

use domain::OrderKey;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use traces::TraceParent;

use crate::connection::{Link, LinkError, Reconnects, while_away};
use crate::consumer::acks::Settlement;
use crate::consumer::intake::Intake;
use crate::meters;
use crate::publisher::PublisherHandle;
use crate::settings::Settings;
use crate::topology::QueueName;

/// How this connection is called in metrics and in the broker's list.
const PURPOSE: &str = "consume";
/// Subscriptions and questions that may wait for the task.
const COMMANDS: usize = 64;

/// A message that was handed out: an order's row wants work. Dropped without a word it goes back to its queue.
#[derive(Debug)]
pub struct Delivery {
    key: OrderKey,
    trace: Option<TraceParent>,
    redelivered: bool,
    tag: u64,
    /// To the channel that it came from; taken when it is settled.
    settled: Option<mpsc::Sender<(u64, Settlement)>>,
}

impl Delivery {
    /// Which order.
    pub const fn key(&self) -> &OrderKey {
        &self.key
    }

    /// The trace that it belongs to.
    pub const fn trace(&self) -> Option<TraceParent> {
        self.trace
    }

    /// Whether the broker has handed it out before.
    pub const fn redelivered(&self) -> bool {
        self.redelivered
    }

    /// Its work is committed. Does not wait: acks are sent together, and one that is lost costs a second look at the order.
    pub fn ack(mut self) {
        self.settle(Settlement::Done);
    }

    /// Somebody else shall do it.
    pub fn requeue(mut self) {
        self.settle(Settlement::Requeued);
    }

    fn settle(&mut self, settlement: Settlement) {
        if let Some(settled) = self.settled.take() {
            // There is a place for each message that the broker has handed out; gone is the channel only with its connection.
            let _ = settled.try_send((self.tag, settlement));
        }
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        self.settle(Settlement::Requeued);
    }
}

/// A queue to consume from, and where its deliveries go.
#[derive(Clone, Debug)]
struct Subscription {
    queue: QueueName,
    prefetch: u16,
    deliveries: mpsc::Sender<Delivery>,
}

#[derive(Debug)]
enum Command {
    Subscribe(Subscription),
    Depth(QueueName, oneshot::Sender<Result<u32, DepthUnknown>>),
}

/// The broker could not be asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the depth of the queue is unknown: {0}")]
pub struct DepthUnknown(String);

/// Makes the two ends of the consumer.
pub struct Consumer;

impl Consumer {
    /// The handle to subscribe with, and the task that someone must run. `publisher` puts aside what cannot be decoded.
    #[expect(clippy::new_ret_no_self, reason = "the consumer is its two ends")]
    pub fn new(settings: Settings, publisher: PublisherHandle) -> (ConsumerHandle, ConsumerTask) {
        let (commands, inbox) = mpsc::channel(COMMANDS);
        let task = ConsumerTask {
            settings,
            publisher,
            inbox,
            subscriptions: vec![],
        };
        (ConsumerHandle { commands }, task)
    }
}

/// Subscribes, and asks after queues. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ConsumerHandle {
    commands: mpsc::Sender<Command>,
}

impl ConsumerHandle {
    /// The deliveries of `queue` from now on, over all connections to come, at most `prefetch` unsettled at a time. Drop the
    /// receiver to end the subscription. `None`: the task has ended.
    pub async fn subscribe(
        &self,
        queue: QueueName,
        prefetch: u16,
    ) -> Option<mpsc::Receiver<Delivery>> {
        let prefetch = prefetch.max(1);
        let (deliveries, receiver) = mpsc::channel(usize::from(prefetch));
        let subscription = Subscription {
            queue,
            prefetch,
            deliveries,
        };
        self.commands
            .send(Command::Subscribe(subscription))
            .await
            .ok()?;
        Some(receiver)
    }

    /// How many messages wait in `queue`, those handed out not counted. A queue that does not exist has none.
    pub async fn depth(&self, queue: &QueueName) -> Result<u32, DepthUnknown> {
        let (reply, answer) = oneshot::channel();
        let gone = || DepthUnknown("the broker is not connected".into());
        self.commands
            .send(Command::Depth(queue.clone(), reply))
            .await
            .map_err(|_| gone())?;
        answer.await.unwrap_or_else(|_| Err(gone()))
    }
}

/// Owns the connection that consumes.
pub struct ConsumerTask {
    settings: Settings,
    publisher: PublisherHandle,
    inbox: mpsc::Receiver<Command>,
    subscriptions: Vec<Subscription>,
}

impl ConsumerTask {
    /// Consumes until `shutdown`; then takes nothing more and waits for what was handed out, for at most the settle grace.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let mut reconnects = Reconnects::new(&self.settings, PURPOSE, "consume from");
        while !shutdown.is_cancelled() {
            let begun = tokio::time::Instant::now();
            let end = self.session(&shutdown).await;
            meters::connected(PURPOSE, false);
            let Err(error) = end else { break };
            let pause = reconnects.pause_after(begun, &error);
            if self.answer_during(pause, &shutdown).await.is_none() {
                break;
            }
        }
    }

    /// One connection, from its welcome to its end. Ends well at shutdown only.
    async fn session(&mut self, shutdown: &CancellationToken) -> Result<(), LinkError> {
        let settings = self.settings.clone();
        let opening = async move { Link::open(&settings, PURPOSE).await };
        let Some(link) = self.answer_during(opening, shutdown).await else {
            return Ok(());
        };
        let link = Arc::new(link?);
        tracing::info!("connected to the broker to consume");
        meters::connected(PURPOSE, true);
        let mut intakes = JoinSet::new();
        let mut questions = JoinSet::new();
        self.subscriptions
            .retain(|subscription| !subscription.deliveries.is_closed());
        for subscription in self.subscriptions.clone() {
            intakes.spawn(self.intake(&link, subscription).run(shutdown.clone()));
        }
        let mut stopping = false;
        loop {
            tokio::select! {
                () = shutdown.cancelled(), if !stopping => stopping = true,
                Some(ended) = intakes.join_next() => match ended {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => return Err(error),
                    Err(_) => return Err(LinkError::Ended("a task broke")),
                },
                Some(_) = questions.join_next() => {}
                Some(command) = self.inbox.recv(), if !stopping => match command {
                    Command::Subscribe(subscription) => {
                        intakes.spawn(self.intake(&link, subscription.clone()).run(shutdown.clone()));
                        self.subscriptions.push(subscription);
                    }
                    Command::Depth(queue, reply) => {
                        let within = self.settings.answer_timeout;
                        questions.spawn(depth::answer(Arc::clone(&link), within, queue, reply));
                    }
                },
                () = tokio::time::sleep(acks::LOOK_EVERY), if !stopping => {
                    if !link.connection().status().connected() {
                        return Err(LinkError::Ended("the connection is closed"));
                    }
                }
            }
            if stopping && intakes.is_empty() {
                break;
            }
        }
        questions.shutdown().await;
        if let Some(link) = Arc::into_inner(link) {
            link.close().await;
        }
        Ok(())
    }

    fn intake(&self, link: &Arc<Link>, subscription: Subscription) -> Intake {
        Intake {
            link: Arc::clone(link),
            settings: self.settings.clone(),
            publisher: self.publisher.clone(),
            subscription,
        }
    }

    /// Waits for `work` while there is no connection: keeps subscriptions for the next one, and answers questions with "away".
    /// `None` at shutdown.
    async fn answer_during<T>(
        &mut self,
        work: impl Future<Output = T>,
        shutdown: &CancellationToken,
    ) -> Option<T> {
        let meanwhile = |command| match command {
            Command::Subscribe(subscription) => self.subscriptions.push(subscription),
            Command::Depth(_, reply) => {
                // Nobody waits any more if the asker was cancelled.
                let _ = reply.send(Err(DepthUnknown("the broker is not connected".into())));
            }
        };
        while_away(work, &mut self.inbox, meanwhile, shutdown).await
    }
}
