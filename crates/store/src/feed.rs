//! What happened to a business's orders, in the order of the commits (`CONTRACT.md` §4).

use domain::{BusinessId, OrderFacts, OrderState, UnixMs};

use crate::reads::{FACTS, order_facts};
use crate::{Store, StoreError};

/// One change that a merchant sees: an order was stored, or became final.
#[derive(Clone, Debug)]
pub struct Event {
    /// Its number, counted by business from 1 without a gap.
    pub no: i64,
    /// When it was written.
    pub at: UnixMs,
    /// The order as it was then.
    pub order: OrderFacts,
}

impl Store {
    /// The events after number `after`, the oldest first, `limit` at most.
    pub async fn events(
        &self,
        business: &BusinessId,
        after: i64,
        limit: i64,
    ) -> Result<Vec<Event>, StoreError> {
        self.bounded(async {
            let session = self.session().await?;
            let sql = format!(
                "SELECT {FACTS}, l.feed_no, l.step, (extract(epoch FROM l.at) * 1000)::bigint AS at_ms
                 FROM ledger l JOIN orders o ON o.business_id = l.business_id AND o.order_code = l.posting_ref
                 JOIN batches b ON b.business_id = o.business_id AND b.batch_id = o.batch_id
                 WHERE l.business_id = $1 AND l.feed_no IS NOT NULL AND l.feed_no > $2 ORDER BY l.feed_no LIMIT $3"
            );
            let statement = session.client().prepare_cached(&sql).await?;
            let values: [&(dyn tokio_postgres::types::ToSql + Sync); 3] =
                [&business.as_str(), &after, &limit];
            let rows = session.client().query(&statement, &values).await?;
            session.give_back();
            rows.iter()
                .map(|row| {
                    let mut order = order_facts(row)?;
                    if row.get::<_, i16>("step") == 0 {
                        // As it was when it was stored, whatever has become of it.
                        order.state = OrderState::Stored;
                        order.message = None;
                        order.voucher = None;
                        order.finished_at = None;
                    }
                    Ok(Event {
                        no: row.get("feed_no"),
                        at: UnixMs(row.get("at_ms")),
                        order,
                    })
                })
                .collect()
        })
        .await
    }
}
