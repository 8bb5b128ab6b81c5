//! The status reports of what has become final.

use std::collections::{BTreeSet, HashSet};

use uuid::Uuid;

use super::Written;
use crate::StoreError;
use crate::life::load::arrays;
use crate::transaction::Transaction;

/// Status reports of orders that have become final and whose batch names an address. Returns the orders that have one now.
/// Their hint is published after the commit; `due_at` is when somebody looks whether it was lost.
pub(super) async fn write_reports(
    tx: &Transaction<'_>,
    set: &[Written],
) -> Result<HashSet<Uuid>, StoreError> {
    let finished: Vec<&Written> = set.iter().filter(|w| w.posting.is_some()).collect();
    if finished.is_empty() {
        return Ok(HashSet::new());
    }
    let (businesses, codes) = arrays(finished.iter().map(|w| w.key()));
    let batches: Vec<Uuid> = finished.iter().map(|w| w.order.batch_id).collect();
    let traceparents: Vec<Option<&str>> = finished
        .iter()
        .map(|w| w.order.traceparent.as_deref())
        .collect();
    let statement = tx
        .prepare_cached(
            "INSERT INTO callbacks (business_id, order_code, url, traceparent, due_at)
             SELECT f.business_id, f.order_code, b.callback_url, f.traceparent, now() + interval '5 seconds'
             FROM unnest($1::text[], $2::uuid[], $3::uuid[], $4::text[]) AS f (business_id, order_code, batch_id, traceparent)
             JOIN batches b ON b.business_id = f.business_id AND b.batch_id = f.batch_id
             WHERE b.callback_url IS NOT NULL
             RETURNING order_code",
        )
        .await?;
    let rows = tx
        .query(&statement, &[&businesses, &codes, &batches, &traceparents])
        .await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// The reports of batches whose last order has just become final, for the accounts that want them. Asked under the lock of the
/// balances: whoever finishes the last order sees that all others are final.
pub(super) async fn write_batch_reports(
    tx: &Transaction<'_>,
    set: &[Written],
) -> Result<(), StoreError> {
    let finished: BTreeSet<(&str, Uuid)> = set
        .iter()
        .filter(|w| w.posting.is_some() && w.batch_report)
        .map(|w| (w.key().business.as_str(), w.order.batch_id))
        .collect();
    if finished.is_empty() {
        return Ok(());
    }
    let (businesses, batches): (Vec<&str>, Vec<Uuid>) = finished.into_iter().unzip();
    let statement = tx
        .prepare_cached(
            "INSERT INTO callbacks (business_id, order_code, url, due_at, of_batch)
             SELECT b.business_id, b.batch_id, b.callback_url, now(), true
             FROM unnest($1::text[], $2::uuid[]) AS f (business_id, batch_id)
             JOIN batches b ON b.business_id = f.business_id AND b.batch_id = f.batch_id
             WHERE b.callback_url IS NOT NULL AND NOT EXISTS (
                 SELECT FROM orders o WHERE o.business_id = b.business_id AND o.batch_id = b.batch_id
                     AND o.order_code BETWEEN b.first_code AND b.last_code AND o.state < 2)
             ON CONFLICT DO NOTHING",
        )
        .await?;
    tx.execute(&statement, &[&businesses, &batches]).await?;
    Ok(())
}
