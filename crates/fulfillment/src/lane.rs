//! One lane: hints come in, room is found for them, they are claimed together.

use std::time::Duration;

use domain::{Lane, OrderCode};
use queue::Delivery;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::desk::Desk;
use crate::dispatch::{Dispatch, Reserved, Work};

/// How long a lane without any supplier to call waits before it looks again.
const NOBODY_WAIT: Duration = Duration::from_millis(500);
/// How often the lane's mark is moved.
const MARK_EVERY: Duration = Duration::from_secs(1);

/// Works on one lane's messages.
pub(crate) struct LaneLoop {
    pub(crate) lane: Lane,
    pub(crate) dispatch: Dispatch,
    pub(crate) deliveries: mpsc::Receiver<Delivery>,
    pub(crate) claim_size: usize,
}

impl LaneLoop {
    /// Runs until the consumer ends or `shutdown`.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        let mut newest: Option<OrderCode> = None;
        let mut marked_at = tokio::time::Instant::now();
        loop {
            let first = tokio::select! {
                () = shutdown.cancelled() => break,
                first = self.deliveries.recv() => match first {
                    Some(first) => first,
                    None => break,
                },
            };
            halt::at("order", "delivered").await;
            let desk = self.dispatch.desk();
            let Some((reserved, room)) = self.room(&desk, &shutdown).await else {
                first.requeue();
                break;
            };
            let mut work = vec![piece(first)];
            while work.len() < room.min(self.claim_size) {
                match self.deliveries.try_recv() {
                    Ok(delivery) => work.push(piece(delivery)),
                    Err(_) => break,
                }
            }
            newest = newest.max(work.iter().map(|w| w.key.order).max());
            self.dispatch
                .work_on(&desk, work, reserved, &shutdown)
                .await;
            if marked_at.elapsed() >= MARK_EVERY {
                self.mark(newest.take()).await;
                marked_at = tokio::time::Instant::now();
            }
        }
        self.mark(newest).await;
    }

    /// Room at the suppliers that this lane's orders go to first, as much as all of them have; at the others what is there.
    /// `None`: shutdown.
    async fn room(&self, desk: &Desk, shutdown: &CancellationToken) -> Option<(Reserved, usize)> {
        let reserving = async {
            let mut room = self.claim_size;
            let mut reserved = Reserved::new();
            for counter in desk.first_choices(&self.lane) {
                let reservation = counter.limits.reserve(self.claim_size).await;
                room = room.min(reservation.len());
                reserved.insert(counter.id().clone(), reservation);
            }
            if reserved.is_empty() {
                tokio::time::sleep(NOBODY_WAIT).await;
            }
            for id in desk.catalogue.suppliers_of_lane(&self.lane) {
                if let (Some(counter), false) = (desk.counter(&id), reserved.contains_key(&id)) {
                    reserved.insert(id, counter.limits.try_reserve(self.claim_size));
                }
            }
            (reserved, room)
        };
        tokio::select! {
            () = shutdown.cancelled() => None,
            reserved = reserving => Some(reserved),
        }
    }

    async fn mark(&self, newest: Option<OrderCode>) {
        let Some(newest) = newest else { return };
        if let Err(error) = self.dispatch.store.mark_lane(&self.lane, newest).await {
            tracing::debug!(lane = %self.lane, %error, "lane not marked");
        }
    }
}

fn piece(delivery: Delivery) -> Work {
    Work {
        key: delivery.key().clone(),
        delivery: Some(delivery),
    }
}
