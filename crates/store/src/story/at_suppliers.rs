//! The open orders of a lane that a supplier has, or may have: where the alarms about them lead to.

use domain::{Lane, Verdict};

use super::one_moment;
use super::search::{FoundOrder, MOST_FOUND, found};
use crate::vitals::{COUNTED_TO, HOLDS};
use crate::{Store, StoreError};

/// Where such an order stands, as `vitals::LaneVitals` counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtSupplier {
    /// Claimed: a worker asks now, or was lost while it did.
    Calling,
    /// It has them, or may have them; not in doubt.
    Asked,
}

impl AtSupplier {
    /// The kind of its timer.
    const fn timer(self) -> i16 {
        match self {
            Self::Calling => 1,
            Self::Asked => 2,
        }
    }
}

impl Store {
    /// The lane's orders that stand there, at most 50: of those in a call the ones whose lease ends first, else the oldest.
    pub async fn orders_at_suppliers(
        &self,
        lane: &Lane,
        standing: AtSupplier,
    ) -> Result<Vec<FoundOrder>, StoreError> {
        // PostgreSQL keeps no NUL in a text, so no lane's name holds one.
        if lane.as_str().contains('\0') {
            return Ok(Vec::new());
        }
        self.bounded(async {
            let mut session = self.session().await?;
            let read = one_moment(&mut session).await?;
            let statement = read
                .prepare_cached(&format!(
                    "WITH at AS MATERIALIZED (
                         SELECT business_id, order_code, due_at FROM timers
                         WHERE lane = $2 AND kind = $3 AND kind > 0 ORDER BY due_at LIMIT $4
                     )
                     SELECT o.business_id, o.order_code, o.biz_code, b.batch_biz_code, o.product_code, o.account, o.price,
                            o.state, (extract(epoch FROM o.created_at) * 1000)::bigint
                     FROM at JOIN orders o USING (business_id, order_code)
                     {HOLDS}
                     JOIN batches b ON b.business_id = o.business_id AND b.batch_id = o.batch_id
                     WHERE $3 = 1 OR (NOT d.in_doubt AND a.is_held)
                     ORDER BY CASE WHEN $3 = 1 THEN at.due_at END, o.order_code LIMIT $5"
                ))
                .await?;
            let rows = read
                .query(
                    &statement,
                    &[
                        &Verdict::NotSent.number(),
                        &lane.as_str(),
                        &standing.timer(),
                        &COUNTED_TO,
                        &i64::from(MOST_FOUND),
                    ],
                )
                .await?;
            read.commit().await?;
            session.give_back();
            rows.iter().map(found).collect()
        })
        .await
    }
}
