//! A set of batches, column by column, and the statements that store it: each table once.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use domain::Money;
use tokio_postgres::Statement;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::nonces::NonceRows;
use super::{Asked, COMMIT_BY, SignedRequest};
use crate::StoreError;
use crate::session::in_ms;
use crate::transaction::Transaction;

/// How long the hint of a new order may take before anyone asks whether it was lost.
const HINT_GRACE: Duration = Duration::from_secs(30);

const NONCES: &str = "INSERT INTO nonces (business_id, nonce, expires_at)
     SELECT business_id, nonce, now() + ttl_ms * interval '1 millisecond'
     FROM unnest($1::text[], $2::text[], $3::bigint[]) AS n (business_id, nonce, ttl_ms)
     ORDER BY business_id, nonce
     ON CONFLICT (business_id, nonce) DO NOTHING";

const BATCHES: &str = "WITH asked AS (
         SELECT * FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::bytea[], $7::int[], $8::bigint[],
                              $9::uuid[], $10::uuid[], $11::bigint[], $12::text[], $13::text[])
             AS asked (business_id, batch_id, batch_biz_code, product_code, callback_url, content_digest, item_count, total,
                       first_code, last_code, left_ms, lane, traceparent)
     ), announced AS (
         INSERT INTO outbox (business_id, batch_id, lane, traceparent, due_at)
         SELECT business_id, batch_id, lane, traceparent, now() + $14::bigint * interval '1 millisecond' FROM asked
     )
     INSERT INTO batches (business_id, batch_id, batch_biz_code, product_code, callback_url, content_digest,
                          item_count, total, first_code, last_code, store_until)
     SELECT business_id, batch_id, batch_biz_code, product_code, callback_url, content_digest, item_count, total,
            first_code, last_code, clock_timestamp() + left_ms * interval '1 millisecond'
     FROM asked ORDER BY batch_biz_code, business_id
     ON CONFLICT (business_id, batch_biz_code) DO NOTHING";

/// Nothing asks which of the numbers were free: if one was not, all of this is taken back.
const ORDERS: &str = "WITH item AS MATERIALIZED (
         SELECT * FROM unnest($1::text[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bigint[],
                              $9::bigint[], $10::boolean[], $11::text[], $12::text[])
             AS item (business_id, code, batch_id, biz_code, product_code, account, attach, spec, price, counted, lane, traceparent)
     ), numbered AS (
         INSERT INTO order_numbers (biz_code, business_id, order_code) SELECT biz_code, business_id, code FROM item
         ON CONFLICT (biz_code, business_id) DO NOTHING RETURNING order_code
     ), waiting AS (
         INSERT INTO timers (business_id, order_code, lane, kind, traceparent, due_at)
         SELECT business_id, code, lane, 0, traceparent, now() + $13::bigint * interval '1 millisecond' FROM item
     ), stored AS (
         INSERT INTO orders (business_id, order_code, batch_id, biz_code, product_code, account, attach, spec, price, counted)
         SELECT business_id, code, batch_id, biz_code, product_code, account, attach, spec, price, counted FROM item
     )
     SELECT count(*) FROM numbered";

const STOCK: &str = "UPDATE stock s SET units_left = s.units_left - a.units
    FROM (SELECT product_code FROM stock WHERE product_code = ANY ($1) ORDER BY product_code FOR UPDATE) AS locked
    JOIN unnest($1::text[], $2::bigint[]) AS a (product_code, units) USING (product_code)
    WHERE s.product_code = locked.product_code AND s.units_left >= a.units";

