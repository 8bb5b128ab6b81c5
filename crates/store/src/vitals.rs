//! What the metrics and the console tell about the whole database: how much waits, for how long, and with how much money. Both read
//! it here, so that a tile and an alert never differ.
//!
//! Read every few seconds by several processes, so it goes only through the indexes that hold nothing but what waits, and counts no
//! further than `COUNTED_TO`: it costs the same whatever the tables have grown to. `held` looks at the money itself, seldom.

mod blocked;
mod held;
mod holds;

use std::time::Duration;

use domain::{Lane, Money, OrderCode, SupplierId, UnixMs, Verdict};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::callbacks::lines::FIRST_HEADS;
use crate::story::one_moment;
use crate::transaction::Transaction;
use crate::{Store, StoreError};

pub use blocked::{BlockedVitals, Holder};
pub use held::HeldMoney;
pub(crate) use holds::HOLDS;

/// Where counting stops: this many, or more.
pub const COUNTED_TO: i64 = 10_000;

/// The most businesses whose oldest row is looked for.
const MOST_BUSINESSES: i64 = 1_000;

/// What waits in the whole database, at one moment.
#[derive(Clone, Debug)]
pub struct Vitals {
    /// By the database's clock.
    pub at: UnixMs,
    /// Batches whose hints the broker has not all confirmed.
    pub outbox: Waiting,
    /// Open orders, by lane.
    pub lanes: Vec<LaneVitals>,
    /// All suppliers.
    pub suppliers: Vec<SupplierVitals>,
    /// Orders that wait for a person because their outcome is not known.
    pub doubts: DoubtVitals,
    /// Final orders that a supplier contradicts.
    pub discrepancies: DoubtVitals,
    /// Status reports.
    pub reports: ReportVitals,
    /// Transactions that wait for somebody.
    pub blocked: BlockedVitals,
}

/// So many (counted up to `COUNTED_TO`), and how long the oldest has been there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// How many.
    pub count: i64,
    /// The age of the oldest; zero: there is none.
    pub oldest: Duration,
}

/// The open orders of a lane.
#[derive(Clone, Debug)]
pub struct LaneVitals {
    /// Which.
    pub lane: Lane,
    /// Whether a person keeps new orders from its suppliers.
    pub is_paused: bool,
    /// Stored, waiting for their hint to reach a worker.
    pub stored: Waiting,
    /// Seen by a worker, at no supplier: waiting for one that can take them. What a supplier had is as old as that is over.
    pub waiting: Waiting,
    /// Claimed: a worker asks a supplier now, or was lost while it did.
    pub calling: Waiting,
    /// For how long the first of their leases has been over and nobody has taken its order up; zero: none is.
    pub overdue: Duration,
    /// At a supplier, or perhaps, waiting for the next look. Doubts are not among them.
    pub asked: Waiting,
}

/// What keeps new orders from a supplier.
#[derive(Clone, Debug)]
pub struct SupplierVitals {
    /// Which.
    pub supplier: SupplierId,
    /// A person, in all lanes.
    pub is_paused: bool,
    /// Its calls kept failing.
    pub is_tripped: bool,
}

/// What waits at the doubt desk.
#[derive(Clone, Copy, Debug, Default)]
pub struct DoubtVitals {
    /// How many, and for how long.
    pub waiting: Waiting,
    /// What their merchants pay for them.
    pub money: Money,
}

/// The reports that are not delivered.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReportVitals {
    /// Not tried yet.
    pub first: i64,
    /// Tried, and not taken.
    pub retry: i64,
    /// Sent again on request.
    pub replay: i64,
    /// Given up.
    pub parked: i64,
    /// For how long the first try that is due first, at an endpoint that is well, has been due.
    pub overdue: Duration,
}

impl ReportVitals {
    /// All that are not delivered and not given up.
    pub const fn waiting(&self) -> i64 {
        self.first + self.retry + self.replay
    }
}

impl LaneVitals {
    /// For how long the first order has waited that no supplier has.
    pub fn oldest_unasked(&self) -> Duration {
        self.stored.oldest.max(self.waiting.oldest)
    }
}

