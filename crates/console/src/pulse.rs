//! How fast orders come and go: samples of what the database has counted, kept in this process for a day.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use store::Store;
use store::story::Pulse;
use tokio_util::sync::CancellationToken;

use crate::tongue::Words;
use crate::words::span;

/// How often it is felt.
const EVERY: Duration = Duration::from_secs(10);
/// The samples of an hour.
const HOUR: usize = 361;
/// Of how many samples the day keeps one: five minutes.
const ONE_OF: u64 = 30;
/// The samples of a day.
const DAY: usize = 289;
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// The size of a chart's drawing.
const WIDTH: i64 = 600;
const HEIGHT: i64 = 80;

/// Orders per second over the last samples.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Beat {
    /// Stored; a dash while it is not known yet.
    pub(crate) stored: String,
    /// Ended.
    pub(crate) ended: String,
}

/// Orders per second over time, ready to be drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chart {
    /// How far back it goes.
    span_ms: i64,
    /// The points of a polyline; none when there are too few samples.
    pub(crate) stored: String,
    pub(crate) ended: String,
    /// The highest of all points.
    pub(crate) most: String,
}

/// What was felt.
#[derive(Default)]
pub(crate) struct Heart(Mutex<Samples>);

#[derive(Default)]
struct Samples {
    felt: u64,
    hour: VecDeque<Pulse>,
    day: VecDeque<Pulse>,
}

impl Samples {
    fn keep(&mut self, pulse: Pulse) {
        if self.felt.is_multiple_of(ONE_OF) {
            push(&mut self.day, pulse, DAY);
        }
        self.felt += 1;
        push(&mut self.hour, pulse, HOUR);
    }
}

fn push(samples: &mut VecDeque<Pulse>, pulse: Pulse, most: usize) {
    // After a restart of the server its statistics may begin anew: what was before means nothing then.
    if samples
        .back()
        .is_some_and(|last| pulse.stored < last.stored || pulse.at <= last.at)
    {
        samples.clear();
    }
    if samples.len() >= most {
        samples.pop_front();
    }
    samples.push_back(pulse);
}

impl Heart {
    /// Feels the pulse until it is told to stop.
    pub(crate) async fn run(&self, store: &Store, stop: &CancellationToken) {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            match store.pulse().await {
                Ok(pulse) => self.samples().keep(pulse),
                Err(error) => tracing::debug!(%error, "the pulse could not be felt"),
            }
        }
    }

    fn samples(&self) -> std::sync::MutexGuard<'_, Samples> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How fast it goes now.
    pub(crate) fn beat(&self) -> Beat {
        let samples = self.samples();
        let (Some(last), Some(before)) = (samples.hour.back(), samples.hour.iter().nth_back(1))
        else {
            return Beat {
                stored: "–".into(),
                ended: "–".into(),
            };
        };
        let [stored, ended] = rates(before, last).map(tenths);
        Beat { stored, ended }
    }

    /// The last hour, and the last day.
    pub(crate) fn charts(&self) -> Vec<Chart> {
        let samples = self.samples();
        vec![chart(&samples.hour, HOUR_MS), chart(&samples.day, DAY_MS)]
    }
}

/// Stored and ended between two samples, in tenths of an order per second.
fn rates(before: &Pulse, after: &Pulse) -> [i64; 2] {
    let ms = (after.at.0 - before.at.0).max(1);
    let rate = |more: i64| more.max(0).saturating_mul(10_000) / ms;
    [
        rate(after.stored - before.stored),
        rate(after.ended - before.ended),
    ]
}

pub(crate) fn tenths(tenths: i64) -> String {
    if tenths >= 1_000 || tenths % 10 == 0 {
        (tenths / 10).to_string()
    } else {
        format!("{}.{}", tenths / 10, tenths % 10)
    }
}

impl Chart {
    /// What it shows: `The last 60 min`.
    pub(crate) fn title(&self, w: &Words) -> String {
        format!("{} {}", w.the_last, span(self.span_ms))
    }
}

/// As wide as what is known, and no wider than `most_ms`: a console that has just been started has more to show than a dot.
fn chart(samples: &VecDeque<Pulse>, most_ms: i64) -> Chart {
    let steps = samples.iter().zip(samples.iter().skip(1));
    let points: Vec<(i64, [i64; 2])> = steps.map(|(a, b)| (b.at.0, rates(a, b))).collect();
    let most = points
        .iter()
        .flat_map(|(_, rates)| rates)
        .copied()
        .max()
        .unwrap_or(0);
    let end = points.last().map_or(0, |(at, _)| *at);
    let known = points.first().map_or(0, |(at, _)| end - at);
    let span_ms = known.clamp(most_ms / 30, most_ms);
    let line = |which: usize| {
        let place = |(at, rates): &(i64, [i64; 2])| {
            let x = (WIDTH - (end - at) * WIDTH / span_ms).max(0);
            let y = HEIGHT - 1 - rates[which] * (HEIGHT - 2) / most.max(1);
            format!("{x},{y}")
        };
        points.iter().map(place).collect::<Vec<_>>().join(" ")
    };
    Chart {
        span_ms,
        stored: line(0),
        ended: line(1),
        most: tenths(most),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::UnixMs;

    fn pulse(seconds: i64, stored: i64, ended: i64) -> Pulse {
        Pulse {
            at: UnixMs(seconds * 1_000),
            stored,
            ended,
        }
    }

    #[test]
    fn it_beats_as_the_last_two_samples_say() {
        let heart = Heart::default();
        assert_eq!(heart.beat().stored, "–");
        for sample in [
            pulse(0, 100, 90),
            pulse(10, 125, 90),
            pulse(20, 3_125, 1_093),
        ] {
            heart.samples().keep(sample);
        }
        assert_eq!(
            heart.beat(),
            Beat {
                stored: "300".into(),
                ended: "100.3".replace(".3", "")
            }
        );
        let [hour, day] = &heart.charts()[..] else {
            panic!("two charts")
        };
        assert_eq!(
            (hour.most.as_str(), hour.stored.as_str()),
            ("300", "550,79 600,1")
        );
        assert!(day.stored.is_empty());
    }

    #[test]
    fn what_is_kept_is_bounded_and_begins_anew_with_the_server() {
        let mut samples = Samples::default();
        for n in 0..20_000 {
            samples.keep(pulse(n * 10, n, n));
        }
        assert_eq!((samples.hour.len(), samples.day.len()), (HOUR, DAY));
        samples.keep(pulse(200_001, 5, 5));
        assert_eq!(samples.hour.len(), 1);
    }
}
