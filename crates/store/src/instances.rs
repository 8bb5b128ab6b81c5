//! The processes of the fleet, as they tell it themselves every few seconds.

use domain::UnixMs;
use uuid::Uuid;

use crate::{Store, StoreError};

/// A process that was heard of within a minute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// Drawn when it started.
    pub id: Uuid,
    /// Its role, `dev` for all in one.
    pub role: String,
    /// Of the binary, with its commit where that is known.
    pub version: String,
    /// Where it runs.
    pub host: String,
    /// Since when.
    pub started_at: UnixMs,
    /// Why the broker takes no messages of it, in the broker's words; nothing while it does, or is away.
    pub broker_blocked: Option<String>,
    /// When it was heard of last, in milliseconds before now.
    pub seen_ms_ago: i64,
}

/// The most that are listed.
const MOST_LISTED: i64 = 500;

impl Store {
    /// Tells that this process runs, and forgets those that have been silent for a day.
    pub async fn tell_instance(
        &self,
        id: Uuid,
        role: &str,
        version: &str,
        host: &str,
        broker_blocked: Option<&str>,
    ) -> Result<(), StoreError> {
        self.bounded(async {
            let session = self.session().await?;
            let statement = session
                .client()
                .prepare_cached(
                    "WITH gone AS (DELETE FROM instances WHERE seen_at < now() - interval '1 day')
                     INSERT INTO instances (instance_id, role, version, host, broker_blocked) VALUES ($1, $2, $3, $4, $5)
                     ON CONFLICT (instance_id) DO UPDATE SET seen_at = now(), broker_blocked = excluded.broker_blocked",
                )
                .await?;
            session
                .client()
                .execute(&statement, &[&id, &role, &version, &host, &broker_blocked])
                .await?;
            session.give_back();
            Ok(())
        })
        .await
    }

    /// How many processes run in a role, those counted in that run in all of them.
    pub async fn processes_in(&self, role: &str) -> Result<u32, StoreError> {
        self.bounded(async {
            let session = self.session().await?;
            let statement = session
                .client()
                .prepare_cached(
                    "SELECT count(*) FROM instances WHERE role IN ($1, 'dev') AND seen_at > now() - interval '30 s'",
                )
                .await?;
            let row = session.client().query_one(&statement, &[&role]).await?;
            session.give_back();
            Ok(u32::try_from(row.get::<_, i64>(0)).unwrap_or(u32::MAX))
        })
        .await
    }

    /// The processes that run, by role.
    pub async fn instances(&self) -> Result<Vec<Instance>, StoreError> {
        self.bounded(async {
            let session = self.session().await?;
            let statement = session
                .client()
                .prepare_cached(
                    "SELECT instance_id, role, version, host, (extract(epoch FROM started_at) * 1000)::bigint,
                            (extract(epoch FROM now() - seen_at) * 1000)::bigint, broker_blocked
                     FROM instances WHERE seen_at > now() - interval '1 min' ORDER BY role, started_at LIMIT $1",
                )
                .await?;
            let rows = session.client().query(&statement, &[&MOST_LISTED]).await?;
            session.give_back();
            Ok(rows
                .iter()
                .map(|row| Instance {
                    id: row.get(0),
                    role: row.get(1),
                    version: row.get(2),
                    host: row.get(3),
                    started_at: UnixMs(row.get(4)),
                    seen_ms_ago: row.get(5),
                    broker_blocked: row.get(6),
                })
                .collect())
        })
        .await
    }
}
