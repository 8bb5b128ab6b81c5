//! First tries that stand behind others in the queue: while hints come late, a few reports of every endpoint go before their hint comes,
//! so that nobody waits behind another's flood.

use std::time::{Duration, Instant};

use store::callbacks::Line;
use tokio_util::sync::CancellationToken;

use crate::looks::Looks;

/// The shortest pause between two looks.
const EVERY: Duration = Duration::from_millis(20);

/// Looks while hints come late.
pub(crate) struct OvertakingLoop {
    pub(crate) looks: Looks,
}

impl OvertakingLoop {
    /// Runs until `shutdown`.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        let slots = self.looks.sender.slots.clone();
        while shutdown
            .run_until_cancelled(slots.came_late())
            .await
            .is_some()
        {
            while slots.is_behind(Instant::now()) && !shutdown.is_cancelled() {
                let begun = Instant::now();
                if !slots.is_frozen()
                    && let Err(error) = self.looks.page(Line::First, true).await
                {
                    tracing::warn!(%error, "nobody's reports were let past");
                }
                // The database has other things to do.
                tokio::time::sleep(EVERY.max(begun.elapsed())).await;
            }
        }
    }
}
