//! Brings the schema up to date (`migrations/`).

use std::time::Duration;

use crate::{Store, StoreError};

mod embedded {
    refinery::embed_migrations!("../../migrations");
}

/// The number that all processes agree on to migrate one after another.
const LOCK: i64 = 0x5245_4649_4c4c;
/// A migration may wait for another process's and then rebuild large tables.
const LIMIT: Duration = Duration::from_hours(1);

impl Store {
    /// Applies the migrations that are missing, under an advisory lock, so that several processes may start at once.
    /// Returns the names of those it applied.
    pub async fn migrate(&self) -> Result<Vec<String>, StoreError> {
        let mut session = self.session().await?;
        let work = async {
            let client = session.client_mut();
            client
                .batch_execute("SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0")
                .await?;
            client
                .query("SELECT pg_advisory_lock($1)", &[&LOCK])
                .await?;
            embedded::migrations::runner()
                .set_abort_divergent(true)
                .run_async(&mut ***client)
                .await
                .map_err(|e| StoreError::Schema(e.to_string()))
        };
        let report = tokio::time::timeout(LIMIT, work)
            .await
            .unwrap_or(Err(StoreError::TooSlow))?;
        // The session is closed, and the lock with it.
        drop(session);
        Ok(report
            .applied_migrations()
            .iter()
            .map(ToString::to_string)
            .collect())
    }
}
