//! What an end moves: counted units that are free again, the final posting, the balance.

use std::collections::BTreeMap;

use domain::ProductCode;
use domain::life::Posting;

use super::Written;
use crate::StoreError;
use crate::life::load::arrays;
use crate::transaction::Transaction;

pub(super) async fn return_stock(tx: &Transaction<'_>, set: &[Written]) -> Result<(), StoreError> {
    let mut units: BTreeMap<&ProductCode, i64> = BTreeMap::new();
    for product in set.iter().filter_map(Written::stock_it_returns) {
        *units.entry(product).or_default() += 1;
    }
    for (product, count) in units {
        let statement = tx
            .prepare_cached("UPDATE stock SET units_left = units_left + $2 WHERE product_code = $1")
            .await?;
        tx.execute(&statement, &[&product.as_str(), &count]).await?;
    }
    Ok(())
}

/// The one final posting of each order that has become final, and the balances that they move: one statement, because the number in
/// the business's feed is taken from the balance's row, under the lock that is held until the commit.
pub(super) async fn post(tx: &Transaction<'_>, set: &[Written]) -> Result<(), StoreError> {
    let posted: Vec<(&Written, Posting)> =
        set.iter().filter_map(|w| Some((w, w.posting?))).collect();
    if posted.is_empty() {
        return Ok(());
    }
    let (businesses, codes) = arrays(posted.iter().map(|(w, _)| w.key()));
    let settled: Vec<bool> = posted.iter().map(|(_, p)| *p == Posting::Settle).collect();
    let prices: Vec<i64> = posted.iter().map(|(w, _)| w.order.price.units()).collect();
    let notes: Vec<Option<&str>> = posted.iter().map(|(w, _)| w.note.as_deref()).collect();
    // Locked in the order of their names first: two sets that share businesses must not wait for each other in a ring.
    let statement = tx
        .prepare_cached(
            "WITH sums AS MATERIALIZED (
                 SELECT business_id, count(*) AS postings, sum(price)::bigint AS held,
                        coalesce(sum(price) FILTER (WHERE settled), 0)::bigint AS spent,
                        array_agg(order_code ORDER BY place) AS codes, array_agg(settled ORDER BY place) AS settled,
                        array_agg(price ORDER BY place) AS prices, array_agg(note ORDER BY place) AS notes
                 FROM unnest($1::text[], $2::uuid[], $3::boolean[], $4::bigint[], $5::text[]) WITH ORDINALITY
                     AS p (business_id, order_code, settled, price, note, place)
                 GROUP BY business_id
             ), locked AS (
                 SELECT business_id FROM balances WHERE business_id = ANY ($1) ORDER BY business_id FOR UPDATE
             ), moved AS (
                 UPDATE balances b SET prepaid = b.prepaid - s.spent, held = b.held - s.held, feed_no = b.feed_no + s.postings
                 FROM locked JOIN sums s USING (business_id)
                 WHERE b.business_id = locked.business_id
                 RETURNING b.business_id, b.feed_no - s.postings AS before, s.codes, s.settled, s.prices, s.notes
             )
             INSERT INTO ledger (business_id, posting_ref, step, kind, prepaid_delta, held_delta, note, feed_no)
             SELECT m.business_id, p.code, 1, CASE WHEN p.settled THEN 'settle' ELSE 'release' END,
                    CASE WHEN p.settled THEN -p.price ELSE 0 END, -p.price, p.note, m.before + p.place
             FROM moved m, unnest(m.codes, m.settled, m.prices, m.notes) WITH ORDINALITY AS p (code, settled, price, note, place)",
        )
        .await?;
    let rows = tx
        .execute(
            &statement,
            &[&businesses, &codes, &settled, &prices, &notes],
        )
        .await?;
    if rows == posted.len() as u64 {
        Ok(())
    } else {
        Err(StoreError::unreadable("a business without a balance"))
    }
}
