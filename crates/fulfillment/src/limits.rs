//! How many calls a supplier takes from this process: at the same time, and per second (`max_in_flight` and `rate` of its card).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::card::SupplierCard;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// The room at one supplier.
#[derive(Debug)]
pub(crate) struct Limits {
    in_flight: Arc<Semaphore>,
    /// `None`: the card names no rate.
    rate: Option<Mutex<Bucket>>,
}

/// Calls that may begin. Dropped: those that did not begin are free for others.
#[derive(Debug)]
pub(crate) struct Reservation {
    permits: Option<OwnedSemaphorePermit>,
}

impl Limits {
    pub(crate) fn of(card: &SupplierCard) -> Self {
        Self {
            in_flight: Arc::new(Semaphore::new(card.max_in_flight as usize)),
            rate: (card.rate > 0).then(|| Mutex::new(Bucket::new(card.rate))),
        }
    }

    /// Waits until at least one call may begin, then takes up to `most`.
    pub(crate) async fn reserve(&self, most: usize) -> Reservation {
        loop {
            // Never closed, so an error cannot happen; were it to, there is just no room.
            drop(Arc::clone(&self.in_flight).acquire_owned().await);
            let taken = self.try_reserve(most);
            if taken.len() > 0 {
                return taken;
            }
            tokio::time::sleep(self.next_token_in()).await;
        }
    }

    /// Takes up to `most` calls that may begin now; none: there is no room.
    pub(crate) fn try_reserve(&self, most: usize) -> Reservation {
        let free = self.in_flight.available_permits().min(most);
        let wanted = self.tokens(|bucket| bucket.take(free)).unwrap_or(free);
        let number = u32::try_from(wanted).unwrap_or(u32::MAX);
        let permits = (number > 0)
            .then(|| {
                Arc::clone(&self.in_flight)
                    .try_acquire_many_owned(number)
                    .ok()
            })
            .flatten();
        if permits.is_none() {
            self.tokens(|bucket| bucket.put_back(wanted));
        }
        Reservation { permits }
    }

    /// Gives back what was reserved and not used, tokens too.
    pub(crate) fn release(&self, reservation: Reservation) {
        self.tokens(|bucket| bucket.put_back(reservation.len()));
        drop(reservation);
    }

    fn next_token_in(&self) -> Duration {
        self.tokens(Bucket::next_in)
            .unwrap_or(Duration::from_millis(1))
    }

    fn tokens<T>(&self, work: impl FnOnce(&mut Bucket) -> T) -> Option<T> {
        let rate = self.rate.as_ref()?;
        Some(work(
            &mut rate.lock().unwrap_or_else(PoisonError::into_inner),
        ))
    }
}

impl Reservation {
    /// How many calls may begin.
    pub(crate) fn len(&self) -> usize {
        self.permits
            .as_ref()
            .map_or(0, OwnedSemaphorePermit::num_permits)
    }

    /// One of them; it is free again when it is dropped.
    pub(crate) fn take_one(&mut self) -> Option<OwnedSemaphorePermit> {
        let permits = self.permits.as_mut()?;
        if permits.num_permits() > 1 {
            permits.split(1)
        } else {
            self.permits.take()
        }
    }
}

/// A bucket that holds at most one second's calls.
#[derive(Debug)]
struct Bucket {
    per_second: u32,
    /// In millionths of a call.
    level: u64,
    filled_at: Instant,
}

const CALL: u64 = 1_000_000;

impl Bucket {
    fn new(per_second: u32) -> Self {
        Self {
            per_second,
            level: u64::from(per_second) * CALL,
            filled_at: Instant::now(),
        }
    }

    fn fill(&mut self) {
        let now = Instant::now();
        let micros = u64::try_from((now - self.filled_at).as_micros()).unwrap_or(u64::MAX);
        let gained = micros.saturating_mul(u64::from(self.per_second));
        self.level = self
            .level
            .saturating_add(gained)
            .min(u64::from(self.per_second) * CALL);
        self.filled_at = now;
    }

    fn take(&mut self, most: usize) -> usize {
        self.fill();
        let whole = usize::try_from(self.level / CALL)
            .unwrap_or(usize::MAX)
            .min(most);
        self.level -= whole as u64 * CALL;
        whole
    }

    fn put_back(&mut self, calls: usize) {
        self.level = (self.level + calls as u64 * CALL).min(u64::from(self.per_second) * CALL);
    }

    fn next_in(&mut self) -> Duration {
        self.fill();
        let missing = CALL.saturating_sub(self.level);
        Duration::from_micros(missing / u64::from(self.per_second.max(1)) + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(max_in_flight: u32, rate: u32) -> Limits {
        Limits {
            in_flight: Arc::new(Semaphore::new(max_in_flight as usize)),
            rate: (rate > 0).then(|| Mutex::new(Bucket::new(rate))),
        }
    }

    #[tokio::test]
    async fn no_more_calls_are_in_flight_than_the_card_allows() {
        let limits = limits(3, 0);
        let mut reservation = limits.reserve(10).await;
        assert_eq!(reservation.len(), 3);
        assert_eq!(limits.try_reserve(1).len(), 0);
        let one = reservation.take_one();
        limits.release(reservation);
        assert_eq!(limits.try_reserve(10).len(), 2);
        drop(one);
        assert_eq!(limits.try_reserve(10).len(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_calls_begin_in_a_second_than_the_card_allows() {
        let limits = limits(1_000, 50);
        assert_eq!(limits.try_reserve(200).len(), 50);
        assert_eq!(limits.try_reserve(200).len(), 0);
        tokio::time::advance(Duration::from_millis(100)).await;
        let five = limits.try_reserve(200);
        assert_eq!(five.len(), 5);
        limits.release(five);
        assert_eq!(limits.reserve(200).await.len(), 5);
        let begun = Instant::now();
        assert_eq!(limits.reserve(200).await.len(), 1);
        assert!(begun.elapsed() >= Duration::from_millis(20));
    }
}
