//! Brings the schema up to date (`migrations/`).

use std::time::Duration;

use deadpool_postgres::Object;

use crate::{Store, StoreError};

mod embedded {
    refinery::embed_migrations!("../../migrations");
}

/// The number that all processes agree on to migrate one after another.
const LOCK: i64 = 0x5245_4649_4c4c;
/// A migration may wait for another process's and then rebuild large tables.
const LIMIT: Duration = Duration::from_hours(1);

/// The number of the last migration that this binary knows, and needs.
pub fn schema_version_needed() -> i32 {
    let known = embedded::migrations::runner();
    known
        .get_migrations()
        .iter()
        .map(refinery::Migration::version)
        .max()
        .map_or(0, i32::from)
}

/// The number of the last migration that has been applied; 0: none. A number above ours is a newer binary's, and no fault.
pub(crate) async fn applied_version(client: &Object) -> Result<i32, StoreError> {
    let there = "SELECT to_regclass('refinery_schema_history') IS NOT NULL";
    if !client.query_one(there, &[]).await?.get::<_, bool>(0) {
        return Ok(0);
    }
    let last = "SELECT coalesce(max(version), 0)::int FROM refinery_schema_history";
    Ok(client.query_one(last, &[]).await?.get(0))
}

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
