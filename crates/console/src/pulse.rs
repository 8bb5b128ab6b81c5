//! How fast orders come and go, and what waits: felt every ten seconds by whichever console comes first, kept in the database for all of
//! them, read from there for the charts.

use std::time::Duration;

use domain::UnixMs;
use store::Store;
use store::pulse::{EVERY, Pulse, Pulses};
use tokio_util::sync::CancellationToken;

use crate::chart::{Chart, Line, Measure, Piece};

/// The samples of an hour.
pub(crate) const HOUR: i64 = 361;
/// Of how many samples the day shows one: five minutes.
pub(crate) const ONE_OF: i64 = 30;
/// The samples of a day.
pub(crate) const DAY: i64 = 289;
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// The farthest that two of the day's samples may be apart: one may be missing between them.
const DAY_APART: Duration = Duration::from_mins(15);

/// The same of the hour's, where somebody looks so often.
fn apart(look_every: Duration) -> Duration {
    look_every.max(EVERY) * 3
}

/// Feels the pulse until it is told to stop.
pub(crate) async fn feel(store: &Store, look_every: Duration, stop: &CancellationToken) {
    let mut ticks = tokio::time::interval(look_every.max(EVERY));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        match stop.run_until_cancelled(store.keep_pulse()).await {
            Some(Ok(())) => {}
            Some(Err(error)) => tracing::debug!(%error, "the pulse could not be kept"),
            None => return,
        }
    }
}

/// Orders per second over the last samples.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Beat {
    /// Stored; a dash while it is not known.
    pub(crate) stored: String,
    /// Ended.
    pub(crate) ended: String,
}

impl Default for Beat {
    fn default() -> Self {
        Self {
            stored: "–".into(),
            ended: "–".into(),
        }
    }
}

/// How it goes and has gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rhythm {
    /// Now.
    pub(crate) beat: Beat,
    /// Orders in and out: the last hour, and the last day.
    pub(crate) flow: Vec<Chart>,
    /// What waited, over the last day.
    pub(crate) waits: Vec<Chart>,
}

impl Default for Rhythm {
    /// As if nobody had ever looked.
    fn default() -> Self {
        let nothing = Pulses {
            now: UnixMs(0),
            kept: vec![],
        };
        Self::of(&nothing, &nothing, EVERY)
    }
}

impl Rhythm {
    pub(crate) fn of(hour: &Pulses, day: &Pulses, look_every: Duration) -> Self {
        let apart = apart(look_every);
        let day_apart = apart.max(DAY_APART);
        let wait = |measure: Measure, value: fn(&Pulse) -> i64| {
            let line = Line::new("wait", level(&day.kept, day_apart, value));
            Chart::new(measure, day.now, DAY_MS, vec![line])
        };
        Self {
            beat: beat(hour, apart),
            flow: vec![flow(hour, HOUR_MS, apart), flow(day, DAY_MS, day_apart)],
            waits: vec![
                wait(Measure::Doubts, |pulse| pulse.doubts),
                wait(Measure::Reports, |pulse| pulse.reports),
                wait(Measure::Unasked, |pulse| pulse.unasked_ms),
            ],
        }
    }
}

/// As the last two samples say, if they are of now.
fn beat(hour: &Pulses, apart: Duration) -> Beat {
    let [.., before, last] = &hour.kept[..] else {
        return Beat::default();
    };
    if hour.now.since(last.at) > apart {
        return Beat::default();
    }
    let told = |counted: fn(&Pulse) -> i64| rate(before, last, apart, counted).map(tenths);
    match (told(|p| p.stored), told(|p| p.ended)) {
        (Some(stored), Some(ended)) => Beat { stored, ended },
        _ => Beat::default(),
    }
}

fn flow(pulses: &Pulses, most_ms: i64, apart: Duration) -> Chart {
    let line =
        |class, counted: fn(&Pulse) -> i64| Line::new(class, speed(&pulses.kept, apart, counted));
    let lines = vec![line("in", |p| p.stored), line("out", |p| p.ended)];
    Chart::new(Measure::Orders, pulses.now, most_ms, lines)
}

/// What is counted between two samples, in tenths per second. Nothing where that cannot be known: nobody was there for a while, or the
/// server has begun to count anew, or it is another one.
fn rate(before: &Pulse, after: &Pulse, apart: Duration, counted: fn(&Pulse) -> i64) -> Option<i64> {
    let ms = after.at.0 - before.at.0;
    let is_one_count =
        before.counted_since_us == after.counted_since_us && before.stored <= after.stored;
    if !is_one_count || ms < 1 || after.at.since(before.at) > apart {
        return None;
    }
    // The two counts that say how many have ended are not read in the same instant: that may take one or two back.
    let more = (counted(after) - counted(before)).max(0);
    Some(more.saturating_mul(10_000) / ms)
}

/// How fast it was counted, wherever that is known.
fn speed(pulses: &[Pulse], apart: Duration, counted: fn(&Pulse) -> i64) -> Vec<Piece> {
    let mut pieces = vec![Piece::new()];
    for (before, after) in pulses.iter().zip(pulses.iter().skip(1)) {
        match (rate(before, after, apart, counted), pieces.last_mut()) {
            (Some(rate), Some(piece)) => piece.push((after.at, rate)),
            _ => pieces.push(Piece::new()),
        }
    }
    pieces
}

/// How much there was, wherever that is known.
fn level(pulses: &[Pulse], apart: Duration, value: fn(&Pulse) -> i64) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = vec![];
    for pulse in pulses {
        let follows = |piece: &&mut Piece| {
            let last = piece.last();
            last.is_some_and(|(at, _)| pulse.at.since(*at) <= apart)
        };
        let point = (pulse.at, value(pulse));
        match pieces.last_mut().filter(follows) {
            Some(piece) => piece.push(point),
            None => pieces.push(vec![point]),
        }
    }
    pieces
}

/// A number of tenths: `3.1`, and `100` without what does not matter there.
pub(crate) fn tenths(tenths: i64) -> String {
    if tenths >= 1_000 || tenths % 10 == 0 {
        (tenths / 10).to_string()
    } else {
        format!("{}.{}", tenths / 10, tenths % 10)
    }
}

#[cfg(test)]
#[path = "pulse_tests.rs"]
mod tests;
