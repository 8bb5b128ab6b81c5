//! The life of an order, searched: every schedule of two workers within the bounds, over the very function that the fleet runs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    reason = "a test stops at the first surprise"
)]

#[path = "search/model.rs"]
mod model;
#[path = "search/promises.rs"]
mod promises;
#[path = "search/simulation.rs"]
mod simulation;
#[path = "search/state.rs"]
mod state;
#[path = "search/steps.rs"]
mod steps;
#[path = "search/wrong.rs"]
mod wrong;

use std::collections::HashSet;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use model::{Bounds, Model};
use state::State;
use steps::Step;
use wrong::Wrong;

const KINDS: [&str; 3] = ["idempotent", "query", "never"];

/// What a search came to: how many states it saw, or the way to a broken promise.
type Searched = Result<usize, (String, Vec<Step>)>;

/// Looks at every state that can be reached. Depth first; a state is known by 128 bits of it.
fn search(model: &Model) -> Searched {
    let (a, b) = (BuildHasherDefault::<DefaultHasher>::default(), 0x5eed_u64);
    let name = |s: &State| (a.hash_one(s), a.hash_one((b, s)));
    let mut seen = HashSet::new();
    let start = Model::start();
    seen.insert(name(&start));
    let mut path: Vec<(State, Vec<Step>, Option<Step>)> =
        vec![(start.clone(), model.steps(&start), None)];
    while let Some((state, steps, _)) = path.last_mut() {
        let Some(step) = steps.pop() else {
            path.pop();
            continue;
        };
        match model.take(state, &step) {
            Err(promise) => {
                let mut way: Vec<Step> = path.into_iter().filter_map(|(.., step)| step).collect();
                way.push(step);
                return Err((promise, way));
            }
            Ok(next) => {
                if seen.insert(name(&next)) {
                    let steps = model.steps(&next);
                    path.push((next, steps, Some(step)));
                }
            }
        }
    }
    Ok(seen.len())
}

#[test]
fn no_schedule_breaks_a_promise() {
    let bounds = Bounds {
        claims: 4,
        attempts: 2,
        ticks: 6,
    };
    let mut all = 0;
    for kind in KINDS {
        match search(&Model::new(&[kind, "query"], bounds)) {
            Ok(states) => {
                println!("{kind}: {states} states");
                all += states;
            }
            Err((promise, way)) => panic!("{kind}: {promise}, by {way:#?}"),
        }
    }
    println!("{all} states, no promise broken");
    assert!(
        all > 100_000,
        "the search has become too small to prove anything: {all}"
    );
}

#[test]
fn every_wrong_platform_is_caught() {
    let bounds = Bounds {
        claims: 4,
        attempts: 2,
        ticks: 8,
    };
    let mut escaped = vec![];
    for wrong in Wrong::ALL {
        let kind = wrong.shown_by();
        let mut model = Model::new(&[kind, "query"], bounds).wrong(wrong);
        model.liars = wrong == Wrong::SettlesAgain;
        match search(&model) {
            Err((promise, way)) => println!("{wrong:?}: {promise} ({kind}, {} steps)", way.len()),
            Ok(_) => escaped.push(wrong),
        }
    }
    assert!(escaped.is_empty(), "not caught: {escaped:?}");
}
