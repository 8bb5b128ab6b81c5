//! The nonces of requests that store nothing: of reads, and of batches that are refused before they get here.

use std::collections::HashSet;

use domain::BusinessId;
use futures::future::join_all;
use tokio_postgres::types::ToSql;

use super::{BatchClaim, Intake, SignedRequest, find_stored};
use crate::error::each_told;
use crate::session::{Session, in_ms};
use crate::{Store, StoreError};

/// The nonces that were free, and the batch numbers that are taken.
const USE: &str = "WITH asked AS MATERIALIZED (
         SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[])
             AS asked (business_id, nonce, ttl_ms, batch_biz_code)
     ), used AS (
         INSERT INTO nonces (business_id, nonce, expires_at)
         SELECT business_id, nonce, now() + ttl_ms * interval '1 millisecond' FROM asked ORDER BY business_id, nonce
         ON CONFLICT (business_id, nonce) DO NOTHING RETURNING business_id, nonce
     )
     SELECT business_id, nonce, false FROM used
     UNION ALL
     SELECT b.business_id, b.batch_biz_code, true FROM asked
     JOIN batches b ON b.business_id = ANY (ARRAY[asked.business_id]) AND b.batch_biz_code = asked.batch_biz_code";

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

/// What became of a nonce, and the batch that was stored before, if that was asked for.
pub type Used = Result<(Nonce, Option<Intake>), StoreError>;

/// The nonces of requests, column by column.
#[derive(Default)]
pub(super) struct NonceRows<'a> {
    pub(super) businesses: Vec<&'a str>,
    pub(super) nonces: Vec<&'a str>,
    pub(super) ttls_ms: Vec<i64>,
}

impl<'a> NonceRows<'a> {
    pub(super) fn of(requests: impl Iterator<Item = &'a SignedRequest>) -> Self {
        let mut rows = Self::default();
        for request in requests {
            rows.businesses.push(request.business.as_str());
            rows.nonces.push(request.nonce.as_str());
            rows.ttls_ms.push(in_ms(request.nonce_ttl));
        }
        rows
    }
}

/// What the database says of a set.
#[derive(Default)]
struct Found {
    free: HashSet<(BusinessId, String)>,
    /// Numbers of batches that are stored.
    taken: HashSet<(BusinessId, String)>,
}

impl Store {
    /// Uses up the nonces of requests that store nothing. The answers are in their order.
    pub async fn use_nonces(&self, uses: &[NonceUse]) -> Vec<Used> {
        each_told(uses, |some| self.use_nonces_once(some)).await
    }

    async fn use_nonces_once(&self, uses: &[NonceUse]) -> Result<Vec<Used>, StoreError> {
        self.bounded(async {
            let session = self.session().await?;
            let Found { mut free, taken } = use_together(&session, uses).await?;
            let told = uses.iter().map(|NonceUse { request, replay_of }| {
                let named = |name: &str| (request.business.clone(), name.to_owned());
                // Of two with the same nonce the first has it.
                let used = free.remove(&named(&request.nonce));
                let claim = replay_of
                    .as_ref()
                    .filter(|claim| used && taken.contains(&named(&claim.biz_code)));
                answer(&session, &request.business, used, claim)
            });
            // Asked for at once: what one of them stored before makes the others wait for no round trip.
            let told = join_all(told).await;
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

/// One statement, however many there are: an overload is refused here, and nobody in it should wait for the others one by one.
async fn use_together(session: &Session, uses: &[NonceUse]) -> Result<Found, StoreError> {
    let rows = NonceRows::of(uses.iter().map(|one| &one.request));
    let claims = uses.iter().map(|one| one.replay_of.as_ref());
    let numbers: Vec<Option<&str>> = claims
        .map(|claim| claim.map(|claim| claim.biz_code.as_str()))
        .collect();
    let client = session.client();
    let statement = client.prepare_cached(USE).await?;
    let values: [&(dyn ToSql + Sync); 4] =
        [&rows.businesses, &rows.nonces, &rows.ttls_ms, &numbers];
    let mut found = Found::default();
    for row in client.query(&statement, &values).await? {
        let name = (BusinessId::new(row.get::<_, String>(0)), row.get(1));
        if row.get(2) {
            found.taken.insert(name);
        } else {
            found.free.insert(name);
        }
    }
    Ok(found)
}

/// `stored`: the refused batch whose number is taken, and which may have been stored before.
async fn answer(
    session: &Session,
    business: &BusinessId,
    used: bool,
    stored: Option<&BatchClaim>,
) -> Used {
    let nonce = if used { Nonce::Used } else { Nonce::Repeated };
    Ok(match stored {
        Some(claim) => (nonce, find_stored(session.client(), business, claim).await?),
        None => (nonce, None),
    })
}
