//! Balances that somebody keeps locked: who they are, and waiting for one of them while nothing else is held.

use std::collections::HashSet;
use std::time::Duration;

use domain::BusinessId;

use crate::session::in_ms;
use crate::{Store, StoreError};

impl Store {
    /// Waits for the lock of an account's balance, and lets it go: whoever waits here holds nothing that others need. `Err(Locked)`: it was
    /// kept for longer than `most`.
    pub async fn wait_for_balance(
        &self,
        business: &BusinessId,
        most: Duration,
    ) -> Result<(), StoreError> {
        let mut session = self.session().await?;
        self.bounded(async {
            let waiting = session.begin().await?;
            let patience = format!("SET LOCAL lock_timeout = {}", in_ms(most).max(1));
            waiting.batch_execute(&patience).await?;
            let statement = waiting
                .prepare_cached("SELECT FROM balances WHERE business_id = $1 FOR UPDATE")
                .await?;
            waiting.query(&statement, &[&business.as_str()]).await?;
            Ok(waiting.rollback().await?)
        })
        .await?;
        session.give_back();
        Ok(())
    }

    /// Those of `businesses` whose balance another transaction holds at this moment; nothing is waited for.
    pub async fn held_balances(
        &self,
        businesses: &HashSet<&BusinessId>,
    ) -> Result<HashSet<BusinessId>, StoreError> {
        let names: Vec<&str> = businesses
            .iter()
            .map(|business| business.as_str())
            .collect();
        let rows = self
            .bounded(async {
                let session = self.session().await?;
                let statement = session
                    .client()
                    .prepare_cached("SELECT business_id FROM balances WHERE business_id = ANY ($1) FOR UPDATE SKIP LOCKED")
                    .await?;
                let rows = session.client().query(&statement, &[&names]).await?;
                session.give_back();
                Ok(rows)
            })
            .await?;
        let free: HashSet<&str> = rows.iter().map(|row| row.get(0)).collect();
        let held = businesses
            .iter()
            .filter(|business| !free.contains(business.as_str()));
        Ok(held.copied().cloned().collect())
    }
}
