//! Who may have how many reports on the way: a dead endpoint, or one merchant's flood, must not slow the others.
//!
//! A report is taken when it can be expected to begin soon: it may stand in its endpoint's line as long as that line is short in time,
//! which for a fast endpoint is hundreds and for a slow one is none. One over that is put off in the database, which costs it no try,
//! for as long as those who were put off before it will need.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use domain::BusinessId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The longest that a report is expected to stand in line in memory.
const LONGEST_LINE: Duration = Duration::from_secs(2);
/// The shortest and the longest that a report is put off.
const SHORTEST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_mins(1);
/// How long a call takes, until one has been seen to end.
const FIRST_GUESS: Duration = Duration::from_millis(200);
/// Endpoints whose speed is remembered while nothing is on the way to them.
const REMEMBERED: usize = 4_096;

/// The slots of one process.
#[derive(Clone, Debug)]
pub(crate) struct Slots {
    taken: Arc<Mutex<Taken>>,
    per_endpoint: usize,
    per_business: usize,
}

/// What is on the way or in line.
#[derive(Debug, Default)]
struct Taken {
    endpoints: HashMap<String, Endpoint>,
    /// Only those that have something on the way.
    businesses: HashMap<BusinessId, usize>,
}

#[derive(Debug)]
struct Endpoint {
    /// On the way and in line.
    taken: usize,
    /// Reports that were put off since the last call ended.
    put_off: u32,
    /// How long calls take, the last ones counting most.
    call: Duration,
    calls: Arc<Semaphore>,
}

impl Endpoint {
    fn new(at_once: usize) -> Self {
        Self {
            taken: 0,
            put_off: 0,
            call: FIRST_GUESS,
            calls: Arc::new(Semaphore::new(at_once)),
        }
    }

    /// How long `reports` more take, `at_once` at a time.
    fn time_for(&self, reports: usize, at_once: usize) -> Duration {
        let reports = u32::try_from(reports).unwrap_or(u32::MAX);
        let at_once = u32::try_from(at_once).unwrap_or(u32::MAX).max(1);
        self.call.saturating_mul(reports) / at_once
    }

    fn put_off(&mut self, at_once: usize) -> Duration {
        self.put_off = self.put_off.saturating_add(1);
        let before = usize::try_from(self.put_off).unwrap_or(usize::MAX);
        self.time_for(self.taken.saturating_add(before), at_once)
            .clamp(SHORTEST_WAIT, LONGEST_WAIT)
    }
}

/// One report's slot; free again when it is dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    slots: Slots,
    business: BusinessId,
    endpoint: String,
    calls: Arc<Semaphore>,
}

/// A call that runs; its end tells the endpoint's speed.
#[derive(Debug)]
pub(crate) struct Turn {
    slot: Slot,
    since: Instant,
    _permit: OwnedSemaphorePermit,
}

impl Slot {
    /// The report's turn at its endpoint. `None`: not within `limit`.
    pub(crate) async fn turn(self, limit: Duration) -> Option<Turn> {
        let permit = Arc::clone(&self.calls).acquire_owned();
        let permit = tokio::time::timeout(limit, permit).await.ok()?.ok()?;
        Some(Turn {
            slot: self,
            since: Instant::now(),
            _permit: permit,
        })
    }
}

impl Slots {
    pub(crate) fn new(per_endpoint: usize, per_business: usize) -> Self {
        Self {
            taken: Arc::default(),
            per_endpoint,
            per_business,
        }
    }

    /// A slot, or how long to wait for one.
    pub(crate) fn take(&self, business: &BusinessId, endpoint: &str) -> Result<Slot, Duration> {
        let mut taken = self.lock();
        if taken.businesses.get(business).copied().unwrap_or_default() >= self.per_business {
            return Err(SHORTEST_WAIT);
        }
        if taken.endpoints.len() >= REMEMBERED && !taken.endpoints.contains_key(endpoint) {
            taken.endpoints.retain(|_, place| place.taken > 0);
        }
        let place = taken
            .endpoints
            .entry(endpoint.to_owned())
            .or_insert_with(|| Endpoint::new(self.per_endpoint));
        let in_line = (place.taken + 1).saturating_sub(self.per_endpoint);
        if place.time_for(in_line, self.per_endpoint) > LONGEST_LINE {
            return Err(place.put_off(self.per_endpoint));
        }
        place.taken += 1;
        let calls = Arc::clone(&place.calls);
        *taken.businesses.entry(business.clone()).or_default() += 1;
        Ok(Slot {
            slots: self.clone(),
            business: business.clone(),
            endpoint: endpoint.to_owned(),
            calls,
        })
    }

