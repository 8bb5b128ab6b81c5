//! From any number that a person holds to the orders that carry it.

use domain::{
    BusinessId, Money, OrderCode, OrderKey, OrderState, ProductCode, UnixMs, masked_account,
    reference,
};
use tokio_postgres::Row;
use uuid::Uuid;

use super::one_moment;
use crate::reads::order_state;
use crate::{Store, StoreError};

/// The most orders that one search finds.
pub const MOST_FOUND: u8 = 50;
/// Longer than any number that a merchant may give (`CONTRACT.md` §3), in characters.
const LONGEST_NUMBER: usize = 64;

/// One order that was found.
#[derive(Clone, Debug)]
pub struct FoundOrder {
    /// Which order.
    pub key: OrderKey,
    /// The merchant's number.
    pub biz_code: String,
    /// The merchant's number of the batch.
    pub batch_biz_code: String,
    /// The product.
    pub product: ProductCode,
    /// What is topped up, masked.
    pub account: String,
    /// What the merchant pays.
    pub price: Money,
    /// Where it stands.
    pub state: OrderState,
    /// When it was stored.
    pub created_at: UnixMs,
}

impl Store {
    /// Orders of all businesses whose own number, whose merchant's number of the order or the batch, whose reference at a supplier, or
    /// whose account is exactly this, the newest first, at most 50.
    pub async fn find_orders(&self, query: &str) -> Result<Vec<FoundOrder>, StoreError> {
        // PostgreSQL keeps no NUL in a text, so no number holds one.
        if query.is_empty() || query.contains('\0') || query.chars().count() > LONGEST_NUMBER {
            return Ok(Vec::new());
        }
        // A reference holds the code of its order.
        let code = query
            .parse::<OrderCode>()
            .ok()
            .or_else(|| reference::order_of(query));
        let code: Option<Uuid> = code.map(OrderCode::uuid);
        self.bounded(async {
            let mut session = self.session().await?;
            let read = one_moment(&mut session).await?;
            // The lateral searches keep the planner on the unique indexes: left to itself it reads all batches for one number, and
            // all orders of a business for one batch.
            let statement = read
                .prepare_cached(
                    "WITH named AS MATERIALIZED (
                         SELECT b.* FROM businesses s, LATERAL (
                             SELECT business_id, batch_id, first_code, last_code FROM batches
                             WHERE business_id = s.business_id AND batch_biz_code = $2 OFFSET 0) b
                     ), found AS (
                         SELECT o.business_id, o.order_code FROM businesses s, LATERAL (
                             SELECT business_id, order_code FROM orders
                             WHERE business_id = s.business_id AND order_code = $1 OFFSET 0) o
                         UNION
                         SELECT business_id, order_code FROM order_numbers WHERE biz_code = $2
                         UNION
                         SELECT o.business_id, o.order_code FROM named n, LATERAL (
                             SELECT business_id, order_code FROM orders
                             WHERE business_id = n.business_id AND batch_id = n.batch_id
                               AND order_code BETWEEN n.first_code AND n.last_code
                             ORDER BY order_code LIMIT $3) o
                         UNION
                         (SELECT business_id, order_code FROM orders WHERE account = $2 ORDER BY order_code DESC LIMIT $3)
                     )
                     SELECT o.business_id, o.order_code, o.biz_code, b.batch_biz_code, o.product_code, o.account, o.price,
                            o.state, (extract(epoch FROM o.created_at) * 1000)::bigint
                     FROM found JOIN orders o USING (business_id, order_code) JOIN batches b USING (business_id, batch_id)
                     ORDER BY o.order_code DESC LIMIT $3",
                )
                .await?;
            let rows = read.query(&statement, &[&code, &query, &i64::from(MOST_FOUND)]).await?;
            read.commit().await?;
            session.give_back();
            rows.iter().map(found).collect()
        })
        .await
    }
}

pub(super) fn found(row: &Row) -> Result<FoundOrder, StoreError> {
    Ok(FoundOrder {
        key: OrderKey {
            business: BusinessId::new(row.get::<_, String>(0)),
            order: OrderCode::from_uuid(row.get(1)),
        },
        biz_code: row.get(2),
        batch_biz_code: row.get(3),
        product: ProductCode::new(row.get::<_, String>(4)),
        account: masked_account(row.get(5)),
        price: Money::from_units(row.get(6)),
        state: order_state(row.get(7))?,
        created_at: UnixMs(row.get(8)),
    })
}
