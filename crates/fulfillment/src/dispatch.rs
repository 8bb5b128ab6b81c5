//! From orders that want work to calls that run: room at the suppliers first, then the claim, then the calls.
//!
//! Room is reserved before the claim, so that no claimed order waits for a call while its lease runs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::life::Call;
use domain::{BusinessId, OrderKey, SupplierId};
use queue::Delivery;
use retry::Backoff;
use store::life::{Claimed, Claims, Outcome, Room};
use store::{Store, StoreError};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use traces::TraceParent;

use crate::call::{self, Showing};
use crate::desk::Desk;
use crate::limits::Reservation;
use crate::meters::{self, Calling};
use crate::recorder::{Announcer, Heard};
use crate::steps::Steps;

/// An order that wants work; with the message that said so, if one did.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) key: OrderKey,
    pub(crate) delivery: Option<Delivery>,
    /// The trace that it belongs to, unless its row says so when it is claimed.
    pub(crate) trace: Option<TraceParent>,
}

/// The rooms reserved at suppliers for one claim.
pub(crate) type Reserved = HashMap<SupplierId, Reservation>;

/// Claims orders and runs their calls. One per process, shared by its lanes.
#[derive(Clone)]
pub(crate) struct Dispatch {
    pub(crate) store: Store,
    pub(crate) desk: watch::Receiver<Arc<Desk>>,
    /// Where what was heard goes.
    pub(crate) heard: mpsc::Sender<Heard>,
    pub(crate) announcer: Announcer,
    /// The calls that run.
    pub(crate) calls: TaskTracker,
    pub(crate) in_flight: InFlight,
}

impl Dispatch {
    pub(crate) fn desk(&self) -> Arc<Desk> {
        Arc::clone(&self.desk.borrow())
    }

    /// Claims what may be worked on and starts its calls. Messages of orders that need no call are acknowledged here; those of the
    /// others travel with their calls. While the database is away the work waits; at shutdown it goes back to the queue. Returns how many
    /// orders it claimed or changed.
    pub(crate) async fn work_on(
        &self,
        desk: &Desk,
        work: Vec<Work>,
        mut reserved: Reserved,
        shutdown: &CancellationToken,
    ) -> usize {
        let keys: Vec<OrderKey> = work.iter().map(|w| w.key.clone()).collect();
        let room = Room {
            suppliers: reserved
                .iter()
                .map(|(id, r)| (id.clone(), r.len()))
                .collect(),
            businesses: self.in_flight.room(&keys, desk),
            probes: desk.probes(),
        };
        let Some((claims, claimed_at)) = self.claim(desk, &keys, &room, shutdown).await else {
            for delivery in work.into_iter().filter_map(|w| w.delivery) {
                delivery.requeue();
            }
            return 0;
        };
        let worked_on = claims.claimed.len() + claims.moved.len();
        self.announcer.announce(&claims.moved);
        let mut deliveries: HashMap<OrderKey, Vec<Delivery>> = HashMap::new();
        let mut traces: HashMap<OrderKey, TraceParent> = HashMap::new();
        for work in work {
            if let Some(trace) = work.trace {
                traces.insert(work.key.clone(), trace);
            }
            deliveries
                .entry(work.key)
                .or_default()
                .extend(work.delivery);
        }
        for claimed in claims.claimed {
            let mine = deliveries.remove(&claimed.key).unwrap_or_default();
            let steps = Steps::of(&claimed, traces.get(&claimed.key), desk);
            steps.claimed(claimed_at);
            self.start(desk, claimed, claimed_at, mine, steps, &mut reserved);
        }
        for (supplier, reservation) in reserved {
            if let Some(counter) = desk.counter(&supplier) {
                counter.limits.release(reservation);
            }
        }
        // What the claim left alone needs no message any more: its row says when it is looked at again.
        for delivery in deliveries.into_values().flatten() {
            delivery.ack();
        }
        worked_on
    }

