//! What a signed request stores: its nonce, always; its batch, whole or not at all; the money held for it, in the same transaction.
//!
//! A batch costs the same few statements whatever its size. The order of the statements is the order of the locks: numbers first,
//! stock next, the balance last, because the balance is the row that all batches of a business share.

use std::time::{Duration, Instant};

use deadpool_postgres::Transaction;
use domain::{BusinessId, Lane, Money, OrderCode, ProductCode};
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::session::{commit, in_ms};
use crate::{Store, StoreError};

/// How long after its arrival a batch may reach its commit; the server refuses the commit itself as long again after that
/// (`CONTRACT.md` §2: what is not stored 10 s after it arrived is rolled back).
const COMMIT_BY: Duration = Duration::from_secs(5);
/// How long the hint of a new order may take before anyone asks whether it was lost.
const HINT_GRACE: Duration = Duration::from_secs(30);

/// What every request with a valid signature brings.
#[derive(Clone, Debug)]
pub struct SignedRequest {
    /// Who signed it.
    pub business: BusinessId,
    /// Used up by this request.
    pub nonce: String,
    /// How long the nonce stays used.
    pub nonce_ttl: Duration,
    /// When the request arrived.
    pub arrived: Instant,
}

/// The merchant's name for a batch and the digest of what it asks for: the same twice is the same batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchClaim {
    /// `batchBizCode`.
    pub biz_code: String,
    /// SHA-256 over the content.
    pub digest: [u8; 32],
}

/// A checked batch, ready to be stored.
#[derive(Clone, Debug)]
pub struct NewBatch {
    /// Its number and content.
    pub claim: BatchClaim,
    /// Its product.
    pub product: ProductCode,
    /// The lane of the product.
    pub lane: Lane,
    /// Whether the product's stock is counted.
    pub counted: bool,
    /// Where its reports go; `None`: nowhere.
    pub callback_url: Option<String>,
    /// Its orders, at least one, codes growing.
    pub orders: Vec<NewOrder>,
}

/// One order of a new batch.
#[derive(Clone, Debug)]
pub struct NewOrder {
    /// Our number of it.
    pub code: OrderCode,
    /// The merchant's number of it.
    pub biz_code: String,
    /// What is topped up.
    pub account: String,
    /// Extra values, as the merchant wrote them.
    pub attach: Option<String>,
    /// The face value.
    pub spec: Money,
    /// What the merchant pays.
    pub price: Money,
}

/// One order of a stored batch, as its answer names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredOrder {
    /// Our number.
    pub code: OrderCode,
    /// The merchant's number.
    pub biz_code: String,
    /// What the merchant pays.
    pub price: Money,
}

/// What became of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Intake {
    /// Stored now; the id names its outbox row.
    Stored(Uuid),
    /// Stored before with the same content: the original orders, in their order.
    Replayed(Vec<StoredOrder>),
    /// Nothing was stored but the nonce.
    Refused(Refusal),
}

/// Why a batch was not stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The nonce has been used (6).
    NonceUsed,
    /// The batch number has been used for other content (8).
    OtherContent,
    /// These order numbers have been used in other batches (8).
    NumbersUsed(Vec<String>),
    /// The counted stock does not cover the batch (11).
    OutOfStock,
    /// The balance does not cover the batch (9).
    BalanceInsufficient,
    /// It took too long to get here (1).
    TooLate,
}

/// What became of the nonce of a request that is refused or only reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Nonce {
    /// It was free and is used now.
    Used,
    /// It had been used before.
    Repeated,
}

impl Store {
    /// Stores a batch with everything that belongs to it, or nothing but the nonce.
    ///
    /// `Err(CommitUnknown)`: it may have been stored (98). Any other error: it was not.
    pub async fn intake(
        &self,
        request: &SignedRequest,
        batch: &NewBatch,
    ) -> Result<Intake, StoreError> {
        let mut contended = 0;
        loop {
            match self.intake_once(request, batch).await {
                Err(StoreError::Contended(_)) if contended < 3 => contended += 1,
                other => return other,
            }
        }
    }

