//! One lane: hints come in, room is found for them, they are claimed together.

use std::time::Duration;

use domain::{Lane, OrderCode, OrderKey};
use queue::Delivery;
use store::{Share, Waiting};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use traces::TraceParent;

use crate::desk::Desk;
use crate::dispatch::{Dispatch, Reserved, Work};
use crate::meters;

/// How long a lane without any supplier to call waits before it looks again.
const NOBODY_WAIT: Duration = Duration::from_millis(500);
/// How often the lane's mark is moved.
const MARK_EVERY: Duration = Duration::from_secs(1);
/// A hint that is older than this says that its lane is behind: then others are looked after who wait behind a flood.
const BEHIND: Duration = Duration::from_millis(100);
/// The shortest pause between two such looks.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Works on one lane's messages.
pub(crate) struct LaneLoop {
    pub(crate) lane: Lane,
    pub(crate) dispatch: Dispatch,
    pub(crate) deliveries: mpsc::Receiver<Delivery>,
    pub(crate) claim_size: usize,
    /// How many workers claim of the same lanes.
    pub(crate) share: watch::Receiver<Share>,
}

impl LaneLoop {
    /// Runs until the consumer ends or `shutdown`.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        let mut newest: Option<OrderCode> = None;
        let mut marked_at = Instant::now();
        let mut look_at = Instant::now();
        let mut hints: Vec<Delivery> = vec![];
        let mut looks = 0_usize;
        let mut room_then = self.claim_size;
        let mut rest = company::Rest::default();
        loop {
            if hints.is_empty() {
                let came = self.deliveries.recv_many(&mut hints, self.claim_size);
                if !matches!(shutdown.run_until_cancelled(came).await, Some(1..)) {
                    break;
                }
            }
            rest.end().await;
            // More than suppliers had room for last time is no company to wait for.
            let workers = self.share.borrow().of;
            let patience = |hint: &Delivery| company::patience(age(hint), workers);
            company::gather(&mut self.deliveries, &mut hints, room_then, patience).await;
            halt::at("order", "delivered").await;
            let desk = self.dispatch.desk();
            let Some((reserved, room)) = self.room(&desk, &shutdown).await else {
                break;
            };
            room_then = room;
            let mut work = vec![];
            let first = &hints[0];
            if age(first) > BEHIND && Instant::now() >= look_at {
                let begun = Instant::now();
                looks = looks.wrapping_add(1);
                work = self.overtakers(first, room.div_ceil(2), looks).await;
                look_at = Instant::now() + LOOK_EVERY.max(begun.elapsed() * 3);
            }
            let left = room.saturating_sub(work.len()).min(hints.len());
            work.extend(hints.drain(..left).map(piece));
            for hint in work.iter().filter_map(|w| w.delivery.as_ref()) {
                meters::hinted(&self.lane, hint);
                newest = newest.max(Some(hint.key().order));
            }
            let began = Instant::now();
            self.dispatch
                .work_on(&desk, work, reserved, &shutdown)
                .await;
            rest.begin(began.elapsed(), workers);
            if marked_at.elapsed() >= MARK_EVERY {
                self.mark(newest.take()).await;
                marked_at = Instant::now();
            }
        }
        hints.into_iter().for_each(Delivery::requeue);
        self.mark(newest).await;
    }

    /// Orders that stand behind others in the queue and are taken first, `most` in all: a flood delays nobody but whoever sent it, and
    /// not even what he orders now. Their own hints find them claimed when they come.
    async fn overtakers(&self, first: &Delivery, most: usize, look: usize) -> Vec<Work> {
        let OrderKey { business, order } = first.key();
        let others = others_of(most, look);
        let store = &self.dispatch.store;
        match store
            .waiting_behind(&self.lane, *order, business, count(most), count(others))
            .await
        {
            Ok(waiting) => {
                let (newest, mut waiting): (Vec<_>, Vec<_>) = waiting
                    .into_iter()
                    .partition(|waiting| &waiting.key.business == business);
                let left = most.saturating_sub(waiting.len());
                waiting.extend(newest.into_iter().take(left));
                meters::overtaking(&self.lane, waiting.len());
                let without_hint = |waiting: Waiting| Work {
                    trace: waiting.traceparent.as_deref().and_then(TraceParent::parse),
                    key: waiting.key,
                    delivery: None,
                };
                waiting.into_iter().map(without_hint).collect()
            }
            Err(error) => {
                tracing::debug!(lane = %self.lane, %error, "nobody was let past");
                vec![]
            }
        }
    }

    /// Room at the suppliers that this lane's orders go to first, as much as all of them have; at the others what is there. Where this
    /// worker has no part of one, its orders are put off by the claim, for a worker that has. `None`: shutdown.
    async fn room(&self, desk: &Desk, shutdown: &CancellationToken) -> Option<(Reserved, usize)> {
        let reserving = async {
            let mut room = self.claim_size;
            let mut reserved = Reserved::new();
            for counter in desk.first_choices(&self.lane) {
                let reservation = counter.limits.reserve(self.claim_size).await;
                if reservation.len() > 0 {
                    room = room.min(reservation.len());
                }
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
        shutdown.run_until_cancelled(reserving).await
    }

    async fn mark(&self, newest: Option<OrderCode>) {
        let Some(newest) = newest else { return };
        if let Err(error) = self.dispatch.store.mark_lane(&self.lane, newest).await {
            tracing::debug!(lane = %self.lane, %error, "lane not marked");
        }
    }
}

/// How many of those who overtake may be others' than the business's at the head. A third is for its newest: whoever orders now is waiting
/// now, while the old ones have their turn anyway; what others do not need is theirs too. One place goes to each of them in turn.
const fn others_of(most: usize, look: usize) -> usize {
    most - (most + look % 3) / 3
}

fn count(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// By this machine's clock: at worst somebody is let past a little too early or too late.
fn age(hint: &Delivery) -> Duration {
    meters::age(hint.key().order)
}

fn piece(delivery: Delivery) -> Work {
    Work {
        key: delivery.key().clone(),
        trace: delivery.trace(),
        delivery: Some(delivery),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_place_goes_to_the_newest_every_third_time() {
        let of_one: Vec<_> = (0..6).map(|look| others_of(1, look)).collect();
        assert_eq!(of_one, [1, 1, 0, 1, 1, 0]);
        let of_many: Vec<_> = (0..3).map(|look| others_of(100, look)).collect();
        assert_eq!(of_many, [67, 67, 66]);
    }
}
