//! What the database itself counts of its load: for benches, not for every day.

use crate::{Store, StoreError};

/// Two of them tell what the work between them took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DatabaseLoad {
    /// Bytes of WAL written so far.
    pub wal_bytes: i64,
    /// Statements run so far, those that begin and end transactions too; `None`: the server does not count them.
    pub statements: Option<i64>,
}

/// A statement, with what all its runs took together.
#[derive(Clone, Debug, PartialEq)]
pub struct HeavyStatement {
    /// Its first hundred characters, with its white space folded.
    pub text: String,
    /// How often it ran.
    pub calls: i64,
    /// Milliseconds in all.
    pub total_ms: f64,
    /// Rows read or changed.
    pub rows: i64,
    /// Bytes of WAL.
    pub wal_bytes: i64,
}

/// Whether `pg_stat_statements` is loaded, and made known to this database.
const COUNTS: &str =
    "SELECT current_setting('shared_preload_libraries') LIKE '%pg_stat_statements%'
        AND to_regclass('pg_stat_statements') IS NOT NULL";

/// The counts of this database alone.
const OF_THIS_DATABASE: &str =
    "dbid = (SELECT oid FROM pg_database WHERE datname = current_database())";

impl Store {
    /// The counts so far.
    pub async fn database_load(&self) -> Result<DatabaseLoad, StoreError> {
        self.bounded(async {
            let session = self.session().await?;
            let client = session.client();
            let wal = "SELECT (pg_current_wal_lsn() - '0/0'::pg_lsn)::bigint";
            let wal_bytes = client.query_one(wal, &[]).await?.get(0);
            let counts: bool = client.query_one(COUNTS, &[]).await?.get(0);
            let statements = if counts {
                let sql = format!("SELECT coalesce(sum(calls), 0)::bigint FROM pg_stat_statements WHERE {OF_THIS_DATABASE}");
                Some(client.query_one(&sql, &[]).await?.get(0))
            } else {
                None
            };
            session.give_back();
            Ok(DatabaseLoad { wal_bytes, statements })
        })
        .await
    }

    /// Begins a new count of statements, so that [`Store::heaviest_statements`] tells of what follows alone.
    pub async fn forget_statements(&self) -> Result<(), StoreError> {
        self.bounded(async {
            let session = self.session().await?;
            let client = session.client();
            if client.query_one(COUNTS, &[]).await?.get(0) {
                client
                    .query_one("SELECT pg_stat_statements_reset()::text", &[])
                    .await?;
            }
            session.give_back();
            Ok(())
        })
        .await
    }

    /// The statements that have taken most time, the heaviest first; none where the server does not count.
    pub async fn heaviest_statements(&self, most: i64) -> Result<Vec<HeavyStatement>, StoreError> {
        self.bounded(async {
            let session = self.session().await?;
            let client = session.client();
            let counts: bool = client.query_one(COUNTS, &[]).await?.get(0);
            let rows = if counts {
                let sql = format!(
                    r"SELECT left(regexp_replace(query, '\s+', ' ', 'g'), 100), calls, total_exec_time, rows, wal_bytes::bigint
                      FROM pg_stat_statements WHERE {OF_THIS_DATABASE} ORDER BY total_exec_time DESC LIMIT $1"
                );
                client.query(&sql, &[&most]).await?
            } else {
                vec![]
            };
            session.give_back();
            let heavy = |row: &tokio_postgres::Row| HeavyStatement {
                text: row.get(0),
                calls: row.get(1),
                total_ms: row.get(2),
                rows: row.get(3),
                wal_bytes: row.get(4),
            };
            Ok(rows.iter().map(heavy).collect())
        })
        .await
    }
}
