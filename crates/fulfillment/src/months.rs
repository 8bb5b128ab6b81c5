//! Prepares the months in which orders are kept, long before they begin.

use std::time::Duration;

use store::Store;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

/// Two months are prepared ahead, so that there are more than a thousand occasions.
const EVERY: Duration = Duration::from_hours(1);

/// Looks at the start, and then every hour.
pub(crate) struct Months {
    pub(crate) store: Store,
}

impl Months {
    /// Runs until `shutdown`.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = ticks.tick() => {}
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                kept = self.store.keep_months() => match kept {
                    Ok(made) if made.is_empty() => {}
                    Ok(made) => tracing::info!(tables = made.join(", "), "months prepared"),
                    Err(error) => tracing::warn!(%error, "months not prepared, the next hour tries again"),
                },
            }
        }
    }
}
