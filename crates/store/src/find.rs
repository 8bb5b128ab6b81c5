//! From the numbers that outsiders use to the keys of our rows.

use std::collections::HashMap;

use domain::{AttemptNo, BusinessId, OrderCode, OrderKey, SupplierId};

use crate::life::Pushed;
use crate::{Store, StoreError};

impl Store {
    /// The attempts that the pushes are about; a reference counts only for the supplier that it was given to.
    pub(crate) async fn find_references(
        &self,
        pushes: &[Pushed],
    ) -> Result<HashMap<(String, SupplierId), (OrderKey, AttemptNo)>, StoreError> {
        let references: Vec<&str> = pushes.iter().map(|p| p.reference.as_str()).collect();
        let suppliers: Vec<&str> = pushes.iter().map(|p| p.supplier.as_str()).collect();
        self.bounded(async {
            let session = self.session().await?;
            let statement = session
                .client()
                .prepare_cached(
                    "SELECT a.reference, a.supplier_id, a.business_id, a.order_code, a.attempt_no
                     FROM unnest($1::text[], $2::text[]) AS p (reference, supplier_id)
                     JOIN attempts a USING (reference, supplier_id)",
                )
                .await?;
            let rows = session
                .client()
                .query(&statement, &[&references, &suppliers])
                .await?;
            session.give_back();
            Ok(rows
                .iter()
                .map(|row| {
                    let key = OrderKey {
                        business: BusinessId::new(row.get::<_, String>(2)),
                        order: OrderCode::from_uuid(row.get(3)),
                    };
                    let supplier = SupplierId::new(row.get::<_, String>(1));
                    ((row.get(0), supplier), (key, AttemptNo(row.get(4))))
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
                    "SELECT o.business_id FROM businesses b JOIN orders o ON o.business_id = b.business_id AND o.order_code = $1",
                )
                .await?;
            let row = session.client().query_opt(&statement, &[&order.uuid()]).await?;
            session.give_back();
            Ok(row.map(|row| OrderKey { business: BusinessId::new(row.get::<_, String>(0)), order }))
        })
        .await
    }
}
