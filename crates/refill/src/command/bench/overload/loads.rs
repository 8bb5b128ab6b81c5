//! What the others send, and what one account sends beside them.

use std::time::Duration;

use super::{ACCOUNTS, Flags, even};
use crate::command::bench::offer::Offer;
use crate::command::bench::roles::Roles;
use crate::command::bench::sender::{Load, Sent};
use crate::command::bench::shares::zipf;
use crate::command::bench::stage::Stage;
use crate::command::bench::steps::{self, Step};

/// So many times what each of the others sends, within what the platform does; and so many times an account's even share of all
/// that it does, five times as much as there is room for.
const FLOOD: f64 = 50.0;
/// What the others send together, as a part of that. With one that sends 50 times as much as each of them it is two thirds of all that the
/// platform does, or a third.
const MODEST: f64 = 0.1;
const MODEST_AT_A_THIRD: f64 = 0.05;
/// Orders in one batch of the others.
const MODEST_BATCH: u32 = 10;

/// What is offered within the capacity, and the flood beyond it.
pub(super) struct Loads {
    /// Of all.
    even: Offer,
    /// Of the one account alone.
    one: Offer,
    /// Orders a second.
    does: f64,
    lasts: Duration,
}

impl Loads {
    /// `does`: orders a second, the capacity.
    pub(super) fn of(stage: &Stage<'_>, does: f64, flags: &Flags) -> Self {
        let even = even(stage, flags);
        Self {
            one: Offer {
                shares: vec![1.0],
                callback_urls: vec![stage.callback_url.clone()],
                ..even.clone()
            },
            even,
            does,
            lasts: flags.modest,
        }
    }

    pub(super) fn others(&self) -> Offer {
        self.others_for(self.lasts)
    }

    pub(super) fn others_for(&self, lasts: Duration) -> Offer {
        self.modest(MODEST, lasts)
    }

    pub(super) fn others_at_a_third(&self) -> Offer {
        self.modest(MODEST_AT_A_THIRD, self.lasts)
    }

    pub(super) fn large(&self) -> Offer {
        self.of_one(self.large_sends(MODEST))
    }

    pub(super) fn large_at_a_third(&self) -> Offer {
        self.of_one(self.large_sends(MODEST_AT_A_THIRD))
    }

    /// From all ten evenly what the others and the large one send together.
    pub(super) fn evenly(&self) -> Offer {
        let spread = Offer {
            sizes: vec![MODEST_BATCH],
            ..self.even.clone()
        };
        let both = self.does * MODEST + self.large_sends(MODEST);
        steps::offer(&spread, both, self.lasts)
    }

    pub(super) fn flood(&self) -> Offer {
        self.of_one(self.does / f64::from(ACCOUNTS) * FLOOD)
    }

    /// From all but the first, as a part of the capacity.
    fn modest(&self, part: f64, lasts: Duration) -> Offer {
        let others = Offer {
            shares: [0.0].into_iter().chain(zipf(ACCOUNTS - 1, 0.0)).collect(),
            sizes: vec![MODEST_BATCH],
            ..self.even.clone()
        };
        steps::offer(&others, self.does * part, lasts)
    }

    fn of_one(&self, per_second: f64) -> Offer {
        steps::offer(&self.one, per_second, self.lasts)
    }

    fn large_sends(&self, modest: f64) -> f64 {
        self.does * modest / f64::from(ACCOUNTS - 1) * FLOOD
    }
}

/// Who sends what where.
pub(super) struct Side<'s> {
    stage: &'s Stage<'s>,
    roles: &'s Roles,
    offer: &'s Offer,
}

impl<'s> Side<'s> {
    pub(super) const fn new(stage: &'s Stage<'s>, roles: &'s Roles, offer: &'s Offer) -> Self {
        Self {
            stage,
            roles,
            offer,
        }
    }

    fn pack(&self) -> anyhow::Result<Load<'_>> {
        Load::pack(self.stage, &self.roles.openapi_url, self.offer)
    }

    async fn told(&self, sent: Sent) -> anyhow::Result<Step> {
        steps::told(self.stage, self.roles, self.offer, sent).await
    }
}

/// What the others' load came to, and the one's.
pub(super) async fn side_by_side(
    others: &Side<'_>,
    one: &Side<'_>,
) -> anyhow::Result<(Step, Step)> {
    // Both before either's clock starts: what is packed while another's clock runs is counted as waiting.
    let (first, second) = (others.pack()?, one.pack()?);
    let (sent, of_one) = tokio::try_join!(first.send(), second.send())?;
    Ok((others.told(sent).await?, one.told(of_one).await?))
}