const HOLDS: &str = "WITH sums AS MATERIALIZED (
         SELECT business_id, count(*) AS orders, sum(price)::bigint AS total,
                array_agg(code ORDER BY place) AS codes, array_agg(price ORDER BY place) AS prices
         FROM unnest($1::text[], $2::uuid[], $3::bigint[]) WITH ORDINALITY AS p (business_id, code, price, place)
         GROUP BY business_id
     ), locked AS (
         SELECT business_id FROM balances WHERE business_id = ANY ($1) ORDER BY business_id FOR UPDATE
     ), moved AS (
         UPDATE balances b SET held = b.held + s.total, feed_no = b.feed_no + s.orders
         FROM locked JOIN sums s USING (business_id)
         WHERE b.business_id = locked.business_id AND b.prepaid - b.held + b.credit_line >= s.total
         RETURNING b.business_id, b.feed_no - s.orders AS before, s.codes, s.prices
     )
     INSERT INTO ledger (business_id, posting_ref, step, kind, prepaid_delta, held_delta, feed_no)
     SELECT m.business_id, item.code, 0, 'hold', 0, item.price, m.before + item.place
     FROM moved m, unnest(m.codes, m.prices) WITH ORDINALITY AS item (code, price, place)";

/// What stands in the way of a set, the first thing first. All of it was written up to there, and must be taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Obstacle {
    /// A nonce had been used.
    Nonce,
    /// A batch number is taken.
    BatchNumber,
    /// An order number is taken.
    OrderNumber,
    /// A counted stock does not cover what is asked for.
    Stock,
    /// A balance and its credit line do not cover what is asked for.
    Balance,
}

/// Batches that are stored together.
pub(super) struct Set<'a> {
    asked: &'a [Asked],
    ids: Vec<Uuid>,
    totals: Vec<i64>,
    /// When the first of them has to be at its commit.
    deadline: Instant,
}

impl<'a> Set<'a> {
    pub(super) fn of(asked: &'a [Asked]) -> Result<Self, StoreError> {
        let total = |asked: &Asked| {
            Money::checked_sum(asked.batch.orders.iter().map(|o| o.price)).map(Money::units)
        };
        let totals: Option<Vec<i64>> = asked.iter().map(total).collect();
        let first_arrived = asked.iter().map(|a| a.request.arrived).min();
        Ok(Self {
            asked,
            ids: asked.iter().map(|_| Uuid::now_v7()).collect(),
            totals: totals
                .ok_or_else(|| StoreError::unreadable("a batch's total is out of range"))?,
            deadline: first_arrived.unwrap_or_else(Instant::now) + COMMIT_BY,
        })
    }

    /// The ids that the batches get, in their order.
    pub(super) fn ids(&self) -> impl Iterator<Item = Uuid> {
        self.ids.iter().copied()
    }

    pub(super) const fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Writes the whole set. Whatever the obstacle, a batch that is alone can be taken back without its nonce; of several nothing remains.
    ///
    /// The statements are sent at once and run in this order, because all of them are prepared before.
    pub(super) async fn store(&self, tx: &Transaction<'_>) -> Result<Option<Obstacle>, StoreError> {
        let prepared = futures::try_join!(
            tx.prepare_cached(NONCES),
            tx.prepare_cached(BATCHES),
            tx.prepare_cached(ORDERS),
            tx.prepare_cached(STOCK),
            tx.prepare_cached(HOLDS),
        );
        let (for_nonces, for_batches, for_orders, for_stock, for_holds) = prepared?;
        let requests = self.asked.iter().map(|a| &a.request);
        let (nonces, (), batches, orders, units, holds) = futures::try_join!(
            insert_nonces(tx, &for_nonces, requests),
            self.keep_nonce(tx),
            self.insert_batches(tx, &for_batches),
            self.insert_orders(tx, &for_orders),
            self.take_stock(tx, &for_stock),
            self.hold(tx, &for_holds),
        )?;
        let count = self.asked.len() as u64;
        let all_orders: usize = self.asked.iter().map(|a| a.batch.orders.len()).sum();
        let found = [
            (Obstacle::Nonce, nonces == count),
            (Obstacle::BatchNumber, batches == count),
            (Obstacle::OrderNumber, orders == all_orders as u64),
            (Obstacle::Stock, units),
            (Obstacle::Balance, holds == all_orders as u64),
        ];
        let first = found.into_iter().find(|(_, passed)| !passed);
        Ok(first.map(|(obstacle, _)| obstacle))
    }

