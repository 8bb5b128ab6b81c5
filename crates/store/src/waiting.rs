//! Stored orders that nobody has claimed yet, by business: who is behind whose flood, for how long, and whose hints are lost.
//!
//! Everything here walks from business to business in an index that only such orders are in: a business with a million of them costs
//! what one with a single one costs.

use std::time::Duration;

use domain::{BusinessId, Lane, OrderCode, OrderKey, UnixMs};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::session::in_ms;
use crate::sweep::key;
use crate::{Store, StoreError};

/// The businesses that have something waiting in lane `$1`.
const WALK: &str = "WITH RECURSIVE walk AS (
         (SELECT t.business_id FROM timers t WHERE t.lane = $1 AND t.kind = 0 ORDER BY t.business_id LIMIT 1)
         UNION ALL
         SELECT n.business_id FROM walk w, LATERAL (
             SELECT t.business_id FROM timers t WHERE t.lane = $1 AND t.kind = 0 AND t.business_id > w.business_id
             ORDER BY t.business_id LIMIT 1) n
     )";

/// A stored order that nobody has claimed yet, found without its hint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Which.
    pub key: OrderKey,
    /// The trace that it belongs to, which its hint would have brought.
    pub traceparent: Option<String>,
}

/// A business that waits in a lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiter {
    /// Whose orders wait.
    pub business: BusinessId,
    /// For how long the first of them has, of those that the lane's queue has not come to yet.
    pub waits: Duration,
}

impl Store {
    /// Orders that wait behind `head` in a lane's queue: of the business that is at its head the newest, at most `newest` of them, and of all
    /// others the oldest, evenly, at most `others`.
    pub async fn waiting_behind(
        &self,
        lane: &Lane,
        head: OrderCode,
        of_head: &BusinessId,
        newest: i64,
        others: i64,
    ) -> Result<Vec<Waiting>, StoreError> {
        let sql = format!(
            "{WALK}, others AS MATERIALIZED (
                 SELECT w.business_id, f.order_code FROM walk w, LATERAL (
                     SELECT t.order_code FROM timers t
                     WHERE t.lane = $1 AND t.kind = 0 AND t.business_id = w.business_id AND t.order_code > $2
                     ORDER BY t.order_code LIMIT 1) f
                 WHERE w.business_id <> $3
                 ORDER BY f.order_code LIMIT $5
             )
             (SELECT $3::text, t.order_code, t.traceparent FROM timers t
              WHERE t.lane = $1 AND t.kind = 0 AND t.business_id = $3 AND t.order_code > $2
              ORDER BY t.order_code DESC LIMIT $4)
             UNION ALL
             (SELECT o.business_id, f.order_code, f.traceparent FROM others o, LATERAL (
                 SELECT t.order_code, t.traceparent FROM timers t
                 WHERE t.lane = $1 AND t.kind = 0 AND t.business_id = o.business_id AND t.order_code >= o.order_code
                 ORDER BY t.order_code LIMIT (SELECT greatest($5 / count(*), 1) FROM others)) f
              LIMIT $5)"
        );
        self.bounded(async {
            let session = self.session().await?;
            let statement = session.client().prepare_cached(&sql).await?;
            let values: [&(dyn ToSql + Sync); 5] = [
                &lane.as_str(),
                &head.uuid(),
                &of_head.as_str(),
                &newest,
                &others,
            ];
            let rows = session.client().query(&statement, &values).await?;
            session.give_back();
            Ok(rows.iter().map(waiting).collect())
        })
        .await
    }

    /// Who waits in a lane, and for how long. What its queue has passed already is left out: it is being claimed, or lost.
    pub async fn waiters(&self, lane: &Lane) -> Result<Vec<Waiter>, StoreError> {
        let sql = format!(
            "{WALK}
             SELECT w.business_id, f.order_code, (extract(epoch FROM now()) * 1000)::bigint
             FROM walk w, LATERAL (
                 SELECT t.order_code FROM timers t
                 WHERE t.lane = $1 AND t.kind = 0 AND t.business_id = w.business_id
                   AND t.order_code > coalesce((SELECT newest_code FROM lane_marks WHERE lane = $1), $2)
                 ORDER BY t.order_code LIMIT 1) f"
        );
        self.bounded(async {
            let session = self.session().await?;
            let statement = session.client().prepare_cached(&sql).await?;
            let rows = session
                .client()
                .query(&statement, &[&lane.as_str(), &Uuid::nil()])
                .await?;
            session.give_back();
            let waiter = |row: &Row| Waiter {
                waits: UnixMs(row.get(2)).since(OrderCode::from_uuid(row.get(1)).made_at()),
                business: BusinessId::new(row.get::<_, String>(0)),
            };
            Ok(rows.iter().map(waiter).collect())
        })
        .await
    }

    /// Takes up to `limit` stored orders of a lane whose hint is overdue and must be lost: because the lane's queue is empty, or
    /// because it has moved past orders that are `margin` younger. They are left alone for `grace` from now on.
    pub async fn take_lost_hints(
        &self,
        lane: &Lane,
        queue_is_empty: bool,
        margin: Duration,
        grace: Duration,
        limit: i64,
    ) -> Result<Vec<Waiting>, StoreError> {
        self.bounded(async {
            let mut session = self.session().await?;
            let transaction = session.begin();
            let passed = transaction
                .prepare_cached("SELECT newest_code FROM lane_marks WHERE lane = $1")
                .await?;
            let passed = transaction.query_opt(&passed, &[&lane.as_str()]).await?;
            let before = if queue_is_empty {
                Some(OrderCode::from_uuid(Uuid::max()))
            } else {
                passed.map(|row| {
                    let newest = OrderCode::from_uuid(row.get(0)).made_at();
                    OrderCode::first_at(UnixMs(newest.0.saturating_sub(in_ms(margin))))
                })
            };
            let Some(before) = before else {
                transaction.rollback().await?;
                session.give_back();
                return Ok(vec![]);
            };
            let sql = format!(
                "{WALK}, lost AS (
                     SELECT l.business_id, l.order_code FROM walk w, LATERAL (
                         SELECT t.business_id, t.order_code FROM timers t
                         WHERE t.lane = $1 AND t.kind = 0 AND t.business_id = w.business_id AND t.order_code < $2 AND t.due_at <= now()
                         ORDER BY t.order_code LIMIT $4 FOR UPDATE SKIP LOCKED) l
                     LIMIT $4
                 )
                 UPDATE timers t SET due_at = now() + $3::bigint * interval '1 millisecond'
                 FROM lost WHERE t.business_id = ANY (ARRAY[lost.business_id]) AND t.order_code = lost.order_code
                 RETURNING t.business_id, t.order_code, t.traceparent"
            );
            let statement = transaction.prepare_cached(&sql).await?;
            let rows = transaction
                .query(&statement, &[&lane.as_str(), &before.uuid(), &in_ms(grace), &limit])
                .await?;
            transaction.commit().await?;
            session.give_back();
            Ok(rows.iter().map(waiting).collect())
        })
        .await
    }
}

fn waiting(row: &Row) -> Waiting {
    Waiting {
        key: key(row),
        traceparent: row.get(2),
    }
}
