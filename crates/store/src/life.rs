//! An order's life in the database: read under its row lock, decided by `domain::life`, written as a whole.
//!
//! All that happens to orders after intake comes through `happen`, in sets: `claim`, `record`, what suppliers push (`pushes`), and
//! what persons decide (`person`).
//! Two statements read (`load`), the decision is made here in memory, and a handful of statements write (`write`), each for the
//! whole set.

mod happen;
mod held;
mod load;
mod person;
mod pushes;
mod room;
mod rows;
mod write;

use std::collections::HashSet;

use domain::life::{Call, Event};
use domain::{
    AttemptNo, Catalogue, Epoch, Evidence, Lane, Money, OrderKey, OrderState, ProductCode,
    SupplierId,
};

use crate::{Store, StoreError};
pub use held::Locking;
pub use person::{NotSettled, Settlement};
pub use pushes::{Heard, Pushed};
pub use room::Room;

use happen::{Act, Done, Happening};

/// A claimed order: the call that is to be made now, before its lease ends (`domain::life::LEASE` after the claim).
#[derive(Clone, Debug)]
pub struct Claimed {
    /// Which order.
    pub key: OrderKey,
    /// What its results must carry.
    pub epoch: Epoch,
    /// Submit or query, of which attempt.
    pub call: Call,
    /// At whom.
    pub supplier: SupplierId,
    /// Our reference there.
    pub reference: String,
    /// The supplier's number of the product.
    pub sku: String,
    /// The most that we pay.
    pub cost: Money,
    /// The product.
    pub product: ProductCode,
    /// What is topped up.
    pub account: String,
    /// The face value.
    pub spec: Money,
    /// Extra values, as the merchant wrote them.
    pub attach: Option<String>,
    /// The trace that it belongs to; of an order that is claimed for the first time its hint says so.
    pub traceparent: Option<String>,
}

impl Claimed {
    /// The attempt that the call belongs to.
    pub const fn attempt(&self) -> AttemptNo {
        match self.call {
            Call::Submit(no) | Call::Query(no) => no,
        }
    }
}

/// What a call brought.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Which order.
    pub key: OrderKey,
    /// The claim that made the call.
    pub epoch: Epoch,
    /// Which attempt.
    pub attempt: AttemptNo,
    /// What was heard.
    pub evidence: Evidence,
}

/// What became of an order that something happened to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Which order.
    pub key: OrderKey,
    /// Its state now.
    pub state: OrderState,
    /// What it waits for now.
    pub fate: Fate,
    /// Its lane.
    pub lane: Lane,
    /// Which attempt it was about.
    pub attempt: Option<AttemptNo>,
    /// The trace that it belongs to; as in [`Claimed`].
    pub traceparent: Option<String>,
}

/// What an order waits for after a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// For a call's end, or the next look at it.
    Waiting,
    /// For nothing: its next way is open, claim it at once.
    Again,
    /// For a person, from now on.
    Doubt,
    /// It has just become final. With a report: one has been written for the merchant, publish its hint.
    Finished {
        /// Whether the merchant is told.
        report: bool,
    },
}

impl Store {
    /// Claims those of `keys` that may be worked on now, skipping orders that another transaction holds. Orders for which there
    /// is no room, and those that would end and whose balance another transaction holds, are put off; what is final, leased, early
    /// or in doubt is left alone.
    pub async fn claim(
        &self,
        keys: &[OrderKey],
        catalogue: &Catalogue,
        room: &Room,
    ) -> Result<Claims, StoreError> {
        let unique: HashSet<&OrderKey> = keys.iter().collect();
        let happenings = unique
            .into_iter()
            .map(|key| Happening::of(key.clone(), Event::Claim))
            .collect();
        let Done { claimed, moved, .. } = self
            .happen(
                Act::of("claim", Locking::Skip),
                happenings,
                catalogue,
                room.clone(),
            )
            .await?;
        Ok(Claims { claimed, moved })
    }

    /// Records what calls brought. Safe to repeat: what has been recorded is no news.
    pub async fn record(
        &self,
        outcomes: Vec<Outcome>,
        catalogue: &Catalogue,
        locking: Locking,
    ) -> Result<Recorded, StoreError> {
        let happenings = outcomes
            .into_iter()
            .map(|outcome| Happening {
                key: outcome.key,
                event: Event::Answer {
                    epoch: outcome.epoch,
                    attempt: outcome.attempt,
                    source: outcome.evidence.source,
                    verdict: outcome.evidence.verdict.clone(),
                },
                evidence: Some(outcome.evidence),
                note: None,
            })
            .collect();
        self.happen_in_rounds(Act::of("record", locking), happenings, catalogue)
            .await
    }

    /// The leases of these claims begin anew, as far as they are in force and nobody works on their orders: what was heard of them, a
    /// refusal, cannot be recorded yet.
    pub async fn hold_up(
        &self,
        claims: Vec<(OrderKey, Epoch)>,
        catalogue: &Catalogue,
    ) -> Result<(), StoreError> {
        let happenings = claims
            .into_iter()
            .map(|(key, epoch)| Happening::of(key, Event::HeldUp { epoch }))
            .collect();
        let act = Act::of("hold up", Locking::Skip);
        let done = self.happen(act, happenings, catalogue, Room::default());
        done.await.map(drop)
    }

    /// A set may name an order twice (an answer and a push): each round takes one happening per order, in their order.
    async fn happen_in_rounds(
        &self,
        act: Act<'_>,
        mut happenings: Vec<Happening>,
        catalogue: &Catalogue,
    ) -> Result<Recorded, StoreError> {
        let mut recorded = Recorded::default();
        while !happenings.is_empty() {
            let mut named = HashSet::new();
            let (round, later) = happenings
                .into_iter()
                .partition(|h| named.insert(h.key.clone()));
            happenings = later;
            let done = self.happen(act, round, catalogue, Room::default()).await?;
            recorded.moved.extend(done.moved);
            recorded.held.extend(done.held);
        }
        Ok(recorded)
    }
}

/// What a claim brought.
#[derive(Debug, Default)]
pub struct Claims {
    /// To be called now.
    pub claimed: Vec<Claimed>,
    /// What the claim itself changed: failed for want of a supplier, put off, set aside.
    pub moved: Vec<Moved>,
}

/// What recording brought.
#[derive(Debug, Default)]
pub struct Recorded {
    /// What it changed.
    pub moved: Vec<Moved>,
    /// Of these nothing was recorded, because another transaction holds what it needs; only where locks are not waited for.
    pub held: HashSet<OrderKey>,
}
