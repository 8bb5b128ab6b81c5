//! Orders and batches.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use domain::{BusinessId, OrderCode, OrderFacts, OrderState, masked_account};
use serde::Deserialize;
use serde_json::{Value, json};
use store::reads::BatchView;

use super::answer::{Answer, Refusal};
use super::door::Caller;
use super::said::{Asked, At, Reason, Said};
use crate::actions::{self, LEFT_AS_IT_IS, Named, NotDone};
use crate::desk::Desk;
use crate::lists::{ORDERS, batch_place};
use crate::told;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Search {
    q: String,
}

/// Orders that carry a number.
pub(super) async fn search(State(desk): State<Arc<Desk>>, Asked(search): Asked<Search>) -> Answer {
    let found = desk.ask(desk.store.find_orders(search.q.trim())).await?;
    Ok(Json(json!({ "orders": listed(&found, told::found) })))
}

/// An order's story.
pub(super) async fn order(State(desk): State<Arc<Desk>>, At(code): At<OrderCode>) -> Answer {
    let catalogue = desk.catalogue();
    let told = desk
        .ask(told::order_by(&desk.store, code, &catalogue))
        .await?;
    Ok(Json(told.ok_or(Refusal::NOWHERE)?.json()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    /// The merchant's number.
    number: String,
    from: Option<String>,
}

/// A batch, and a page of its orders.
pub(super) async fn batch(
    State(desk): State<Arc<Desk>>,
    At(business): At<String>,
    Asked(which): Asked<Which>,
) -> Answer {
    let from = match which.from.as_deref().map(str::parse) {
        None => 0,
        Some(Ok(from)) => batch_place(from),
        Some(Err(_)) => return Err(Refusal::field("from", "must be a number")),
    };
    let id = BusinessId::new(business);
    let read = desk.store.batch(&id, &which.number, from, ORDERS);
    let batch = desk.ask(read).await?.ok_or(Refusal::NOWHERE)?;
    Ok(Json(batch_told(&id, &batch, from)))
}

fn batch_told(business: &BusinessId, batch: &BatchView, from: i64) -> Value {
    let states = OrderState::ALL.into_iter().zip(batch.by_state);
    let states = states.map(|(state, (orders, price))| {
        let told = json!({ "orders": orders, "price": price.to_string() });
        (state.word().to_owned(), told)
    });
    let all: i64 = batch.by_state.iter().map(|(orders, _)| orders).sum();
    let next = from + ORDERS;
    json!({
        "business": business, "number": batch.biz_code, "product": batch.product, "createdAt": batch.created_at.0,
        "states": states.collect::<Value>(), "orders": listed(&batch.page, order_of_batch),
        "next": (next < all).then(|| next.to_string()),
    })
}

/// As the batch's page shows it: no voucher, and its account masked.
fn order_of_batch(order: &OrderFacts) -> Value {
    json!({
        "orderCode": order.order_code, "state": order.state.word(), "bizCode": order.biz_code,
        "account": masked_account(&order.account), "price": order.price.to_string(), "message": order.message,
    })
}

/// Each as it is told.
pub(super) fn listed<T>(rows: &[T], told: impl Fn(&T) -> Value) -> Value {
    rows.iter().map(told).collect()
}

/// Takes an order back that no worker has claimed.
pub(super) async fn cancel(
    State(desk): State<Arc<Desk>>,
    caller: Caller,
    At(code): At<OrderCode>,
    Said(said): Said<Reason>,
) -> Answer {
    let named = Named::Orders(vec![code]);
    take_back(&desk, caller, &named, &said.reason).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Batch {
    /// The merchant's number.
    number: String,
    #[serde(default)]
    reason: String,
}

/// Takes back what no worker has claimed of it.
pub(super) async fn cancel_batch(
    State(desk): State<Arc<Desk>>,
    caller: Caller,
    At(business): At<String>,
    Said(said): Said<Batch>,
) -> Answer {
    let named = Named::Batch(BusinessId::new(business), said.number);
    take_back(&desk, caller, &named, &said.reason).await
}

async fn take_back(desk: &Desk, Caller(actor): Caller, named: &Named, reason: &str) -> Answer {
    let catalogue = desk.catalogue();
    match actions::cancel(&desk.store, &actor, named, reason, &catalogue).await? {
        (0, _) => Err(NotDone::Unchanged(LEFT_AS_IT_IS.into()).into()),
        (cancelled, of) => Ok(Json(told::cancelled(cancelled, of))),
    }
}
