//! The life of an order, event by event: `claims`, then `answers`, then `doubts`.

use super::*;
use crate::life::Posting;
use crate::verdict::Source;
use crate::{Epoch, SupplierId};
use std::collections::HashMap;

mod answers;
mod claims;
mod doubts;

const SECOND: i64 = 1_000;
const NOW: UnixMs = UnixMs(1_000_000 * SECOND);

fn card(resubmit: &str) -> SupplierCard {
    serde_json::from_value(serde_json::json!({
        "resubmit": resubmit,
        "resubmit_for": "1h",
        "not_found_final_after": "2m",
        "first_query_after": "10s",
        "query_every": "20s",
        "query_for": "1h",
    }))
    .unwrap()
}

fn way(name: &str) -> Way {
    Way {
        supplier: SupplierId::new(name),
        is_open: true,
        has_room: true,
    }
}

/// Decides with suppliers whose names are their kinds.
fn decide_at(now: UnixMs, life: &Life, event: &Event, ways: &[Way]) -> Decision {
    let cards: HashMap<&str, SupplierCard> = ["query", "idempotent", "never"]
        .into_iter()
        .map(|kind| (kind, card(kind)))
        .collect();
    let world = World {
        now,
        ways,
        wait_for: Duration::from_mins(1),
        card: &|id| cards.get(id.as_str().trim_end_matches(char::is_numeric)),
    };
    decide(life, event, &world)
}

fn change_of(life: &Life, event: &Event, ways: &[Way]) -> Change {
    match decide_at(NOW, life, event, ways) {
        Decision::Change(change) => *change,
        Decision::Ignore(why) => panic!("ignored: {why:?}"),
    }
}

fn ignored(life: &Life, event: &Event) -> Ignored {
    match decide_at(NOW, life, event, &[way("query")]) {
        Decision::Ignore(why) => why,
        Decision::Change(change) => panic!("changed: {change:?}"),
    }
}

fn stored() -> Life {
    Life {
        state: OrderState::Stored,
        epoch: Epoch(0),
        created_at: NOW,
        wait: Wait::Hint(NOW.after(Duration::from_mins(1))),
        in_doubt: false,
        attempts: vec![],
    }
}

/// An order whose one attempt at `supplier` was submitted `ago` seconds before now.
fn submitted(supplier: &str, state: AttemptState, ago: i64) -> Life {
    let at = UnixMs(NOW.0 - ago * SECOND);
    Life {
        state: OrderState::Processing,
        epoch: Epoch(1),
        wait: Wait::Lease(at.after(LEASE)),
        attempts: vec![Attempt {
            no: AttemptNo(1),
            supplier: SupplierId::new(supplier),
            state,
            first_call_at: at,
            last_call_at: at,
            calls: 1,
            last_verdict: None,
        }],
        ..stored()
    }
}

fn says(verdict: Verdict) -> Event {
    Event::Answer {
        epoch: Epoch(1),
        attempt: AttemptNo(1),
        source: Source::Submit,
        verdict,
    }
}

fn query_says(verdict: Verdict) -> Event {
    Event::Answer {
        epoch: Epoch(1),
        attempt: AttemptNo(1),
        source: Source::Query,
        verdict,
    }
}

fn pushed(verdict: Verdict) -> Event {
    Event::Push {
        attempt: AttemptNo(1),
        verdict,
    }
}

fn success() -> Verdict {
    Verdict::Succeeded { voucher: None }
}

fn failure() -> Verdict {
    Verdict::Failed {
        reason: "no such number".into(),
    }
}

fn rejection() -> Verdict {
    Verdict::Rejected {
        reason: "closed".into(),
    }
}

fn unknown() -> Verdict {
    Verdict::Unknown {
        reason: "time-out".into(),
    }
}
