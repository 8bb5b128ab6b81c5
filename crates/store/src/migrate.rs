//! Brings the schema up to date, and then who may do what in it (`migrations/`).

use std::time::Duration;

use crate::{Store, StoreError};

mod embedded {
    refinery::embed_migrations!("../../migrations");
}

/// The number that all processes agree on to migrate one after another.
const LOCK: i64 = 0x5245_4649_4c4c;
/// The rights of each role, carried out after the migrations.
const ACCESS: &str = include_str!("../../../migrations/access.sql");
/// Whom it names that is no user of this server.
const UNKNOWN: &str = "SELECT 'refill_' || name FROM unnest('{ingress,fulfillment,callback,console,catalog,readonly}'::text[]) AS name
     WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'refill_' || name)";
/// A migration may wait for another process's and then rebuild large tables.
const LIMIT: Duration = Duration::from_hours(1);

/// What came of a migration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migrated {
    /// The names of the migrations that were applied now.
    pub applied: Vec<String>,
    /// Roles that are no users of this server, so that they were given nothing.
    pub unknown_roles: Vec<String>,
}

impl Store {
    /// Applies the migrations that are missing, and gives each role of the fleet that is a user of this server its rights, under an
    /// advisory lock, so that several processes may start at once.
    pub async fn migrate(&self) -> Result<Migrated, StoreError> {
        let mut session = self.session().await?;
        let work = async {
            let client = session.client_mut();
            client
                .batch_execute("SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0")
                .await?;
            client
                .query("SELECT pg_advisory_lock($1)", &[&LOCK])
                .await?;
            let report = embedded::migrations::runner()
                .set_abort_divergent(true)
                .run_async(&mut ***client)
                .await
                .map_err(|error| StoreError::Schema(with_reasons(&error)))?;
            let giving = client.transaction().await?;
            giving.batch_execute(ACCESS).await?;
            let unknown = giving.query(UNKNOWN, &[]).await?;
            giving.commit().await?;
            Ok(Migrated {
                applied: report
                    .applied_migrations()
                    .iter()
                    .map(ToString::to_string)
                    .collect(),
                unknown_roles: unknown.iter().map(|row| row.get(0)).collect(),
            })
        };
        let migrated = tokio::time::timeout(LIMIT, work)
            .await
            .unwrap_or(Err(StoreError::TooSlow))?;
        // The session is closed, and the lock with it.
        drop(session);
        Ok(migrated)
    }
}

/// An error with what it comes from: refinery's own words do not tell what the database said.
fn with_reasons(error: &dyn std::error::Error) -> String {
    let reasons = std::iter::successors(Some(error), |error| error.source());
    reasons
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}
