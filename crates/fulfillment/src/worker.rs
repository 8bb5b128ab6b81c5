//! One worker process: its lanes, its due loop, its recorder and its sweeper, and the order in which they end.

use std::collections::HashSet;
use std::sync::Arc;

use domain::{Catalogue, Lane};
use queue::{ConsumerHandle, PublisherHandle, QueueName};
use store::{Share, Store};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::Settings;
use crate::desk::Desk;
use crate::dispatch::{Dispatch, InFlight};
use crate::due::DueLoop;
use crate::fleet::Fleet;
use crate::lane::LaneLoop;
use crate::meters;
use crate::months::Months;
use crate::recorder::{Announcer, Pen, Recorder};
use crate::sweeper::Sweeper;

/// The `fulfillment` role.
pub struct Worker {
    settings: Settings,
    store: Store,
    catalogue: watch::Receiver<Arc<Catalogue>>,
    publisher: PublisherHandle,
    consumer: ConsumerHandle,
    /// Messages handed to this process and not yet acknowledged, per lane.
    prefetch: u16,
}

impl Worker {
    /// Prepares a worker; nothing runs yet. `publisher` and `consumer` must run as long as it does.
    pub const fn new(
        settings: Settings,
        store: Store,
        catalogue: watch::Receiver<Arc<Catalogue>>,
        publisher: PublisherHandle,
        consumer: ConsumerHandle,
        prefetch: u16,
    ) -> Self {
        Self {
            settings,
            store,
            catalogue,
            publisher,
            consumer,
            prefetch,
        }
    }

    /// Works until `shutdown`: then nothing more is claimed, running calls end within the drain time, what they heard is recorded.
    pub async fn run(self, shutdown: CancellationToken) {
        meters::begun();
        let again = Arc::new(Notify::new());
        let announcer = Announcer {
            publisher: self.publisher.clone(),
            callbacks: QueueName::callbacks(),
            again: Arc::clone(&again),
        };
        let (share_sender, share) = watch::channel(Share::NOTHING);
        let first = Desk::of(Arc::clone(&self.catalogue.borrow()), None, &share);
        let first = Arc::new(first);
        let (desk_sender, desk) = watch::channel(first);
        let (heard, inbox) = mpsc::channel(self.settings.record_size.max(1) * 2);
        let dispatch = Dispatch {
            store: self.store.clone(),
            desk: desk.clone(),
            heard,
            announcer: announcer.clone(),
            calls: TaskTracker::new(),
            in_flight: InFlight::default(),
        };
        let recorder = Recorder {
            heard: inbox,
            pen: Pen {
                store: self.store.clone(),
                desk,
                announcer,
            },
            set_size: self.settings.record_size.max(1),
            in_flight: dispatch.in_flight.clone(),
            share: share.clone(),
        };
        let mut recording = tokio::spawn(recorder.run());
        let mut takers = JoinSet::new();
        takers.spawn(
            Fleet {
                store: self.store.clone(),
                share: share_sender,
            }
            .run(shutdown.clone()),
        );
        takers.spawn(
            DueLoop {
                dispatch: dispatch.clone(),
                every: self.settings.due_every(),
                share: share.clone(),
                again,
                claim_size: self.settings.claim_size.max(1),
            }
            .run(shutdown.clone()),
        );
        takers.spawn(
            Sweeper {
                store: self.store.clone(),
                publisher: self.publisher.clone(),
                consumer: self.consumer.clone(),
                every: self.settings.sweep_every(),
                size: self.settings.sweep_size.max(1),
            }
            .run(shutdown.clone()),
        );
        takers.spawn(
            Months {
                store: self.store.clone(),
            }
            .run(shutdown.clone()),
        );
        self.follow_catalogue(&dispatch, &desk_sender, &share, &mut takers, &shutdown)
            .await;
        while let Some(ended) = takers.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a loop of the worker ended badly");
            }
        }
        let calls = dispatch.calls.clone();
        // The recorder ends when nobody is left who could bring it more.
        drop(dispatch);
        calls.close();
        let drain = self.settings.drain_timeout();
        if tokio::time::timeout(drain, calls.wait()).await.is_err() {
            tracing::warn!(
                calls = calls.len(),
                "calls still run, their leases bring the orders back"
            );
        }
        if tokio::time::timeout(drain, &mut recording).await.is_err() {
            recording.abort();
            tracing::warn!("not all could be recorded, the leases bring the orders back");
        }
    }

    /// Renews the desk and starts lanes as the catalogue changes, until `shutdown`.
    async fn follow_catalogue(
        &self,
        dispatch: &Dispatch,
        desk: &watch::Sender<Arc<Desk>>,
        share: &watch::Receiver<Share>,
        takers: &mut JoinSet<()>,
        shutdown: &CancellationToken,
    ) {
        let mut catalogue = self.catalogue.clone();
        let mut running: HashSet<Lane> = HashSet::new();
        loop {
            let now = Arc::clone(&catalogue.borrow_and_update());
            let mut lanes = now.lanes();
            match self.store.lanes_in_use().await {
                // Also those that no product travels any more: their orders wait for the lane's own messages.
                Ok(in_use) => lanes.extend(in_use),
                Err(error) => tracing::warn!(%error, "lanes of no product may stay closed"),
            }
            for lane in lanes {
                if !running.contains(&lane)
                    && self
                        .start_lane(&lane, dispatch, share, takers, shutdown)
                        .await
                {
                    running.insert(lane);
                }
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                changed = catalogue.changed() => if changed.is_err() {
                    shutdown.cancelled().await;
                    return;
                },
            }
            let renewed = Desk::of(
                Arc::clone(&catalogue.borrow()),
                Some(&dispatch.desk()),
                share,
            );
            desk.send_replace(Arc::new(renewed));
        }
    }

    async fn start_lane(
        &self,
        lane: &Lane,
        dispatch: &Dispatch,
        share: &watch::Receiver<Share>,
        takers: &mut JoinSet<()>,
        shutdown: &CancellationToken,
    ) -> bool {
        let Ok(queue) = QueueName::orders(lane) else {
            tracing::error!(%lane, "the lane's name cannot name a queue");
            return false;
        };
        let Some(deliveries) = self.consumer.subscribe(queue, self.prefetch).await else {
            return false;
        };
        meters::lane(lane);
        tracing::info!(%lane, prefetch = self.prefetch, "lane opened");
        takers.spawn(
            LaneLoop {
                lane: lane.clone(),
                dispatch: dispatch.clone(),
                deliveries,
                claim_size: self.settings.claim_size.max(1),
                share: share.clone(),
            }
            .run(shutdown.clone()),
        );
        true
    }
}
