//! Tells the fleet that this process runs, and learns its share of what suppliers take.

use std::time::Duration;

use store::{Share, Store, WorkerId};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

const EVERY: Duration = Duration::from_secs(2);

/// This process's place in the fleet.
pub(crate) struct Fleet {
    pub(crate) store: Store,
    /// Where the share is written; nothing until the first answer.
    pub(crate) share: watch::Sender<Share>,
}

impl Fleet {
    /// Reports for work until `shutdown`, and then leaves. While the database is away the share stays as it is: nothing can be claimed
    /// then by anybody.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let worker = WorkerId::new();
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        // The others have to notice first, or there would be more calls than the suppliers take.
        let mut looks_before_work = None;
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                _ = ticks.tick() => {}
            }
            match self.store.report_for_work(worker).await {
                Ok(share) => {
                    let left = looks_before_work.get_or_insert(if share.of > 1 { 2 } else { 0_u8 });
                    if *left > 0 {
                        *left -= 1;
                        continue;
                    }
                    if self.share.send_replace(share) != share {
                        tracing::info!(
                            place = share.index + 1,
                            workers = share.of,
                            "share of the suppliers' limits"
                        );
                    }
                }
                Err(error) => tracing::debug!(%error, "could not report for work"),
            }
        }
        self.share.send_replace(Share::NOTHING);
        if let Err(error) = self.store.leave_work(worker).await {
            tracing::debug!(%error, "could not sign off; the others notice");
        }
    }
}
