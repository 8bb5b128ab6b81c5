//! For people and for merchants who ask: what is parked, what waits, and sending again.

use domain::{BusinessId, OrderCode, OrderKey, UnixMs};

use crate::reads::OrderName;
use crate::{Store, StoreError};

/// The most reports that one request sends again.
const MOST_RESENT: i64 = 1_000;

/// Which reports are to be sent again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resend {
    /// That of one order.
    Order(OrderName),
    /// Those of a batch, by the merchant's number.
    Batch(String),
    /// Those that were given up.
    Parked,
}

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
    /// Sends parked and delivered reports of a business again, each with a new round of tries, at most 1,000 at a time and
    /// `per_second` of them a second (0: at once). Returns how many.
    pub async fn resend_reports(
        &self,
        business: &BusinessId,
        which: &Resend,
        per_second: u32,
    ) -> Result<u64, StoreError> {
        let gap_ms = if per_second == 0 {
            0
        } else {
            i64::from(1_000_u32.div_ceil(per_second))
        };
        // One shape of statement for each way to name reports, so that each has the index that it needs.
        let picked = match which {
            Resend::Order(OrderName::Code(_)) => "c.order_code = $2",
            Resend::Order(OrderName::BizCode(_)) => {
                "c.order_code = (SELECT o.order_code FROM orders o WHERE o.business_id = $1 AND o.biz_code = $2)"
            }
            Resend::Batch(_) => {
                "c.order_code IN (SELECT o.order_code FROM batches b JOIN orders o ON o.business_id = b.business_id
                     AND o.batch_id = b.batch_id AND o.order_code BETWEEN b.first_code AND b.last_code
                     WHERE b.business_id = $1 AND b.batch_biz_code = $2)"
            }
            Resend::Parked => "c.state = 3 AND $2::text IS NULL",
        };
        let sql = format!(
            "WITH picked AS (
                 SELECT c.business_id, c.order_code, row_number() OVER (ORDER BY c.order_code) - 1 AS place
                 FROM callbacks c WHERE c.business_id = $1 AND c.state IN (2, 3) AND {picked}
                 ORDER BY c.order_code LIMIT $3
             )
             UPDATE callbacks c SET state = 0, tries = 0, round = c.round + 1,
                    due_at = now() + p.place * $4::bigint * interval '1 millisecond'
             FROM picked p
             WHERE c.business_id = p.business_id AND c.order_code = p.order_code AND c.state IN (2, 3) AND c.round < 32767"
        );
        self.bounded(async {
            let session = self.session().await?;
            let client = session.client();
            let statement = client.prepare_cached(&sql).await?;
            let business = business.as_str();
            let resent = match which {
                Resend::Order(OrderName::Code(code)) => {
                    client
                        .execute(
                            &statement,
                            &[&business, &code.uuid(), &MOST_RESENT, &gap_ms],
                        )
                        .await?
                }
                Resend::Order(OrderName::BizCode(text)) | Resend::Batch(text) => {
                    client
                        .execute(&statement, &[&business, text, &MOST_RESENT, &gap_ms])
                        .await?
                }
                Resend::Parked => {
                    client
                        .execute(
                            &statement,
                            &[&business, &None::<&str>, &MOST_RESENT, &gap_ms],
                        )
                        .await?
                }
            };
            session.give_back();
            Ok(resent)
        })
        .await
    }

    /// Reports that were given up, of one business or of all, up to `limit`.
    pub async fn parked_reports(
        &self,
        business: Option<&BusinessId>,
        limit: i64,
    ) -> Result<Vec<ParkedReport>, StoreError> {
        self.bounded(async {
            let session = self.session().await?;
            let statement = session
                .client()
                .prepare_cached(
                    "SELECT c.business_id, c.order_code, c.url, c.round, (extract(epoch FROM c.created_at) * 1000)::bigint,
                            (extract(epoch FROM t.started_at) * 1000)::bigint, t.outcome, t.http_status, t.detail
                     FROM callbacks c
                     LEFT JOIN callback_tries t ON t.business_id = c.business_id AND t.order_code = c.order_code
                          AND t.epoch = c.epoch
                     WHERE c.state = 3 AND ($1::text IS NULL OR c.business_id = $1)
                     ORDER BY c.business_id, c.order_code LIMIT $2",
                )
                .await?;
            let business = business.map(BusinessId::as_str);
            let rows = session.client().query(&statement, &[&business, &limit]).await?;
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
            let session = self.session().await?;
            let statement = session
                .client()
                .prepare_cached(
                    "DELETE FROM callback_tries WHERE ctid = ANY (ARRAY(
                         SELECT t.ctid FROM callback_tries t JOIN callbacks c USING (business_id, order_code)
                         WHERE t.started_at < now() - make_interval(days => $1) AND c.state >= 2 LIMIT $2))",
                )
                .await?;
            let forgotten = session.client().execute(&statement, &[&days, &limit]).await?;
            session.give_back();
            Ok(forgotten)
        })
        .await
    }
}
