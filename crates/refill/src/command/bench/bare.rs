//! What an answer costs here that nothing is done for: asked for while a load runs, it says how long anybody waits for a turn on this machine.

use std::time::Duration;

use anyhow::Context;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::latency::Latencies;

/// Between two questions.
const EVERY: Duration = Duration::from_millis(20);
/// After this long there is no answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// A path that leads nowhere: the same listener, nothing to check, nothing to write.
const NOWHERE: &str = "/";

/// The door, asked for nothing again and again.
pub(super) struct BareAnswers {
    asking: AbortOnDropHandle<anyhow::Result<Latencies>>,
    enough: CancellationToken,
}

impl BareAnswers {
    /// Asks the door at `url` from now on.
    pub(super) fn begin(url: &str) -> Self {
        let enough = CancellationToken::new();
        let asking = tokio::spawn(ask(format!("{url}{NOWHERE}"), enough.clone()));
        let asking = AbortOnDropHandle::new(asking);
        Self { asking, enough }
    }

    /// How long the answers have taken.
    pub(super) async fn end(self) -> anyhow::Result<Latencies> {
        self.enough.cancel();
        self.asking.await.context("nobody asked")?
    }
}

async fn ask(url: String, enough: CancellationToken) -> anyhow::Result<Latencies> {
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(PATIENCE)
        .build()?;
    let mut taken = Latencies::new()?;
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while enough.run_until_cancelled(ticks.tick()).await.is_some() {
        let asked = Instant::now();
        client.get(&url).send().await?.bytes().await?;
        taken.add(asked.elapsed());
    }
    Ok(taken)
}
