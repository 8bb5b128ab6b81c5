//! How late reports go out, and whose wait longest: what callback processes note and ingress looks at.

use std::time::Duration;

use domain::{BusinessId, UnixMs};
use uuid::Uuid;

use crate::session::in_ms;
use crate::{Store, StoreError};

/// A mark that is older says nothing about now.
const FRESH: Duration = Duration::from_secs(2);
/// The most endpoints that are looked at.
const MOST_ENDPOINTS: i64 = 1_000;

impl Store {
    /// Notes how far a process has come in the queue of reports: the order of the hint that it has just taken became final at `final_at`.
    pub async fn mark_reports(&self, worker: Uuid, final_at: UnixMs) -> Result<(), StoreError> {
        self.bounded(async {
            let session = self.session().await?;
            let statement = session
                .client()
                .prepare_cached(
                    "WITH gone AS (DELETE FROM report_marks WHERE taken_at < now() - interval '1 hour')
                     INSERT INTO report_marks (worker_id, final_at, taken_at)
                     VALUES ($1, 'epoch'::timestamptz + $2::bigint * interval '1 millisecond', now())
                     ON CONFLICT (worker_id) DO UPDATE SET final_at = excluded.final_at, taken_at = excluded.taken_at",
                )
                .await?;
            session
                .client()
                .execute(&statement, &[&worker, &final_at.0])
                .await?;
            session.give_back();
            Ok(())
        })
        .await
    }

    /// The businesses whose reports have waited for their first try for longer than `most`; nobody, unless the queue of reports is that
    /// late itself. What waits at endpoints that are not well is no work for us and does not count.
    pub async fn late_reports(&self, most: Duration) -> Result<Vec<BusinessId>, StoreError> {
        self.bounded(async {
            let session = self.session().await?;
            let statement = session
                .client()
                .prepare_cached(
                    "WITH RECURSIVE late AS (
                         SELECT FROM report_marks WHERE taken_at > now() - $2::bigint * interval '1 millisecond'
                           AND taken_at - final_at > $1::bigint * interval '1 millisecond' LIMIT 1
                     ), walk AS (
                         (SELECT c.endpoint, c.business_id, c.created_at FROM late, LATERAL (
                              SELECT * FROM callbacks WHERE due_at IS NOT NULL AND round = 1 AND tries = 0
                              ORDER BY endpoint, due_at LIMIT 1) c)
                         UNION ALL
                         SELECT n.* FROM walk w, LATERAL (
                             SELECT c.endpoint, c.business_id, c.created_at FROM callbacks c
                             WHERE c.due_at IS NOT NULL AND c.round = 1 AND c.tries = 0 AND c.endpoint > w.endpoint
                             ORDER BY c.endpoint, c.due_at LIMIT 1) n
                     ), heads AS (SELECT * FROM walk LIMIT $3)
                     SELECT DISTINCT h.business_id FROM heads h
                     WHERE h.created_at < now() - $1::bigint * interval '1 millisecond'
                       AND NOT EXISTS (SELECT FROM endpoints e WHERE e.host = substring(h.endpoint from '//(\\[[^]]*\\]|[^:]*)'))",
                )
                .await?;
            let rows = session
                .client()
                .query(&statement, &[&in_ms(most), &in_ms(FRESH), &MOST_ENDPOINTS])
                .await?;
            session.give_back();
            Ok(rows
                .iter()
                .map(|row| BusinessId::new(row.get::<_, String>(0)))
                .collect())
        })
        .await
    }
}
