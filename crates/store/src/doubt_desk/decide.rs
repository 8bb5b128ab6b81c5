//! Two persons close a case: one proposes, another confirms the same.
//!
//! A doubt is settled through `life::decide` like everything else that happens to an open order. A discrepancy is about an order whose
//! state is final and stays so: what it should have cost the merchant is put right by an adjusting entry.

use domain::{Catalogue, Money, OrderCode, OrderKey, OrderState};
use tokio_postgres::error::SqlState;

use crate::audit::Deed;
use crate::transaction::{Transaction, commit};
use crate::{Store, StoreError};

/// What a person says about a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// The account was topped up, and the merchant pays for it; or neither.
    pub charged: bool,
    /// What the decision rests on.
    pub reason: String,
    /// Who says it.
    pub by: String,
}

/// How a case was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// The order has this final state now.
    Settled(OrderState),
    /// The final state stays; the merchant's prepaid money moved by this much, which may be nothing.
    Adjusted(Money),
}

/// Why nothing was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No such order.
    #[error("there is no such order")]
    NoOrder,
    /// Nothing about this order waits for a person.
    #[error("the order is not in doubt, and nothing contradicts its end: nothing was changed")]
    NoCase,
    /// Nobody has proposed anything.
    #[error("nobody has proposed anything yet: `refill doubt propose` comes first")]
    NothingProposed,
    /// The proposal says the opposite.
    #[error("{0} proposed the opposite: nothing was changed")]
    OtherProposed(String),
    /// The proposer cannot confirm.
    #[error("{0} proposed it: another person has to confirm")]
    SamePerson(String),
    /// An adjustment waits until the order has ended.
    #[error("the order has not ended yet: settle its doubt first")]
    NotFinal,
    /// The merchant's balance and credit line do not cover the adjustment.
    #[error("the merchant's balance and credit line do not cover it: nothing was changed")]
    NotCovered,
}

/// An open case under its lock.
struct Case {
    doubt_no: i16,
    is_discrepancy: bool,
    proposal: Option<Word>,
}

impl Store {
    /// Notes what one person proposes, in the place of an earlier proposal.
    pub async fn propose(
        &self,
        order: OrderCode,
        word: &Word,
        deed: &Deed,
    ) -> Result<Result<(), Refusal>, StoreError> {
        let Some(key) = self.find_order(order).await? else {
            return Ok(Err(Refusal::NoOrder));
        };
        let mut session = self.session().await?;
        let (tx, done) = self
            .bounded(async {
                let tx = session.begin();
                let Some(case) = open_case(&tx, &key).await? else {
                    return Ok((tx, Err(Refusal::NoCase)));
                };
                let statement = tx
                    .prepare_cached(
                        "UPDATE doubts SET proposed_charged = $4, proposed_by = $5, proposed_reason = $6,
                                proposed_at = clock_timestamp()
                         WHERE business_id = $1 AND order_code = $2 AND doubt_no = $3",
                    )
                    .await?;
                let (business, code) = (key.business.as_str(), key.order.uuid());
                tx.execute(
                    &statement,
                    &[&business, &code, &case.doubt_no, &word.charged, &word.by, &word.reason],
                )
                .await?;
                deed.done(&tx, "").await?;
                Ok((tx, Ok(())))
            })
            .await?;
        commit(tx, "doubt").await?;
        session.give_back();
        Ok(done)
    }

    /// Closes a case by the second person's word.
    pub async fn confirm(
        &self,
        order: OrderCode,
        word: &Word,
        catalogue: &Catalogue,
        deed: &Deed,
    ) -> Result<Result<Closed, Refusal>, StoreError> {
        let Some(key) = self.find_order(order).await? else {
            return Ok(Err(Refusal::NoOrder));
        };
        let mut session = self.session().await?;
        let (tx, found) = self
            .bounded(async {
                let tx = session.begin();
                let found = match open_case(&tx, &key).await? {
                    None => Err(Refusal::NoCase),
                    Some(case) => agreed(&case, word).map(|proposal| (case, proposal)),
                };
                Ok((tx, found))
            })
            .await?;
        let (case, proposal) = match found {
            Err(refusal) => return Ok(Err(refusal)),
            Ok(found) => found,
        };
        if case.is_discrepancy {
            let adjusted = self
                .bounded(async {
                    let closed = adjust(&tx, &key, &case, &proposal, word).await?;
                    if let Ok(Closed::Adjusted(moved)) = &closed {
                        deed.done(&tx, &format!("moved {moved}")).await?;
                    }
                    Ok(closed)
                })
                .await;
            let closed = match adjusted {
                Err(StoreError::Refused(error))
                    if error.code() == Some(&SqlState::CHECK_VIOLATION) =>
                {
                    return Ok(Err(Refusal::NotCovered));
                }
                other => other?,
            };
            commit(tx, "doubt").await?;
            session.give_back();
            return Ok(closed);
        }
        // The order's own lock comes first wherever its life goes on, so the case's lock is let go before.
        self.bounded(async { Ok(tx.rollback().await?) }).await?;
        session.give_back();
        let agreed = Word {
            reason: proposal.reason,
            ..word.clone()
        };
        self.settle_alone(order, &agreed, catalogue, deed).await
    }
}

