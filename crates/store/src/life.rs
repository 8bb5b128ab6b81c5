//! An order's life in the database: read under its row lock, decided by `domain::life`, written as a whole.
//!
//! All that happens to orders after intake comes through `live_through`, in sets: `claim`, `record`, `record_pushes`, and what persons
//! decide (`person`).
//! Two statements read (`load`), the decision is made here in memory, and a handful of statements write (`write`), each for the
//! whole set.

mod load;
mod person;
mod room;
mod rows;
mod write;

use std::collections::{HashMap, HashSet};

use deadpool_postgres::Transaction;
use domain::catalogue::Supplier;
use domain::life::{self, AttemptChange, Call, Change, Decision, Event, Ignored, Way, World};
use domain::{
    AttemptNo, Catalogue, Epoch, Evidence, Lane, Money, OrderKey, OrderState, ProductCode,
    SupplierId,
};

use crate::session::commit;
use crate::{Store, StoreError};
pub use person::{NotSettled, Settlement};
pub use room::Room;

use load::{Loaded, Locking};
use write::Written;

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

/// Something that happens to one order.
pub(crate) struct Happening {
    key: OrderKey,
    event: Event,
    evidence: Option<Evidence>,
    /// Kept with the posting that it brings.
    note: Option<String>,
}

impl Store {
    /// Claims those of `keys` that may be worked on now, skipping orders that another transaction holds. Orders for which there
    /// is no room are put off; what is final, leased, early or in doubt is left alone.
    pub async fn claim(
        &self,
        keys: &[OrderKey],
        catalogue: &Catalogue,
        room: &Room,
    ) -> Result<Claims, StoreError> {
        let unique: HashSet<&OrderKey> = keys.iter().collect();
        let happenings = unique
            .into_iter()
            .map(|key| Happening {
                key: key.clone(),
                event: Event::Claim,
                evidence: None,
                note: None,
            })
            .collect();
        let (claimed, moved) = self
            .happen("claim", happenings, Locking::Skip, catalogue, room.clone())
            .await?;
        Ok(Claims { claimed, moved })
    }

    /// Records what calls brought. Safe to repeat: what has been recorded is no news.
    pub async fn record(
        &self,
        outcomes: Vec<Outcome>,
        catalogue: &Catalogue,
    ) -> Result<Vec<Moved>, StoreError> {
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
        self.happen_in_rounds("record", happenings, catalogue).await
    }

    /// Records what suppliers pushed. Answer them only when this has returned.
    pub async fn record_pushes(
        &self,
        pushes: Vec<Pushed>,
        catalogue: &Catalogue,
    ) -> Result<Vec<Moved>, StoreError> {
        let happenings = pushes
            .into_iter()
            .map(|pushed| Happening {
                key: pushed.key,
                event: Event::Push {
                    attempt: pushed.attempt,
                    verdict: pushed.evidence.verdict.clone(),
                },
                evidence: Some(pushed.evidence),
                note: None,
            })
            .collect();
        self.happen_in_rounds("push", happenings, catalogue).await
    }

    /// A set may name an order twice (an answer and a push): each round takes one happening per order, in their order.
    async fn happen_in_rounds(
        &self,
        work: &'static str,
        mut happenings: Vec<Happening>,
        catalogue: &Catalogue,
    ) -> Result<Vec<Moved>, StoreError> {
        let mut all = Vec::with_capacity(happenings.len());
        while !happenings.is_empty() {
            let mut named = HashSet::new();
            let (round, later) = happenings
                .into_iter()
                .partition(|h| named.insert(h.key.clone()));
            happenings = later;
            let (_, moved) = self
                .happen(work, round, Locking::Wait, catalogue, Room::default())
                .await?;
            all.extend(moved);
        }
        Ok(all)
    }

    async fn happen(
        &self,
        work: &'static str,
        happenings: Vec<Happening>,
        locking: Locking,
        catalogue: &Catalogue,
        room: Room,
    ) -> Result<(Vec<Claimed>, Vec<Moved>), StoreError> {
        if happenings.is_empty() {
            return Ok((vec![], vec![]));
        }
        let mut contended = 0;
        loop {
            match self
                .happen_once(work, &happenings, locking, catalogue, room.clone())
                .await
            {
                Err(StoreError::Contended(_)) if contended < 5 => contended += 1,
                other => return other,
            }
        }
    }

