//! A look at each supplier's newest attempts: as many however many there are.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use domain::{SupplierId, UnixMs, Verdict};

use super::one_moment;
use crate::resend::first_code_at;
use crate::{Store, StoreError};

/// How far back a supplier's attempts are looked at.
pub const OUTCOMES_OF: Duration = Duration::from_mins(15);
/// The newest attempts of all businesses that are looked at, each with its part of them, and of each that many at least. Whom one supplier
/// keeps busy must not hide for long what becomes of the few that go to another.
const OF_ALL: i64 = 20_000;
const OF_EACH: i64 = 200;

/// What became of a supplier's newest attempts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SupplierOutcomes {
    /// At whom.
    pub supplier: SupplierId,
    /// Charged.
    pub charged: i64,
    /// Not charged.
    pub failed: i64,
    /// Not known yet.
    pub open: i64,
    /// About which anything was heard.
    pub heard: i64,
    /// Of these, the ones of which the last call was never sent, or brought no answer that can be used.
    pub unusable: i64,
    /// From the first call to the end, in milliseconds, the mean of those that ended.
    pub mean_ms: Option<i64>,
}

impl Store {
    /// What became of the newest attempts, by supplier.
    pub async fn supplier_outcomes(&self) -> Result<Vec<SupplierOutcomes>, StoreError> {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let since = now.saturating_sub(OUTCOMES_OF).as_millis();
        let since = first_code_at(UnixMs(i64::try_from(since).unwrap_or(0)));
        let reason = String::new();
        let unusable = [Verdict::NotSent, Verdict::Unknown { reason }].map(|v| v.number());
        self.bounded(async {
            let mut session = self.session().await?;
            let read = one_moment(&mut session).await?;
            let statement = read
                .prepare_cached(
                    "SELECT supplier_id, count(*) FILTER (WHERE state = 3), count(*) FILTER (WHERE state = 4),
                            count(*) FILTER (WHERE state < 3), count(last_verdict), count(*) FILTER (WHERE last_verdict = ANY ($4)),
                            (avg(extract(epoch FROM closed_at - first_call_at)) * 1000)::bigint
                     FROM (SELECT a.* FROM businesses s CROSS JOIN LATERAL (
                               SELECT supplier_id, state, last_verdict, closed_at, first_call_at FROM attempts
                               WHERE business_id = s.business_id AND order_code >= $1 ORDER BY order_code DESC
                               LIMIT greatest($2, $3 / nullif((SELECT count(*) FROM businesses), 0))) a
                           LIMIT $3) newest
                     GROUP BY supplier_id ORDER BY supplier_id",
                )
                .await?;
            let rows = read.query(&statement, &[&since, &OF_EACH, &OF_ALL, &unusable.as_slice()]).await?;
            read.commit().await?;
            session.give_back();
            Ok(rows
                .iter()
                .map(|row| SupplierOutcomes {
                    supplier: SupplierId::new(row.get::<_, String>(0)),
                    charged: row.get(1),
                    failed: row.get(2),
                    open: row.get(3),
                    heard: row.get(4),
                    unusable: row.get(5),
                    mean_ms: row.get(6),
                })
                .collect())
        })
        .await
    }
}
