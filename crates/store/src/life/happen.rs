//! What happens to a set of orders, in one transaction: read under their locks, decided, written. Where a person is behind it, with
//! its rows in the audit.

use std::collections::{HashMap, HashSet};

use domain::catalogue::Supplier;
use domain::life::{self, AttemptChange, Call, Change, Decision, Event, Ignored, Way, World};
use domain::{Catalogue, Evidence, OrderKey, SupplierId};

use super::held::{self, Locking};
use super::load::{self, Loaded, Which};
use super::write::{self, Written};
use super::{Claimed, Fate, Moved, Room, rows};
use crate::audit::Deed;
use crate::transaction::{Transaction, commit};
use crate::{Store, StoreError};

/// Something that happens to one order.
pub(crate) struct Happening {
    pub(super) key: OrderKey,
    pub(super) event: Event,
    pub(super) evidence: Option<Evidence>,
    /// Kept with the posting that it brings.
    pub(super) note: Option<String>,
}

impl Happening {
    /// Without anything that is kept of it.
    pub(super) const fn of(key: OrderKey, event: Event) -> Self {
        Self {
            key,
            event,
            evidence: None,
            note: None,
        }
    }
}

/// How a set of happenings is worked on.
#[derive(Clone, Copy)]
pub(super) struct Act<'d> {
    work: &'static str,
    locking: Locking,
    /// Where a person is behind it.
    deed: Option<&'d Deed>,
}

impl<'d> Act<'d> {
    /// Of the platform itself.
    pub(super) const fn of(work: &'static str, locking: Locking) -> Self {
        Self {
            work,
            locking,
            deed: None,
        }
    }

    /// Of a person, who waits for orders that are locked now.
    pub(super) const fn by(work: &'static str, deed: &'d Deed) -> Self {
        Self {
            work,
            locking: Locking::Wait,
            deed: Some(deed),
        }
    }
}

/// What became of a set of happenings.
#[derive(Default)]
pub(super) struct Done {
    pub(super) claimed: Vec<Claimed>,
    pub(super) moved: Vec<Moved>,
    /// Where locks are not waited for: orders that nothing happened to, because another transaction holds what that needs. Not told of a
    /// claim, which leaves them to whoever holds them.
    pub(super) held: Vec<OrderKey>,
}

impl Store {
    pub(super) async fn happen(
        &self,
        act: Act<'_>,
        happenings: Vec<Happening>,
        catalogue: &Catalogue,
        room: Room,
    ) -> Result<Done, StoreError> {
        if happenings.is_empty() {
            return Ok(Done::default());
        }
        let mut contended = 0;
        loop {
            match self
                .happen_once(act, &happenings, catalogue, room.clone())
                .await
            {
                Err(StoreError::Contended(_)) if contended < 5 => contended += 1,
                other => return other,
            }
        }
    }

    async fn happen_once(
        &self,
        act: Act<'_>,
        happenings: &[Happening],
        catalogue: &Catalogue,
        mut room: Room,
    ) -> Result<Done, StoreError> {
        let mut session = self.session().await?;
        let (transaction, done) = self
            .bounded(async {
                let transaction = session.begin();
                let done =
                    live_through(&transaction, happenings, act.locking, catalogue, &mut room)
                        .await?;
                if let Some(deed) = act.deed {
                    keep(&transaction, deed, &done.moved).await?;
                }
                Ok((transaction, done))
            })
            .await?;
        commit(transaction, act.work).await?;
        session.give_back();
        Ok(done)
    }
}

async fn live_through(
    tx: &Transaction<'_>,
    happenings: &[Happening],
    locking: Locking,
    catalogue: &Catalogue,
    room: &mut Room,
) -> Result<Done, StoreError> {
    let by_key: HashMap<&OrderKey, &Happening> = happenings.iter().map(|h| (&h.key, h)).collect();
    let which = match locking {
        Locking::Wait => Which::All,
        Locking::Skip if happenings.iter().all(|h| h.event == Event::Claim) => Which::FreeAndOpen,
        Locking::Skip => Which::Free,
    };
    let orders = load::orders(tx, by_key.keys().copied(), which).await?;
    let mut done = Done::default();
    if which == Which::Free && orders.len() < by_key.len() {
        let loaded: HashSet<&OrderKey> = orders.iter().map(|order| &order.key).collect();
        let left = by_key.keys().filter(|key| !loaded.contains(*key));
        done.held = left.copied().cloned().collect();
    }
    let mut written = vec![];
    for order in orders {
        let Some(happening) = by_key.get(&order.key) else {
            continue;
        };
        match decide(&order, &happening.event, catalogue, room) {
            Decision::Ignore(why) => note_ignored(&order, happening, why),
            Decision::Change(change) => {
                let call = change.call;
                let call = call.map(|call| claimed_call(&order, &change, call, catalogue));
                let call = call.transpose()?;
                let is_new = matches!(change.attempt, AttemptChange::Open { .. });
                let (evidence, note) = (happening.evidence.clone(), happening.note.clone());
                let next = Written::new(order, *change, evidence, note, catalogue)?;
                written.push(match call {
                    Some((supplier, _)) if !room.has(&next.key().business, &supplier) => {
                        next.put_off()
                    }
                    Some((supplier, call)) => {
                        room.take(&next.key().business, &supplier, is_new);
                        done.claimed.push(call);
                        next
                    }
                    None => next,
                });
            }
        }
    }
    if locking == Locking::Skip {
        let held = held::by_others(tx, &written).await?;
        let (stopped, free) = written.into_iter().partition(|w| held.stop(w));
        written = free;
        for stopped in stopped {
            let happening = by_key.get(stopped.key());
            if happening.is_some_and(|h| h.event == Event::Claim) {
                written.push(stopped.put_off());
            } else {
                done.held.push(stopped.key().clone());
            }
        }
    }
    // All its statements wait at once, which makes it large.
    done.moved = Box::pin(write::changes(tx, &written)).await?;
    Ok(done)
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
        traceparent: order.traceparent.clone(),
    };
    Ok((ticket.supplier, claimed))
}

/// In words only: a verdict may hold a voucher, which is the merchant's alone.
fn note_ignored(order: &Loaded, happening: &Happening, why: Ignored) {
    let (event, about) = match &happening.event {
        Event::Claim => ("claim", None),
        Event::Answer {
            attempt, verdict, ..
        } => ("answer", Some((attempt, verdict))),
        Event::HeldUp { .. } => ("held up", None),
        Event::Push { attempt, verdict } => ("push", Some((attempt, verdict))),
        Event::Operator { .. } => ("operator", None),
        Event::Cancel => ("cancel", None),
    };
    tracing::debug!(
        order = %order.key.order,
        business = %order.key.business,
        event,
        attempt = about.map(|(attempt, _)| attempt.0),
        verdict = about.map(|(_, verdict)| verdict.word()),
        ?why,
        "nothing changes"
    );
}

/// One row in the audit for each order that ended by the deed.
async fn keep(tx: &Transaction<'_>, deed: &Deed, moved: &[Moved]) -> Result<(), StoreError> {
    let ended = |m: &&Moved| matches!(m.fate, Fate::Finished { .. });
    let objects: Vec<String> = moved
        .iter()
        .filter(ended)
        .map(|m| Deed::order(m.key.order))
        .collect();
    deed.done_to(tx, &objects, "").await
}
