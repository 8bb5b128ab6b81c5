//! What the report of a whole batch says.

use deadpool_postgres::Object;
use domain::{BatchFacts, FailedItem, Money, OrderCode, OrderKey, ProductCode, UnixMs};

use crate::StoreError;
use crate::reads::order_state;

/// The batch whose id stands in `key`; all its orders are final. `None`: they have been taken away with their month.
pub(super) async fn facts(
    client: &Object,
    key: &OrderKey,
) -> Result<Option<BatchFacts>, StoreError> {
    let (business, batch) = (key.business.as_str(), key.order.uuid());
    let of_batch =
        "FROM batches b JOIN orders o ON o.business_id = b.business_id AND o.batch_id = b.batch_id
             AND o.order_code BETWEEN b.first_code AND b.last_code
         WHERE b.business_id = $1 AND b.batch_id = $2";
    let sums = client
        .prepare_cached(&format!(
            "SELECT b.batch_biz_code, b.product_code, count(*) FILTER (WHERE o.state = 2),
                    count(*) FILTER (WHERE o.state = 3), count(*) FILTER (WHERE o.state = 4),
                    coalesce(sum(o.price) FILTER (WHERE o.state = 2), 0)::bigint,
                    (extract(epoch FROM max(o.finished_at)) * 1000)::bigint {of_batch} GROUP BY 1, 2"
        ))
        .await?;
    let Some(sums) = client.query_opt(&sums, &[&business, &batch]).await? else {
        return Ok(None);
    };
    let finished_at: Option<i64> = sums.get(6);
    let finished_at =
        finished_at.ok_or_else(|| StoreError::unreadable("a report of a batch that is open"))?;
    let failed = client
        .prepare_cached(&format!(
            "SELECT o.order_code, o.biz_code, o.state, o.message {of_batch} AND o.state IN (3, 4) ORDER BY o.order_code"
        ))
        .await?;
    let failed = client.query(&failed, &[&business, &batch]).await?;
    Ok(Some(BatchFacts {
        batch_biz_code: sums.get(0),
        product: ProductCode::new(sums.get::<_, String>(1)),
        succeeded: sums.get(2),
        failed: sums.get(3),
        cancelled: sums.get(4),
        settled: Money::from_units(sums.get(5)),
        finished_at: UnixMs(finished_at),
        not_succeeded: failed
            .iter()
            .map(|row| {
                Ok(FailedItem {
                    order_code: OrderCode::from_uuid(row.get(0)),
                    biz_code: row.get(1),
                    state: order_state(row.get(2))?,
                    message: row.get(3),
                })
            })
            .collect::<Result<_, StoreError>>()?,
    }))
}
