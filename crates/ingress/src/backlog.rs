//! How many stored batches wait for the broker. The broker may be away for long; the disk that the batches wait on is finite.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use store::Store;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::meters;

/// Between two counts.
const EVERY: Duration = Duration::from_secs(1);

/// Whether too many batches wait.
#[derive(Clone, Debug, Default)]
pub(crate) struct Backlog(Arc<AtomicBool>);

impl Backlog {
    pub(crate) fn is_full(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Takes a count over; `true`: it has crossed the limit, one way or the other.
    fn note(&self, waiting: i64, most: i64) -> bool {
        let full = waiting >= most;
        self.0.swap(full, Ordering::Relaxed) != full
    }
}

/// Counts now and then.
pub(crate) struct BacklogTask {
    pub(crate) store: Store,
    pub(crate) backlog: Backlog,
    pub(crate) most: i64,
}

impl BacklogTask {
    /// Runs until `shutdown`. While the database does not answer the last count holds: no batch can be stored then anyway.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
            let count = self.store.unannounced_count(self.most);
            match shutdown.run_until_cancelled(count).await {
                Some(Ok(waiting)) => self.take_over(waiting),
                Some(Err(error)) => tracing::debug!(%error, "the backlog could not be counted"),
                None => return,
            }
        }
    }

    fn take_over(&self, waiting: i64) {
        if self.backlog.note(waiting, self.most) {
            let full = self.backlog.is_full();
            meters::backlog_full(full);
            tracing::warn!(
                waiting,
                most = self.most,
                full,
                "the backlog of unannounced batches crossed its limit"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_backlog_is_full_at_its_limit_and_open_again_below_it() {
        let backlog = Backlog::default();
        let seen: Vec<_> = [0, 9, 10, 10, 9]
            .map(|waiting| (backlog.note(waiting, 10), backlog.is_full()))
            .into();
        let expected = [
            (false, false),
            (false, false),
            (true, true),
            (false, true),
            (true, false),
        ];
        assert_eq!(seen, expected);
    }
}
