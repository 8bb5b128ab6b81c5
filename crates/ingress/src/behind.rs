//! Which businesses wait too long in which lane, or for their reports: more of theirs is refused until it is less, and nobody else's.
//!
//! Judged by age, not by number: how much work a lane does in a minute is known to nobody, that its oldest order waits is.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::{BusinessId, Lane};
use queue::PublisherHandle;
use store::{Store, StoreError, Waiter};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::known::Known;
use crate::meters;

/// Between two looks.
const EVERY: Duration = Duration::from_millis(250);

/// Who waits for too long, as of the last look.
#[derive(Clone, Debug, Default)]
pub(crate) struct Behind(Arc<Mutex<Found>>);

#[derive(Debug, Default)]
struct Found {
    /// For their orders to be claimed.
    in_lanes: HashSet<(Lane, BusinessId)>,
    /// For their reports to be sent, of whatever lane.
    for_reports: HashSet<BusinessId>,
}

impl Behind {
    pub(crate) fn is_behind(&self, lane: &Lane, business: &BusinessId) -> bool {
        let behind = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Most of the time nobody is.
        !behind.in_lanes.is_empty() && behind.in_lanes.contains(&(lane.clone(), business.clone()))
            || behind.for_reports.contains(business)
    }

    fn take_over(&self, found: Found) {
        let mut behind = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (lane, business) in found.in_lanes.difference(&behind.in_lanes) {
            tracing::warn!(%lane, %business, "orders wait too long, no more of them are taken for now");
        }
        for (lane, business) in behind.in_lanes.difference(&found.in_lanes) {
            tracing::info!(%lane, %business, "orders are taken again");
        }
        for business in found.for_reports.difference(&behind.for_reports) {
            tracing::warn!(%business, "reports wait too long, no more orders are taken for now");
        }
        for business in behind.for_reports.difference(&found.for_reports) {
            tracing::info!(%business, "reports no longer wait too long");
        }
        meters::behind(found.in_lanes.len() + found.for_reports.len());
        *behind = found;
    }
}

/// Looks now and then.
pub(crate) struct BehindTask {
    pub(crate) store: Store,
    pub(crate) known: watch::Receiver<Arc<Known>>,
    pub(crate) publisher: PublisherHandle,
    pub(crate) behind: Behind,
    pub(crate) most: Duration,
}

impl BehindTask {
    /// Runs until `shutdown`. While the broker is away nobody is behind: what waits then is bounded by `max_backlog_batches`. While the
    /// database does not answer the last look holds: nothing can be stored then anyway.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
            match shutdown.run_until_cancelled(self.look()).await {
                Some(Ok(found)) => self.behind.take_over(found),
                Some(Err(error)) => tracing::debug!(%error, "nobody knows who is behind"),
                None => return,
            }
        }
    }

    async fn look(&self) -> Result<Found, StoreError> {
        let mut found = Found::default();
        if !self.publisher.is_connected() {
            return Ok(found);
        }
        let known = Arc::clone(&self.known.borrow());
        for lane in known.catalogue.lanes() {
            let waiters = self.store.waiters(&lane).await?;
            let behind = too_long(waiters, self.most);
            found
                .in_lanes
                .extend(behind.map(|business| (lane.clone(), business)));
        }
        found
            .for_reports
            .extend(self.store.late_reports(self.most).await?);
        Ok(found)
    }
}

fn too_long(waiters: Vec<Waiter>, most: Duration) -> impl Iterator<Item = BusinessId> {
    let behind = waiters.into_iter().filter(move |w| w.waits > most);
    behind.map(|w| w.business)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_too_long_is_behind_in_that_lane_alone_until_the_next_look() {
        let waiter = |id: &str, seconds| Waiter {
            business: BusinessId::new(id),
            waits: Duration::from_secs(seconds),
        };
        let waiters = vec![waiter("flood", 61), waiter("calm", 1)];
        let lane = Lane::new("mobile");
        let behind = Behind::default();
        let found = too_long(waiters, Duration::from_mins(1)).map(|b| (lane.clone(), b));
        behind.take_over(Found {
            in_lanes: found.collect(),
            for_reports: [BusinessId::new("late")].into(),
        });
        assert!(behind.is_behind(&lane, &BusinessId::new("flood")));
        assert!(!behind.is_behind(&lane, &BusinessId::new("calm")));
        assert!(!behind.is_behind(&Lane::new("other"), &BusinessId::new("flood")));
        for lane in ["mobile", "other"].map(Lane::new) {
            assert!(behind.is_behind(&lane, &BusinessId::new("late")));
        }
        behind.take_over(Found::default());
        assert!(!behind.is_behind(&lane, &BusinessId::new("flood")));
        assert!(!behind.is_behind(&lane, &BusinessId::new("late")));
    }
}