/// The order's open doubt, else its oldest open discrepancy.
async fn open_case(tx: &Transaction<'_>, key: &OrderKey) -> Result<Option<Case>, StoreError> {
    let statement = tx
        .prepare_cached(
            "SELECT doubt_no, kind = 'discrepancy', proposed_charged, proposed_by, proposed_reason FROM doubts
             WHERE business_id = $1 AND order_code = $2 AND closed_at IS NULL
             ORDER BY kind = 'discrepancy', doubt_no LIMIT 1 FOR UPDATE",
        )
        .await?;
    let row = tx
        .query_opt(&statement, &[&key.business.as_str(), &key.order.uuid()])
        .await?;
    Ok(row.map(|row| Case {
        doubt_no: row.get(0),
        is_discrepancy: row.get(1),
        proposal: row.get::<_, Option<bool>>(2).map(|charged| Word {
            charged,
            by: row.get(3),
            reason: row.get(4),
        }),
    }))
}

/// The proposal, if this word confirms it.
fn agreed(case: &Case, word: &Word) -> Result<Word, Refusal> {
    let Some(proposal) = &case.proposal else {
        return Err(Refusal::NothingProposed);
    };
    if proposal.by.eq_ignore_ascii_case(&word.by) {
        return Err(Refusal::SamePerson(word.by.clone()));
    }
    if proposal.charged != word.charged {
        return Err(Refusal::OtherProposed(proposal.by.clone()));
    }
    Ok(proposal.clone())
}

/// Closes a discrepancy. The merchant shall have paid the price, or nothing; what is missing is posted.
async fn adjust(
    tx: &Transaction<'_>,
    key: &OrderKey,
    case: &Case,
    proposal: &Word,
    word: &Word,
) -> Result<Result<Closed, Refusal>, StoreError> {
    let (business, code) = (key.business.as_str(), key.order.uuid());
    let statement = tx
        .prepare_cached(
            "SELECT o.state, o.price, l.paid, l.last_step FROM orders o
             CROSS JOIN LATERAL (SELECT -coalesce(sum(prepaid_delta), 0)::bigint AS paid, max(step) AS last_step FROM ledger
                                 WHERE business_id = o.business_id AND posting_ref = o.order_code) l
             WHERE o.business_id = $1 AND o.order_code = $2",
        )
        .await?;
    // The order is final, so nobody else moves its money but whoever holds this case's lock, or another case's.
    let lock = "SELECT 1 FROM orders WHERE business_id = $1 AND order_code = $2 FOR UPDATE";
    tx.query_one(lock, &[&business, &code]).await?;
    let row = tx.query_one(&statement, &[&business, &code]).await?;
    let state = OrderState::from_number(row.get(0));
    if !state.is_some_and(OrderState::is_final) {
        return Ok(Err(Refusal::NotFinal));
    }
    let (price, paid): (i64, i64) = (row.get(1), row.get(2));
    let step: i16 = row.get(3);
    let moves = domain::life::adjustment(
        Money::from_units(price),
        Money::from_units(paid),
        word.charged,
    );
    let note = format!(
        "discrepancy {}: {} ({}), confirmed: {} ({})",
        case.doubt_no, proposal.reason, proposal.by, word.reason, word.by
    );
    if moves != Money::ZERO {
        tx.execute(
            "INSERT INTO ledger (business_id, posting_ref, step, kind, prepaid_delta, held_delta, note)
             VALUES ($1, $2, $3, 'adjust', $4, 0, $5)",
            &[&business, &code, &(step + 1).max(2), &moves.units(), &note],
        )
        .await?;
        tx.execute(
            "UPDATE balances SET prepaid = prepaid + $2 WHERE business_id = $1",
            &[&business, &moves.units()],
        )
        .await?;
    }
    tx.execute(
        "UPDATE doubts SET closed_at = clock_timestamp(), closed_by = $4 WHERE business_id = $1 AND order_code = $2 AND doubt_no = $3",
        &[&business, &code, &case.doubt_no, &word.by],
    )
    .await?;
    Ok(Ok(Closed::Adjusted(moves)))
}
