//! The catalogue: read as one snapshot, replaced as a whole, kept fresh by a task in every process.

mod import;
mod keys;
mod secrets;
mod shared_rows;
mod snapshot;

use std::sync::Arc;
use std::time::Duration;

use domain::Catalogue;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{Store, StoreError};

pub use import::{ImportError, Imported};
pub use secrets::{Sealed, Secrets};

/// How often a process asks whether the catalogue has changed.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Keeps a process's catalogue fresh.
#[derive(Debug)]
pub struct CatalogueTask {
    store: Store,
    /// The rooms of the process read from its receivers.
    sender: watch::Sender<Arc<Catalogue>>,
}

impl CatalogueTask {
    /// Reads the catalogue once, of a schema that it understands; the receiver always has a whole one.
    pub async fn start(
        store: Store,
    ) -> Result<(Self, watch::Receiver<Arc<Catalogue>>), StoreError> {
        store.ensure_schema().await?;
        let (sender, receiver) = watch::channel(Arc::new(store.catalogue().await?));
        Ok((Self { store, sender }, receiver))
    }

    /// Reads it again whenever its version moves. While the database is away the last one stays in force.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = ticks.tick() => {}
            }
            if let Err(error) = self.look().await {
                tracing::warn!(%error, "the catalogue could not be refreshed, the last one stays in force");
            }
        }
    }

    async fn look(&self) -> Result<(), StoreError> {
        let known = self.sender.borrow().version;
        if self.store.catalogue_version().await? == known {
            return Ok(());
        }
        let catalogue = self.store.catalogue().await?;
        tracing::info!(
            version = catalogue.version,
            products = catalogue.products.len(),
            businesses = catalogue.businesses.len(),
            suppliers = catalogue.suppliers.len(),
            "catalogue read"
        );
        self.sender.send_replace(Arc::new(catalogue));
        Ok(())
    }
}
