//! What a series of samples says, and what it does not.

use super::*;
use domain::UnixMs;

fn pulse(seconds: i64, stored: i64, ended: i64) -> Pulse {
    Pulse {
        at: UnixMs(seconds * 1_000),
        counted_since_us: 1,
        stored,
        ended,
        doubts: 0,
        reports: 0,
        unasked_ms: 0,
    }
}

fn hour(kept: Vec<Pulse>) -> Pulses {
    let now = kept.last().map_or(UnixMs(0), |pulse| pulse.at);
    Pulses { now, kept }
}

fn stored(kept: &[Pulse]) -> Vec<Vec<i64>> {
    let mut pieces = speed(kept, apart(EVERY), |pulse| pulse.stored);
    pieces.retain(|piece| !piece.is_empty());
    let values = |piece: &Piece| piece.iter().map(|(_, rate)| *rate).collect();
    pieces.iter().map(values).collect()
}

#[test]
fn it_beats_as_the_last_two_samples_say_while_they_are_of_now() {
    let mut pulses = hour(vec![
        pulse(0, 100, 90),
        pulse(10, 125, 90),
        pulse(20, 3_125, 1_093),
    ]);
    let told = |pulses: &Pulses| {
        let Beat { stored, ended } = Rhythm::of(pulses, pulses, EVERY).beat;
        (stored, ended)
    };
    assert_eq!(told(&pulses), ("300".into(), "100".into()));
    pulses.now = UnixMs(51_000);
    assert_eq!(told(&pulses), ("–".into(), "–".into()));
    assert_eq!(told(&hour(vec![pulse(0, 1, 1)])), ("–".into(), "–".into()));
}

#[test]
fn a_server_that_counts_anew_is_a_gap_and_no_rate() {
    // 1.0 and 2.0 a second; then the count begins anew; then another server has counted a million, since another moment.
    let mut other = [pulse(50, 1_000_000, 0), pulse(60, 1_000_030, 0)];
    for pulse in &mut other {
        pulse.counted_since_us = 2;
    }
    let mut samples = vec![
        pulse(0, 5_000, 0),
        pulse(10, 5_010, 0),
        pulse(20, 5_030, 0),
        pulse(30, 0, 0),
        pulse(40, 50, 0),
    ];
    samples.extend(other);
    assert_eq!(stored(&samples), [vec![10, 20], vec![50], vec![30]]);
}

#[test]
fn where_nobody_was_there_is_a_gap_but_one_missing_sample_is_none() {
    let samples = [0, 10, 30, 70, 80].map(|at| pulse(at, at, 0));
    assert_eq!(stored(&samples), [vec![10, 10], vec![10]]);
    // At the same moment nothing can be said, and nothing is divided by that.
    assert!(stored(&[pulse(0, 0, 0), pulse(0, 9, 0)]).is_empty());
}

#[test]
fn fewer_that_have_ended_are_none() {
    let line = speed(&[pulse(0, 9, 5), pulse(10, 9, 3)], apart(EVERY), |p| {
        p.ended
    });
    assert_eq!(line, [vec![(UnixMs(10_000), 0)]]);
}

#[test]
fn what_waited_is_drawn_as_it_was_with_a_gap_where_nobody_looked() {
    let mut kept = vec![
        pulse(0, 0, 0),
        pulse(300, 0, 0),
        pulse(2_000, 0, 0),
        pulse(2_300, 0, 0),
    ];
    kept[1].doubts = 7;
    let day = Pulses {
        now: UnixMs(2_400_000),
        kept,
    };
    let rhythm = Rhythm::of(&day, &day, EVERY);
    assert_eq!(rhythm.waits.len(), 3);
    let doubts = &rhythm.waits[0];
    assert_eq!(doubts.top(), "7");
    let path = doubts.path(&doubts.lines[0]);
    assert_eq!(path.matches('M').count(), 2, "{path}");
}

#[test]
fn whoever_is_told_to_look_seldom_knows_as_much_as_that_says() {
    let samples = hour([0, 60, 120].map(|at| pulse(at, at, 0)).to_vec());
    let path = |look_every: u64| {
        let rhythm = Rhythm::of(&samples, &samples, Duration::from_secs(look_every));
        let chart = &rhythm.flow[0];
        chart.path(&chart.lines[0]).len()
    };
    assert!(path(10) == 0 && path(60) > 0);
}
