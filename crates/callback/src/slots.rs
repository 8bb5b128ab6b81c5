//! Who may have how many reports on the way. Every report that is claimed is called at once: nothing waits in a worker.
//!
//! Slots come from five pools, so that no kind of traffic takes those of another. Within them an endpoint has as many as its pace
//! allows, and a business as many as the settings say. What finds no slot stays in the database, which costs it no try.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use domain::{BusinessId, Endpoint};
use store::callbacks::Line;
use tokio::sync::{Notify, OwnedSemaphorePermit};

use crate::egress::{Egress, Turn};
use crate::judge::Reach;
use crate::pace::Pace;
use crate::pools::{Pool, Pools};
use crate::standing::Standings;

/// Endpoints whose pace is remembered while nothing is on the way to them.
const REMEMBERED: usize = 4_096;
/// The most endpoints whose overflow is remembered.
const MOST_OVERFLOWING: usize = 1_000;
/// So many calls in a row that do not reach an endpoint set it aside.
const SET_ASIDE_AFTER: u32 = 5;
/// An answer from another endpoint of the host within this time says that the host is well.
const HOST_SEEN: Duration = Duration::from_mins(1);

/// The slots of one process.
#[derive(Clone, Debug)]
pub(crate) struct Slots {
    taken: Arc<Mutex<Taken>>,
    pools: Pools,
    /// Told when a slot is free again that something waits for.
    freed: Arc<Notify>,
    standings: Standings,
    per_endpoint: usize,
    per_business: usize,
}

/// What is on the way, and what is known of where it goes.
#[derive(Debug, Default)]
struct Taken {
    endpoints: HashMap<Endpoint, Place>,
    /// Only those that have something on the way.
    businesses: HashMap<BusinessId, usize>,
    /// Endpoints at which a first try found no slot.
    overflowing: usize,
    /// Lines in which something that was due found no slot.
    hungry: Vec<Line>,
    egress: Egress,
}

#[derive(Debug)]
struct Place {
    on_the_way: usize,
    overflows: bool,
    pace: Pace,
    answered_at: Option<Instant>,
}

/// One report's slot; free again when it is dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    slots: Slots,
    business: BusinessId,
    endpoint: Endpoint,
    _permit: OwnedSemaphorePermit,
}

/// What a call meant for its endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Heard {
    /// Whether the fault was on our side: then the try is not charged.
    pub(crate) ours: bool,
    /// What the fleet has to know.
    pub(crate) news: Option<News>,
    /// Whether our way out has just broken down, or is back.
    pub(crate) egress: Option<Turn>,
}

/// What the fleet has to know of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// It cannot be reached. `alone`: nor has another endpoint of its host answered lately.
    SetAside { alone: bool },
    /// It was set aside, and answers.
    Answered,
}

impl Slots {
    pub(crate) fn new(
        standings: Standings,
        most: usize,
        per_endpoint: usize,
        per_business: usize,
    ) -> Self {
        Self {
            taken: Arc::default(),
            pools: Pools::new(most),
            freed: Arc::default(),
            standings,
            per_endpoint,
            per_business,
        }
    }

    /// A slot for a report of `line`, if there is one now.
    pub(crate) fn take(
        &self,
        business: &BusinessId,
        endpoint: &Endpoint,
        line: Line,
    ) -> Option<Slot> {
        let mut taken = self.lock();
        if taken.egress.is_frozen() {
            return None;
        }
        let room = self.room_of(&mut taken, endpoint);
        let crowded =
            taken.businesses.get(business).copied().unwrap_or_default() >= self.per_business;
        let place = taken.endpoints.get(endpoint)?;
        let permit = (room > 0 && !crowded)
            .then(|| self.pools.take(place.pool(line)))
            .flatten();
        let Some(permit) = permit else {
            if line == Line::First && self.standings.cap(endpoint) > 0 {
                taken.overflow(endpoint);
            }
            return None;
        };
        Some(self.put_in(&mut taken, business, endpoint, permit))
    }

