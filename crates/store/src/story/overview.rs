//! What waits now. Read only through the indexes that hold nothing but what waits, and counted no further than `COUNTED_TO`, so
//! that it costs the same whatever the tables have grown to.

use domain::{BusinessId, Lane, Money, UnixMs};

use super::books::{BALANCE, balance};
use super::one_moment;
use crate::callbacks::lines::FIRST_HEADS;
use crate::{Store, StoreError};

/// Where counting stops: this many, or more.
pub const COUNTED_TO: i64 = 10_000;
/// The most businesses that are listed.
const MOST_BUSINESSES: i64 = 100;

/// What waits now.
#[derive(Clone, Debug)]
pub struct Overview {
    /// By the database's clock.
    pub at: UnixMs,
    /// Open orders by lane.
    pub lanes: Vec<LaneBacklog>,
    /// Orders that wait for a person.
    pub doubts: i64,
    /// Reports that wait for a try, or are being sent.
    pub reports_waiting: i64,
    /// How long the first try that is due first, at an endpoint that is well, has been due, in milliseconds.
    pub reports_late_ms: i64,
    /// Reports that were given up.
    pub reports_parked: i64,
    /// Batches whose hints the broker has not confirmed.
    pub unannounced: i64,
    /// Balances, those with the least left first.
    pub balances: Vec<BalanceLine>,
}

/// The open orders of a lane.
#[derive(Clone, Debug)]
pub struct LaneBacklog {
    /// Which.
    pub lane: Lane,
    /// Stored, waiting for a worker.
    pub hints: i64,
    /// Being worked on.
    pub leases: i64,
    /// Asked at a supplier, waiting for the next look.
    pub checks: i64,
    /// How long the longest overdue of them has been due, in milliseconds.
    pub late_ms: i64,
}

/// The balance of a business.
#[derive(Clone, Debug)]
pub struct BalanceLine {
    /// Whose.
    pub business: BusinessId,
    /// The merchant's name.
    pub merchant: String,
    /// Whether it may buy.
    pub enabled: bool,
    /// Prepaid money.
    pub prepaid: Money,
    /// What of it is held for open orders.
    pub held: Money,
    /// How far the free part may go below zero.
    pub credit_line: Money,
    /// What it can still spend.
    pub left: Money,
}

impl Store {
    /// What waits now, at one moment.
    pub async fn overview(&self) -> Result<Overview, StoreError> {
        self.bounded(async {
            let mut session = self.session().await?;
            let read = one_moment(&mut session).await?;
            let totals = read
                .prepare_cached(
                    &format!("WITH RECURSIVE {FIRST_HEADS}
                     SELECT (extract(epoch FROM now()) * 1000)::bigint,
                            (SELECT count(*) FROM (SELECT FROM doubts WHERE closed_at IS NULL ORDER BY opened_at LIMIT $1) d),
                            (SELECT count(*) FROM (SELECT FROM callbacks WHERE due_at IS NOT NULL AND round = 1 AND tries = 0
                                                   UNION ALL
                                                   SELECT FROM callbacks WHERE due_at IS NOT NULL AND round = 1 AND tries > 0
                                                   UNION ALL
                                                   SELECT FROM callbacks WHERE due_at IS NOT NULL AND round > 1 LIMIT $1) c),
                            coalesce((SELECT (extract(epoch FROM now() - min(due_at)) * 1000)::bigint
                                      FROM heads), 0),
                            (SELECT count(*) FROM (SELECT FROM callbacks WHERE state = 3
                                                   ORDER BY business_id, order_code LIMIT $1) p),
                            (SELECT count(*) FROM (SELECT FROM outbox ORDER BY due_at LIMIT $1) o)"
                ))
                .await?;
            let totals = read.query_one(&totals, &[&COUNTED_TO]).await?;
            let lanes = read
                .prepare_cached(
                    "SELECT l.lane, hints.n, leases.n, checks.n,
                            (extract(epoch FROM now() - least(hints.first, leases.first, checks.first)) * 1000)::bigint
                     FROM (SELECT lane FROM products UNION SELECT lane FROM lane_marks) l,
                     LATERAL (SELECT count(*) AS n, min(due_at) AS first FROM (SELECT due_at FROM timers
                              WHERE lane = l.lane AND kind = 0 ORDER BY business_id, order_code LIMIT $1) t) hints,
                     LATERAL (SELECT count(*) AS n, min(due_at) AS first FROM (SELECT due_at FROM timers
                              WHERE lane = l.lane AND kind = 1 AND kind > 0 ORDER BY due_at LIMIT $1) t) leases,
                     LATERAL (SELECT count(*) AS n, min(due_at) AS first FROM (SELECT due_at FROM timers
                              WHERE lane = l.lane AND kind = 2 AND kind > 0 ORDER BY due_at LIMIT $1) t) checks
                     ORDER BY l.lane",
                )
                .await?;
            let lanes = read.query(&lanes, &[&COUNTED_TO]).await?;
            let balances = read
                .prepare_cached(&format!("{BALANCE} ORDER BY 7, 1 LIMIT $1"))
                .await?;
            let balances = read.query(&balances, &[&MOST_BUSINESSES]).await?;
            read.commit().await?;
            session.give_back();
            Ok(Overview {
                at: UnixMs(totals.get(0)),
                doubts: totals.get(1),
                reports_waiting: totals.get(2),
                reports_late_ms: totals.get::<_, i64>(3).max(0),
                reports_parked: totals.get(4),
                unannounced: totals.get(5),
                lanes: lanes
                    .iter()
                    .map(|row| LaneBacklog {
                        lane: Lane::new(row.get::<_, String>(0)),
                        hints: row.get(1),
                        leases: row.get(2),
                        checks: row.get(3),
                        late_ms: row.get::<_, Option<i64>>(4).unwrap_or(0).max(0),
                    })
                    .collect(),
                balances: balances.iter().map(balance).collect(),
            })
        })
        .await
    }
}
