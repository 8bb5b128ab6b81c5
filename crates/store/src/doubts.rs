//! The doubt desk: orders that wait for a person.

use domain::{BusinessId, OrderCode, OrderKey, UnixMs};

use crate::{Store, StoreError};

/// An order that a person has to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenDoubt {
    /// Which order.
    pub key: OrderKey,
    /// `doubt`: the order stands still; `discrepancy`: something contradicts its final state.
    pub kind: String,
    /// Why.
    pub reason: String,
    /// Since when.
    pub opened_at: UnixMs,
    /// The attempt that it is about, its supplier and our reference there.
    pub attempt: Option<(i16, String, String)>,
}

impl Store {
    /// What waits for a person, the oldest first, up to `limit`.
    pub async fn open_doubts(&self, limit: i64) -> Result<Vec<OpenDoubt>, StoreError> {
        self.bounded(async {
            let session = self.session().await?;
            let statement = session
                .client()
                .prepare_cached(
                    "SELECT d.business_id, d.order_code, d.kind, d.reason, (extract(epoch FROM d.opened_at) * 1000)::bigint,
                            a.attempt_no, a.supplier_id, a.reference
                     FROM doubts d LEFT JOIN attempts a USING (business_id, order_code, attempt_no)
                     WHERE d.closed_at IS NULL ORDER BY d.opened_at LIMIT $1",
                )
                .await?;
            let rows = session.client().query(&statement, &[&limit]).await?;
            session.give_back();
            Ok(rows
                .iter()
                .map(|row| OpenDoubt {
                    key: OrderKey {
                        business: BusinessId::new(row.get::<_, String>(0)),
                        order: OrderCode::from_uuid(row.get(1)),
                    },
                    kind: row.get(2),
                    reason: row.get(3),
                    opened_at: UnixMs(row.get(4)),
                    attempt: row.get::<_, Option<i16>>(5).map(|no| (no, row.get(6), row.get(7))),
                })
                .collect())
        })
        .await
    }
}