    /// A slot for a report that finds out how an endpoint is, whatever is known of it.
    pub(crate) fn take_probe(&self, business: &BusinessId, endpoint: &Endpoint) -> Option<Slot> {
        let mut taken = self.lock();
        taken.place(endpoint, self.per_endpoint);
        let permit = self.pools.take(Pool::Probe)?;
        Some(self.put_in(&mut taken, business, endpoint, permit))
    }

    fn put_in(
        &self,
        taken: &mut Taken,
        business: &BusinessId,
        endpoint: &Endpoint,
        permit: OwnedSemaphorePermit,
    ) -> Slot {
        taken.place(endpoint, self.per_endpoint).on_the_way += 1;
        *taken.businesses.entry(business.clone()).or_default() += 1;
        Slot {
            slots: self.clone(),
            business: business.clone(),
            endpoint: endpoint.clone(),
            _permit: permit,
        }
    }

    /// Whether anything may go to the endpoint at all.
    pub(crate) fn is_open(&self, endpoint: &Endpoint) -> bool {
        self.standings.cap(endpoint) > 0
    }

    /// How many more reports of `line` could go to the endpoint now.
    pub(crate) fn room(&self, endpoint: &Endpoint, line: Line) -> usize {
        let mut taken = self.lock();
        if taken.egress.is_frozen() {
            return 0;
        }
        let room = self.room_of(&mut taken, endpoint);
        let pool = taken
            .endpoints
            .get(endpoint)
            .map_or(Pool::First, |place| place.pool(line));
        room.min(self.pools.free(pool))
    }

    fn room_of(&self, taken: &mut Taken, endpoint: &Endpoint) -> usize {
        let cap = self.standings.cap(endpoint);
        let place = taken.place(endpoint, self.per_endpoint);
        place.pace.limit().min(cap).saturating_sub(place.on_the_way)
    }

    /// Free slots for first tries; waits until there is one.
    pub(crate) async fn free_for_first(&self) -> usize {
        self.pools.wait_for(Pool::First).await
    }

    /// Something in the line is due and would go if it had a slot: the next one that is free is told of.
    pub(crate) fn hunger(&self, line: Line) {
        let mut taken = self.lock();
        if !taken.hungry.contains(&line) {
            taken.hungry.push(line);
        }
    }

    /// Lines in which something has found no slot since this was asked last.
    pub(crate) fn take_hungry(&self) -> Vec<Line> {
        std::mem::take(&mut self.lock().hungry)
    }

    /// Slots of the line's own pool that are free.
    pub(crate) fn free(&self, line: Line) -> usize {
        self.pools.free(Pool::for_line(line, false))
    }

    /// Waits until a slot is free that something waits for.
    pub(crate) async fn freed(&self) {
        self.freed.notified().await;
    }

    /// Endpoints at which first tries found no slot, and now would, at most `limit` of them.
    pub(crate) fn overflowing(&self, limit: usize) -> Vec<(Endpoint, usize)> {
        let mut taken = self.lock();
        if taken.overflowing == 0 || taken.egress.is_frozen() {
            return vec![];
        }
        let overflowing: Vec<Endpoint> = taken
            .endpoints
            .iter()
            .filter(|(_, place)| place.overflows)
            .map(|(endpoint, _)| endpoint.clone())
            .collect();
        let mut found = vec![];
        for endpoint in overflowing {
            let room = self.room_of(&mut taken, &endpoint);
            if room > 0 && found.len() < limit {
                found.push((endpoint, room));
            }
        }
        found
    }

    /// Nothing more waits there.
    pub(crate) fn overflow_ended(&self, endpoint: &Endpoint) {
        let mut taken = self.lock();
        if let Some(place) = taken.endpoints.get_mut(endpoint)
            && std::mem::take(&mut place.overflows)
        {
            taken.overflowing -= 1;
        }
    }

    /// More waits there.
    pub(crate) fn overflows(&self, endpoint: &Endpoint) {
        self.lock().overflow(endpoint);
    }

