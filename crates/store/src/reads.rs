//! What merchants read back (`CONTRACT.md` §4). One statement a question, never a lock.

use domain::{BusinessId, Money, OrderCode, OrderFacts, OrderState, ProductCode, UnixMs};
use tokio_postgres::Row;

use crate::{Store, StoreError};

/// How a merchant names one of its orders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrderName {
    /// Our number.
    Code(OrderCode),
    /// Its own.
    BizCode(String),
}

/// A batch as its merchant sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchView {
    /// The merchant's number.
    pub biz_code: String,
    /// The product.
    pub product: ProductCode,
    /// When it was stored.
    pub created_at: UnixMs,
    /// Orders and their prices by state, indexed by the state's number.
    pub by_state: [(i64, Money); 5],
    /// One page of its orders, in the order of the items.
    pub page: Vec<OrderFacts>,
}

/// A balance as its merchant sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BalanceView {
    /// Prepaid money.
    pub prepaid: Money,
    /// What of it is held for open orders.
    pub held: Money,
    /// How far the free part may go below zero.
    pub credit_line: Money,
    /// Reports that wait for their next try after a failed one, counted up to 10,000.
    pub reports_retrying: i64,
    /// Reports that were given up and wait for a resend, counted up to 10,000.
    pub reports_parked: i64,
    /// Endpoints that are set aside, or paused, and have reports of this business waiting.
    pub endpoints_set_aside: Vec<String>,
}

/// What [`order_facts`] reads, of an order `o` and its batch `b`.
pub(crate) const FACTS: &str = "o.order_code, o.biz_code, b.batch_biz_code, o.product_code, o.account, o.spec, o.price, o.state,
        o.message, o.voucher, (extract(epoch FROM o.created_at) * 1000)::bigint AS created_ms,
        (extract(epoch FROM o.finished_at) * 1000)::bigint AS finished_ms";

const ORDERS: &str =
    "FROM orders o JOIN batches b ON b.business_id = o.business_id AND b.batch_id = o.batch_id";

impl Store {
    /// One order of a business; `None`: it has no such order.
    pub async fn order(
        &self,
        business: &BusinessId,
        name: &OrderName,
    ) -> Result<Option<OrderFacts>, StoreError> {
        self.bounded(async {
            let session = self.session().await?;
            let client = session.client();
            let row = match name {
                OrderName::Code(code) => {
                    let sql = format!(
                        "SELECT {FACTS} {ORDERS} WHERE o.business_id = $1 AND o.order_code = $2"
                    );
                    client
                        .query_opt(
                            &client.prepare_cached(&sql).await?,
                            &[&business.as_str(), &code.uuid()],
                        )
                        .await?
                }
                OrderName::BizCode(code) => {
                    let sql = format!(
                        "SELECT {FACTS} FROM order_numbers n
                         JOIN orders o ON o.business_id = n.business_id AND o.order_code = n.order_code
                         JOIN batches b ON b.business_id = o.business_id AND b.batch_id = o.batch_id
                         WHERE n.business_id = $1 AND n.biz_code = $2"
                    );
                    client
                        .query_opt(
                            &client.prepare_cached(&sql).await?,
                            &[&business.as_str(), code],
                        )
                        .await?
                }
            };
            session.give_back();
            row.as_ref().map(order_facts).transpose()
        })
        .await
    }

