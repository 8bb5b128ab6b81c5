//! Businesses: what they have, what is held, how they sign, where their reports go.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use domain::catalogue::Business;
use domain::product::Price;
use domain::{BusinessId, OrderCode};
use serde::Deserialize;
use store::reads::BalanceView;
use store::story::{BalanceLine, LedgerLine};

use super::{Asked, Page, page};
use crate::desk::Desk;
use crate::frame::Frame;
use crate::lists::{Listed, ledger_place};
use crate::tongue::Words;
use crate::trouble::Trouble;
use crate::{codes, words};

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
    Asked(after): Asked<After>,
) -> Page {
    let after = after.after.replace('\0', "");
    let Listed { rows, next } = desk.businesses(&after).await?;
    page(&BusinessesPage {
        w: frame.w,
        frame,
        next,
        lines: rows,
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
    Asked(before): Asked<Before>,
) -> Page {
    if id.contains('\0') {
        return Err(Trouble::Nowhere);
    }
    let id = BusinessId::new(id);
    let line = desk.ask(desk.store.business_line(&id)).await?;
    let line = line.ok_or(Trouble::Nowhere)?;
    let before = before.before.as_deref().and_then(ledger_place);
    let Listed { rows, next } = desk.ledger(&id, before).await?;
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
        next,
        ledger: rows,
    })
}

/// A price as people write it.
pub(super) fn told(price: Price) -> String {
    match price {
        Price::Fixed(price) => words::money(price),
        Price::Rate(rate) => format!("× {}", rate.decimal()),
    }
}