    /// Whether our own way out is taken for broken.
    pub(crate) fn is_frozen(&self) -> bool {
        self.lock().egress.is_frozen()
    }

    /// Learns from a call that has ended.
    pub(crate) fn heard(&self, slot: &Slot, reach: Reach, took: Duration, now: Instant) -> Heard {
        let endpoint = &slot.endpoint;
        let mut taken = self.lock();
        // That a probe of one that is known to be dead fails says nothing about us.
        let known_dead = reach == Reach::Unreached && self.standings.is_set_aside(endpoint);
        let egress = match reach {
            Reach::NotDialled => None,
            _ if known_dead => None,
            reach => taken.egress.note(endpoint, reach != Reach::Unreached, now),
        };
        let frozen = taken.egress.is_frozen();
        let host = endpoint.host();
        let host_answers = |taken: &Taken| {
            taken.endpoints.iter().any(|(other, place)| {
                let lately = |at: Instant| now.saturating_duration_since(at) < HOST_SEEN;
                place.answered_at.is_some_and(lately) && other.host() == host
            })
        };
        let place = taken.place(endpoint, self.per_endpoint);
        // When it is us, what we see says nothing about them.
        if !(frozen && reach == Reach::Unreached) {
            place.pace.learn(reach, took);
        }
        let news = match reach {
            Reach::Answered | Reach::Busy => {
                place.answered_at = Some(now);
                self.standings
                    .is_set_aside(endpoint)
                    .then_some(News::Answered)
            }
            Reach::Unreached
                if !frozen
                    && (place.pace.unreached() >= SET_ASIDE_AFTER
                        || self.standings.is_recovering(endpoint))
                    && !self.standings.is_set_aside(endpoint) =>
            {
                Some(News::SetAside {
                    alone: !host_answers(&taken),
                })
            }
            Reach::Unreached | Reach::NotDialled => None,
        };
        Heard {
            ours: frozen && reach == Reach::Unreached,
            news,
            egress,
        }
    }

    /// Slots in use, by pool.
    pub(crate) fn in_use(&self) -> [(Pool, usize); 5] {
        self.pools.in_use()
    }

    fn give_back(&self, slot: &Slot) {
        let mut taken = self.lock();
        if let Some(place) = taken.endpoints.get_mut(&slot.endpoint) {
            place.on_the_way = place.on_the_way.saturating_sub(1);
        }
        if let Some(count) = taken.businesses.get_mut(&slot.business) {
            *count -= 1;
            if *count == 0 {
                taken.businesses.remove(&slot.business);
            }
        }
        if !taken.hungry.is_empty() || taken.overflowing > 0 {
            self.freed.notify_one();
        }
    }

    /// Nothing in here can panic halfway, so a poisoned lock guards nothing that is broken.
    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    fn pool(&self, line: Line) -> Pool {
        Pool::for_line(line, self.pace.is_slow())
    }
}

impl Taken {
    fn place(&mut self, endpoint: &Endpoint, per_endpoint: usize) -> &mut Place {
        if self.endpoints.len() >= REMEMBERED && !self.endpoints.contains_key(endpoint) {
            self.endpoints
                .retain(|_, place| place.on_the_way > 0 || place.overflows);
        }
        self.endpoints
            .entry(endpoint.clone())
            .or_insert_with(|| Place {
                on_the_way: 0,
                overflows: false,
                pace: Pace::new(per_endpoint),
                answered_at: None,
            })
    }

    fn overflow(&mut self, endpoint: &Endpoint) {
        // One more than that is found when its report is due, some seconds later.
        if self.overflowing < MOST_OVERFLOWING
            && let Some(place) = self.endpoints.get_mut(endpoint)
            && !std::mem::replace(&mut place.overflows, true)
        {
            self.overflowing += 1;
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.give_back(self);
    }
}

#[cfg(test)]
#[path = "slots_tests.rs"]
mod tests;
