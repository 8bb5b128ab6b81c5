//! What suppliers pushed, recorded in sets.

use std::collections::HashMap;

use domain::life::Event;
use domain::{AttemptNo, Catalogue, Evidence, OrderKey};

use super::happen::{Act, Happening};
use super::{Locking, Moved};
use crate::error::each_told;
use crate::{Store, StoreError};

/// What a supplier's push said; its signature has been checked and its reference looked up (`find_references`).
#[derive(Clone, Debug)]
pub struct Pushed {
    /// Which order.
    pub key: OrderKey,
    /// Which attempt.
    pub attempt: AttemptNo,
    /// What was heard.
    pub evidence: Evidence,
}

/// What a push changed, nothing if it was no news. `Err(Locked)`: it is not recorded, because another transaction holds what it needs.
pub type Heard = Result<Vec<Moved>, StoreError>;

impl Store {
    /// Records what suppliers pushed, without waiting for locks. The answers are in the order of the pushes; of two for the same order the
    /// first is told what both changed. A supplier is answered only when this has returned, and only what is recorded.
    pub async fn record_pushes(&self, pushes: &[Pushed], catalogue: &Catalogue) -> Vec<Heard> {
        each_told(pushes, |some| self.record_pushes_once(some, catalogue)).await
    }

    async fn record_pushes_once(
        &self,
        pushes: &[Pushed],
        catalogue: &Catalogue,
    ) -> Result<Vec<Heard>, StoreError> {
        let happening = |pushed: &Pushed| Happening {
            key: pushed.key.clone(),
            event: Event::Push {
                attempt: pushed.attempt,
                verdict: pushed.evidence.verdict.clone(),
            },
            evidence: Some(pushed.evidence.clone()),
            note: None,
        };
        let happenings = pushes.iter().map(happening).collect();
        let act = Act::of("push", Locking::Skip);
        let recorded = self.happen_in_rounds(act, happenings, catalogue).await?;
        let mut moved: HashMap<OrderKey, Vec<Moved>> = HashMap::new();
        for one in recorded.moved {
            moved.entry(one.key.clone()).or_default().push(one);
        }
        let heard = pushes.iter().map(|Pushed { key, .. }| {
            if recorded.held.contains(key) {
                return Err(StoreError::Locked);
            }
            Ok(moved.remove(key).unwrap_or_default())
        });
        Ok(heard.collect())
    }
}
