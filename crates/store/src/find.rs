//! From the numbers that outsiders use to the keys of our rows.

use std::collections::HashMap;

use domain::{AttemptNo, BusinessId, Money, OrderCode, OrderKey, SupplierId, reference};
use uuid::Uuid;

use crate::{Store, StoreError};

/// The attempt that a reference names, and what an answer about it is held against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Referenced {
    /// Its order.
    pub key: OrderKey,
    /// Its number.
    pub attempt: AttemptNo,
    /// The order's account.
    pub account: String,
    /// The order's face value.
    pub spec: Money,
}

impl Store {
    /// The attempts that these references name, by supplier and reference. A reference counts only for the supplier that it was
    /// given to; one that is not in the answer was never given out.
    pub async fn find_references(
        &self,
        references: &[(SupplierId, String)],
    ) -> Result<HashMap<(SupplierId, String), Referenced>, StoreError> {
        // The order's code is in the reference, and says in which month to look.
        let named: Vec<(&str, &str, Uuid)> = references
            .iter()
            .filter_map(|(s, r)| Some((s.as_str(), r.as_str(), reference::order_of(r)?.uuid())))
            .collect();
        let suppliers: Vec<&str> = named.iter().map(|(s, ..)| *s).collect();
        let numbers: Vec<&str> = named.iter().map(|(_, r, _)| *r).collect();
        let orders: Vec<Uuid> = named.iter().map(|(.., o)| *o).collect();
        self.bounded(async {
            let session = self.session().await?;
            let statement = session
                .client()
                .prepare_cached(
                    "SELECT a.supplier_id, a.reference, a.business_id, a.order_code, a.attempt_no, o.account, o.spec
                     FROM unnest($1::text[], $2::text[], $3::uuid[]) AS p (supplier_id, reference, order_code)
                     JOIN attempts a USING (supplier_id, reference, order_code)
                     JOIN orders o USING (business_id, order_code)",
                )
                .await?;
            let rows = session.client().query(&statement, &[&suppliers, &numbers, &orders]).await?;
            session.give_back();
            Ok(rows
                .iter()
                .map(|row| {
                    let named = (SupplierId::new(row.get::<_, String>(0)), row.get(1));
                    let attempt = Referenced {
                        key: OrderKey {
                            business: BusinessId::new(row.get::<_, String>(2)),
                            order: OrderCode::from_uuid(row.get(3)),
                        },
                        attempt: AttemptNo(row.get(4)),
                        account: row.get(5),
                        spec: Money::from_units(row.get(6)),
                    };
                    (named, attempt)
                })
                .collect())
        })
        .await
    }

    /// The key of an order, whose ever it is. For the tools of our own people.
    pub async fn find_order(&self, order: OrderCode) -> Result<Option<OrderKey>, StoreError> {
        self.bounded(async {
            let session = self.session().await?;
            // No index begins with the code: a tool may look through all businesses, one short search each.
            let statement = session
                .client()
                .prepare_cached(
                    "SELECT o.business_id FROM businesses b, LATERAL (
                         SELECT business_id FROM orders WHERE business_id = b.business_id AND order_code = $1 OFFSET 0) o",
                )
                .await?;
            let row = session.client().query_opt(&statement, &[&order.uuid()]).await?;
            session.give_back();
            Ok(row.map(|row| OrderKey { business: BusinessId::new(row.get::<_, String>(0)), order }))
        })
        .await
    }
}
