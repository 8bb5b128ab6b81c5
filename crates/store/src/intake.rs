//! What signed requests store: their nonces, always; their batches, each whole or not at all; the money held for them, in the same
//! transaction.
//!
//! Batches that come at the same time are stored together: a set costs the same few statements whatever its size, one round trip and one
//! commit. When one of them cannot be stored, nothing of the set is, and each is stored, or refused, by itself. The order of the
//! statements (`set`) is the order of the locks: numbers first, stock next, the balances last, because a balance is the row that all
//! batches of a business share.

mod nonces;
mod set;

use std::collections::HashSet;
use std::time::{Duration, Instant};

use deadpool_postgres::Object;
use domain::{BusinessId, Lane, Money, OrderCode, ProductCode};
use uuid::Uuid;

use crate::transaction::{Transaction, commit};
use crate::{Store, StoreError};
pub use nonces::{Nonce, NonceUse, Used};
use set::{Obstacle, Set};

/// How long after its arrival a batch may reach its commit; the server refuses the commit itself as long again after that
/// (`CONTRACT.md` §2: what is not stored 10 s after it arrived is rolled back).
const COMMIT_BY: Duration = Duration::from_secs(5);

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

/// A signed request with the batch that it asks for.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Who asks, and the nonce.
    pub request: SignedRequest,
    /// What is asked for.
    pub batch: NewBatch,
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
    /// The trace that it belongs to, if that is kept; given back with whatever is done for it later.
    pub traceparent: Option<String>,
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

impl Store {
    /// Stores batches with everything that belongs to them; of one that is refused, nothing but its nonce. The answers are in the order
    /// of the batches. Those that come together should be of few businesses that nobody else is storing for at the moment.
    ///
    /// `Err(CommitUnknown)`: it may have been stored (98). Any other error: it was not; `Err(Locked)`: because somebody keeps the account's
    /// balance locked.
    pub async fn intake(&self, asked: &[Asked]) -> Vec<Result<Intake, StoreError>> {
        let mut held = HashSet::new();
        if asked.len() > 1 {
            match self.intake_together(asked).await {
                Ok(Some(stored)) => return stored.into_iter().map(Ok).collect(),
                Ok(None) => {}
                Err(error) => {
                    if let Some(told) = error.for_many(asked.len()) {
                        return told.into_iter().map(Err).collect();
                    }
                    let businesses = asked.iter().map(|one| one.request.business.as_str());
                    if matches!(error, StoreError::Locked)
                        && let Ok(found) = self.held_balances(businesses.collect()).await
                    {
                        held = found;
                    }
                }
            }
        }
        let mut told = Vec::with_capacity(asked.len());
        for one in asked {
            told.push(if held.contains(one.request.business.as_str()) {
                Err(StoreError::Locked)
            } else {
                self.intake_alone(one).await
            });
        }
        told
    }

    /// `None`: they could not all be stored, so none was.
    async fn intake_together(&self, asked: &[Asked]) -> Result<Option<Vec<Intake>>, StoreError> {
        let set = Set::of(asked)?;
        let mut session = self.session_by(set.deadline()).await?;
        let work = async {
            let transaction = session.begin();
            let obstacle = set.store(&transaction).await?;
            Ok((transaction, obstacle))
        };
        let (transaction, obstacle) = within(set.deadline(), work).await?;
        if obstacle.is_some() || Instant::now() >= set.deadline() {
            transaction.rollback().await?;
            session.give_back();
            return Ok(None);
        }
        commit(transaction, "intake").await?;
        session.give_back();
        Ok(Some(set.ids().map(Intake::Stored).collect()))
    }

    async fn intake_alone(&self, asked: &Asked) -> Result<Intake, StoreError> {
        let mut contended = 0;
        loop {
            match self.intake_once(asked).await {
                Err(StoreError::Contended(_)) if contended < 3 => contended += 1,
                other => return other,
            }
        }
    }

