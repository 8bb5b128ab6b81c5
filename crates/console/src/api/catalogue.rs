//! Businesses and products: what there is, and what it costs.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use domain::catalogue::{Business, Route};
use domain::product::{Face, Price, Product};
use domain::{BusinessId, OrderCode};
use serde::Deserialize;
use serde_json::{Value, json};
use store::story::{BalanceLine, LedgerLine};

use super::answer::{Answer, Refusal};
use super::orders::listed;
use super::said::{Asked, At};
use crate::desk::Desk;
use crate::lists::ledger_place;
use crate::words::address;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct After {
    #[serde(default)]
    after: String,
}

/// Businesses and what they have, by name.
pub(super) async fn businesses(
    State(desk): State<Arc<Desk>>,
    Asked(after): Asked<After>,
) -> Answer {
    let page = desk.businesses(&after.after).await?;
    Ok(Json(json!({
        "businesses": listed(&page.rows, balance), "next": page.next,
    })))
}

fn balance(line: &BalanceLine) -> Value {
    json!({
        "business": line.business, "merchant": line.merchant, "enabled": line.enabled, "prepaid": line.prepaid.to_string(),
        "held": line.held.to_string(), "creditLine": line.credit_line.to_string(), "left": line.left.to_string(),
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Before {
    before: Option<String>,
}

/// One business: its account, its prices, a page of its ledger.
pub(super) async fn business(
    State(desk): State<Arc<Desk>>,
    At(id): At<String>,
    Asked(before): Asked<Before>,
) -> Answer {
    let before = before.before.as_deref().map(ledger_place);
    if before == Some(None) {
        return Err(Refusal::field("before", "must be the `next` of a page"));
    }
    let id = BusinessId::new(id);
    let line = desk.ask(desk.store.business_line(&id)).await?;
    let line = line.ok_or(Refusal::NOWHERE)?;
    let reports = desk.ask(desk.store.balance(&id)).await?.unwrap_or_default();
    let page = desk.ledger(&id, before.flatten()).await?;
    let catalogue = desk.catalogue();
    let prices = catalogue.prices.get(&id).into_iter().flatten();
    let mut prices: Vec<_> = prices.collect();
    prices.sort_by(|a, b| a.0.cmp(b.0));
    prices.truncate(MOST_PRICES);
    let mut told = balance(&line);
    told["reportsRetrying"] = reports.reports_retrying.into();
    told["reportsParked"] = reports.reports_parked.into();
    told["endpointsSetAside"] = json!(reports.endpoints_set_aside);
    told["account"] = catalogue.businesses.get(&id).map_or(Value::Null, account);
    told["prices"] = listed(&prices, |(product, price)| match price {
        Price::Fixed(price) => json!({ "product": product, "price": price.to_string() }),
        Price::Rate(rate) => json!({ "product": product, "rate": rate.decimal().to_string() }),
    });
    told["ledger"] = listed(&page.rows, posting);
    told["next"] = page.next.into();
    Ok(Json(told))
}

/// The most prices that are told.
const MOST_PRICES: usize = 500;

/// How it signs and where its reports go; of its keys what they are and how long they are good, nothing that signs.
fn account(account: &Business) -> Value {
    let keys = account.keys.iter().map(|key| {
        json!({
            "kind": key.kind.name(), "notBefore": key.not_before.map(|at| at.0), "notAfter": key.not_after.map(|at| at.0),
        })
    });
    json!({
        "requestsPerSecond": account.rate_limit, "ordersPerSecond": account.order_limit, "inFlight": account.max_in_flight,
        "ipAllow": account.ip_allow,
        "reportsTo": account.callback_url.as_deref().map(address), "reportSign": account.callback_sign.name(),
        "keys": keys.collect::<Value>(),
    })
}

fn posting(line: &LedgerLine) -> Value {
    // A deposit belongs to no order.
    let order = (line.kind != "deposit").then(|| OrderCode::from_uuid(line.posting_ref));
    json!({
        "at": line.at.0, "kind": line.kind, "order": order, "prepaid": line.prepaid.to_string(), "held": line.held.to_string(),
        "note": line.note,
    })
}

/// Products, by code, with their ways.
pub(super) async fn products(State(desk): State<Arc<Desk>>, Asked(after): Asked<After>) -> Answer {
    let page = desk.products(&after.after);
    let catalogue = desk.catalogue();
    let product = |product: &Product| {
        let routes = catalogue.routes.get(&product.code);
        told(product, routes.map_or(&[], Vec::as_slice))
    };
    Ok(Json(json!({
        "products": listed(&page.rows, product), "next": page.next,
    })))
}

fn told(product: &Product, routes: &[Route]) -> Value {
    let face = match product.face {
        Face::Fixed(value) => json!({ "value": value.to_string() }),
        Face::Range { min, max, step } => {
            json!({ "min": min.to_string(), "max": max.to_string(), "step": step.to_string() })
        }
    };
    let route = |route: &Route| {
        json!({
            "supplier": route.supplier, "sku": route.sku, "cost": route.cost.to_string(), "priority": route.priority,
            "enabled": route.enabled,
        })
    };
    json!({
        "code": product.code, "name": product.name, "lane": product.lane, "face": face, "onSale": product.on_sale,
        "counted": product.counted, "waitForSeconds": product.wait_for.as_secs(), "routes": listed(routes, route),
    })
}
