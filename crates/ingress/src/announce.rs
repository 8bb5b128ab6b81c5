//! After the commit: the batch's orders are announced to their lane, and its outbox row is removed when the broker has confirmed all.
//!
//! Nothing here can fail a request. What is not announced, or not confirmed, is announced again by the sweeper.

use std::future::ready;
use std::mem::take;
use std::time::{Duration, Instant};

use domain::{BusinessId, Lane, OrderCode, OrderKey};
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, Stream, StreamExt};
use queue::{PublishError, PublisherHandle, QueueName};
use store::Store;
use tokio::sync::mpsc;
use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;
use traces::{Kind, Span, TraceParent};
use uuid::Uuid;

use crate::meters;

/// Outbox rows that are removed at once.
const MOST_AT_ONCE: usize = 500;
/// How long they wait for company: nobody waits for them.
const LINGER: Duration = Duration::from_millis(50);

/// A batch that has just been stored.
pub(crate) struct StoredBatch<'a> {
    pub(crate) business: &'a BusinessId,
    pub(crate) batch_id: Uuid,
    pub(crate) lane: &'a Lane,
    pub(crate) orders: Vec<OrderCode>,
    pub(crate) trace: Option<TraceParent>,
}

/// An outbox row.
type Row = (BusinessId, Uuid);

/// An outbox row, and the broker's word on the batch, when it comes.
struct Announced {
    row: Row,
    confirmed: BoxFuture<'static, Result<(), PublishError>>,
    span: Span,
}

/// Where requests leave what is to be announced.
#[derive(Clone)]
pub(crate) struct Announcer {
    publisher: PublisherHandle,
    announced: mpsc::Sender<Announced>,
}

impl Announcer {
    /// The announcer, and the task that follows up on what it announces.
    pub(crate) fn new(
        publisher: PublisherHandle,
        store: Store,
        most: usize,
        grace: Duration,
    ) -> (Self, AnnouncerTask) {
        let (announced, inbox) = mpsc::channel(most);
        let task = AnnouncerTask {
            store,
            inbox,
            most,
            grace,
        };
        (
            Self {
                publisher,
                announced,
            },
            task,
        )
    }

    /// Announces without waiting for anything.
    pub(crate) fn announce(&self, batch: StoredBatch<'_>) {
        let Ok(queue) = QueueName::orders(batch.lane) else {
            tracing::error!(lane = %batch.lane, "the lane's name cannot name a queue");
            return;
        };
        let Ok(place) = self.announced.try_reserve() else {
            meters::announced("no_place");
            return;
        };
        let mut span = Span::after(
            batch.trace.as_ref(),
            "announce",
            Kind::Producer,
            Instant::now(),
        );
        span.note("batch", batch.batch_id.simple());
        span.note("lane", batch.lane);
        let key = |order| OrderKey {
            business: batch.business.clone(),
            order,
        };
        let keys = batch.orders.into_iter().map(key).collect();
        let confirmed = match self.publisher.try_publish(&queue, keys, batch.trace) {
            Ok(confirmed) => confirmed.boxed(),
            Err(error) => ready(Err(error)).boxed(),
        };
        place.send(Announced {
            row: (batch.business.clone(), batch.batch_id),
            confirmed,
            span,
        });
    }
}

/// Waits for the broker's confirms and settles the outbox rows, many at a time.
pub(crate) struct AnnouncerTask {
    store: Store,
    inbox: mpsc::Receiver<Announced>,
    most: usize,
    grace: Duration,
}

impl AnnouncerTask {
    /// Runs until `shutdown`, then waits for outstanding confirms, for a while.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        let mut waiting = FuturesUnordered::new();
        let mut set = Set::default();
        let mut due = Instant::now();
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                Some(word) = waiting.next() => {
                    if set.is_empty() {
                        due = Instant::now() + LINGER;
                    }
                    set.add(word);
                    if set.len() == MOST_AT_ONCE {
                        self.settle(take(&mut set)).await;
                    }
                }
                () = sleep_until(due.into()), if !set.is_empty() => self.settle(take(&mut set)).await,
                Some(announced) = self.inbox.recv(), if waiting.len() < self.most => {
                    waiting.push(outcome(announced));
                }
            }
        }
        self.inbox.close();
        while let Some(Some(announced)) = self.inbox.recv().now_or_never() {
            waiting.push(outcome(announced));
        }
        let rest = async {
            if !set.is_empty() {
                self.settle(set).await;
            }
            while let Some(set) = next_set(&mut waiting).await {
                self.settle(set).await;
            }
        };
        if tokio::time::timeout(self.grace, rest).await.is_err() {
            tracing::info!("unconfirmed batches are left to the sweeper");
        }
    }

    /// Writes what the broker has said of these.
    async fn settle(&self, set: Set) {
        halt::at("intake", "announced").await;
        let batches = set.left.len();
        if let Some(error) = set.last_error {
            tracing::info!(%error, batches, "hints not confirmed, left to the sweeper");
        }
        for written in [
            self.store.announced(&set.confirmed).await,
            self.store.announce_again(&set.left).await,
        ] {
            if let Err(error) = written {
                tracing::warn!(%error, "the outbox still holds announced batches; they will be announced again");
            }
        }
    }
}

/// The next words as soon as there is one, with all that are there by then: the others may not come before the grace ends.
async fn next_set(waiting: &mut (impl Stream<Item = Outcome> + Unpin)) -> Option<Set> {
    let mut set = Set::default();
    set.add(waiting.next().await?);
    while set.len() < MOST_AT_ONCE
        && let Some(Some(next)) = waiting.next().now_or_never()
    {
        set.add(next);
    }
    Some(set)
}

/// A batch's row, and the broker's word.
type Outcome = (Row, Result<(), PublishError>);

async fn outcome(mut announced: Announced) -> Outcome {
    let word = announced.confirmed.await;
    let said = match &word {
        Ok(()) => "confirmed",
        Err(_) => "not_confirmed",
    };
    meters::announced(said);
    announced.span.note("outcome", said);
    (announced.row, word)
}

/// Batches whose rows are written together.
#[derive(Default)]
struct Set {
    /// The broker has all of them: their rows go.
    confirmed: Vec<Row>,
    /// Nobody knows whether it has: their rows are due at once.
    left: Vec<Row>,
    last_error: Option<PublishError>,
}

impl Set {
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn len(&self) -> usize {
        self.confirmed.len() + self.left.len()
    }

    fn add(&mut self, (row, word): Outcome) {
        match word {
            Ok(()) => self.confirmed.push(row),
            Err(error) => {
                self.left.push(row);
                self.last_error = Some(error);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    #[tokio::test]
    async fn a_confirm_that_never_comes_keeps_no_other_row_from_going() {
        let row = |n| (BusinessId::new("b"), Uuid::from_u128(n));
        let heard = |n| ready((row(n), Ok(()))).boxed();
        let never = pending::<Outcome>().boxed();
        let mut waiting: FuturesUnordered<_> = [heard(1), never, heard(2)].into_iter().collect();
        let mut set = next_set(&mut waiting).now_or_never().flatten().unwrap();
        set.confirmed.sort_unstable();
        assert_eq!(set.confirmed, [row(1), row(2)]);
        assert!(next_set(&mut waiting).now_or_never().is_none());

        let mut lost: FuturesUnordered<_> =
            std::iter::once(ready((row(3), Err(PublishError::Nacked))).boxed()).collect();
        let set = next_set(&mut lost).await.unwrap();
        assert_eq!((set.confirmed.len(), set.left), (0, vec![row(3)]));
        assert!(next_set(&mut lost).await.is_none(), "that was all");
    }
}
