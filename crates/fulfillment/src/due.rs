//! Brings back what waits in the database: next looks, next ways, and orders whose worker was lost.

use std::sync::Arc;
use std::time::Duration;

use domain::Lane;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::dispatch::{Dispatch, Reserved, Work};

/// Looks at what is due, lane by lane.
pub(crate) struct DueLoop {
    pub(crate) dispatch: Dispatch,
    pub(crate) every: Duration,
    /// Something became due just now.
    pub(crate) again: Arc<Notify>,
    pub(crate) claim_size: usize,
}

impl DueLoop {
    /// Runs until `shutdown`.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        loop {
            let mut more = false;
            match self.dispatch.store.lanes_in_use().await {
                Ok(lanes) => {
                    for lane in lanes {
                        more |= self.look_at(&lane, &shutdown).await;
                    }
                }
                Err(error) => tracing::warn!(%error, "cannot look for due orders"),
            }
            if more && !shutdown.is_cancelled() {
                continue;
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = self.again.notified() => {}
                () = tokio::time::sleep(self.every) => {}
            }
        }
    }

    /// Returns whether there is probably more.
    async fn look_at(&self, lane: &Lane, shutdown: &CancellationToken) -> bool {
        let limit = i64::try_from(self.claim_size).unwrap_or(i64::MAX);
        let due = match self.dispatch.store.due_orders(lane, limit).await {
            Ok(due) if due.is_empty() => return false,
            Ok(due) => due,
            Err(error) => {
                tracing::warn!(lane = %lane, %error, "cannot look for due orders");
                return false;
            }
        };
        let desk = self.dispatch.desk();
        // An attempt may be at a supplier that no route leads to any more: room at all of them. An order whose supplier has no room
        // stays due and is met again at the next look.
        let reserved: Reserved = desk
            .all()
            .map(|(id, counter)| (id.clone(), counter.limits.try_reserve(due.len())))
            .collect();
        let full = due.len() == self.claim_size && reserved.values().any(|r| r.len() > 0);
        let work = due
            .into_iter()
            .map(|key| Work {
                key,
                delivery: None,
            })
            .collect();
        self.dispatch.work_on(&desk, work, reserved, shutdown).await;
        full
    }
}