    async fn intake_once(
        &self,
        request: &SignedRequest,
        batch: &NewBatch,
    ) -> Result<Intake, StoreError> {
        let left = COMMIT_BY.saturating_sub(request.arrived.elapsed());
        let mut session = tokio::time::timeout(left, self.session())
            .await
            .unwrap_or(Err(StoreError::TooSlow))?;
        let work = async {
            let transaction = session.begin().await?;
            if !use_nonce(&transaction, request).await? {
                return Ok((transaction, Refusal::NonceUsed.into()));
            }
            transaction.batch_execute("SAVEPOINT nonce_used").await?;
            let intake = store_batch(&transaction, request, batch).await?;
            if !matches!(intake, Intake::Stored(_)) {
                transaction
                    .batch_execute("ROLLBACK TO SAVEPOINT nonce_used")
                    .await?;
            }
            Ok::<_, StoreError>((transaction, intake))
        };
        let (transaction, intake) = tokio::time::timeout(left, work)
            .await
            .unwrap_or(Err(StoreError::TooSlow))?;
        if request.arrived.elapsed() >= COMMIT_BY {
            return Ok(Refusal::TooLate.into());
        }
        match commit(transaction, "intake").await {
            // A refused batch stored nothing, whatever became of its nonce.
            Err(StoreError::CommitUnknown) if !matches!(intake, Intake::Stored(_)) => {
                return Err(StoreError::TooSlow);
            }
            other => other?,
        }
        session.give_back();
        Ok(intake)
    }

    /// Uses up the nonce of a request that stores nothing. `replay_of`: a batch that is refused now may have been stored
    /// before; then the original orders are the answer, whatever the rules say today.
    pub async fn use_nonce(
        &self,
        request: &SignedRequest,
        replay_of: Option<&BatchClaim>,
    ) -> Result<(Nonce, Option<Intake>), StoreError> {
        self.bounded(async {
            let mut session = self.session().await?;
            let transaction = session.begin().await?;
            let nonce = if use_nonce(&transaction, request).await? {
                Nonce::Used
            } else {
                Nonce::Repeated
            };
            let stored = match replay_of {
                Some(claim) if nonce == Nonce::Used => {
                    find_stored(&transaction, &request.business, claim).await?
                }
                _ => None,
            };
            transaction.commit().await?;
            session.give_back();
            Ok((nonce, stored))
        })
        .await
    }

    /// Forgets nonces whose time is over, at most `limit` of them. Returns how many.
    pub async fn forget_nonces(&self, limit: i64) -> Result<u64, StoreError> {
        self.bounded(async {
            let session = self.session().await?;
            let statement = session
                .client()
                .prepare_cached(
                    "DELETE FROM nonces WHERE (business_id, nonce) IN (
                         SELECT business_id, nonce FROM nonces WHERE expires_at < now()
                         ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED)",
                )
                .await?;
            let forgotten = session.client().execute(&statement, &[&limit]).await?;
            session.give_back();
            Ok(forgotten)
        })
        .await
    }
}

