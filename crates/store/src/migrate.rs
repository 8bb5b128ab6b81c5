//! Brings the schema up to date, and then who may do what in it (`migrations/`).

use std::time::Duration;

use deadpool_postgres::Object;
use refinery::{Migration, Target};
use tokio_postgres::error::SqlState;

use crate::error::with_reasons;
use crate::{Store, StoreError};

mod embedded {
    refinery::embed_migrations!("../../migrations");
}

/// The number that all processes agree on to migrate one after another.
const LOCK: i64 = 0x5245_4649_4c4c;
/// The schema that this program works with, and every newer one: a migration leaves what the program before it uses
/// (`migrations/README.md`). Raised when a statement needs something of a newer migration.
pub const SCHEMA_NEEDED: i32 = 20;
/// The rights of each role, carried out after the migrations.
const ACCESS: &str = include_str!("../../../migrations/access.sql");
/// Whom it names that is no user of this server.
const UNKNOWN: &str = "SELECT 'refill_' || name FROM unnest('{ingress,fulfillment,callback,console,catalog,readonly}'::text[]) AS name
     WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'refill_' || name)";
/// A migration may wait for another process's and then rebuild large tables.
const LIMIT: Duration = Duration::from_hours(1);
/// Whoever waits for a table's lock lets nobody pass who comes later. So it does not wait for long: the migration is rolled back, and tried
/// again after a pause.
const PATIENCE: &str = "SET lock_timeout = '5s'";
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_secs(1);

/// What came of a migration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migrated {
    /// The names of the migrations that were applied now.
    pub applied: Vec<String>,
    /// Roles that are no users of this server, so that they were given nothing.
    pub unknown_roles: Vec<String>,
}

/// How far the schema is, by the numbers of its migrations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schema {
    /// The last that was applied; 0: none.
    pub applied: i32,
    /// The least that this program works with.
    pub needed: i32,
    /// The last that this program brings.
    pub newest: i32,
}

/// The number of the last migration that has been applied; 0: none.
pub(crate) async fn applied_version(client: &Object) -> Result<i32, StoreError> {
    let there = "SELECT to_regclass('refinery_schema_history') IS NOT NULL";
    if !client.query_one(there, &[]).await?.get::<_, bool>(0) {
        return Ok(0);
    }
    let last = "SELECT coalesce(max(version), 0)::int FROM refinery_schema_history";
    Ok(client.query_one(last, &[]).await?.get(0))
}

impl Store {
    /// How far the schema is.
    pub async fn schema(&self) -> Result<Schema, StoreError> {
        self.bounded(async {
            let session = self.session().await?;
            let applied = applied_version(session.client()).await?;
            session.give_back();
            let migrations = embedded::migrations::runner();
            let newest = migrations.get_migrations().iter().map(Migration::version);
            Ok(Schema {
                applied,
                needed: SCHEMA_NEEDED,
                newest: newest.max().unwrap_or(0),
            })
        })
        .await
    }

    /// Refuses a schema that this program does not work with.
    pub(crate) async fn ensure_schema(&self) -> Result<(), StoreError> {
        let schema = self.schema().await?;
        if schema.applied < schema.needed {
            return Err(StoreError::Schema(format!(
                "is at {}, and at least {} is needed: run `refill migrate`",
                schema.applied, schema.needed
            )));
        }
        Ok(())
    }

    /// Applies the migrations that are missing, and gives each role of the fleet that is a user of this server its rights, under an
    /// advisory lock, so that several processes may start at once. `until` is the last migration to be applied; `None`: all of them.
    pub async fn migrate(&self, until: Option<i32>) -> Result<Migrated, StoreError> {
        let mut session = self.session().await?;
        let work = async {
            let client = session.client_mut();
            client
                .batch_execute("SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0")
                .await?;
            client
                .query("SELECT pg_advisory_lock($1)", &[&LOCK])
                .await?;
            client.batch_execute(PATIENCE).await?;
            let mut applied = vec![];
            for left in (0..TRIES).rev() {
                let runner = embedded::migrations::runner()
                    .set_target(until.map_or(Target::Latest, Target::Version))
                    .set_abort_divergent(true);
                match runner.run_async(&mut ***client).await {
                    Ok(report) => {
                        applied.extend(report.applied_migrations().iter().map(ToString::to_string));
                        break;
                    }
                    Err(error) if left > 0 && was_in_the_way(&error) => {
                        applied.extend(done_before(&error));
                        tracing::warn!(
                            error = with_reasons(&error),
                            "somebody was in the way, once more"
                        );
                        tokio::time::sleep(PAUSE).await;
                    }
                    Err(error) => {
                        let why = with_reasons(&error);
                        return Err(StoreError::Schema(format!(
                            "cannot be brought up to date: {why}"
                        )));
                    }
                }
            }
            let giving = session.begin();
            giving.batch_execute(ACCESS).await?;
            let unknown = giving.query(UNKNOWN, &[]).await?;
            giving.commit().await?;
            Ok(Migrated {
                applied,
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

/// Whether a migration was rolled back for a lock that it did not get, so that it may get it another time.
fn was_in_the_way(error: &refinery::Error) -> bool {
    let reasons = std::iter::successors(Some(error as &dyn std::error::Error), |error| {
        error.source()
    });
    let mut codes =
        reasons.filter_map(|error| error.downcast_ref::<tokio_postgres::Error>()?.code());
    codes.any(|code| {
        *code == SqlState::T_R_DEADLOCK_DETECTED || *code == SqlState::LOCK_NOT_AVAILABLE
    })
}

/// The migrations that were applied before the one that failed.
fn done_before(error: &refinery::Error) -> Vec<String> {
    let applied = error
        .report()
        .into_iter()
        .flat_map(refinery::Report::applied_migrations);
    applied.map(ToString::to_string).collect()
}
