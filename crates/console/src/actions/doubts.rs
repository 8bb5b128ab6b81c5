//! Orders that only evidence or persons can settle: what one proposes, and another confirms.

use domain::{Catalogue, OrderCode};
use serde_json::json;
use store::Store;
use store::audit::Deed;
use store::doubt_desk::{Closed, Word};

use super::{Action, Actor, Begun, NotDone, begin, text};

/// What somebody says about an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saying {
    /// Which order.
    pub order: OrderCode,
    /// The account was topped up, and the merchant pays for it; or neither.
    pub charged: bool,
    /// What that rests on.
    pub evidence: String,
}

impl Saying {
    fn word(&self, actor: &Actor) -> Result<Word, NotDone> {
        Ok(Word {
            charged: self.charged,
            reason: text("evidence", &self.evidence, 1, 1_000)?,
            by: actor.name.clone(),
        })
    }

    async fn begin<'s>(
        &self,
        store: &'s Store,
        actor: &Actor,
        action: Action,
    ) -> Result<Begun<'s>, NotDone> {
        let parameters = json!({ "charged": self.charged, "evidence": self.evidence });
        begin(store, actor, action, Deed::order(self.order), parameters).await
    }
}

/// The first person's word; it takes the place of an earlier one.
pub async fn propose(store: &Store, actor: &Actor, saying: &Saying) -> Result<(), NotDone> {
    let begun = saying.begin(store, actor, Action::ProposeDoubt).await?;
    let work = async {
        let word = saying.word(actor)?;
        let proposed = store.propose(saying.order, &word, &begun.deed).await?;
        proposed.map_err(|refusal| NotDone::Refused(refusal.to_string()))
    };
    let done = work.await;
    begun.ended(done).await
}

/// The second person's word: the case is closed.
pub async fn confirm(
    store: &Store,
    actor: &Actor,
    saying: &Saying,
    catalogue: &Catalogue,
) -> Result<Closed, NotDone> {
    let begun = saying.begin(store, actor, Action::ConfirmDoubt).await?;
    let work = async {
        let word = saying.word(actor)?;
        let confirmed = store
            .confirm(saying.order, &word, catalogue, &begun.deed)
            .await?;
        confirmed.map_err(|refusal| NotDone::Refused(refusal.to_string()))
    };
    let done = Box::pin(work).await;
    begun.ended(done).await
}

/// One person's word alone; only where the settings say that one is enough.
pub async fn settle(
    store: &Store,
    actor: &Actor,
    saying: &Saying,
    operators: u8,
    catalogue: &Catalogue,
) -> Result<Closed, NotDone> {
    let begun = saying.begin(store, actor, Action::SettleDoubt).await?;
    let work = async {
        if operators != 1 {
            return Err(NotDone::Refused(format!(
                "doubt.operators is {operators}: one person proposes (refill doubt propose), another one confirms (refill doubt confirm)"
            )));
        }
        let word = saying.word(actor)?;
        let settled = store
            .settle_alone(saying.order, &word, catalogue, &begun.deed)
            .await?;
        settled.map_err(|refusal| NotDone::Refused(refusal.to_string()))
    };
    let done = Box::pin(work).await;
    begun.ended(done).await
}