impl From<Refusal> for Intake {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

async fn store_batch(
    tx: &Transaction<'_>,
    request: &SignedRequest,
    batch: &NewBatch,
) -> Result<Intake, StoreError> {
    let business = &request.business;
    let batch_id = Uuid::now_v7();
    let total = Money::checked_sum(batch.orders.iter().map(|o| o.price))
        .ok_or_else(|| StoreError::unreadable("the batch's total is out of range"))?;
    if !insert_batch(tx, request, batch, batch_id, total).await? {
        return Ok(find_stored(tx, business, &batch.claim)
            .await?
            .unwrap_or(Refusal::OtherContent.into()));
    }
    let stored = insert_orders(tx, business, batch, batch_id).await?;
    if stored.len() < batch.orders.len() {
        let stored: std::collections::HashSet<_> = stored.iter().map(String::as_str).collect();
        let used = batch
            .orders
            .iter()
            .map(|o| &o.biz_code)
            .filter(|code| !stored.contains(code.as_str()));
        return Ok(Refusal::NumbersUsed(used.cloned().collect()).into());
    }
    if batch.counted && !take_stock(tx, &batch.product, batch.orders.len()).await? {
        return Ok(Refusal::OutOfStock.into());
    }
    if !hold(tx, business, batch, total).await? {
        return Ok(Refusal::BalanceInsufficient.into());
    }
    Ok(Intake::Stored(batch_id))
}

/// `false`: the nonce had been used. Waits for a transaction that is using it at this moment.
async fn use_nonce(tx: &Transaction<'_>, request: &SignedRequest) -> Result<bool, StoreError> {
    let statement = tx
        .prepare_cached(
            "INSERT INTO nonces (business_id, nonce, expires_at) VALUES ($1, $2, now() + $3::bigint * interval '1 millisecond')
             ON CONFLICT (business_id, nonce) DO NOTHING",
        )
        .await?;
    let ttl = in_ms(request.nonce_ttl);
    Ok(tx
        .execute(
            &statement,
            &[&request.business.as_str(), &request.nonce, &ttl],
        )
        .await?
        == 1)
}

/// `false`: the batch number is taken.
async fn insert_batch(
    tx: &Transaction<'_>,
    request: &SignedRequest,
    batch: &NewBatch,
    batch_id: Uuid,
    total: Money,
) -> Result<bool, StoreError> {
    let (Some(first), Some(last)) = (batch.orders.first(), batch.orders.last()) else {
        return Err(StoreError::unreadable("a batch without orders"));
    };
    let statement = tx
        .prepare_cached(
            "INSERT INTO batches (business_id, batch_id, batch_biz_code, product_code, callback_url, content_digest,
                                  item_count, total, first_code, last_code, store_until)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, clock_timestamp() + $11::bigint * interval '1 millisecond')
             ON CONFLICT (business_id, batch_biz_code) DO NOTHING",
        )
        .await?;
    let count =
        i32::try_from(batch.orders.len()).map_err(|_| StoreError::unreadable("too many orders"))?;
    let left = COMMIT_BY.saturating_sub(request.arrived.elapsed());
    let left_ms = in_ms(left);
    let inserted = tx
        .execute(
            &statement,
            &[
                &request.business.as_str(),
                &batch_id,
                &batch.claim.biz_code,
                &batch.product.as_str(),
                &batch.callback_url,
                &batch.claim.digest.as_slice(),
                &count,
                &total.units(),
                &first.code.uuid(),
                &last.code.uuid(),
                &left_ms,
            ],
        )
        .await?;
    Ok(inserted == 1)
}

/// The orders with their numbers, their timers and the outbox row; returns the order numbers that were free.
/// Inserted in the order of the merchant's numbers, so that batches that share numbers cannot wait for each other in a ring.
async fn insert_orders(
    tx: &Transaction<'_>,
    business: &BusinessId,
    batch: &NewBatch,
    batch_id: Uuid,
) -> Result<Vec<String>, StoreError> {
    let mut orders: Vec<&NewOrder> = batch.orders.iter().collect();
    orders.sort_unstable_by(|a, b| a.biz_code.cmp(&b.biz_code));
    let codes: Vec<Uuid> = orders.iter().map(|o| o.code.uuid()).collect();
    let biz_codes: Vec<&str> = orders.iter().map(|o| o.biz_code.as_str()).collect();
    let accounts: Vec<&str> = orders.iter().map(|o| o.account.as_str()).collect();
    let attaches: Vec<Option<&str>> = orders.iter().map(|o| o.attach.as_deref()).collect();
    let specs: Vec<i64> = orders.iter().map(|o| o.spec.units()).collect();
    let prices: Vec<i64> = orders.iter().map(|o| o.price.units()).collect();
    let statement = tx
        .prepare_cached(
            // `IS TRUE` has the codes looked up in a hash table; a join would hold each item against each number.
            "WITH numbered AS (
                 INSERT INTO order_numbers (biz_code, business_id, order_code)
                 SELECT biz_code, $1, code FROM unnest($6::text[], $5::uuid[]) AS item (biz_code, code)
                 ON CONFLICT (biz_code, business_id) DO NOTHING
                 RETURNING order_code
             ), stored AS (
                 INSERT INTO orders (business_id, order_code, batch_id, biz_code, product_code, account, attach, spec, price, counted)
                 SELECT $1, code, $2, biz_code, $3, account, attach, spec, price, $4
                 FROM unnest($5::uuid[], $6::text[], $7::text[], $8::text[], $9::bigint[], $10::bigint[])
                     AS item (code, biz_code, account, attach, spec, price)
                 WHERE (code IN (SELECT order_code FROM numbered)) IS TRUE
                 RETURNING order_code, biz_code
             ), waiting AS (
                 INSERT INTO timers (business_id, order_code, lane, kind, due_at)
                 SELECT $1, order_code, $11, 0, now() + $12::bigint * interval '1 millisecond' FROM stored
             ), announced AS (
                 INSERT INTO outbox (business_id, batch_id, lane, due_at)
                 VALUES ($1, $2, $11, now() + $12::bigint * interval '1 millisecond')
             )
             SELECT biz_code FROM stored",
        )
        .await?;
    let grace = in_ms(HINT_GRACE);
    let rows = tx
        .query(
            &statement,
            &[
                &business.as_str(),
                &batch_id,
                &batch.product.as_str(),
                &batch.counted,
                &codes,
                &biz_codes,
                &accounts,
                &attaches,
                &specs,
                &prices,
                &batch.lane.as_str(),
                &grace,
            ],
        )
        .await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// `false`: fewer units are left.
