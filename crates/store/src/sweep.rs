//! What has stood still: batches whose hints were not confirmed, looks and leases whose time has come. (Hints that were lost: `waiting`.)
//!
//! Everything here may be run by any number of processes at once.

use std::time::Duration;

use domain::{BusinessId, Lane, OrderCode, OrderKey};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::session::in_ms;
use crate::{Store, StoreError};

/// A stored batch whose hints are to be published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unannounced {
    /// Whose.
    pub business: BusinessId,
    /// Which.
    pub batch_id: Uuid,
    /// On which lane.
    pub lane: Lane,
    /// Its orders that nobody has claimed yet; empty: nothing is left to announce.
    pub orders: Vec<OrderCode>,
    /// The trace that it belongs to.
    pub traceparent: Option<String>,
}

impl Store {
    /// How many batches wait for the broker, counted up to `limit`.
    pub async fn unannounced_count(&self, limit: i64) -> Result<i64, StoreError> {
        self.bounded(async {
            let session = self.session().await?;
            let statement = session
                .client()
                .prepare_cached("SELECT count(*) FROM (SELECT FROM outbox LIMIT $1) AS waiting")
                .await?;
            let count = session
                .client()
                .query_one(&statement, &[&limit])
                .await?
                .get(0);
            session.give_back();
            Ok(count)
        })
        .await
    }

    /// All hints of these batches are confirmed.
    pub async fn announced(&self, batches: &[(BusinessId, Uuid)]) -> Result<(), StoreError> {
        self.settle_outbox(
            batches,
            "DELETE FROM outbox o USING unnest($1::text[], $2::uuid[]) AS done (business_id, batch_id)
             WHERE o.business_id = ANY (ARRAY[done.business_id]) AND o.batch_id = done.batch_id",
        )
        .await
    }

    /// Hints of these batches were not confirmed: whoever sweeps next takes them, without waiting for their grace to end.
    pub async fn announce_again(&self, batches: &[(BusinessId, Uuid)]) -> Result<(), StoreError> {
        self.settle_outbox(
            batches,
            "UPDATE outbox o SET due_at = now() FROM unnest($1::text[], $2::uuid[]) AS left_over (business_id, batch_id)
             WHERE o.business_id = ANY (ARRAY[left_over.business_id]) AND o.batch_id = left_over.batch_id",
        )
        .await
    }

    async fn settle_outbox(
        &self,
        batches: &[(BusinessId, Uuid)],
        sql: &str,
    ) -> Result<(), StoreError> {
        if batches.is_empty() {
            return Ok(());
        }
        let businesses: Vec<&str> = batches
            .iter()
            .map(|(business, _)| business.as_str())
            .collect();
        let ids: Vec<Uuid> = batches.iter().map(|(_, id)| *id).collect();
        self.bounded(async {
            let session = self.session().await?;
            let statement = session.client().prepare_cached(sql).await?;
            session
                .client()
                .execute(&statement, &[&businesses, &ids])
                .await?;
            session.give_back();
            Ok(())
        })
        .await
    }

