//! What persons decide about orders: the end of one in doubt, and the withdrawal of those that no worker has claimed.

use domain::life::Event;
use domain::{BusinessId, Catalogue, Evidence, OrderCode, OrderKey};
use uuid::Uuid;

use super::happen::{Act, Done, Happening};
use super::{Fate, Moved, Room};
use crate::audit::Deed;
use crate::{Store, StoreError};

/// Orders that one transaction withdraws.
const CANCELLED_AT_ONCE: usize = 500;

/// A person's decision on an order in doubt.
#[derive(Clone, Debug)]
pub struct Settlement {
    /// Which order.
    pub order: OrderCode,
    /// Whether the supplier charged.
    pub charged: bool,
    /// The written reason; kept as evidence.
    pub reason: String,
    /// Who decided.
    pub actor: String,
}

/// Why a settlement was not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotSettled {
    /// No such order.
    NoOrder,
    /// The order is not in doubt.
    NotInDoubt,
}

impl Store {
    /// Writes a person's decision.
    pub async fn settle_doubt(
        &self,
        settlement: &Settlement,
        catalogue: &Catalogue,
        deed: &Deed,
    ) -> Result<Result<Moved, NotSettled>, StoreError> {
        let Some(key) = self.find_order(settlement.order).await? else {
            return Ok(Err(NotSettled::NoOrder));
        };
        let happening = Happening {
            key,
            event: Event::Operator {
                charged: settlement.charged,
                reason: settlement.reason.clone(),
            },
            evidence: Some(settlement.evidence()),
            note: None,
        };
        let Done { moved, .. } = self
            .happen(
                Act::by("settle", deed),
                vec![happening],
                catalogue,
                Room::default(),
            )
            .await?;
        Ok(moved
            .into_iter()
            .find(|m| matches!(m.fate, Fate::Finished { .. }))
            .ok_or(NotSettled::NotInDoubt))
    }

    /// Cancels those of `keys` that no worker has claimed: their money is free again, the merchant is told. Returns those; the
    /// others are left as they are. `note` says who did it, and stays with the posting.
    pub async fn cancel(
        &self,
        keys: &[OrderKey],
        note: &str,
        catalogue: &Catalogue,
        deed: &Deed,
    ) -> Result<Vec<Moved>, StoreError> {
        let mut cancelled = Vec::with_capacity(keys.len());
        for some in keys.chunks(CANCELLED_AT_ONCE) {
            let happenings = some
                .iter()
                .map(|key| Happening {
                    key: key.clone(),
                    event: Event::Cancel,
                    evidence: None,
                    note: Some(note.to_owned()),
                })
                .collect();
            let Done { moved, .. } = self
                .happen(
                    Act::by("cancel", deed),
                    happenings,
                    catalogue,
                    Room::default(),
                )
                .await?;
            cancelled.extend(moved);
        }
        Ok(cancelled)
    }

    /// The orders of a batch, by the merchant's number; `None`: there is no such batch.
    pub async fn batch_orders(
        &self,
        business: &BusinessId,
        batch_biz_code: &str,
    ) -> Result<Option<Vec<OrderKey>>, StoreError> {
        self.bounded(async {
            let session = self.session().await?;
            let statement = session
                .client()
                .prepare_cached(
                    "SELECT o.order_code FROM batches b JOIN orders o ON o.business_id = b.business_id
                         AND o.batch_id = b.batch_id AND o.order_code BETWEEN b.first_code AND b.last_code
                     WHERE b.business_id = $1 AND b.batch_biz_code = $2 ORDER BY o.order_code",
                )
                .await?;
            let rows = session
                .client()
                .query(&statement, &[&business.as_str(), &batch_biz_code])
                .await?;
            session.give_back();
            let key = |row: &tokio_postgres::Row| OrderKey {
                business: business.clone(),
                order: OrderCode::from_uuid(row.get::<_, Uuid>(0)),
            };
            // A batch has at least one order.
            Ok((!rows.is_empty()).then(|| rows.iter().map(key).collect()))
        })
        .await
    }
}

impl Settlement {
    fn evidence(&self) -> Evidence {
        let verdict = if self.charged {
            domain::Verdict::Succeeded { voucher: None }
        } else {
            domain::Verdict::Failed {
                reason: self.reason.clone(),
            }
        };
        Evidence {
            source: domain::Source::Operator,
            verdict,
            upstream_no: None,
            detail: self.reason.clone(),
            actor: Some(self.actor.clone()),
        }
    }
}