    async fn claim(
        &self,
        desk: &Desk,
        keys: &[OrderKey],
        room: &Room,
        shutdown: &CancellationToken,
    ) -> Option<(Claims, Instant)> {
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(5));
        loop {
            let claimed_at = Instant::now();
            match self.store.claim(keys, &desk.catalogue, room).await {
                Ok(claims) => return Some((claims, claimed_at)),
                // It may have happened: then the leases bring the orders back.
                Err(StoreError::CommitUnknown) => return Some((Claims::default(), claimed_at)),
                Err(error) => {
                    let delay = backoff.next_delay();
                    tracing::warn!(%error, orders = keys.len(), delay_ms = delay.as_millis(), "claim failed, tried again");
                    tokio::select! {
                        () = shutdown.cancelled() => return None,
                        () = tokio::time::sleep(delay) => {}
                    }
                }
            }
        }
    }

    fn start(
        &self,
        desk: &Desk,
        claimed: Claimed,
        claimed_at: Instant,
        deliveries: Vec<Delivery>,
        steps: Steps,
        reserved: &mut Reserved,
    ) {
        let permit = reserved
            .get_mut(&claimed.supplier)
            .and_then(Reservation::take_one);
        let entered = self.in_flight.enter(&claimed.key.business);
        let heard = self.heard.clone();
        let counter = desk.counter(&claimed.supplier).cloned();
        let catalogue = Arc::clone(&desk.catalogue);
        let is_probe = matches!(claimed.call, Call::Submit(_))
            && catalogue.gates.tripped.contains_key(&claimed.supplier);
        if let (Some(counter), true) = (&counter, is_probe) {
            counter.breaker.probing();
        }
        self.calls.spawn(async move {
            // The claim found room only at suppliers that this process holds a reservation for.
            let Some(counter) = counter else { return };
            let begun = Instant::now();
            let calling = Calling::begin(&claimed.supplier);
            let (evidence, showing) = call::make(&claimed, &counter, &catalogue, claimed_at).await;
            let recording = steps.called(begun, &evidence);
            counter.limits.learn(begun, showing == Showing::Failed);
            drop((permit, entered, calling));
            meters::called(&claimed.supplier, begun.elapsed());
            let outcome = Outcome {
                attempt: claimed.attempt(),
                key: claimed.key,
                epoch: claimed.epoch,
                evidence,
            };
            // The recorder outlives the calls; when it does not, the lease brings the order back.
            let _ = heard
                .send(Heard {
                    outcome,
                    supplier: claimed.supplier,
                    deliveries,
                    showing,
                    is_probe,
                    recording,
                })
                .await;
        });
    }
}

/// Orders at suppliers, by business: one merchant's flood must not fill every supplier (`max_in_flight` of the account).
#[derive(Clone, Debug, Default)]
pub(crate) struct InFlight {
    counts: Arc<Mutex<HashMap<BusinessId, usize>>>,
}

impl InFlight {
    /// How many more orders of these businesses may be called; only businesses that have a limit.
    fn room(&self, keys: &[OrderKey], desk: &Desk) -> HashMap<BusinessId, usize> {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        keys.iter()
            .filter_map(|key| {
                let limit = desk.catalogue.businesses.get(&key.business)?.max_in_flight as usize;
                let at_work = counts.get(&key.business).copied().unwrap_or(0);
                (limit > 0).then(|| (key.business.clone(), limit.saturating_sub(at_work)))
            })
            .collect()
    }

    /// Whether no order is at a supplier.
    pub(crate) fn is_empty(&self) -> bool {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.is_empty()
    }

    fn enter(&self, business: &BusinessId) -> Entered {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(business.clone()).or_default() += 1;
        Entered {
            of: self.clone(),
            business: business.clone(),
        }
    }
}

/// One order at a supplier.
#[derive(Debug)]
struct Entered {
    of: InFlight,
    business: BusinessId,
}

impl Drop for Entered {
    fn drop(&mut self) {
        let mut counts = self
            .of
            .counts
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.business) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.business);
            }
        }
    }
}