    fn free(&self, slot: &Slot) {
        let mut taken = self.lock();
        if let Some(place) = taken.endpoints.get_mut(&slot.endpoint) {
            place.taken = place.taken.saturating_sub(1);
        }
        if let Some(count) = taken.businesses.get_mut(&slot.business) {
            *count -= 1;
            if *count == 0 {
                taken.businesses.remove(&slot.business);
            }
        }
    }

    fn note_call(&self, endpoint: &str, call: Duration) {
        if let Some(place) = self.lock().endpoints.get_mut(endpoint) {
            place.call = (place.call * 3 + call) / 4;
            place.put_off = place.put_off.saturating_sub(1);
        }
    }

    /// Nothing in here can panic halfway, so a poisoned lock guards nothing that is broken.
    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.free(self);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.slot
            .slots
            .note_call(&self.slot.endpoint, self.since.elapsed());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn business(name: &str) -> BusinessId {
        BusinessId::new(name)
    }

    /// As if the last calls there had all taken so long.
    fn seen(slots: &Slots, endpoint: &str, call: Duration) {
        drop(slots.take(&business("b"), endpoint).unwrap());
        for _ in 0..40 {
            slots.note_call(endpoint, call);
        }
    }

    #[test]
    fn a_slow_endpoint_has_no_line_while_a_fast_one_has_a_long_one() {
        let slots = Slots::new(2, 10_000);
        let b = business("b");
        seen(&slots, "dead:443", Duration::from_secs(10));
        seen(&slots, "fast:443", Duration::from_millis(2));
        let kept: Vec<Slot> = std::iter::from_fn(|| slots.take(&b, "dead:443").ok()).collect();
        assert_eq!(kept.len(), 2);
        let fast: Vec<Slot> = (0..500)
            .map(|_| slots.take(&b, "fast:443").unwrap())
            .collect();
        assert!(slots.take(&b, "dead:443").is_err());
        drop(kept);
        assert!(slots.take(&b, "dead:443").is_ok());
        drop(fast);
    }

    #[test]
    fn one_business_with_many_endpoints_is_held_too() {
        let slots = Slots::new(10, 2);
        let b = business("b");
        let _one = slots.take(&b, "a:1").unwrap();
        let _two = slots.take(&b, "b:1").unwrap();
        assert!(slots.take(&b, "c:1").is_err());
        assert!(slots.take(&business("other"), "c:1").is_ok());
    }

    #[test]
    fn the_more_were_put_off_the_longer_the_next_waits_up_to_a_minute() {
        let slots = Slots::new(1, 100);
        let b = business("b");
        seen(&slots, "dead:443", Duration::from_secs(5));
        let _held = slots.take(&b, "dead:443").unwrap();
        let waits: Vec<Duration> = (0..100)
            .map(|_| slots.take(&b, "dead:443").unwrap_err())
            .collect();
        assert!(waits.is_sorted());
        assert!(waits[0] < Duration::from_secs(15), "{:?}", waits[0]);
        assert_eq!(waits[99], LONGEST_WAIT);
    }

    #[tokio::test]
    async fn only_so_many_calls_run_at_once_and_who_waits_too_long_has_none() {
        let slots = Slots::new(1, 100);
        let b = business("b");
        let soon = Duration::from_millis(10);
        let first = slots.take(&b, "a:1").unwrap().turn(soon).await;
        assert!(first.is_some());
        assert!(slots.take(&b, "a:1").unwrap().turn(soon).await.is_none());
        drop(first);
        assert!(slots.take(&b, "a:1").unwrap().turn(soon).await.is_some());
    }

    #[test]
    fn endpoints_that_nothing_goes_to_are_forgotten_in_time() {
        let slots = Slots::new(1, 1);
        for n in 0..3 * REMEMBERED {
            let endpoint = format!("host{n}:80");
            drop(slots.take(&business(&endpoint), &endpoint).unwrap());
        }
        let taken = slots.lock();
        assert!(taken.endpoints.len() <= REMEMBERED);
        assert!(taken.businesses.is_empty());
    }
}
