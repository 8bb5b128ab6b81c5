//! After the commit: the batch's orders are announced to their lane, and its outbox row is removed when the broker has confirmed all.
//!
//! Nothing here can fail a request. What is not announced, or not confirmed, is announced again by the sweeper.

use std::time::Duration;

use domain::{BusinessId, Lane, OrderCode, OrderKey};
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use queue::{PublishError, PublisherHandle, QueueName, TraceParent};
use store::Store;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::meters;

/// Outbox rows that are removed at once.
const MOST_AT_ONCE: usize = 500;

/// A batch that has just been stored.
pub(crate) struct StoredBatch<'a> {
    pub(crate) business: &'a BusinessId,
    pub(crate) batch_id: Uuid,
    pub(crate) lane: &'a Lane,
    pub(crate) orders: Vec<OrderCode>,
    pub(crate) trace: Option<TraceParent>,
}

/// An outbox row, and the broker's word on the batch.
struct Announced {
    row: (BusinessId, Uuid),
    confirmed: BoxFuture<'static, Result<(), PublishError>>,
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
        let key = |order| OrderKey {
            business: batch.business.clone(),
            order,
        };
        let keys = batch.orders.into_iter().map(key).collect();
        match self.publisher.try_publish(&queue, keys, batch.trace) {
            Ok(confirmed) => place.send(Announced {
                row: (batch.business.clone(), batch.batch_id),
                confirmed: confirmed.boxed(),
            }),
            Err(error) => {
                meters::announced("not_published");
                tracing::debug!(%error, batch = %batch.batch_id, "left to the sweeper");
            }
        }
    }
}

/// Waits for the broker's confirms and removes outbox rows, many at a time.
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
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                Some(first) = waiting.next() => self.remove(first, &mut waiting).await,
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
            while let Some(first) = waiting.next().await {
                self.remove(first, &mut waiting).await;
            }
        };
        if tokio::time::timeout(self.grace, rest).await.is_err() {
            tracing::info!("unconfirmed batches are left to the sweeper");
        }
    }

    /// Removes the rows of what is confirmed: `first`, and everything that is confirmed by now.
    async fn remove<F: Future<Output = Outcome>>(
        &self,
        first: Outcome,
        waiting: &mut FuturesUnordered<F>,
    ) {
        let mut rows: Vec<_> = first.into_iter().collect();
        while rows.len() < MOST_AT_ONCE
            && let Some(Some(next)) = waiting.next().now_or_never()
        {
            rows.extend(next);
        }
        if rows.is_empty() {
            return;
        }
        if let Err(error) = self.store.announced(&rows).await {
            let batches = rows.len();
            tracing::warn!(%error, batches, "announced batches stay in the outbox and will be announced again");
        }
    }
}

/// The row to remove, if the broker has all of the batch.
type Outcome = Option<(BusinessId, Uuid)>;

async fn outcome(announced: Announced) -> Outcome {
    match announced.confirmed.await {
        Ok(()) => {
            meters::announced("confirmed");
            Some(announced.row)
        }
        Err(error) => {
            meters::announced("not_confirmed");
            tracing::debug!(%error, batch = %announced.row.1, "left to the sweeper");
            None
        }
    }
}
