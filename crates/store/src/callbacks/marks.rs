//! How late reports go out, and whose wait longest: what callback processes note and ingress looks at.

use std::time::Duration;

use domain::BusinessId;
use uuid::Uuid;

use super::lines::FIRST_HEADS;
use crate::session::in_ms;
use crate::{Store, StoreError};

/// A mark that is older says nothing about now.
const FRESH: Duration = Duration::from_secs(2);

impl Store {
    /// Notes how far a process has come in the queue of reports: the order of the hint that it has just taken became final so long ago.
    pub async fn mark_reports(&self, worker: Uuid, late: Duration) -> Result<(), StoreError> {
        self.bounded(async {
            let session = self.session().await?;
            let statement = session
                .client()
                .prepare_cached(
                    "WITH gone AS (DELETE FROM report_marks WHERE taken_at < now() - interval '1 hour')
                     INSERT INTO report_marks (worker_id, final_at, taken_at)
                     VALUES ($1, now() - $2::bigint * interval '1 millisecond', now())
                     ON CONFLICT (worker_id) DO UPDATE SET final_at = excluded.final_at, taken_at = excluded.taken_at",
                )
                .await?;
            session
                .client()
                .execute(&statement, &[&worker, &in_ms(late)])
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
            let sql = format!(
                "WITH RECURSIVE {FIRST_HEADS}, late AS (
                     SELECT FROM report_marks WHERE taken_at > now() - $2::bigint * interval '1 millisecond'
                       AND taken_at - final_at > $1::bigint * interval '1 millisecond' LIMIT 1
                 )
                 SELECT DISTINCT h.business_id FROM late CROSS JOIN heads h
                 WHERE h.created_at < now() - $1::bigint * interval '1 millisecond'"
            );
            let statement = session.client().prepare_cached(&sql).await?;
            let rows = session
                .client()
                .query(&statement, &[&in_ms(most), &in_ms(FRESH)])
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