async fn take_stock(
    tx: &Transaction<'_>,
    product: &ProductCode,
    units: usize,
) -> Result<bool, StoreError> {
    let units = i64::try_from(units).unwrap_or(i64::MAX);
    let statement = tx
        .prepare_cached("UPDATE stock SET units_left = units_left - $2 WHERE product_code = $1 AND units_left >= $2")
        .await?;
    Ok(tx.execute(&statement, &[&product.as_str(), &units]).await? == 1)
}

/// The holds, and the balance that they move; `false`: the balance and the credit line do not cover them. One statement, because the
/// numbers in the business's feed are taken from the balance's row, under the lock that is held until the commit.
async fn hold(
    tx: &Transaction<'_>,
    business: &BusinessId,
    batch: &NewBatch,
    total: Money,
) -> Result<bool, StoreError> {
    let codes: Vec<Uuid> = batch.orders.iter().map(|o| o.code.uuid()).collect();
    let prices: Vec<i64> = batch.orders.iter().map(|o| o.price.units()).collect();
    let statement = tx
        .prepare_cached(
            "WITH moved AS (
                 UPDATE balances SET held = held + $2, feed_no = feed_no + cardinality($3::uuid[])
                 WHERE business_id = $1 AND prepaid - held + credit_line >= $2
                 RETURNING feed_no - cardinality($3::uuid[]) AS before
             )
             INSERT INTO ledger (business_id, posting_ref, step, kind, prepaid_delta, held_delta, feed_no)
             SELECT $1, item.code, 0, 'hold', 0, item.price, moved.before + item.place
             FROM moved, unnest($3::uuid[], $4::bigint[]) WITH ORDINALITY AS item (code, price, place)",
        )
        .await?;
    let values: [&(dyn ToSql + Sync); 4] = [&business.as_str(), &total.units(), &codes, &prices];
    Ok(tx.execute(&statement, &values).await? == batch.orders.len() as u64)
}

/// A batch that was stored before under this number: its orders, or the refusal when its content was another.
async fn find_stored(
    tx: &Transaction<'_>,
    business: &BusinessId,
    claim: &BatchClaim,
) -> Result<Option<Intake>, StoreError> {
    let statement = tx
        .prepare_cached(
            "SELECT b.content_digest = $3, o.order_code, o.biz_code, o.price
             FROM batches b JOIN orders o ON o.business_id = b.business_id AND o.batch_id = b.batch_id
                  AND o.order_code BETWEEN b.first_code AND b.last_code
             WHERE b.business_id = $1 AND b.batch_biz_code = $2
             ORDER BY o.order_code",
        )
        .await?;
    let rows = tx
        .query(
            &statement,
            &[
                &business.as_str(),
                &claim.biz_code,
                &claim.digest.as_slice(),
            ],
        )
        .await?;
    Ok(match rows.first().map(|row| row.get::<_, bool>(0)) {
        None => None,
        Some(false) => Some(Refusal::OtherContent.into()),
        Some(true) => Some(Intake::Replayed(
            rows.iter()
                .map(|row| StoredOrder {
                    code: OrderCode::from_uuid(row.get(1)),
                    biz_code: row.get(2),
                    price: Money::from_units(row.get(3)),
                })
                .collect(),
        )),
    })
}
