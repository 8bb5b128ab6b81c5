//! Orders, taken back before a worker has claimed them.

use domain::{BusinessId, Catalogue, OrderCode, OrderKey};
use serde_json::json;
use store::Store;
use store::audit::Deed;

use super::{Action, Actor, Begun, NotDone, begin, text};

/// Why an order is not cancelled.
pub const LEFT_AS_IT_IS: &str = "a worker has claimed it, or it has ended: it was left as it is";

/// Which orders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    /// These, by our numbers.
    Orders(Vec<OrderCode>),
    /// All of a batch, by the merchant's number.
    Batch(BusinessId, String),
}

impl Named {
    fn object(&self) -> String {
        match self {
            Self::Orders(codes) => match codes.as_slice() {
                [one] => Deed::order(*one),
                several => format!("{} orders", several.len()),
            },
            Self::Batch(business, batch) => Deed::batch(business, batch),
        }
    }

    async fn keys(&self, store: &Store) -> Result<Vec<OrderKey>, NotDone> {
        match self {
            Self::Batch(business, batch) => {
                let orders = store.batch_orders(business, batch).await?;
                orders.ok_or_else(|| NotDone::Refused(format!("{business} has no batch {batch}")))
            }
            Self::Orders(codes) => {
                let mut keys = Vec::with_capacity(codes.len());
                for code in codes {
                    let found = store.find_order(*code).await?;
                    let key = found
                        .ok_or_else(|| NotDone::Refused(format!("there is no order {code}")))?;
                    if !keys.contains(&key) {
                        keys.push(key);
                    }
                }
                Ok(keys)
            }
        }
    }
}

/// Cancels those that no worker has claimed: their money is free again, the merchant is told. Returns how many those were, none
/// perhaps, and of how many.
pub async fn cancel(
    store: &Store,
    actor: &Actor,
    named: &Named,
    reason: &str,
    catalogue: &Catalogue,
) -> Result<(usize, usize), NotDone> {
    let parameters = json!({ "of": named.object(), "reason": reason });
    let begun = begin(
        store,
        actor,
        Action::CancelOrder,
        named.object(),
        parameters,
    )
    .await?;
    let done = Box::pin(cancelled(store, actor, named, reason, catalogue, &begun)).await;
    let nothing = NotDone::Unchanged(LEFT_AS_IT_IS.into());
    match done {
        // What was cancelled has its rows; that nothing was has one here.
        Ok((0, of)) => match begun.ended::<()>(Err(nothing)).await {
            Err(NotDone::Store(error)) => Err(error.into()),
            _ => Ok((0, of)),
        },
        done => begun.ended(done).await,
    }
}

async fn cancelled(
    store: &Store,
    actor: &Actor,
    named: &Named,
    reason: &str,
    catalogue: &Catalogue,
    begun: &Begun<'_>,
) -> Result<(usize, usize), NotDone> {
    let reason = text("reason", reason, 0, 200)?;
    let keys = named.keys(store).await?;
    let because = if reason.is_empty() {
        String::new()
    } else {
        format!(": {reason}")
    };
    let note = format!("cancelled by {}{because}", actor.name);
    let cancelled = store.cancel(&keys, &note, catalogue, &begun.deed).await?;
    for moved in &cancelled {
        tracing::info!(order = %moved.key.order, business = %moved.key.business, operator = actor.name, "order cancelled");
    }
    Ok((cancelled.len(), keys.len()))
}
