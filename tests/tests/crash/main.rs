//! Every step at which a process can die, be stopped, or lose a server: what becomes of the orders.
//!
//! A build of the binary with the room `halt` armed waits at a named point; then it is killed, stopped past its leases and continued,
//! or cut off from PostgreSQL or RabbitMQ. The suppliers' own books, the merchant and `refill check` say whether all is well.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    dead_code,
    reason = "a test stops at the first surprise; the harness serves other tests too"
)]

#[path = "../e2e/harness/mod.rs"]
mod harness;
mod proxy;
mod scenario;
mod victim;

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::{FutureExt, StreamExt};
use harness::{Ground, Outside};
use scenario::{Act, Kind, Scenario, Seen, Stage};

/// The points of an order's way at a supplier: each with each kind of supplier.
const AT_SUPPLIERS: [&str; 13] = [
    "order: delivered",
    "claim: before the commit",
    "claim: commit sent",
    "claim: committed",
    "call: about to begin",
    "call: on its way",
    "call: answered",
    "record: before the commit",
    "record: commit sent",
    "record: committed",
    "record: acknowledged",
    "push: before the commit",
    "push: commit sent",
];

/// The points before and after.
const ELSEWHERE: [&str; 8] = [
    "intake: before the commit",
    "intake: commit sent",
    "intake: committed",
    "intake: announced",
    "push: committed",
    "report claim: committed",
    "report: posted",
    "report record: commit sent",
];

/// Scenarios that are prepared or brought to their end at the same time.
const AT_ONCE: usize = 5;
/// Scenarios that are under way at the same time. Half of all wait for a lease, meanwhile the others have their turn.
const UNDER_WAY: usize = 120;

fn all() -> Vec<Scenario> {
    let mut scenarios = vec![];
    // First those that wait longest.
    for act in [Act::Stop, Act::Kill, Act::CutDatabase, Act::CutBroker] {
        for point in AT_SUPPLIERS {
            scenarios.extend(Kind::ALL.map(|kind| (point, kind, act)));
        }
        scenarios.extend(ELSEWHERE.map(|point| (point, Kind::Query, act)));
    }
    scenarios
        .into_iter()
        .enumerate()
        .map(|(number, (point, kind, act))| Scenario {
            number,
            point,
            kind,
            act,
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_happens_at_whichever_point_every_order_ends_well() {
    let begun = std::time::Instant::now();
    let only = std::env::var("CRASH_ONLY").unwrap_or_default();
    let ground = Arc::new(Ground::own().await);
    victim::migrate_template(&ground);
    let outside = Arc::new(Outside::start().await);
    let stage = Arc::new(Stage::new(ground, outside, AT_ONCE));
    let results: Vec<(Scenario, Result<Seen, String>)> = futures::stream::iter(all())
        .filter(|s| futures::future::ready(s.name().contains(&only)))
        .map(|scenario| {
            let stage = Arc::clone(&stage);
            async move {
                // A scenario that panics is one line of the table.
                let played = AssertUnwindSafe(scenario.play(&stage)).catch_unwind();
                (scenario, played.await.map_err(|panic| panic_text(&*panic)))
            }
        })
        .buffer_unordered(UNDER_WAY)
        .collect()
        .await;
    print_table(&results);
    let failed: Vec<String> = results
        .iter()
        .filter_map(|(s, r)| Some(format!("{}: {}", s.name(), r.as_ref().err()?)))
        .collect();
    println!(
        "{} scenarios, {} went wrong, {} s",
        results.len(),
        failed.len(),
        begun.elapsed().as_secs()
    );
    stage.clear().await;
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert!(!results.is_empty());
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|t| (*t).to_owned()))
        .unwrap_or_else(|| "panicked".into())
}

/// One line for each point, one column for each act: how the orders ended, added up over the suppliers' kinds.
fn print_table(results: &[(Scenario, Result<Seen, String>)]) {
    let mut cells: BTreeMap<(&str, Act), (Seen, usize)> = BTreeMap::new();
    for (scenario, result) in results {
        let cell = cells.entry((scenario.point, scenario.act)).or_default();
        match result {
            Ok(seen) => cell.0.add(seen),
            Err(_) => cell.1 += 1,
        }
    }
    println!(
        "orders that succeeded / failed / wait for a person, by what happened to the process at the point"
    );
    println!(
        "{:<28}{:>16}{:>16}{:>16}{:>16}",
        "point", "killed", "stopped", "no database", "no broker"
    );
    for point in AT_SUPPLIERS.into_iter().chain(ELSEWHERE) {
        let cell = |act| match cells.get(&(point, act)) {
            None => "-".to_owned(),
            Some((_, wrong)) if *wrong > 0 => format!("{wrong} WRONG"),
            Some((seen, _)) => format!("{} / {} / {}", seen.succeeded, seen.failed, seen.doubtful),
        };
        println!(
            "{point:<28}{:>16}{:>16}{:>16}{:>16}",
            cell(Act::Kill),
            cell(Act::Stop),
            cell(Act::CutDatabase),
            cell(Act::CutBroker)
        );
    }
}
