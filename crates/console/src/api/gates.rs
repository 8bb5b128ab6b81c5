//! Suppliers, lanes and endpoints: how they stand, and shutting and opening them.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use domain::{Lane, SupplierId};
use serde::Deserialize;
use serde_json::{Value, json};
use store::gates::Pause;
use store::story::AtSupplier;
use store::vitals::{LaneVitals, Waiting};

use super::answer::{Answer, Refusal};
use super::door::Caller;
use super::orders::listed;
use super::said::{At, Nothing, Reason, Said};
use crate::actions::{self, Gate};
use crate::desk::Desk;
use crate::queues::QueueLine;
use crate::told;

/// All suppliers, and all that is paused.
pub(super) async fn suppliers(State(desk): State<Arc<Desk>>) -> Answer {
    let suppliers = desk.ask(desk.store.suppliers()).await?;
    let pauses = desk.ask(desk.store.pauses()).await?;
    Ok(Json(told::suppliers(&suppliers, &pauses)))
}

/// All lanes, and the broker's queues.
pub(super) async fn lanes(State(desk): State<Arc<Desk>>) -> Answer {
    let vitals = desk.vitals().await?;
    let pauses = desk.ask(desk.store.pauses()).await?;
    let catalogue = desk.catalogue();
    let lane = |vitals: &LaneVitals| {
        let mut told = lane(vitals, &pauses);
        told["suppliers"] = json!(catalogue.suppliers_of_lane(&vitals.lane));
        told
    };
    let queue = |line: &QueueLine| told::queue(&line.queue, line.ready, line.consumers);
    let queues = desk.queues.lines().map(|lines| listed(&lines, queue));
    Ok(Json(json!({
        "lanes": listed(&vitals.lanes, lane), "queues": queues,
    })))
}

/// How a lane stands.
pub(super) fn lane(vitals: &LaneVitals, pauses: &[Pause]) -> Value {
    let pause = pauses.iter().find(|pause| pause.is_of_lane(&vitals.lane));
    json!({
        "lane": vitals.lane, "paused": pause.map(told::pause), "stored": waiting(vitals.stored), "waiting": waiting(vitals.waiting),
        "calling": waiting(vitals.calling), "asked": waiting(vitals.asked), "overdueSeconds": seconds(vitals.overdue),
    })
}

/// How many, and for how long.
pub(super) fn waiting(waiting: Waiting) -> Value {
    json!({ "count": waiting.count, "oldestSeconds": seconds(waiting.oldest) })
}

pub(super) const fn seconds(span: Duration) -> u64 {
    span.as_secs()
}

/// A lane's orders that a supplier has, or may have.
pub(super) async fn at_suppliers(
    State(desk): State<Arc<Desk>>,
    At((lane, standing)): At<(String, String)>,
) -> Answer {
    let standing = match standing.as_str() {
        "calling" => AtSupplier::Calling,
        "asked" => AtSupplier::Asked,
        _ => return Err(Refusal::NOWHERE),
    };
    let lane = Lane::new(lane);
    let found = desk.store.orders_at_suppliers(&lane, standing);
    let found = desk.ask(found).await?;
    Ok(Json(json!({ "orders": listed(&found, told::found) })))
}

/// Endpoints that are not well.
pub(super) async fn endpoints(State(desk): State<Arc<Desk>>) -> Answer {
    let (endpoints, more) = desk.endpoints().await?;
    Ok(Json(json!({
        "endpoints": listed(&endpoints, told::endpoint), "more": more,
    })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pausing {
    lane: Option<String>,
    #[serde(default)]
    reason: String,
}

pub(super) async fn pause_supplier(
    State(desk): State<Arc<Desk>>,
    caller: Caller,
    At(supplier): At<String>,
    Said(said): Said<Pausing>,
) -> Answer {
    pause(&desk, caller, &gate(supplier, said.lane), &said.reason).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Resuming {
    lane: Option<String>,
}

pub(super) async fn resume_supplier(
    State(desk): State<Arc<Desk>>,
    caller: Caller,
    At(supplier): At<String>,
    Said(said): Said<Resuming>,
) -> Answer {
    resume(&desk, caller, &gate(supplier, said.lane)).await
}

pub(super) async fn pause_lane(
    State(desk): State<Arc<Desk>>,
    caller: Caller,
    At(lane): At<String>,
    Said(said): Said<Reason>,
) -> Answer {
    pause(&desk, caller, &Gate::Lane(Lane::new(lane)), &said.reason).await
}

pub(super) async fn resume_lane(
    State(desk): State<Arc<Desk>>,
    caller: Caller,
    At(lane): At<String>,
    Said(_): Said<Nothing>,
) -> Answer {
    resume(&desk, caller, &Gate::Lane(Lane::new(lane))).await
}

fn gate(supplier: String, lane: Option<String>) -> Gate {
    let supplier = SupplierId::new(supplier);
    match lane {
        Some(lane) => Gate::SupplierInLane(supplier, Lane::new(lane)),
        None => Gate::Supplier(supplier),
    }
}

async fn pause(desk: &Desk, Caller(actor): Caller, gate: &Gate, reason: &str) -> Answer {
    actions::pause(&desk.store, &actor, gate, reason, &desk.catalogue()).await?;
    Ok(Json(told::paused(gate, true)))
}

async fn resume(desk: &Desk, Caller(actor): Caller, gate: &Gate) -> Answer {
    actions::resume(&desk.store, &actor, gate).await?;
    Ok(Json(told::resumed(gate)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EndpointPausing {
    endpoint: String,
    #[serde(default)]
    reason: String,
}

/// Sends nothing there, not even a probe.
pub(super) async fn pause_endpoint(
    State(desk): State<Arc<Desk>>,
    Caller(actor): Caller,
    Said(said): Said<EndpointPausing>,
) -> Answer {
    let endpoint = actions::named_endpoint(&said.endpoint)?;
    actions::pause_endpoint(&desk.store, &actor, &endpoint, &said.reason).await?;
    Ok(Json(told::endpoint_paused(&endpoint)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EndpointNamed {
    endpoint: String,
}

/// Probes it with the next report that is due.
pub(super) async fn resume_endpoint(
    State(desk): State<Arc<Desk>>,
    Caller(actor): Caller,
    Said(said): Said<EndpointNamed>,
) -> Answer {
    let endpoint = actions::named_endpoint(&said.endpoint)?;
    actions::resume_endpoint(&desk.store, &actor, &endpoint).await?;
    Ok(Json(told::endpoint_resumed(&endpoint)))
}
