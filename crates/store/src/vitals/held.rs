//! The cheap half of what `refill check` asks about money: what is held is the price of the open orders. One business at a time, by
//! the keys of what is open; the other half, a balance is the sum of its ledger, reads the whole ledger and is left to `refill check`.

use domain::{BusinessId, Money};

use crate::{Store, StoreError};

/// A business with more open orders than this is left to `refill check`.
const MOST_ORDERS: i64 = 10_000;

/// What a business has on hold, and what its open orders cost, at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldMoney {
    /// Whose.
    pub business: BusinessId,
    /// By its balance.
    pub held: Money,
    /// By its orders; `None`: they are too many to be added up here.
    pub open: Option<Money>,
}

impl Store {
    /// The next business after this one, in the order of their ids; `None`: there is none.
    pub async fn held_money(
        &self,
        after: Option<&BusinessId>,
    ) -> Result<Option<HeldMoney>, StoreError> {
        self.bounded(async {
            let session = self.session().await?;
            // One statement, so one moment.
            let statement = session
                .client()
                .prepare_cached(
                    "SELECT b.business_id, b.held, open.total, open.orders
                     FROM (SELECT business_id, held FROM balances WHERE business_id > $1 ORDER BY business_id LIMIT 1) b,
                     LATERAL (SELECT count(*) AS orders, coalesce(sum(o.price), 0)::bigint AS total
                              FROM ((SELECT t.business_id, t.order_code FROM timers t WHERE t.business_id = b.business_id
                                     ORDER BY t.business_id, t.order_code LIMIT $2::bigint + 1)
                                    UNION
                                    (SELECT d.business_id, d.order_code FROM doubts d
                                     WHERE d.business_id = b.business_id AND d.closed_at IS NULL AND d.kind = 'doubt'
                                     ORDER BY d.business_id, d.order_code LIMIT $2::bigint + 1)) k
                              JOIN orders o ON o.business_id = k.business_id AND o.order_code = k.order_code) open",
                )
                .await?;
            let after = after.map_or("", |id| id.as_str());
            let row = session.client().query_opt(&statement, &[&after, &MOST_ORDERS]).await?;
            session.give_back();
            Ok(row.map(|row| HeldMoney {
                business: BusinessId::new(row.get::<_, String>(0)),
                held: Money::from_units(row.get(1)),
                open: (row.get::<_, i64>(3) <= MOST_ORDERS).then(|| Money::from_units(row.get(2))),
            }))
        })
        .await
    }
}