    async fn keep_nonce(&self, tx: &Transaction<'_>) -> Result<(), StoreError> {
        if self.asked.len() == 1 {
            tx.batch_execute("SAVEPOINT nonce_used").await?;
        }
        Ok(())
    }

    /// Takes back everything of a batch that is alone but its nonce.
    pub(super) async fn take_back(&self, tx: &Transaction<'_>) -> Result<(), StoreError> {
        tx.batch_execute("ROLLBACK TO SAVEPOINT nonce_used").await?;
        Ok(())
    }

    /// The batches and their outbox rows; returns how many numbers were free. Inserted in the order of the numbers, so that sets that
    /// share some cannot wait for each other in a ring; so are the orders, and the balances are locked in the order of the businesses.
    async fn insert_batches(
        &self,
        tx: &Transaction<'_>,
        statement: &Statement,
    ) -> Result<u64, StoreError> {
        let mut rows = BatchRows::default();
        for ((Asked { request, batch }, id), total) in
            self.asked.iter().zip(&self.ids).zip(&self.totals)
        {
            let (Some(first), Some(last)) = (batch.orders.first(), batch.orders.last()) else {
                return Err(StoreError::unreadable("a batch without orders"));
            };
            rows.businesses.push(request.business.as_str());
            rows.ids.push(*id);
            rows.numbers.push(&batch.claim.biz_code);
            rows.products.push(batch.product.as_str());
            rows.urls.push(batch.callback_url.as_deref());
            rows.digests.push(batch.claim.digest.as_slice());
            rows.counts.push(
                i32::try_from(batch.orders.len())
                    .map_err(|_| StoreError::unreadable("too many orders"))?,
            );
            rows.totals.push(*total);
            rows.firsts.push(first.code.uuid());
            rows.lasts.push(last.code.uuid());
            rows.left_ms
                .push(in_ms(COMMIT_BY.saturating_sub(request.arrived.elapsed())));
            rows.lanes.push(batch.lane.as_str());
            rows.traceparents.push(batch.traceparent.as_deref());
        }
        let values: [&(dyn ToSql + Sync); 14] = [
            &rows.businesses,
            &rows.ids,
            &rows.numbers,
            &rows.products,
            &rows.urls,
            &rows.digests,
            &rows.counts,
            &rows.totals,
            &rows.firsts,
            &rows.lasts,
            &rows.left_ms,
            &rows.lanes,
            &rows.traceparents,
            &in_ms(HINT_GRACE),
        ];
        Ok(tx.execute(statement, &values).await?)
    }

    /// The orders with their numbers and timers; returns how many numbers were free.
    async fn insert_orders(
        &self,
        tx: &Transaction<'_>,
        statement: &Statement,
    ) -> Result<u64, StoreError> {
        let mut rows = OrderRows::default();
        let mut items: Vec<_> = self
            .asked
            .iter()
            .zip(&self.ids)
            .flat_map(|(asked, id)| {
                asked
                    .batch
                    .orders
                    .iter()
                    .map(move |order| (asked, id, order))
            })
            .collect();
        items.sort_unstable_by(|(a, _, x), (b, _, y)| {
            (&x.biz_code, &a.request.business).cmp(&(&y.biz_code, &b.request.business))
        });
        for (Asked { request, batch }, id, order) in items {
            rows.businesses.push(request.business.as_str());
            rows.codes.push(order.code.uuid());
            rows.batches.push(*id);
            rows.numbers.push(&order.biz_code);
            rows.products.push(batch.product.as_str());
            rows.accounts.push(&order.account);
            rows.attaches.push(order.attach.as_deref());
            rows.specs.push(order.spec.units());
            rows.prices.push(order.price.units());
            rows.counted.push(batch.counted);
            rows.lanes.push(batch.lane.as_str());
            rows.traceparents.push(batch.traceparent.as_deref());
        }
        let values: [&(dyn ToSql + Sync); 13] = [
            &rows.businesses,
            &rows.codes,
            &rows.batches,
            &rows.numbers,
            &rows.products,
            &rows.accounts,
            &rows.attaches,
            &rows.specs,
            &rows.prices,
            &rows.counted,
            &rows.lanes,
            &rows.traceparents,
            &in_ms(HINT_GRACE),
        ];
        let row = tx.query_one(statement, &values).await?;
        Ok(u64::try_from(row.get::<_, i64>(0)).unwrap_or_default())
    }

