//! A process tells that it is there, for whoever looks at the console: role, version, host.

use std::time::Duration;

use store::Store;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const EVERY: Duration = Duration::from_secs(10);

/// Tells it until the process stops. That it could not is no trouble: the next time is near.
pub(crate) async fn tell(store: Store, role: String, stop: CancellationToken) {
    let id = Uuid::now_v7();
    let host = host();
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        let version = env!("CARGO_PKG_VERSION");
        if let Err(error) = store.tell_instance(id, &role, version, &host).await {
            tracing::debug!(%error, "could not tell that this process is there");
        }
    }
}

/// The machine's, or the container's, name.
fn host() -> String {
    let named = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name: String = named.trim().chars().take(64).collect();
    if name.is_empty() { "?".into() } else { name }
}
