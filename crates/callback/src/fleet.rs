//! How many processes deliver reports: what all of them look for, each looks for so much less often, and of what they record each has a part.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use store::{Store, StoreError};

/// The role as it is told.
const ROLE: &str = "callback";

/// The processes of this role.
#[derive(Clone, Debug)]
pub(crate) struct Fleet(Arc<AtomicU32>);

impl Fleet {
    /// This process alone, as far as it knows.
    pub(crate) fn alone() -> Self {
        Self(Arc::new(AtomicU32::new(1)))
    }

    /// Counts them.
    pub(crate) async fn count(&self, store: &Store) -> Result<(), StoreError> {
        let workers = store.processes_in(ROLE).await?;
        self.0.store(workers, Ordering::Relaxed);
        Ok(())
    }

    /// How many there are.
    pub(crate) fn size(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    /// The pause between this process's looks or records, where one process alone would make this one.
    pub(crate) fn pause(&self, of_one: Duration) -> Duration {
        company::pause_of_each(self.size(), of_one)
    }
}
