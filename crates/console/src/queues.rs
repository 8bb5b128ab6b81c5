//! How the broker's queues stand: looked at every few seconds, so that no page ever waits for the broker.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use domain::{Catalogue, Lane};
use queue::{LookoutHandle, QueueName, QueueSight, Unseen};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::pulse::tenths;

/// How often they are looked at.
const EVERY: Duration = Duration::from_secs(5);
/// How long a look may take.
const WITHIN: Duration = Duration::from_secs(4);
/// A sight that is older says nothing any more.
const STALE_AFTER: Duration = Duration::from_secs(20);

/// A queue, as a page shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct QueueLine {
    pub(crate) queue: QueueName,
    /// Messages that wait, those handed out not counted.
    pub(crate) ready: u32,
    pub(crate) consumers: u32,
    /// How fast it grows, in tenths of a message per second; nothing while it was seen only once.
    pub(crate) growth: Option<i64>,
}

impl QueueLine {
    /// Whether messages wait and nobody takes them; what is parked waits for a person.
    pub(crate) fn is_left_alone(&self) -> bool {
        self.ready > 0 && self.consumers == 0 && self.queue != QueueName::parked()
    }

    /// Its growth, with its sign.
    pub(crate) fn growth(&self) -> String {
        match self.growth {
            None => "–".into(),
            Some(0) => "0".into(),
            Some(growth) if growth > 0 => format!("+{}", tenths(growth)),
            Some(growth) => format!("−{}", tenths(-growth)),
        }
    }
}

/// The queue of a lane; nothing when the broker is away, or has not been asked about it yet.
pub(crate) fn of_lane<'q>(lines: Option<&'q [QueueLine]>, lane: &Lane) -> Option<&'q QueueLine> {
    let name = QueueName::orders(lane).ok()?;
    lines?.iter().find(|line| line.queue == name)
}

/// What was seen last, and before.
#[derive(Default)]
struct Seen {
    before: Option<Look>,
    last: Option<Look>,
}

struct Look {
    at: Instant,
    sights: Vec<QueueSight>,
}

/// The broker's queues.
pub(crate) struct Queues {
    pub(crate) lookout: LookoutHandle,
    seen: Mutex<Seen>,
}

impl Queues {
    pub(crate) fn new(lookout: LookoutHandle) -> Self {
        Self {
            lookout,
            seen: Mutex::default(),
        }
    }

    /// Looks until it is told to stop.
    pub(crate) async fn run(
        &self,
        catalogue: &watch::Receiver<Arc<Catalogue>>,
        stop: &CancellationToken,
    ) {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut first = true;
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            // The connection is made while the process starts; the first sight need not wait for the second look.
            if std::mem::take(&mut first) {
                let arrived = self.lookout.arrived(WITHIN);
                stop.run_until_cancelled(arrived).await;
            }
            let look = tokio::time::timeout(WITHIN, self.lookout.queues(ours(catalogue)));
            match stop.run_until_cancelled(look).await {
                Some(Ok(seen)) => self.saw(seen, Instant::now()),
                Some(Err(_)) => self.saw(Err(Unseen::Busy), Instant::now()),
                None => return,
            }
        }
    }

    fn saw(&self, seen: Result<Vec<QueueSight>, Unseen>, at: Instant) {
        let mut kept = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match seen {
            Ok(sights) => {
                kept.before = kept.last.take();
                kept.last = Some(Look { at, sights });
            }
            // Until it is stale, what was seen before is better than nothing.
            Err(Unseen::Busy) => {}
            Err(why) => {
                tracing::debug!(%why, "the broker's queues could not be seen");
                *kept = Seen::default();
            }
        }
    }

    /// As they stand; nothing when the broker is away.
    pub(crate) fn lines(&self) -> Option<Vec<QueueLine>> {
        self.lines_at(Instant::now())
    }

    fn lines_at(&self, now: Instant) -> Option<Vec<QueueLine>> {
        let kept = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let last = kept.last.as_ref()?;
        if now.duration_since(last.at) > STALE_AFTER {
            return None;
        }
        let line = |sight: &QueueSight| QueueLine {
            queue: sight.queue.clone(),
            ready: sight.ready,
            consumers: sight.consumers,
            growth: kept
                .before
                .as_ref()
                .and_then(|before| growth(before, last, sight)),
        };
        Some(last.sights.iter().map(line).collect())
    }
}

/// The queues of the lanes that products travel, then the two that every fleet has.
fn ours(catalogue: &watch::Receiver<Arc<Catalogue>>) -> Vec<QueueName> {
    let lanes = catalogue.borrow().lanes();
    let lanes = lanes.iter().filter_map(|lane| QueueName::orders(lane).ok());
    lanes
        .chain([QueueName::callbacks(), QueueName::parked()])
        .collect()
}

/// Tenths of a message per second.
fn growth(before: &Look, last: &Look, sight: &QueueSight) -> Option<i64> {
    let old = before.sights.iter().find(|old| old.queue == sight.queue)?;
    let ms = i64::try_from(last.at.duration_since(before.at).as_millis()).ok()?;
    Some((i64::from(sight.ready) - i64::from(old.ready)) * 10_000 / ms.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(ready: u32) -> Vec<QueueSight> {
        vec![QueueSight {
            queue: QueueName::callbacks(),
            ready,
            consumers: 2,
        }]
    }

    #[test]
    fn two_looks_say_how_fast_a_queue_grows_and_a_broker_that_is_away_says_nothing() {
        let settings = queue::Settings::new("amqp://127.0.0.1:1/%2f", "test").unwrap();
        let queues = Queues::new(queue::Lookout::new(settings).0);
        let now = Instant::now();
        assert_eq!(queues.lines_at(now), None);
        queues.saw(Ok(seen(100)), now);
        assert_eq!(queues.lines_at(now).unwrap()[0].growth(), "–");
        let later = now + Duration::from_secs(5);
        queues.saw(Ok(seen(112)), later);
        let line = &queues.lines_at(later).unwrap()[0];
        assert_eq!((line.growth().as_str(), line.ready), ("+2.4", 112));
        queues.saw(Ok(seen(0)), later + Duration::from_secs(8));
        assert_eq!(queues.lines_at(later).unwrap()[0].growth(), "−14");
        queues.saw(Err(Unseen::Busy), later);
        assert!(queues.lines_at(later).is_some());
        assert_eq!(queues.lines_at(later + Duration::from_mins(1)), None);
        queues.saw(Err(Unseen::Away), later);
        assert_eq!(queues.lines_at(later), None);
    }
}
