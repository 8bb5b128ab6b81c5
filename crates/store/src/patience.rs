//! Balances that somebody keeps locked: who they are, and waiting for one of them while nothing else is held.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use domain::BusinessId;

use crate::session::in_ms;
use crate::transaction::Transaction;
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
            let waiting = session.begin();
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
    pub(crate) async fn held_balances(
        &self,
        businesses: BTreeSet<&str>,
    ) -> Result<HashSet<String>, StoreError> {
        let mut session = self.session().await?;
        let held = self
            .bounded(async {
                let looking = session.begin();
                let held = not_free(&looking, BALANCES, businesses).await?;
                looking.rollback().await?;
                Ok(held)
            })
            .await?;
        session.give_back();
        Ok(held)
    }
}

/// Locks those balances that are free.
pub(crate) const BALANCES: &str = "SELECT business_id FROM balances WHERE business_id = ANY ($1) ORDER BY business_id FOR UPDATE SKIP LOCKED";

/// Locks what is free of `names`, by a statement that returns the names of what it locked; returns the others.
pub(crate) async fn not_free(
    tx: &Transaction<'_>,
    lock: &'static str,
    names: BTreeSet<&str>,
) -> Result<HashSet<String>, StoreError> {
    if names.is_empty() {
        return Ok(HashSet::new());
    }
    let names: Vec<&str> = names.into_iter().collect();
    let statement = tx.prepare_cached(lock).await?;
    let locked = tx.query(&statement, &[&names]).await?;
    let locked: HashSet<&str> = locked.iter().map(|row| row.get(0)).collect();
    let left = names.into_iter().filter(|name| !locked.contains(name));
    Ok(left.map(str::to_owned).collect())
}
