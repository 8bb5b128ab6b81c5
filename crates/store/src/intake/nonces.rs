//! The nonces of requests that store nothing: of reads, and of batches that are refused before they get here.

use super::{BatchClaim, Intake, SignedRequest, find_stored, set};
use crate::{Store, StoreError};

/// The nonce of a request that stores nothing.
#[derive(Clone, Debug)]
pub struct NonceUse {
    /// Whose nonce.
    pub request: SignedRequest,
    /// A batch that is refused now may have been stored before; then the original orders are the answer, whatever the rules say today.
    pub replay_of: Option<BatchClaim>,
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
    /// Uses up the nonces of requests that store nothing. The answers are in their order.
    pub async fn use_nonces(
        &self,
        uses: &[NonceUse],
    ) -> Vec<Result<(Nonce, Option<Intake>), StoreError>> {
        match self.use_nonces_once(uses).await {
            Ok(used) => used.into_iter().map(Ok).collect(),
            Err(error) => match error.for_many(uses.len()) {
                Some(told) => told.into_iter().map(Err).collect(),
                None if uses.len() == 1 => vec![Err(error)],
                None => {
                    let mut told = Vec::with_capacity(uses.len());
                    for one in uses {
                        let used = self.use_nonces_once(std::slice::from_ref(one)).await;
                        let used = used.and_then(|mut used| {
                            used.pop()
                                .ok_or_else(|| StoreError::unreadable("a nonce without an answer"))
                        });
                        told.push(used);
                    }
                    told
                }
            },
        }
    }

    async fn use_nonces_once(
        &self,
        uses: &[NonceUse],
    ) -> Result<Vec<(Nonce, Option<Intake>)>, StoreError> {
        self.bounded(async {
            let mut session = self.session().await?;
            let transaction = session.begin().await?;
            let requests = uses.iter().map(|u| &u.request);
            let mut free = set::use_nonces(&transaction, requests).await?;
            let mut told = Vec::with_capacity(uses.len());
            for one in uses {
                // Of two with the same nonce the first has it.
                let name = (one.request.business.clone(), one.request.nonce.clone());
                let nonce = if free.remove(&name) {
                    Nonce::Used
                } else {
                    Nonce::Repeated
                };
                let stored = match &one.replay_of {
                    Some(claim) if nonce == Nonce::Used => {
                        find_stored(&transaction, &one.request.business, claim).await?
                    }
                    _ => None,
                };
                told.push((nonce, stored));
            }
            transaction.commit().await?;
            session.give_back();
            Ok(told)
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
