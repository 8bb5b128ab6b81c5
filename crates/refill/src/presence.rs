//! A process tells that it is there, for whoever looks at the console: role, version, host, and what only it knows of its broker.

use std::time::Duration;

use queue::PublisherHandle;
use store::Store;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::version;

const EVERY: Duration = Duration::from_secs(10);

/// Tells it until the process stops. That it could not is no trouble: the next time is near.
pub(crate) async fn tell(
    store: Store,
    publisher: PublisherHandle,
    role: String,
    stop: CancellationToken,
) {
    let id = Uuid::now_v7();
    let host = host();
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut blocked = publisher.blocked();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
            Ok(()) = blocked.changed() => {}
        }
        let reason = blocked.borrow_and_update().clone();
        let telling = store.tell_instance(
            id,
            &role,
            version::of_this_build(),
            &host,
            reason.as_deref(),
        );
        if let Err(error) = telling.await {
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