impl Store {
    /// What waits, at one moment.
    pub async fn vitals(&self) -> Result<Vitals, StoreError> {
        self.bounded(async {
            let mut session = self.session().await?;
            let read = one_moment(&mut session).await?;
            let (at, outbox) = outbox(&read).await?;
            let vitals = Vitals {
                at,
                outbox,
                lanes: lanes(&read).await?,
                suppliers: suppliers(&read).await?,
                doubts: doubts(&read, "doubt").await?,
                discrepancies: doubts(&read, "discrepancy").await?,
                reports: reports(&read).await?,
                blocked: blocked::blocked(&read).await?,
            };
            read.commit().await?;
            session.give_back();
            Ok(vitals)
        })
        .await
    }
}

/// A batch's id says when it was made; of each business the first.
async fn outbox(read: &Transaction<'_>) -> Result<(UnixMs, Waiting), StoreError> {
    let statement = read
        .prepare_cached(
            "WITH RECURSIVE walk AS (
                 (SELECT business_id, batch_id FROM outbox ORDER BY business_id, batch_id LIMIT 1)
                 UNION ALL
                 SELECT n.business_id, n.batch_id FROM walk w, LATERAL (
                     SELECT x.business_id, x.batch_id FROM outbox x WHERE x.business_id > w.business_id
                     ORDER BY x.business_id, x.batch_id LIMIT 1) n
             )
             SELECT (SELECT count(*) FROM (SELECT FROM outbox ORDER BY due_at LIMIT $1) o),
                    (SELECT min(f.batch_id::text) FROM (SELECT batch_id FROM walk LIMIT $2) f)::uuid,
                    (extract(epoch FROM now()) * 1000)::bigint",
        )
        .await?;
    let row = read
        .query_one(&statement, &[&COUNTED_TO, &MOST_BUSINESSES])
        .await?;
    let now = UnixMs(row.get(2));
    Ok((now, waiting(&row, 0, now)))
}

async fn lanes(read: &Transaction<'_>) -> Result<Vec<LaneVitals>, StoreError> {
    let statement = read
        .prepare_cached(&format!(
            "SELECT l.lane, EXISTS (SELECT FROM pauses p WHERE p.supplier_id = '' AND p.lane = l.lane),
                    (extract(epoch FROM now()) * 1000)::bigint, hints.n, first_hint.code, leases.n, leases.code,
                    looks.waiting, coalesce((extract(epoch FROM now() - looks.waits_since) * 1000)::bigint, 0), looks.asked, looks.first_asked,
                    coalesce((extract(epoch FROM now() - leases.due_at) * 1000)::bigint, 0)
             FROM (SELECT lane FROM products UNION SELECT lane FROM lane_marks) l,
             LATERAL (SELECT count(*) AS n FROM (SELECT FROM timers
                      WHERE lane = l.lane AND kind = 0 ORDER BY business_id, order_code LIMIT $2) t) hints,
             LATERAL (WITH RECURSIVE walk AS (
                          (SELECT t.business_id, t.order_code FROM timers t WHERE t.lane = l.lane AND t.kind = 0
                           ORDER BY t.business_id, t.order_code LIMIT 1)
                          UNION ALL
                          SELECT n.business_id, n.order_code FROM walk w, LATERAL (
                              SELECT t.business_id, t.order_code FROM timers t
                              WHERE t.lane = l.lane AND t.kind = 0 AND t.business_id > w.business_id
                              ORDER BY t.business_id, t.order_code LIMIT 1) n)
                      SELECT min(f.order_code::text)::uuid AS code FROM (SELECT order_code FROM walk LIMIT $3) f) first_hint,
             LATERAL (SELECT count(*) AS n, min(t.order_code::text)::uuid AS code, min(t.due_at) AS due_at
                      FROM (SELECT order_code, due_at FROM timers WHERE lane = l.lane AND kind = 1 AND kind > 0 ORDER BY due_at LIMIT $2) t) leases,
             LATERAL (SELECT count(*) FILTER (WHERE o.state < 2 AND NOT d.in_doubt AND NOT a.is_held) AS waiting,
                             min(coalesce(a.left_at, o.created_at)) FILTER (WHERE o.state < 2 AND NOT d.in_doubt AND NOT a.is_held) AS waits_since,
                             count(*) FILTER (WHERE NOT d.in_doubt AND a.is_held) AS asked,
                             (min(t.order_code::text) FILTER (WHERE NOT d.in_doubt AND a.is_held))::uuid AS first_asked
                      FROM (SELECT business_id, order_code FROM timers
                            WHERE lane = l.lane AND kind = 2 AND kind > 0 ORDER BY due_at LIMIT $2) t
                      LEFT JOIN orders o ON o.business_id = t.business_id AND o.order_code = t.order_code
                      {HOLDS}) looks
             ORDER BY l.lane"
        ))
        .await?;
    let not_sent = Verdict::NotSent.number();
    let rows = read
        .query(&statement, &[&not_sent, &COUNTED_TO, &MOST_BUSINESSES])
        .await?;
    let lane = |row: &Row| {
        let now = UnixMs(row.get(2));
        LaneVitals {
            lane: Lane::new(row.get::<_, String>(0)),
            is_paused: row.get(1),
            stored: waiting(row, 3, now),
            calling: waiting(row, 5, now),
            waiting: Waiting {
                count: row.get(7),
                oldest: ms(row.get(8)),
            },
            asked: waiting(row, 9, now),
            overdue: ms(row.get(11)),
        }
    };
    Ok(rows.iter().map(lane).collect())
}

