//! Businesses: what they have, what is held, how they sign, where their reports go.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, Query, State};
use domain::catalogue::Business;
use domain::product::Price;
use domain::{BusinessId, OrderCode};
use serde::Deserialize;
use store::reads::BalanceView;
use store::story::{BalanceLine, LedgerLine};
use uuid::Uuid;

use super::{Page, last_of_full, page};
use crate::desk::Desk;
use crate::frame::Frame;
use crate::tongue::Words;
use crate::trouble::Trouble;
use crate::{codes, words};

/// The businesses of a page.
const LISTED: i64 = 100;
/// The lines of a ledger's page.
const LINES: i64 = 100;

#[derive(Template)]
#[template(path = "businesses.html")]
struct BusinessesPage {
    w: &'static Words,
    frame: Frame,
    lines: Vec<BalanceLine>,
    next: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct After {
    #[serde(default)]
    after: String,
}

pub(super) async fn businesses(
    State(desk): State<Arc<Desk>>,
    frame: Frame,
    Query(after): Query<After>,
) -> Page {
    let after = after.after.replace('\0', "");
    let lines = desk.ask(desk.store.business_lines(&after, LISTED)).await?;
    let next = last_of_full(&lines, LISTED);
    page(&BusinessesPage {
        w: frame.w,
        frame,
        next: next.map(|last| last.business.to_string()),
        lines,
    })
}

#[derive(Template)]
#[template(path = "business.html")]
struct BusinessPage {
    w: &'static Words,
    frame: Frame,
    line: BalanceLine,
    reports: BalanceView,
    account: Option<Business>,
    prices: Vec<(String, String)>,
    ledger: Vec<LedgerLine>,
    next: Option<String>,
}

impl BusinessPage {
    /// The order that a line belongs to; a deposit belongs to none.
    fn order_of(line: &LedgerLine) -> Option<OrderCode> {
        (line.kind != "deposit").then(|| OrderCode::from_uuid(line.posting_ref))
    }
}

#[derive(Deserialize)]
pub(super) struct Before {
    before: Option<String>,
}

pub(super) async fn business(
    State(desk): State<Arc<Desk>>,
    frame: Frame,
    Path(id): Path<String>,
    Query(before): Query<Before>,
) -> Page {
    if id.contains('\0') {
        return Err(Trouble::Nowhere);
    }
    let id = BusinessId::new(id);
    let line = desk.ask(desk.store.business_line(&id)).await?;
    let line = line.ok_or(Trouble::Nowhere)?;
    let before = before.before.as_deref().and_then(place);
    let ledger = desk.ask(desk.store.ledger(&id, before, LINES)).await?;
    let next = last_of_full(&ledger, LINES);
    let catalogue = desk.catalogue();
    let mut prices: Vec<(String, String)> = catalogue
        .prices
        .get(&id)
        .into_iter()
        .flatten()
        .map(|(product, price)| (product.to_string(), told(*price)))
        .collect();
    prices.sort();
    prices.truncate(500);
    page(&BusinessPage {
        w: frame.w,
        frame,
        line,
        reports: desk.ask(desk.store.balance(&id)).await?.unwrap_or_default(),
        account: catalogue.businesses.get(&id).cloned(),
        prices,
        next: next.map(|last| format!("{}.{}", last.posting_ref, last.step)),
        ledger,
    })
}

fn place(text: &str) -> Option<(Uuid, i16)> {
    let (posting_ref, step) = text.split_once('.')?;
    Some((posting_ref.parse().ok()?, step.parse().ok()?))
}

/// A price as people write it.
pub(super) fn told(price: Price) -> String {
    match price {
        Price::Fixed(price) => words::money(price),
        Price::Rate(rate) => format!("× {}", rate.decimal()),
    }
}
