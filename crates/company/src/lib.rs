//! Late work waits for company, young work does not: what costs a transaction is the set, whatever its size, and the more workers there are
//! the less each of them has at a time.
//!
//! Depends on nothing of Refill. [`gather`] is most of it; `fulfillment/src/lane.rs` and `callback/src/hints.rs` gather hints, the two
//! `recorder.rs` what was heard. [`expect`] is for those who know that others are on their way: `fulfillment/src/recorder.rs` sees the calls
//! that run. [`Rest`] and [`pause_of_each`] are for those who do the same: `Rest` between sets of hints and of what was heard, the other for
//! the two `due.rs`, `callback/src/overtaking.rs` and `callback/src/recorder.rs`.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout_at};

/// Work waits for company so many times shorter than it has waited anyway, where one worker has all of it.
const SHORTER: u32 = 20;
/// Nothing waits longer, whatever its patience.
const LONGEST_WAIT: Duration = Duration::from_millis(250);

/// How long those that are known to be on their way are waited for: the calls of a batch begin together, and most end together.
const MOMENT: Duration = Duration::from_millis(1);

/// A worker rests between two sets so many times as long as the first took, for each of the others.
const RESTS: u32 = 2;
/// Nobody rests longer.
const LONGEST_REST: Duration = Duration::from_millis(100);

/// So many workers at the most look less often because there are others: one that is left alone by them must not be too slow.
const MOST_WORKERS: u32 = 8;

/// The pause of each of so many workers who do the same, where one alone would make this one: together they do it as often as he would, and
/// each time there is as much to do.
#[must_use]
pub fn pause_of_each(workers: u32, pause_of_one: Duration) -> Duration {
    pause_of_one * workers.clamp(1, MOST_WORKERS)
}

/// How a loop that goes from set to set rests in between where others make sets of the same work. Without it each of four workers would
/// make as many sets as one alone, each a quarter as large, and they would wait for each other's locks; and the busier the database, the
/// longer a set takes, and the rest that follows it.
#[derive(Debug, Default)]
pub struct Rest {
    until: Option<Instant>,
    /// The last set followed its predecessor at once.
    hurried: bool,
}

impl Rest {
    /// Waits until the next set may begin. A rest is only for those who hurry: the first two sets after a pause wait for nothing.
    pub async fn end(&mut self) {
        let until = self.until.take().filter(|until| *until > Instant::now());
        if let Some(until) = until
            && self.hurried
        {
            sleep_until(until).await;
        }
        self.hurried = until.is_some();
    }

    /// After a set that took so long, where there are so many workers. One alone never rests.
    pub fn begin(&mut self, took: Duration, workers: u32) {
        let others = workers.clamp(1, MOST_WORKERS) - 1;
        let rest = took * RESTS * others;
        self.until = Some(Instant::now() + rest.min(LONGEST_REST));
    }
}

/// How long work of this age waits for company, where there are so many workers: each of them has a part of what comes.
#[must_use]
pub fn patience(age: Duration, workers: u32) -> Duration {
    age * workers.clamp(1, MOST_WORKERS) / SHORTER
}

/// Takes what is there, and lets a set of at most `most` grow while all in it have `patience`. Who is alone waits for nobody, nor does a set
/// that is half full.
pub async fn gather<T>(
    inbox: &mut mpsc::Receiver<T>,
    set: &mut Vec<T>,
    most: usize,
    patience: impl Fn(&T) -> Duration,
) {
    while set.len() < most
        && let Ok(next) = inbox.try_recv()
    {
        set.push(next);
    }
    let mut known = 0;
    let mut until = Instant::now() + LONGEST_WAIT;
    while (2..most / 2).contains(&set.len()) {
        let least = set[known..].iter().map(&patience).min();
        until = until.min(Instant::now() + least.unwrap_or_default());
        known = set.len();
        let came = timeout_at(until, inbox.recv_many(set, most - known)).await;
        if !matches!(came, Ok(1..)) {
            return;
        }
    }
}