    /// One batch of a business with the page of its orders that begins at `offset`; `None`: it has no such batch.
    pub async fn batch(
        &self,
        business: &BusinessId,
        biz_code: &str,
        offset: i64,
        limit: i64,
    ) -> Result<Option<BatchView>, StoreError> {
        self.bounded(async {
            let session = self.session().await?;
            let client = session.client();
            let of_batch = "FROM batches b JOIN orders o ON o.business_id = b.business_id AND o.batch_id = b.batch_id
                                 AND o.order_code BETWEEN b.first_code AND b.last_code
                            WHERE b.business_id = $1 AND b.batch_biz_code = $2";
            let counts = client
                .prepare_cached(&format!(
                    "SELECT b.product_code, (extract(epoch FROM b.created_at) * 1000)::bigint, o.state, count(*), sum(o.price)::bigint
                     {of_batch} GROUP BY 1, 2, 3"
                ))
                .await?;
            let counts = client.query(&counts, &[&business.as_str(), &biz_code]).await?;
            let Some(first) = counts.first() else {
                session.give_back();
                return Ok(None);
            };
            let page = client
                .prepare_cached(&format!(
                    "SELECT {FACTS} {ORDERS} WHERE b.business_id = $1 AND b.batch_biz_code = $2 AND o.order_code BETWEEN b.first_code AND b.last_code
                     ORDER BY o.order_code OFFSET $3 LIMIT $4"
                ))
                .await?;
            let page = client.query(&page, &[&business.as_str(), &biz_code, &offset, &limit]).await?;
            let mut by_state = [(0, Money::ZERO); 5];
            for row in &counts {
                if let Some(slot) = usize::try_from(row.get::<_, i16>(2)).ok().and_then(|n| by_state.get_mut(n)) {
                    *slot = (row.get(3), Money::from_units(row.get(4)));
                }
            }
            let view = BatchView {
                biz_code: biz_code.to_owned(),
                product: ProductCode::new(first.get::<_, String>(0)),
                created_at: UnixMs(first.get(1)),
                by_state,
                page: page.iter().map(order_facts).collect::<Result<_, _>>()?,
            };
            session.give_back();
            Ok(Some(view))
        })
        .await
    }

    /// The balance of a business; `None`: it has none.
    pub async fn balance(&self, business: &BusinessId) -> Result<Option<BalanceView>, StoreError> {
        self.bounded(async {
            let session = self.session().await?;
            let statement = session
                .client()
                .prepare_cached(
                    "WITH RECURSIVE failed AS (
                         (SELECT endpoint FROM callbacks WHERE business_id = $1 AND state = 0 AND tries > 0
                          ORDER BY endpoint LIMIT 1)
                         UNION ALL
                         SELECT n.endpoint FROM failed f, LATERAL (
                             SELECT c.endpoint FROM callbacks c
                             WHERE c.business_id = $1 AND c.state = 0 AND c.tries > 0 AND c.endpoint > f.endpoint
                             ORDER BY c.endpoint LIMIT 1) n
                     )
                     SELECT prepaid, held, credit_line,
                            (SELECT count(*) FROM (SELECT FROM callbacks c WHERE c.business_id = $1 AND c.state = 0
                                                   AND c.tries > 0 LIMIT 10000) w),
                            (SELECT count(*) FROM (SELECT FROM callbacks c WHERE c.business_id = $1 AND c.state = 3 LIMIT 10000) p),
                            ARRAY(SELECT e.endpoint FROM (SELECT endpoint FROM failed LIMIT 100) f JOIN endpoints e USING (endpoint)
                                  WHERE e.state <> 2 ORDER BY 1)
                     FROM balances WHERE business_id = $1",
                )
                .await?;
            let row = session.client().query_opt(&statement, &[&business.as_str()]).await?;
            session.give_back();
            Ok(row.map(|row| BalanceView {
                prepaid: Money::from_units(row.get(0)),
                held: Money::from_units(row.get(1)),
                credit_line: Money::from_units(row.get(2)),
                reports_retrying: row.get(3),
                reports_parked: row.get(4),
                endpoints_set_aside: row.get(5),
            }))
        })
        .await
    }
}

pub(crate) fn order_state(number: i16) -> Result<OrderState, StoreError> {
    OrderState::from_number(number)
        .ok_or_else(|| StoreError::unreadable(format!("order state {number}")))
}

pub(crate) fn order_facts(row: &Row) -> Result<OrderFacts, StoreError> {
    Ok(OrderFacts {
        order_code: OrderCode::from_uuid(row.get("order_code")),
        biz_code: row.get("biz_code"),
        batch_biz_code: row.get("batch_biz_code"),
        product: ProductCode::new(row.get::<_, String>("product_code")),
        account: row.get("account"),
        spec: Money::from_units(row.get("spec")),
        price: Money::from_units(row.get("price")),
        state: order_state(row.get("state"))?,
        message: row.get("message"),
        voucher: row.get("voucher"),
        created_at: UnixMs(row.get("created_ms")),
        finished_at: row.get::<_, Option<i64>>("finished_ms").map(UnixMs),
    })
}
