//! First tries that stand behind others in the queue: while hints come late, a few reports of every other endpoint go before their hint comes,
//! so that nobody waits behind another's flood.

use std::time::{Duration, Instant};

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::fleet::Fleet;
use crate::late::Lateness;
use crate::looks::Looks;

/// The shortest pause between two looks.
const EVERY: Duration = Duration::from_millis(20);
/// The longest, when look after look has found nobody.
const SELDOM: Duration = Duration::from_millis(160);

/// Looks while hints come late.
pub(crate) struct OvertakingLoop {
    pub(crate) looks: Looks,
    pub(crate) lateness: Lateness,
    pub(crate) fleet: Fleet,
}

impl OvertakingLoop {
    /// Runs until `shutdown`.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        let slots = self.looks.sender.slots.clone();
        let mut pause = EVERY;
        while let Some(flooded) = shutdown.run_until_cancelled(self.lateness.behind()).await {
            let begun = Instant::now();
            let passed = if slots.is_frozen() {
                false
            } else {
                let looked = self.looks.behind(flooded.as_ref()).await;
                looked.unwrap_or_else(|error| {
                    tracing::warn!(%error, "nobody's reports were let past");
                    false
                })
            };
            pause = if passed {
                EVERY
            } else {
                (pause * 2).min(SELDOM)
            };
            // The database has other things to do.
            let pause = sleep(self.fleet.pause(pause).max(begun.elapsed()));
            shutdown.run_until_cancelled(pause).await;
        }
    }
}
