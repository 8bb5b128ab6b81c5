//! Reads orders under their row locks, with all that the decision may know of them.

use std::collections::HashMap;

use domain::life::{Life, Wait};
use domain::{AttemptNo, BusinessId, Epoch, Money, OrderCode, OrderKey, ProductCode, UnixMs};
use uuid::Uuid;

use super::rows::{self, Ticket};
use crate::StoreError;
use crate::reads::order_state;
use crate::transaction::Transaction;

/// An order under its lock.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) key: OrderKey,
    pub(super) life: Life,
    /// The database's clock after the lock was had.
    pub(super) now: UnixMs,
    pub(super) batch_id: Uuid,
    pub(super) product: ProductCode,
    pub(super) account: String,
    pub(super) attach: Option<String>,
    pub(super) spec: Money,
    pub(super) price: Money,
    pub(super) counted: bool,
    /// Of an order that has been claimed before.
    pub(super) traceparent: Option<String>,
    pub(super) tickets: HashMap<AttemptNo, Ticket>,
}

/// Which of the orders that are named are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    /// All of them, each as soon as nobody else holds it.
    All,
    /// Those that nobody else holds.
    Free,
    /// Those that nobody else holds and that are not final. Of the others, a claim would only find that they are: each has a hint left in
    /// the queue that it overtook.
    FreeAndOpen,
}

/// The order keys as two arrays, as all statements of the set take them.
pub(super) fn arrays<'a>(
    keys: impl IntoIterator<Item = &'a OrderKey>,
) -> (Vec<&'a str>, Vec<Uuid>) {
    keys.into_iter()
        .map(|key| (key.business.as_str(), key.order.uuid()))
        .unzip()
}

fn key(row: &tokio_postgres::Row) -> OrderKey {
    OrderKey {
        business: BusinessId::new(row.get::<_, String>("business_id")),
        order: OrderCode::from_uuid(row.get("order_code")),
    }
}

/// Locks the orders in the order of their keys and reads them. What hangs on them is read by statements of their own, after the
/// locks: a statement sees what was committed before it began, and the lock may have been waited for.
pub(super) async fn orders<'a>(
    tx: &Transaction<'_>,
    keys: impl IntoIterator<Item = &'a OrderKey>,
    which: Which,
) -> Result<Vec<Loaded>, StoreError> {
    let (businesses, codes) = arrays(keys);
    let statement = tx.prepare_cached(lock_sql(which)).await?;
    let rows = tx.query(&statement, &[&businesses, &codes]).await?;
    let mut orders = rows.iter().map(order).collect::<Result<Vec<_>, _>>()?;
    // An order that was never claimed has no attempt, no doubt, and waits for its hint.
    let claimed = orders
        .iter()
        .filter(|o| o.life.epoch != Epoch(0))
        .map(|o| &o.key);
    let (businesses, codes) = arrays(claimed);
    if codes.is_empty() {
        return Ok(orders);
    }
    let (waits, attempts) = futures::try_join!(
        waits(tx, &businesses, &codes),
        attempts(tx, &businesses, &codes)
    )?;
    let mut by_key: HashMap<OrderKey, &mut Loaded> =
        orders.iter_mut().map(|o| (o.key.clone(), o)).collect();
    for row in &waits {
        if let Some(order) = by_key.get_mut(&key(row)) {
            order.life.wait = rows::wait(row.get("kind"), row.get("due_ms"))?;
            order.life.in_doubt = row.get("in_doubt");
            order.now = UnixMs(row.get("now_ms"));
            order.traceparent = row.get("traceparent");
        }
    }
    for row in &attempts {
        if let Some(order) = by_key.get_mut(&key(row)) {
            let (attempt, ticket) = rows::attempt(row)?;
            order.tickets.insert(attempt.no, ticket);
            order.life.attempts.push(attempt);
        }
    }
    Ok(orders)
}

fn lock_sql(which: Which) -> &'static str {
    macro_rules! locked {
        ($which:literal, $how:literal) => {
            concat!(
                "SELECT o.business_id, o.order_code, o.batch_id, o.product_code, o.account, o.attach, o.spec, o.price, o.counted,
                        o.state, o.epoch, (extract(epoch FROM o.created_at) * 1000)::bigint AS created_ms,
                        (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now_ms
                 FROM unnest($1::text[], $2::uuid[]) AS key (business_id, order_code)
                 JOIN orders o USING (business_id, order_code) ",
                $which,
                " ORDER BY o.business_id, o.order_code FOR UPDATE OF o ",
                $how
            )
        };
    }
    match which {
        Which::All => locked!("", ""),
        Which::Free => locked!("", "SKIP LOCKED"),
        Which::FreeAndOpen => locked!("WHERE o.state < 2", "SKIP LOCKED"),
    }
}

fn order(row: &tokio_postgres::Row) -> Result<Loaded, StoreError> {
    let created_at = UnixMs(row.get("created_ms"));
    Ok(Loaded {
        key: key(row),
        life: Life {
            state: order_state(row.get("state"))?,
            epoch: Epoch(row.get("epoch")),
            created_at,
            wait: Wait::Hint(created_at),
            in_doubt: false,
            attempts: vec![],
        },
        now: UnixMs(row.get("now_ms")),
        batch_id: row.get("batch_id"),
        product: ProductCode::new(row.get::<_, String>("product_code")),
        account: row.get("account"),
        attach: row.get("attach"),
        spec: Money::from_units(row.get("spec")),
        price: Money::from_units(row.get("price")),
        counted: row.get("counted"),
        traceparent: None,
        tickets: HashMap::new(),
    })
}

async fn waits(
    tx: &Transaction<'_>,
    businesses: &[&str],
    codes: &[Uuid],
) -> Result<Vec<tokio_postgres::Row>, StoreError> {
    let statement = tx
        .prepare_cached(
            "SELECT key.business_id, key.order_code, t.kind, t.traceparent,
                    (extract(epoch FROM t.due_at) * 1000)::bigint AS due_ms,
                    (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now_ms,
                    coalesce(d.is_open, false) AS in_doubt
             FROM unnest($1::text[], $2::uuid[]) AS key (business_id, order_code)
             LEFT JOIN timers t ON t.business_id = ANY (ARRAY[key.business_id]) AND t.order_code = key.order_code
             LEFT JOIN LATERAL (
                 -- By the key: asked for the open ones, an empty table's planner would read all of those.
                 SELECT bool_or(closed_at IS NULL AND kind = 'doubt') AS is_open FROM doubts
                 WHERE doubts.business_id = key.business_id AND doubts.order_code = key.order_code) d ON true",
        )
        .await?;
    Ok(tx.query(&statement, &[&businesses, &codes]).await?)
}

async fn attempts(
    tx: &Transaction<'_>,
    businesses: &[&str],
    codes: &[Uuid],
) -> Result<Vec<tokio_postgres::Row>, StoreError> {
    let statement = tx
        .prepare_cached(
            "SELECT a.business_id, a.order_code, a.attempt_no, a.supplier_id, a.reference, a.sku, a.cost, a.state, a.calls,
                    a.last_verdict,
                    (extract(epoch FROM a.first_call_at) * 1000)::bigint AS first_call_ms,
                    (extract(epoch FROM a.last_call_at) * 1000)::bigint AS last_call_ms
             FROM unnest($1::text[], $2::uuid[]) AS key (business_id, order_code)
             JOIN attempts a USING (business_id, order_code)
             ORDER BY a.attempt_no",
        )
        .await?;
    Ok(tx.query(&statement, &[&businesses, &codes]).await?)
}