async fn suppliers(read: &Transaction<'_>) -> Result<Vec<SupplierVitals>, StoreError> {
    let statement = read
        .prepare_cached(
            "SELECT s.supplier_id, EXISTS (SELECT FROM pauses p WHERE p.supplier_id = s.supplier_id AND p.lane = ''),
                    EXISTS (SELECT FROM breakers b WHERE b.supplier_id = s.supplier_id)
             FROM suppliers s ORDER BY s.supplier_id",
        )
        .await?;
    let rows = read.query(&statement, &[]).await?;
    let supplier = |row: &Row| SupplierVitals {
        supplier: SupplierId::new(row.get::<_, String>(0)),
        is_paused: row.get(1),
        is_tripped: row.get(2),
    };
    Ok(rows.iter().map(supplier).collect())
}

async fn doubts(read: &Transaction<'_>, kind: &str) -> Result<DoubtVitals, StoreError> {
    let statement = read
        .prepare_cached(
            "SELECT count(*), coalesce(sum(o.price), 0)::bigint, coalesce((extract(epoch FROM now() - min(d.opened_at)) * 1000)::bigint, 0)
             FROM (SELECT business_id, order_code, kind, opened_at FROM doubts WHERE closed_at IS NULL ORDER BY opened_at LIMIT $1) d
             LEFT JOIN orders o ON o.business_id = d.business_id AND o.order_code = d.order_code
             WHERE d.kind = $2",
        )
        .await?;
    let row = read.query_one(&statement, &[&COUNTED_TO, &kind]).await?;
    Ok(DoubtVitals {
        waiting: Waiting {
            count: row.get(0),
            oldest: ms(row.get(2)),
        },
        money: Money::from_units(row.get(1)),
    })
}

async fn reports(read: &Transaction<'_>) -> Result<ReportVitals, StoreError> {
    let statement = read
        .prepare_cached(
            &format!("WITH RECURSIVE {FIRST_HEADS}
             SELECT (SELECT count(*) FROM (SELECT FROM callbacks WHERE due_at IS NOT NULL AND round = 1 AND tries = 0
                                           ORDER BY endpoint, due_at LIMIT $1) c),
                    (SELECT count(*) FROM (SELECT FROM callbacks WHERE due_at IS NOT NULL AND round = 1 AND tries > 0
                                           ORDER BY endpoint, due_at LIMIT $1) c),
                    (SELECT count(*) FROM (SELECT FROM callbacks WHERE due_at IS NOT NULL AND round > 1
                                           ORDER BY endpoint, due_at LIMIT $1) c),
                    (SELECT count(*) FROM (SELECT FROM callbacks WHERE state = 3 ORDER BY business_id, order_code LIMIT $1) p),
                    coalesce((SELECT (extract(epoch FROM now() - min(due_at)) * 1000)::bigint
                              FROM heads), 0)"
        ))
        .await?;
    let row = read.query_one(&statement, &[&COUNTED_TO]).await?;
    Ok(ReportVitals {
        first: row.get(0),
        retry: row.get(1),
        replay: row.get(2),
        parked: row.get(3),
        overdue: ms(row.get(4)),
    })
}

/// A count, and beside it the code or id of the oldest, which says when that was made.
fn waiting(row: &Row, at: usize, now: UnixMs) -> Waiting {
    let made_at = row
        .get::<_, Option<Uuid>>(at + 1)
        .map(|code| OrderCode::from_uuid(code).made_at());
    Waiting {
        count: row.get(at),
        oldest: made_at.map_or(Duration::ZERO, |at| now.since(at)),
    }
}

fn ms(number: i64) -> Duration {
    Duration::from_millis(u64::try_from(number).unwrap_or(0))
}
