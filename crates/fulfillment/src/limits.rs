//! How many calls a supplier takes: at the same time, and per second (`max_in_flight` and `rate` of its card). The limits are the
//! whole fleet's; this process has its share of them, and of that as much as the supplier is up to (`pace`).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::card::SupplierCard;
use store::Share;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::pace::Pace;

/// How soon to look again when nothing says when there will be room.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// The room at one supplier.
#[derive(Clone, Debug)]
pub(crate) struct Limits(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    max_in_flight: u32,
    /// 0: the card names no rate.
    rate: u32,
    share: watch::Receiver<Share>,
    state: Mutex<State>,
    freed: Notify,
    /// Whoever waits for room waits in line: fresh orders and those that had to wait take turns.
    line: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct State {
    in_flight: usize,
    bucket: Bucket,
    pace: Pace,
}

/// Calls that may begin. Dropped: those that did not begin are free for others.
#[derive(Debug)]
pub(crate) struct Reservation {
    of: Limits,
    calls: usize,
}

impl Limits {
    pub(crate) fn of(card: &SupplierCard, share: watch::Receiver<Share>) -> Self {
        Self::new(card.max_in_flight, card.rate, share)
    }

    fn new(max_in_flight: u32, rate: u32, share: watch::Receiver<Share>) -> Self {
        let per_second = share.borrow().part_of(rate);
        Self(Arc::new(Inner {
            max_in_flight,
            rate,
            state: Mutex::new(State {
                in_flight: 0,
                bucket: Bucket::new(per_second),
                pace: Pace::new(),
            }),
            share,
            freed: Notify::new(),
            line: tokio::sync::Mutex::new(()),
        }))
    }

    /// Whether the fleet has more workers than this supplier takes calls, and this is one of those that have no part of them.
    pub(crate) fn are_others(&self) -> bool {
        let share = *self.0.share.borrow();
        let has_part = |limit| share.part_of(limit) > 0;
        let calls = has_part(self.0.max_in_flight) && (self.0.rate == 0 || has_part(self.0.rate));
        share.has_a_place() && !calls
    }

    /// Waits until calls may begin that are worth a claim, then takes up to `most`; none, where all of them are others'.
    pub(crate) async fn reserve(&self, most: usize) -> Reservation {
        let _turn = self.0.line.lock().await;
        loop {
            let freed = self.0.freed.notified();
            tokio::pin!(freed);
            // Counted from here on: what is freed between the try and the wait is not missed.
            freed.as_mut().enable();
            let taken = self.try_reserve(most);
            if taken.len() > 0 || self.are_others() {
                return taken;
            }
            let _ = tokio::time::timeout(self.look_again_in(), freed).await;
        }
    }

    /// Takes up to `most` calls that may begin now; none: there is no room, or so little that it is not worth a claim yet.
    pub(crate) fn try_reserve(&self, most: usize) -> Reservation {
        let share = *self.0.share.borrow();
        let mut state = self.state();
        let limit = state.pace.of(share.part_of(self.0.max_in_flight)) as usize;
        let free = limit.saturating_sub(state.in_flight).min(most);
        let calls = if self.are_others() {
            0
        } else if self.0.rate == 0 {
            free
        } else {
            let per_second = state.pace.of(share.part_of(self.0.rate));
            state.bucket.take(free, per_second)
        };
        state.in_flight += calls;
        Reservation {
            of: self.clone(),
            calls,
        }
    }

    /// Gives back what was reserved and not used, tokens too.
    pub(crate) fn release(&self, reservation: Reservation) {
        self.state().bucket.put_back(reservation.len());
        drop(reservation);
    }

    /// Learns from a call that has ended.
    pub(crate) fn learn(&self, begun: Instant, faltered: bool) {
        self.state().pace.learn(begun, faltered, Instant::now());
    }

    /// The supplier has just come back: it gets little at first.
    pub(crate) fn start_over(&self) {
        self.state().pace.start_over();
    }

    fn look_again_in(&self) -> Duration {
        let rate = self.0.share.borrow().part_of(self.0.rate);
        if rate == 0 {
            return LOOK_AGAIN;
        }
        let mut state = self.state();
        let rate = state.pace.of(rate);
        let in_ms = state.bucket.next_in(rate);
        drop(state);
        in_ms.clamp(Duration::from_millis(1), LOOK_AGAIN)
    }

    fn end(&self, calls: usize) {
        if calls > 0 {
            self.state().in_flight -= calls;
            self.0.freed.notify_waiters();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reservation {
    /// How many calls may begin.
    pub(crate) const fn len(&self) -> usize {
        self.calls
    }

    /// One of them; it is free again when it is dropped.
    pub(crate) fn take_one(&mut self) -> Option<Self> {
        self.calls = self.calls.checked_sub(1)?;
        Some(Self {
            of: self.of.clone(),
            calls: 1,
        })
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.of.end(self.calls);
    }
}

/// A bucket that holds at most a tenth of a second's calls, and at least one: more at once would be above the rate in the second that
/// follows.
#[derive(Debug)]
struct Bucket {
    /// In millionths of a call.
    level: u64,
    filled_at: Instant,
}

const CALL: u64 = 1_000_000;

fn most(per_second: u32) -> u64 {
    (u64::from(per_second) * CALL / 10).max(CALL)
}

/// Calls that are worth a claim: half of what it holds at most.
fn worth(per_second: u32) -> usize {
    (per_second / 20).max(1) as usize
}

impl Bucket {
    fn new(per_second: u32) -> Self {
        Self {
            level: most(per_second),
            filled_at: Instant::now(),
        }
    }

    fn fill(&mut self, per_second: u32) {
        let now = Instant::now();
        let micros = u64::try_from((now - self.filled_at).as_micros()).unwrap_or(u64::MAX);
        let gained = micros.saturating_mul(u64::from(per_second));
        self.level = self.level.saturating_add(gained).min(most(per_second));
        self.filled_at = now;
    }

    /// A claim costs about the same for one order and for twenty. So half of what it holds is waited for: nothing is waited for where
    /// calls are few, and where they come as fast as they may, a twentieth of a second more.
    fn take(&mut self, most: usize, per_second: u32) -> usize {
        self.fill(per_second);
        let held = usize::try_from(self.level / CALL).unwrap_or(usize::MAX);
        if held < most.min(worth(per_second)) {
            return 0;
        }
        let taken = held.min(most);
        self.level -= taken as u64 * CALL;
        taken
    }

    /// More than it holds is cut at the next filling.
    const fn put_back(&mut self, calls: usize) {
        self.level = self.level.saturating_add(calls as u64 * CALL);
    }

    fn next_in(&mut self, per_second: u32) -> Duration {
        self.fill(per_second);
        let missing = (worth(per_second) as u64 * CALL).saturating_sub(self.level);
        Duration::from_micros(missing / u64::from(per_second.max(1)) + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(max_in_flight: u32, rate: u32) -> Limits {
        let (_, share) = watch::channel(Share::WHOLE);
        Limits::new(max_in_flight, rate, share)
    }

    #[tokio::test]
    async fn the_share_may_shrink_while_calls_run() {
        let (sender, share) = watch::channel(Share::WHOLE);
        let limits = Limits::new(10, 0, share);
        let mut running = limits.try_reserve(8);
        sender.send_replace(Share { index: 0, of: 2 });
        assert_eq!(limits.try_reserve(10).len(), 0, "8 of 5 are running");
        for _ in 0..4 {
            drop(running.take_one());
        }
        assert_eq!(limits.try_reserve(10).len(), 1);
        sender.send_replace(Share::NOTHING);
        drop(running);
        assert_eq!(limits.try_reserve(10).len(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_worker_without_a_part_waits_for_none() {
        let (sender, share) = watch::channel(Share { index: 1, of: 2 });
        for limits in [
            Limits::new(1, 0, share.clone()),
            Limits::new(1, 10, share.clone()),
            Limits::new(10, 1, share.clone()),
        ] {
            assert_eq!(limits.reserve(5).await.len(), 0);
            sender.send_replace(Share::WHOLE);
            let held = limits.reserve(5).await;
            assert_eq!(held.len(), 1);
            let loses_it = async {
                tokio::time::sleep(Duration::from_millis(500)).await;
                sender.send_replace(Share { index: 1, of: 2 });
            };
            let (taken, ()) = tokio::join!(limits.reserve(5), loses_it);
            assert_eq!(taken.len(), 0);
            drop(held);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_worker_that_has_no_place_yet_waits_for_its_part() {
        let (sender, share) = watch::channel(Share::NOTHING);
        let limits = Limits::new(4, 0, share);
        let gets_it = async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            sender.send_replace(Share { index: 1, of: 2 });
        };
        let (taken, ()) = tokio::join!(limits.reserve(5), gets_it);
        assert_eq!(taken.len(), 2);
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

    #[tokio::test]
    async fn whoever_waits_for_room_is_served_in_line() {
        let limits = limits(1, 0);
        let mut held = limits.try_reserve(1).take_one();
        let (served, mut order) = tokio::sync::mpsc::unbounded_channel();
        let mut waiting = tokio::task::JoinSet::new();
        for name in ["fresh", "old"] {
            for _ in 0..3 {
                let (limits, served) = (limits.clone(), served.clone());
                waiting.spawn(async move {
                    let place = limits.reserve(10).await;
                    served.send(name).unwrap();
                    drop(place);
                });
                tokio::task::yield_now().await;
            }
        }
        drop((held.take(), served));
        let mut seen = vec![];
        while let Some(name) = order.recv().await {
            seen.push(name);
        }
        assert_eq!(seen, ["fresh", "fresh", "fresh", "old", "old", "old"]);
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_calls_begin_in_a_second_than_the_card_allows() {
        let limits = limits(1_000, 50);
        assert_eq!(limits.try_reserve(200).len(), 5, "a tenth of a second's");
        let mut begun = 0;
        for _ in 0..100 {
            tokio::time::advance(Duration::from_millis(10)).await;
            begun += limits.try_reserve(200).len();
        }
        assert_eq!(begun, 50);
        tokio::time::advance(Duration::from_millis(100)).await;
        let five = limits.try_reserve(200);
        assert_eq!(five.len(), 5);
        limits.release(five);
        assert_eq!(limits.reserve(200).await.len(), 5);
        let begun = Instant::now();
        let two = limits.reserve(200).await;
        assert_eq!(two.len(), 2, "a twentieth of a second's are worth a claim");
        assert!(begun.elapsed() >= Duration::from_millis(40));
        tokio::time::advance(Duration::from_millis(20)).await;
        assert_eq!(limits.try_reserve(200).len(), 0);
        assert_eq!(
            limits.reserve(1).await.len(),
            1,
            "nobody waits for more than he wants"
        );
    }

    #[tokio::test]
    async fn a_supplier_that_falters_gets_less() {
        let limits = limits(100, 0);
        let begun = Instant::now();
        limits.learn(begun, true);
        assert_eq!(limits.try_reserve(200).len(), 80);
        limits.start_over();
        assert_eq!(limits.try_reserve(200).len(), 2);
    }
}
