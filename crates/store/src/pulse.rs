//! How it has gone: what the server has counted anyway and what waits, kept every ten seconds for a little over a day. Of all processes that
//! come in a slot of ten seconds the first writes it. Nothing here grows with the tables of orders.

use std::time::Duration;

use domain::UnixMs;
use tokio_postgres::Row;

use crate::vitals::{LaneVitals, Vitals};
use crate::{Store, StoreError};

/// What one sample stands for.
pub const EVERY: Duration = Duration::from_secs(10);
/// For how many slots samples are kept: a day and an hour.
const KEPT: i64 = 9_000;
/// How many that are older go with one that comes.
const GONE_AT_ONCE: i64 = 100;
/// The slot of this moment.
const SLOT: &str = "floor(extract(epoch FROM now()) / 10)::bigint";

/// What there was at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pulse {
    /// By the database's clock.
    pub at: UnixMs,
    /// Since when this server has counted, in microseconds since 1970.
    pub counted_since_us: i64,
    /// Orders that were ever stored, as the server's statistics have it: only differences mean something, and only within one count.
    pub stored: i64,
    /// Orders that ever ended, likewise.
    pub ended: i64,
    /// Orders in doubt.
    pub doubts: i64,
    /// Reports that were not delivered and not given up.
    pub reports: i64,
    /// How long the first order had waited that no supplier had, in milliseconds; 0: there was none.
    pub unasked_ms: i64,
}

/// Samples of a span that ends now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulses {
    /// By the database's clock.
    pub now: UnixMs,
    /// Those that are there, the oldest first.
    pub kept: Vec<Pulse>,
}

impl Store {
    /// Keeps how it goes now, unless somebody has in these ten seconds.
    pub async fn keep_pulse(&self) -> Result<(), StoreError> {
        if self.has_pulse().await? {
            return Ok(());
        }
        let vitals = self.vitals().await?;
        self.write_pulse(&vitals).await
    }

    async fn has_pulse(&self) -> Result<bool, StoreError> {
        self.bounded(async {
            let session = self.session().await?;
            let sql = format!("SELECT EXISTS (SELECT FROM pulses WHERE slot = {SLOT})");
            let statement = session.client().prepare_cached(&sql).await?;
            let row = session.client().query_one(&statement, &[]).await?;
            session.give_back();
            Ok(row.get(0))
        })
        .await
    }

    async fn write_pulse(&self, vitals: &Vitals) -> Result<(), StoreError> {
        let unasked = vitals.lanes.iter().map(LaneVitals::oldest_unasked).max();
        let unasked = unasked.unwrap_or_default().as_millis();
        let unasked = i64::try_from(unasked).unwrap_or(i64::MAX);
        // Each order has a hold when it is stored and one posting when it ends.
        let sql = format!(
            "WITH gone AS (DELETE FROM pulses WHERE slot IN
                 (SELECT slot FROM pulses WHERE slot < {SLOT} - $4 ORDER BY slot LIMIT $5))
             INSERT INTO pulses (slot, at, counted_since, stored, ended, doubts, reports, unasked_ms)
             SELECT {SLOT}, now(), greatest(pg_postmaster_start_time(), pg_stat_get_db_stat_reset_time(d.oid)),
                    counted.stored, counted.postings - counted.stored, $1::bigint, $2::bigint, $3::bigint
             FROM pg_database d, LATERAL (
                 SELECT pg_stat_get_tuples_inserted('order_numbers'::regclass) AS stored,
                        pg_stat_get_tuples_inserted('ledger'::regclass) AS postings) counted
             WHERE d.datname = current_database()
             ON CONFLICT (slot) DO NOTHING"
        );
        self.bounded(async {
            let session = self.session().await?;
            let statement = session.client().prepare_cached(&sql).await?;
            let (doubts, reports) = (vitals.doubts.waiting.count, vitals.reports.waiting());
            session
                .client()
                .execute(
                    &statement,
                    &[&doubts, &reports, &unasked, &KEPT, &GONE_AT_ONCE],
                )
                .await?;
            session.give_back();
            Ok(())
        })
        .await
    }

    /// The last sample in each of the last `groups` groups of `one_of` slots, each found by its key.
    pub async fn pulses(&self, one_of: i64, groups: i64) -> Result<Pulses, StoreError> {
        self.bounded(async {
            let session = self.session().await?;
            let sql = format!(
                "SELECT (extract(epoch FROM now()) * 1000)::bigint, (extract(epoch FROM p.at) * 1000)::bigint,
                        (extract(epoch FROM p.counted_since) * 1000000)::bigint, p.stored, p.ended, p.doubts, p.reports, p.unasked_ms
                 FROM generate_series({SLOT} / $1 - $2 + 1, {SLOT} / $1) AS g (n)
                 LEFT JOIN LATERAL (SELECT * FROM pulses WHERE slot >= g.n * $1 AND slot < (g.n + 1) * $1
                                    ORDER BY slot DESC LIMIT 1) p ON true
                 ORDER BY g.n"
            );
            let statement = session.client().prepare_cached(&sql).await?;
            let rows = session.client().query(&statement, &[&one_of, &groups]).await?;
            session.give_back();
            Ok(Pulses {
                now: UnixMs(rows.first().map_or(0, |row| row.get(0))),
                kept: rows.iter().filter_map(pulse).collect(),
            })
        })
        .await
    }
}

/// What was kept in a group; nothing where nobody came.
fn pulse(row: &Row) -> Option<Pulse> {
    let at: Option<i64> = row.get(1);
    Some(Pulse {
        at: UnixMs(at?),
        counted_since_us: row.get(2),
        stored: row.get(3),
        ended: row.get(4),
        doubts: row.get(5),
        reports: row.get(6),
        unasked_ms: row.get(7),
    })
}
