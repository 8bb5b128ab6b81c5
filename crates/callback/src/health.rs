//! Keeps up with how endpoints are: reads what the fleet knows, lets the reports of those that recover go, and those that are sent again on request, and clears away what is old.

use std::time::Duration;

use store::StoreError;
use tokio_util::sync::CancellationToken;

use crate::fleet::Fleet;
use crate::meters;
use crate::sender::Sender;
use crate::settings::Settings;

const EVERY: Duration = Duration::from_secs(1);
/// How often the processes of this role are counted, in rounds.
const COUNT_EVERY: u32 = 5;
/// How often old things are cleared away, in rounds.
const CLEAR_EVERY: u32 = 60;
/// How many reports of a recovering endpoint are let go in one round: more than its pace allows while it recovers.
const RELEASED: i64 = 1_000;
/// An endpoint that has answered for so long, and has nothing left that was set aside, is well.
const WELL_AFTER: Duration = Duration::from_secs(10);
/// How many rows are cleared away at once.
const CLEARED: i64 = 5_000;

/// Looks after endpoints.
pub(crate) struct HealthLoop {
    pub(crate) sender: Sender,
    pub(crate) settings: Settings,
    pub(crate) fleet: Fleet,
}

impl HealthLoop {
    /// Runs until `shutdown`.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let mut rounds = 0_u32;
        loop {
            if let Err(error) = self.look().await {
                tracing::warn!(%error, "cannot look after endpoints");
            }
            if rounds.is_multiple_of(COUNT_EVERY)
                && let Err(error) = self.fleet.count(&self.sender.store).await
            {
                tracing::debug!(%error, "nobody knows how many deliver reports");
            }
            if rounds.is_multiple_of(CLEAR_EVERY)
                && let Err(error) = self.clear_away().await
            {
                tracing::warn!(%error, "cannot clear away what is old");
            }
            rounds = rounds.wrapping_add(1);
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(EVERY) => {}
            }
        }
    }

    async fn look(&self) -> Result<(), StoreError> {
        let Sender {
            store,
            standings,
            slots,
            ..
        } = &self.sender;
        let unwell = store.unwell_endpoints().await?;
        standings.read(&unwell);
        meters::endpoints(unwell.len(), slots.is_frozen());
        for (pool, in_use) in slots.in_use() {
            meters::slots(pool, in_use);
        }
        store.move_resend_jobs().await?;
        for (endpoint, since) in standings.recovering() {
            let released = store.release_set_aside(&endpoint, RELEASED).await?;
            if released == 0 && since >= WELL_AFTER {
                store.endpoint_is_well(&endpoint).await?;
                tracing::info!(%endpoint, "endpoint is well");
            }
        }
        Ok(())
    }

    async fn clear_away(&self) -> Result<(), StoreError> {
        let store = &self.sender.store;
        let (days, limit) = (self.settings.keep_tries_days, CLEARED);
        while store.forget_tries(days, limit).await? == CLEARED.unsigned_abs() {}
        let idle = store.forget_idle_endpoints().await?;
        if idle > 0 {
            tracing::info!(
                endpoints = idle,
                "endpoints forgotten that were set aside and that nothing waits for"
            );
        }
        let parked = store
            .park_long_set_aside(self.settings.keep_set_aside_days, limit)
            .await?;
        if parked > 0 {
            tracing::warn!(
                reports = parked,
                "reports parked that have waited too long for endpoints that are not well"
            );
        }
        Ok(())
    }
}
