//! What could not be read and was put aside: looked at, sent back, dropped.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use queue::Fate;
use serde::Deserialize;
use serde_json::json;

use super::answer::{Answer, Refusal};
use super::door::Caller;
use super::orders::listed;
use super::said::Said;
use crate::actions::{self, Chosen};
use crate::desk::Desk;
use crate::told;

/// The oldest messages.
pub(super) async fn parked(State(desk): State<Arc<Desk>>) -> Answer {
    let sight = desk.parked().await.ok_or(Refusal::BROKER_AWAY)?;
    Ok(Json(json!({
        "messages": listed(&sight.messages, told::parked_message), "more": sight.more,
    })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    id: Option<String>,
    from: Option<String>,
}

/// Sends back.
pub(super) async fn requeue(
    State(desk): State<Arc<Desk>>,
    caller: Caller,
    Said(which): Said<Which>,
) -> Answer {
    settle(&desk, caller, which, Fate::Requeued).await
}

/// Drops for ever.
pub(super) async fn discard(
    State(desk): State<Arc<Desk>>,
    caller: Caller,
    Said(which): Said<Which>,
) -> Answer {
    settle(&desk, caller, which, Fate::Dropped).await
}

async fn settle(desk: &Desk, Caller(actor): Caller, which: Which, fate: Fate) -> Answer {
    let chosen = match (which.id, which.from) {
        (Some(id), None) => Chosen::One(id),
        (None, Some(queue)) => Chosen::From(queue),
        _ => return Err(Refusal::field("id", "either this or from, which messages")),
    };
    let lookout = &desk.queues.lookout;
    let settled = actions::settle_parked(&desk.store, lookout, &actor, &chosen, fate).await?;
    Ok(Json(told::settled(fate, settled.settled)))
}