/// Lets a set of at most `most` grow for a moment, while others are `on_their_way`. Without it the first of those that come together would
/// be a set of its own, and the others would wait until that is written.
pub async fn expect<T>(
    inbox: &mut mpsc::Receiver<T>,
    set: &mut Vec<T>,
    most: usize,
    on_their_way: impl Fn() -> bool,
) {
    let until = Instant::now() + MOMENT;
    while set.len() < most && on_their_way() {
        let came = timeout_at(until, inbox.recv_many(set, most - set.len())).await;
        if !matches!(came, Ok(1..)) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    const LATE: Duration = Duration::from_secs(10);
    const YOUNG: Duration = Duration::ZERO;

    #[test]
    fn many_look_as_often_as_one() {
        let pause = |workers| pause_of_each(workers, Duration::from_millis(250)).as_millis();
        assert_eq!(
            [0, 1, 4, 8, 100].map(pause),
            [250, 250, 1_000, 2_000, 2_000]
        );
    }

    #[test]
    fn the_patience_grows_with_the_age_and_with_the_number_of_workers() {
        let patience = |age, workers| patience(Duration::from_secs(age), workers).as_millis();
        assert_eq!([1, 2].map(|age| patience(age, 1)), [50, 100]);
        assert_eq!([0, 4, 8, 100].map(|n| patience(1, n)), [50, 200, 400, 400]);
    }

    /// How long, in milliseconds, each of four sets waits that follow each other at once and take so long.
    async fn rests(workers: u32, took: Duration) -> Vec<u128> {
        let mut rest = Rest::default();
        let mut waited = vec![];
        for _ in 0..4 {
            let begun = Instant::now();
            rest.end().await;
            waited.push(begun.elapsed().as_millis());
            rest.begin(took, workers);
        }
        waited
    }

    #[tokio::test(start_paused = true)]
    async fn who_hurries_rests_the_longer_the_more_there_are() {
        let set = Duration::from_millis(5);
        assert_eq!(rests(0, set).await, [0; 4]);
        assert_eq!(rests(1, set).await, [0; 4]);
        assert_eq!(rests(2, set).await, [0, 0, 10, 10]);
        assert_eq!(rests(4, set).await, [0, 0, 30, 30]);
        assert_eq!(rests(4, Duration::from_secs(1)).await, [0, 0, 100, 100]);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_comes_after_a_pause_waits_for_nothing() {
        let mut rest = Rest::default();
        for _ in 0..4 {
            let begun = Instant::now();
            rest.end().await;
            assert_eq!(begun.elapsed(), Duration::ZERO);
            rest.begin(Duration::from_millis(5), 4);
            tokio::time::sleep(Duration::from_millis(31)).await;
        }
    }

    /// How many are together, and after how long, where one comes every 10 ms.
    async fn gathered(first: &[Duration], then: Duration) -> (usize, Duration) {
        let (sender, mut inbox) = mpsc::channel(100);
        let coming = tokio::spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_millis(10)).await;
                if sender.send(then).await.is_err() {
                    return;
                }
            }
        });
        let mut set = first.to_vec();
        let begun = Instant::now();
        gather(&mut inbox, &mut set, 40, |age| patience(*age, 1)).await;
        let waited = begun.elapsed();
        drop(inbox);
        coming.await.unwrap();
        (set.len(), waited)
    }

    #[tokio::test(start_paused = true)]
    async fn late_work_waits_for_half_a_set_and_young_work_for_nobody() {
        let (alone, waited) = gathered(&[LATE], LATE).await;
        assert_eq!((alone, waited), (1, YOUNG));
        let (few, waited) = gathered(&[YOUNG, LATE], LATE).await;
        assert_eq!((few, waited), (2, YOUNG));
        let (half, waited) = gathered(&[LATE; 2], LATE).await;
        assert_eq!(half, 20);
        assert!(waited < LONGEST_WAIT, "{waited:?}");
        let (ended, waited) = gathered(&[LATE; 2], YOUNG).await;
        assert_eq!((ended, waited.as_millis()), (3, 10), "a young one ends it");
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_longer_than_the_longest_wait() {
        let (_sender, mut inbox) = mpsc::channel::<Duration>(1);
        let mut set = vec![Duration::from_hours(1); 2];
        let begun = Instant::now();
        gather(&mut inbox, &mut set, 40, |age| patience(*age, 1)).await;
        assert_eq!(begun.elapsed().as_millis(), LONGEST_WAIT.as_millis());
    }

    /// How many are together, and after how many milliseconds, where two have come and others are on their way for so many looks.
    async fn expected(looks: usize, most: usize) -> (usize, u128) {
        let (sender, mut inbox) = mpsc::channel(2);
        for _ in 0..2 {
            sender.send(()).await.unwrap();
        }
        let (mut set, left) = (vec![()], Cell::new(looks));
        let begun = Instant::now();
        let on_their_way = || left.replace(left.get().saturating_sub(1)) > 0;
        expect(&mut inbox, &mut set, most, on_their_way).await;
        (set.len(), begun.elapsed().as_millis())
    }

    #[tokio::test(start_paused = true)]
    async fn those_on_their_way_are_waited_for_but_not_for_long() {
        assert_eq!(expected(0, 40).await, (1, 0), "nobody is coming");
        assert_eq!(expected(9, 1).await, (1, 0), "there is no room");
        assert_eq!(expected(1, 40).await, (3, 0), "they have come");
        let (came, waited) = expected(9, 40).await;
        assert_eq!(came, 3);
        assert!((1..=2).contains(&waited), "others do not come: {waited} ms");
    }
}
