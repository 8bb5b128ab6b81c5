//! For people: what is parked; and what is forgotten after a while.

use domain::{BusinessId, OrderCode, OrderKey, UnixMs};
use uuid::Uuid;

use crate::{Store, StoreError};

/// A report that was given up and waits to be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParkedReport {
    /// Which order it reports.
    pub key: OrderKey,
    /// Where it goes.
    pub url: String,
    /// Rounds of tries so far.
    pub rounds: i16,
    /// When the order became final.
    pub created_at: UnixMs,
    /// When the last try began.
    pub last_try_at: Option<UnixMs>,
    /// What the last try came to; `None`: it was lost with its worker.
    pub outcome: Option<String>,
    /// The HTTP status of the last try.
    pub http_status: Option<i16>,
    /// What happened at the last try.
    pub detail: Option<String>,
}

impl Store {
    /// Reports that were given up, of one business or of all, up to `limit`.
    pub async fn parked_reports(
        &self,
        business: Option<&BusinessId>,
        limit: i64,
    ) -> Result<Vec<ParkedReport>, StoreError> {
        self.parked_reports_after(business, None, limit).await
    }

    /// The same, after the report that a page ended with.
    pub async fn parked_reports_after(
        &self,
        business: Option<&BusinessId>,
        after: Option<&OrderKey>,
        limit: i64,
    ) -> Result<Vec<ParkedReport>, StoreError> {
        let (last, code) = after.map_or(("", Uuid::nil()), |key| {
            (key.business.as_str(), key.order.uuid())
        });
        // Two statements, so that those of one business are found without reading those of others.
        let (which, of) = match business {
            Some(business) => (
                "c.business_id = $1 AND c.order_code > $2",
                business.as_str(),
            ),
            None => ("(c.business_id, c.order_code) > ($1, $2)", last),
        };
        let sql = format!(
            "SELECT c.business_id, c.order_code, c.url, c.round, (extract(epoch FROM c.created_at) * 1000)::bigint,
                    (extract(epoch FROM t.started_at) * 1000)::bigint, t.outcome, t.http_status, t.detail
             FROM callbacks c
             LEFT JOIN callback_tries t ON t.business_id = c.business_id AND t.order_code = c.order_code
                  AND t.epoch = c.epoch
             WHERE c.state = 3 AND {which}
             ORDER BY c.business_id, c.order_code LIMIT $3"
        );
        self.bounded(async {
            let session = self.session().await?;
            let statement = session.client().prepare_cached(&sql).await?;
            let rows = session
                .client()
                .query(&statement, &[&of, &code, &limit])
                .await?;
            session.give_back();
            Ok(rows
                .iter()
                .map(|row| ParkedReport {
                    key: OrderKey {
                        business: BusinessId::new(row.get::<_, String>(0)),
                        order: OrderCode::from_uuid(row.get(1)),
                    },
                    url: row.get(2),
                    rounds: row.get(3),
                    created_at: UnixMs(row.get(4)),
                    last_try_at: row.get::<_, Option<i64>>(5).map(UnixMs),
                    outcome: row.get(6),
                    http_status: row.get(7),
                    detail: row.get(8),
                })
                .collect())
        })
        .await
    }

    /// Forgets tries of reports that are done with, older than `days`, at most `limit` of them. Returns how many.
    pub async fn forget_tries(&self, days: i32, limit: i64) -> Result<u64, StoreError> {
        self.bounded(async {
            let mut session = self.session().await?;
            let transaction = session.begin();
            // What is old is found by a summary of pages, which is read as a bitmap.
            transaction
                .batch_execute("SET LOCAL enable_bitmapscan = on")
                .await?;
            let forgotten = transaction
                .execute(
                    "DELETE FROM callback_tries WHERE ctid = ANY (ARRAY(
                         SELECT t.ctid FROM callback_tries t JOIN callbacks c USING (business_id, order_code)
                         WHERE t.started_at < now() - make_interval(days => $1) AND c.state >= 2 LIMIT $2))",
                    &[&days, &limit],
                )
                .await?;
            transaction.commit().await?;
            session.give_back();
            Ok(forgotten)
        })
        .await
    }
}
