//! Brings back what waits in the database: next looks, next ways, and orders whose worker was lost.

use std::sync::Arc;
use std::time::Duration;

use domain::{Lane, OrderKey};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use store::Share;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::desk::Desk;
use crate::dispatch::{Dispatch, Reserved, Work};
use crate::limits::Reservation;

/// Lanes that are looked at, or wait for room, at the same time.
const LANES_AT_ONCE: usize = 8;
/// So many are looked at even where there is no room: some of them end without a call.
const LEAST: usize = 20;

/// Looks at what is due, lane by lane.
pub(crate) struct DueLoop {
    pub(crate) dispatch: Dispatch,
    pub(crate) every: Duration,
    /// How many workers look for the same.
    pub(crate) share: watch::Receiver<Share>,
    /// Something became due just now.
    pub(crate) again: Arc<Notify>,
    pub(crate) claim_size: usize,
}

impl DueLoop {
    /// Runs until `shutdown`.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        // A look that waits for room gets its share of it; one that does not comes quickly to those whose suppliers have some.
        let mut patient = true;
        loop {
            let more = match self.dispatch.store.lanes_in_use().await {
                Ok(lanes) => self.look_at_all(lanes, patient, &shutdown).await,
                Err(error) => {
                    tracing::warn!(%error, "cannot look for due orders");
                    false
                }
            };
            patient = !patient || !more;
            if more && !shutdown.is_cancelled() {
                continue;
            }
            let workers = self.share.borrow().of;
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = self.again.notified() => {}
                () = tokio::time::sleep(company::pause_of_each(workers, self.every)) => {}
            }
        }
    }

    /// Returns whether there is probably more.
    async fn look_at_all(
        &self,
        lanes: Vec<Lane>,
        patient: bool,
        shutdown: &CancellationToken,
    ) -> bool {
        let mut more = false;
        for some in lanes.chunks(LANES_AT_ONCE) {
            let mut looks = FuturesUnordered::new();
            for lane in some {
                looks.push(self.look_at(lane, patient, shutdown));
            }
            while let Some(this) = looks.next().await {
                more |= this;
            }
        }
        more
    }

    async fn look_at(&self, lane: &Lane, patient: bool, shutdown: &CancellationToken) -> bool {
        let desk = self.dispatch.desk();
        let mut first = desk.first_choices(lane).into_iter();
        // One worker at least has a part of all of them: here they would only be put off once more.
        if first.any(|counter| counter.limits.are_others()) {
            return false;
        }
        let limit = i64::try_from(self.claim_size).unwrap_or(i64::MAX);
        let mut due = match self.dispatch.store.due_orders(lane, limit).await {
            Ok(due) if due.is_empty() => return false,
            Ok(due) => due,
            Err(error) => {
                tracing::warn!(lane = %lane, %error, "cannot look for due orders");
                return false;
            }
        };
        let reserved = self.room(lane, &desk, due.len(), patient).await;
        let room: usize = reserved.values().map(Reservation::len).sum();
        // The next look waits for room in line: what would be put off meanwhile may have it in a moment.
        if room == 0 && !patient {
            return false;
        }
        let all = due.len();
        // What finds no room would only be put off.
        due.truncate(room.max(LEAST));
        let more = room > 0 && (all == self.claim_size || due.len() < all);
        let worked_on = self
            .dispatch
            .work_on(&desk, work(due), reserved, shutdown)
            .await;
        // Where somebody keeps all of them locked, looking on at once would find the same.
        more && worked_on > 0
    }

    /// Room at the suppliers that the lane's orders go to first, if `patient` in line with its fresh orders but not for longer than one
    /// look; at all others what is there, because an attempt may be at a supplier that no route leads to any more.
    async fn room(&self, lane: &Lane, desk: &Desk, most: usize, patient: bool) -> Reserved {
        let mut reserved = Reserved::new();
        let first = desk.first_choices(lane).into_iter();
        for counter in first.filter(|_| patient) {
            let in_line = counter.limits.reserve(most);
            if let Ok(reservation) = tokio::time::timeout(self.every, in_line).await {
                reserved.insert(counter.id().clone(), reservation);
            }
        }
        for (id, counter) in desk.all() {
            if !reserved.contains_key(id) {
                reserved.insert(id.clone(), counter.limits.try_reserve(most));
            }
        }
        reserved
    }
}

fn work(due: Vec<OrderKey>) -> Vec<Work> {
    let without_hint = |key| Work {
        key,
        delivery: None,
        trace: None,
    };
    due.into_iter().map(without_hint).collect()
}