    async fn happen_once(
        &self,
        work: &'static str,
        happenings: &[Happening],
        locking: Locking,
        catalogue: &Catalogue,
        mut room: Room,
    ) -> Result<(Vec<Claimed>, Vec<Moved>), StoreError> {
        let mut session = self.session().await?;
        let (transaction, done) = self
            .bounded(async {
                let transaction = session.begin().await?;
                let done =
                    live_through(&transaction, happenings, locking, catalogue, &mut room).await?;
                Ok((transaction, done))
            })
            .await?;
        commit(transaction, work).await?;
        session.give_back();
        Ok(done)
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

async fn live_through(
    tx: &Transaction<'_>,
    happenings: &[Happening],
    locking: Locking,
    catalogue: &Catalogue,
    room: &mut Room,
) -> Result<(Vec<Claimed>, Vec<Moved>), StoreError> {
    let by_key: HashMap<&OrderKey, &Happening> = happenings.iter().map(|h| (&h.key, h)).collect();
    let orders = load::orders(tx, by_key.keys().copied(), locking).await?;
    let mut claimed = vec![];
    let mut written = vec![];
    for order in orders {
        let Some(happening) = by_key.get(&order.key) else {
            continue;
        };
        match decide(&order, &happening.event, catalogue, room) {
            Decision::Ignore(why) => note_ignored(&order, happening, why),
            Decision::Change(change) => {
                if let Some(call) = change.call {
                    let (supplier, call) = claimed_call(&order, &change, call, catalogue)?;
                    if !room.has(&order.key.business, &supplier) {
                        // Nothing was written yet: the order stays due, and is met again when there is room.
                        continue;
                    }
                    let is_new = matches!(change.attempt, AttemptChange::Open { .. });
                    room.take(&order.key.business, &supplier, is_new);
                    claimed.push(call);
                }
                written.push(Written::new(
                    order,
                    *change,
                    happening.evidence.clone(),
                    happening.note.clone(),
                    catalogue,
                )?);
            }
        }
    }
    let moved = write::changes(tx, &written).await?;
    Ok((claimed, moved))
}

fn decide(order: &Loaded, event: &Event, catalogue: &Catalogue, room: &Room) -> Decision {
    let product = catalogue.products.get(&order.product);
    let ways: Vec<Way> = product
        .into_iter()
        .flat_map(|product| {
            catalogue
                .routes_of(&product.code)
                .map(move |(route, _)| (product, route))
        })
        .map(|(product, route)| {
            let may_probe = room
                .probes
                .get(&route.supplier)
                .is_some_and(|left| *left > 0);
            let too_dear = !route.may_cost_more && route.cost_of(product, order.spec) > order.price;
            Way {
                supplier: route.supplier.clone(),
                is_open: !too_dear
                    && catalogue.gates.lets_through(
                        &route.supplier,
                        &product.lane,
                        order.now,
                        may_probe,
                    ),
                has_room: room.has(&order.key.business, &route.supplier),
            }
        })
        .collect();
    let wait_for = product.map(|p| p.wait_for).unwrap_or_default();
    let world = World {
        now: order.now,
        ways: &ways,
        wait_for,
        card: &|id| catalogue.suppliers.get(id).map(|s: &Supplier| &s.card),
    };
    life::decide(&order.life, event, &world)
}

fn claimed_call(
    order: &Loaded,
    change: &Change,
    call: Call,
    catalogue: &Catalogue,
) -> Result<(SupplierId, Claimed), StoreError> {
    let (Call::Submit(no) | Call::Query(no)) = call;
    let ticket = if let AttemptChange::Open { no, supplier } = &change.attempt {
        rows::new_ticket(order, *no, supplier, catalogue)?
    } else {
        let known = order.tickets.get(&no).cloned();
        known.ok_or_else(|| StoreError::unreadable("a call without its attempt"))?
    };
    let claimed = Claimed {
        key: order.key.clone(),
        epoch: change.epoch,
        call,
        supplier: ticket.supplier.clone(),
        reference: ticket.reference,
        sku: ticket.sku,
        cost: ticket.cost,
        product: order.product.clone(),
        account: order.account.clone(),
        spec: order.spec,
        attach: order.attach.clone(),
    };
    Ok((ticket.supplier, claimed))
}

fn note_ignored(order: &Loaded, happening: &Happening, why: Ignored) {
    tracing::debug!(
        order = %order.key.order,
        business = %order.key.business,
        event = ?happening.event,
        ?why,
        "nothing changes"
    );
}
