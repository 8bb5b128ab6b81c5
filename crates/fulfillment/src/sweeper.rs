//! Puts back to work what has stood still: batches whose hints were never confirmed, stored orders whose hint was lost.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use domain::{Lane, OrderKey};
use futures::future::join_all;
use queue::{ConsumerHandle, PublisherHandle, QueueName};
use store::{Store, StoreError, Unannounced, Waiting};
use tokio_util::sync::CancellationToken;
use traces::{Kind, Span, TraceParent};

use crate::meters;

/// How long whoever takes something here has it for himself.
const GRACE: Duration = Duration::from_secs(30);
/// Batches that are announced at the same time.
const BATCHES_AT_ONCE: u16 = 10;
/// How much younger the orders must be that a lane has moved on to, before an older one counts as lost.
const MARGIN: Duration = Duration::from_mins(1);

/// Sweeps, rate limited by its interval and its size.
pub(crate) struct Sweeper {
    pub(crate) store: Store,
    pub(crate) publisher: PublisherHandle,
    pub(crate) consumer: ConsumerHandle,
    pub(crate) every: Duration,
    pub(crate) size: usize,
}

impl Sweeper {
    /// Runs until `shutdown`.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let mut ticks = tokio::time::interval(self.every);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = ticks.tick() => {}
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                swept = self.sweep() => if let Err(error) = swept {
                    tracing::warn!(%error, "sweep ended early");
                },
            }
        }
    }

    async fn sweep(&self) -> Result<(), StoreError> {
        self.store.forget_nonces(10_000).await?;
        // Without a broker there is nobody to tell.
        if !self.publisher.is_connected() {
            return Ok(());
        }
        self.announce_batches().await?;
        for lane in self.store.lanes_in_use().await? {
            self.repeat_lost_hints(&lane).await?;
        }
        meters::sweep_ended();
        Ok(())
    }

    /// Goes on while there is more: after a day without a broker there may be very many.
    async fn announce_batches(&self) -> Result<(), StoreError> {
        loop {
            let batches = self.store.take_unannounced(BATCHES_AT_ONCE, GRACE).await?;
            let (mut done, mut left) = (vec![], vec![]);
            let published = batches.iter().map(|batch| self.announce(batch));
            for (batch, published) in batches.iter().zip(join_all(published).await) {
                let row = (batch.business.clone(), batch.batch_id);
                if published {
                    done.push(row);
                } else {
                    left.push(row);
                }
            }
            self.store.announced(&done).await?;
            self.store.announce_again(&left).await?;
            if done.len() < usize::from(BATCHES_AT_ONCE) {
                return Ok(());
            }
        }
    }

    async fn announce(&self, batch: &Unannounced) -> bool {
        let keys: Vec<OrderKey> = batch
            .orders
            .iter()
            .map(|order| OrderKey {
                business: batch.business.clone(),
                order: *order,
            })
            .collect();
        let orders = keys.len();
        let trace = batch.traceparent.as_deref().and_then(TraceParent::parse);
        let mut span = Span::after(
            trace.as_ref(),
            "announce again",
            Kind::Producer,
            Instant::now(),
        );
        span.note("batch", batch.batch_id.simple());
        span.note("lane", &batch.lane);
        let published = self.publish(&batch.lane, keys, trace).await;
        if published {
            tracing::info!(business = %batch.business, batch = %batch.batch_id.simple(), orders, "hints of a batch published late");
            meters::swept("outbox", orders);
        }
        published
    }

    async fn repeat_lost_hints(&self, lane: &Lane) -> Result<(), StoreError> {
        let Ok(name) = QueueName::orders(lane) else {
            return Ok(());
        };
        let empty = match self.consumer.depth(&name).await {
            Ok(depth) => depth == 0,
            Err(error) => {
                tracing::debug!(lane = %lane, %error, "depth unknown, nothing is taken for lost");
                return Ok(());
            }
        };
        let size = i64::try_from(self.size).unwrap_or(i64::MAX);
        let lost = self
            .store
            .take_lost_hints(lane, empty, MARGIN, GRACE, size)
            .await?;
        if lost.is_empty() {
            return Ok(());
        }
        let orders = lost.len();
        let mut by_trace: HashMap<Option<TraceParent>, Vec<OrderKey>> = HashMap::new();
        for Waiting { key, traceparent } in lost {
            let trace = traceparent.as_deref().and_then(TraceParent::parse);
            by_trace.entry(trace).or_default().push(key);
        }
        let published = by_trace
            .into_iter()
            .map(|(trace, keys)| self.publish(lane, keys, trace));
        if join_all(published).await.into_iter().all(|done| done) {
            tracing::warn!(lane = %lane, orders, "lost hints published again");
            meters::swept("lost_hint", orders);
        }
        Ok(())
    }

    async fn publish(&self, lane: &Lane, keys: Vec<OrderKey>, trace: Option<TraceParent>) -> bool {
        let published = match QueueName::orders(lane) {
            Ok(name) => self
                .publisher
                .publish_traced(&name, keys, trace)
                .await
                .map_err(|e| e.to_string()),
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = &published {
            tracing::warn!(lane = %lane, %error, "hints not published");
        }
        published.is_ok()
    }
}