    async fn intake_once(&self, asked: &Asked) -> Result<Intake, StoreError> {
        let set = Set::of(std::slice::from_ref(asked))?;
        let mut session = self.session_by(set.deadline()).await?;
        let work = async {
            let transaction = session.begin();
            let intake = match set.store(&transaction).await? {
                None => set.ids().next().map(Intake::Stored),
                Some(obstacle) => {
                    set.take_back(&transaction).await?;
                    Some(refused(&transaction, asked, obstacle).await?)
                }
            };
            let intake = intake.ok_or_else(|| StoreError::unreadable("a set without a batch"))?;
            Ok((transaction, intake))
        };
        let (transaction, intake) = within(set.deadline(), work).await?;
        let was_stored_before = matches!(intake, Intake::Replayed(_));
        if Instant::now() >= set.deadline() && !was_stored_before {
            return Ok(Refusal::TooLate.into());
        }
        match commit(transaction, "intake").await {
            // Only whether the nonce is used is not known.
            Err(_) if was_stored_before => return Ok(intake),
            // A refused batch stored nothing, whatever became of its nonce.
            Err(StoreError::CommitUnknown) if !matches!(intake, Intake::Stored(_)) => {
                return Err(StoreError::TooSlow);
            }
            other => other?,
        }
        session.give_back();
        Ok(intake)
    }

    async fn session_by(&self, deadline: Instant) -> Result<crate::session::Session, StoreError> {
        within(deadline, self.session()).await
    }
}

impl From<Refusal> for Intake {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

async fn within<T>(
    deadline: Instant,
    work: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    tokio::time::timeout_at(deadline.into(), work)
        .await
        .unwrap_or(Err(StoreError::TooSlow))
}

/// Why a batch that is alone was not stored, or that it had been before. Nothing of it but its nonce is in the transaction any more.
async fn refused(
    tx: &Transaction<'_>,
    asked: &Asked,
    obstacle: Obstacle,
) -> Result<Intake, StoreError> {
    let business = &asked.request.business;
    Ok(match obstacle {
        Obstacle::Nonce => Refusal::NonceUsed.into(),
        Obstacle::BatchNumber => find_stored(tx.client(), business, &asked.batch.claim)
            .await?
            .unwrap_or(Refusal::OtherContent.into()),
        Obstacle::OrderNumber => {
            Refusal::NumbersUsed(numbers_used(tx, business, &asked.batch).await?).into()
        }
        Obstacle::Stock => Refusal::OutOfStock.into(),
        Obstacle::Balance => Refusal::BalanceInsufficient.into(),
    })
}

/// Which of a batch's order numbers have been used before.
async fn numbers_used(
    tx: &Transaction<'_>,
    business: &BusinessId,
    batch: &NewBatch,
) -> Result<Vec<String>, StoreError> {
    let numbers: Vec<&str> = batch.orders.iter().map(|o| o.biz_code.as_str()).collect();
    let statement = tx
        .prepare_cached(
            "SELECT n.number FROM unnest($2::text[]) AS n (number)
             JOIN order_numbers o ON o.biz_code = n.number AND o.business_id = $1",
        )
        .await?;
    let rows = tx
        .query(&statement, &[&business.as_str(), &numbers])
        .await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// A batch that was stored before under this number: its orders, or the refusal when its content was another.
async fn find_stored(
    client: &Object,
    business: &BusinessId,
    claim: &BatchClaim,
) -> Result<Option<Intake>, StoreError> {
    let statement = client
        .prepare_cached(
            "SELECT b.content_digest = $3, o.order_code, o.biz_code, o.price
             FROM batches b JOIN orders o ON o.business_id = b.business_id AND o.batch_id = b.batch_id
                  AND o.order_code BETWEEN b.first_code AND b.last_code
             WHERE b.business_id = $1 AND b.batch_biz_code = $2
             ORDER BY o.order_code",
        )
        .await?;
    let rows = client
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