    /// Whether the counted stocks covered what is asked for.
    async fn take_stock(
        &self,
        tx: &Transaction<'_>,
        statement: &Statement,
    ) -> Result<bool, StoreError> {
        let mut units = BTreeMap::<&str, i64>::new();
        for Asked { batch, .. } in self.asked.iter().filter(|a| a.batch.counted) {
            let count = i64::try_from(batch.orders.len()).unwrap_or(i64::MAX);
            *units.entry(batch.product.as_str()).or_default() += count;
        }
        if units.is_empty() {
            return Ok(true);
        }
        let (products, units): (Vec<&str>, Vec<i64>) = units.into_iter().unzip();
        let taken = tx.execute(statement, &[&products, &units]).await?;
        Ok(taken == products.len() as u64)
    }

    /// The holds, and the balances that they move; returns how many were covered. One statement, because the numbers in the businesses'
    /// feeds are taken from the balances' rows, under the locks that are held until the commit.
    async fn hold(&self, tx: &Transaction<'_>, statement: &Statement) -> Result<u64, StoreError> {
        let items = || {
            let orders = |asked: &'a Asked| asked.batch.orders.iter().map(move |o| (asked, o));
            self.asked.iter().flat_map(orders)
        };
        let businesses: Vec<&str> = items().map(|(a, _)| a.request.business.as_str()).collect();
        let codes: Vec<Uuid> = items().map(|(_, o)| o.code.uuid()).collect();
        let prices: Vec<i64> = items().map(|(_, o)| o.price.units()).collect();
        let values: [&(dyn ToSql + Sync); 3] = [&businesses, &codes, &prices];
        Ok(tx.execute(statement, &values).await?)
    }
}

#[derive(Default)]
struct BatchRows<'a> {
    businesses: Vec<&'a str>,
    ids: Vec<Uuid>,
    numbers: Vec<&'a str>,
    products: Vec<&'a str>,
    urls: Vec<Option<&'a str>>,
    digests: Vec<&'a [u8]>,
    counts: Vec<i32>,
    totals: Vec<i64>,
    firsts: Vec<Uuid>,
    lasts: Vec<Uuid>,
    left_ms: Vec<i64>,
    lanes: Vec<&'a str>,
    traceparents: Vec<Option<&'a str>>,
}

#[derive(Default)]
struct OrderRows<'a> {
    businesses: Vec<&'a str>,
    codes: Vec<Uuid>,
    batches: Vec<Uuid>,
    numbers: Vec<&'a str>,
    products: Vec<&'a str>,
    accounts: Vec<&'a str>,
    attaches: Vec<Option<&'a str>>,
    specs: Vec<i64>,
    prices: Vec<i64>,
    counted: Vec<bool>,
    lanes: Vec<&'a str>,
    traceparents: Vec<Option<&'a str>>,
}

/// Uses up nonces; returns how many were free. Waits for transactions that are using one of them at this moment.
async fn insert_nonces<'a>(
    tx: &Transaction<'_>,
    statement: &Statement,
    requests: impl Iterator<Item = &'a SignedRequest>,
) -> Result<u64, StoreError> {
    let rows = NonceRows::of(requests);
    let values: [&(dyn ToSql + Sync); 3] = [&rows.businesses, &rows.nonces, &rows.ttls_ms];
    Ok(tx.execute(statement, &values).await?)
}