    /// Takes up to `limit` batches whose publisher has not reported in time. Whoever takes one has `grace` to announce it
    /// before it is taken again.
    pub async fn take_unannounced(
        &self,
        limit: u16,
        grace: Duration,
    ) -> Result<Vec<Unannounced>, StoreError> {
        self.bounded(async {
            let session = self.session().await?;
            let statement = session
                .client()
                .prepare_cached(
                    "WITH taken AS (
                         UPDATE outbox o SET due_at = now() + $2::bigint * interval '1 millisecond'
                         FROM (SELECT business_id, batch_id FROM outbox WHERE due_at <= now()
                               ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED) due
                         WHERE o.business_id = ANY (ARRAY[due.business_id]) AND o.batch_id = due.batch_id
                         RETURNING o.business_id, o.batch_id, o.lane, o.traceparent
                     )
                     SELECT t.business_id, t.batch_id, t.lane,
                            ARRAY(SELECT o.order_code FROM orders o
                                  WHERE o.business_id = t.business_id AND o.batch_id = t.batch_id AND o.state = 0
                                    AND o.order_code BETWEEN b.first_code AND b.last_code
                                  ORDER BY o.order_code),
                            t.traceparent
                     FROM taken t JOIN batches b USING (business_id, batch_id)",
                )
                .await?;
            let rows = session.client().query(&statement, &[&i64::from(limit), &in_ms(grace)]).await?;
            session.give_back();
            Ok(rows
                .iter()
                .map(|row| Unannounced {
                    business: BusinessId::new(row.get::<_, String>(0)),
                    batch_id: row.get(1),
                    lane: Lane::new(row.get::<_, String>(2)),
                    orders: row.get::<_, Vec<Uuid>>(3).into_iter().map(OrderCode::from_uuid).collect(),
                    traceparent: row.get(4),
                })
                .collect())
        })
        .await
    }

    /// Orders of a lane whose look or lease is due, the longest due first. Claim them; whoever comes first works on them.
    pub async fn due_orders(&self, lane: &Lane, limit: i64) -> Result<Vec<OrderKey>, StoreError> {
        self.bounded(async {
            let session = self.session().await?;
            // Two ranges of the index: one for what waits for its next look, one for those whose worker was lost.
            let statement = session
                .client()
                .prepare_cached(
                    "(SELECT business_id, order_code, due_at FROM timers
                      WHERE lane = $1 AND kind = 1 AND due_at <= now() ORDER BY due_at LIMIT $2)
                     UNION ALL
                     (SELECT business_id, order_code, due_at FROM timers
                      WHERE lane = $1 AND kind = 2 AND due_at <= now() ORDER BY due_at LIMIT $2)
                     ORDER BY due_at LIMIT $2",
                )
                .await?;
            let rows = session
                .client()
                .query(&statement, &[&lane.as_str(), &limit])
                .await?;
            session.give_back();
            Ok(rows.iter().map(key).collect())
        })
        .await
    }

    /// The lanes that products travel, and those that none does any more, where open orders may wait. Of waiting orders it reads one for each
    /// lane.
    pub async fn lanes_in_use(&self) -> Result<Vec<Lane>, StoreError> {
        self.bounded(async {
            let session = self.session().await?;
            let statement = session
                .client()
                .prepare_cached(
                    "WITH RECURSIVE hinted AS (
                         (SELECT lane FROM timers WHERE kind = 0 ORDER BY lane LIMIT 1)
                         UNION ALL
                         SELECT n.lane FROM hinted h, LATERAL (
                             SELECT t.lane FROM timers t WHERE t.kind = 0 AND t.lane > h.lane ORDER BY t.lane LIMIT 1) n
                     )
                     SELECT lane FROM products UNION SELECT lane FROM lane_marks UNION SELECT lane FROM hinted",
                )
                .await?;
            let rows = session.client().query(&statement, &[]).await?;
            session.give_back();
            Ok(rows
                .iter()
                .map(|row| Lane::new(row.get::<_, String>(0)))
                .collect())
        })
        .await
    }

    /// Notes how far a lane's queue has moved: the newest order that has been taken from it.
    pub async fn mark_lane(&self, lane: &Lane, newest: OrderCode) -> Result<(), StoreError> {
        self.bounded(async {
            let session = self.session().await?;
            let statement = session
                .client()
                .prepare_cached(
                    "INSERT INTO lane_marks AS m (lane, newest_code) VALUES ($1, $2)
                     ON CONFLICT (lane) DO UPDATE SET newest_code = excluded.newest_code, moved_at = now()
                     WHERE m.newest_code < excluded.newest_code",
                )
                .await?;
            session.client().execute(&statement, &[&lane.as_str(), &newest.uuid()]).await?;
            session.give_back();
            Ok(())
        })
        .await
    }
}

/// A row that begins with a business and an order's code.
pub(crate) fn key(row: &Row) -> OrderKey {
    OrderKey {
        business: BusinessId::new(row.get::<_, String>(0)),
        order: OrderCode::from_uuid(row.get(1)),
    }
}
