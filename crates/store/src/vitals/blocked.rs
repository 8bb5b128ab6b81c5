//! Whether transactions of this database wait for a lock that somebody keeps: a forgotten session, a report of a person, a migration.

use std::time::Duration;

use super::ms;
use crate::StoreError;
use crate::transaction::Transaction;

/// Waits that are shorter are everyday life, in milliseconds.
const WORTH_A_LOOK_MS: i64 = 1_000;

/// Transactions that wait for a lock.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockedVitals {
    /// How many, of those that have waited for a second or longer.
    pub sessions: i64,
    /// For how long the first of them has waited.
    pub longest: Duration,
    /// Who keeps what most of them wait for and waits for nobody: the server process, its user and what it calls itself.
    pub holder: Option<Holder>,
}

/// A session of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The server's process, for `pg_terminate_backend`.
    pub pid: i32,
    /// The database role.
    pub user: String,
    /// Its `application_name`.
    pub application: String,
}

/// Only where somebody waits are the holders looked for: that stops the server's lock table for a moment.
pub(super) async fn blocked(read: &Transaction<'_>) -> Result<BlockedVitals, StoreError> {
    let statement = read
        .prepare_cached(
            "WITH queue AS MATERIALIZED (SELECT pid, min(waitstart) AS since FROM pg_locks WHERE NOT granted GROUP BY pid),
                  waits AS MATERIALIZED (
                 SELECT q.pid, q.since FROM queue q JOIN pg_stat_activity a ON a.pid = q.pid
                 WHERE a.datname = current_database() AND q.since < clock_timestamp() - make_interval(secs => $1::bigint / 1000.0))
             SELECT (sum(count(*)) OVER ())::bigint,
                    coalesce((extract(epoch FROM clock_timestamp() - min(min(w.since)) OVER ()) * 1000)::bigint, 0), h.pid,
                    min(h.usename::text), min(h.application_name)
             FROM waits w LEFT JOIN LATERAL (
                 SELECT a.pid, a.usename, a.application_name FROM unnest(pg_blocking_pids(w.pid)) AS b(pid)
                 JOIN pg_stat_activity a ON a.pid = b.pid
                 WHERE NOT EXISTS (SELECT FROM queue q WHERE q.pid = b.pid) ORDER BY a.pid LIMIT 1) h ON true
             GROUP BY h.pid ORDER BY h.pid IS NULL, count(*) DESC, h.pid LIMIT 1",
        )
        .await?;
    let Some(row) = read.query_opt(&statement, &[&WORTH_A_LOOK_MS]).await? else {
        return Ok(BlockedVitals::default());
    };
    Ok(BlockedVitals {
        sessions: row.get(0),
        longest: ms(row.get(1)),
        holder: row.get::<_, Option<i32>>(2).map(|pid| Holder {
            pid,
            user: row.get::<_, Option<String>>(3).unwrap_or_default(),
            application: row.get::<_, Option<String>>(4).unwrap_or_default(),
        }),
    })
}
