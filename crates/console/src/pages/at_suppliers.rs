//! A lane's orders that a supplier has, or may have.

use std::sync::Arc;

use askama::Template;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use domain::Lane;
use store::story::{AtSupplier, FoundOrder};

use super::{Page, page};
use crate::desk::Desk;
use crate::frame::Frame;
use crate::tongue::Words;
use crate::trouble::Trouble;
use crate::words;

#[derive(Template)]
#[template(path = "at_suppliers.html")]
struct AtSuppliersPage {
    w: &'static Words,
    frame: Frame,
    lane: Lane,
    title: &'static str,
    help: &'static str,
    found: Vec<FoundOrder>,
}

pub(super) async fn orders(
    State(desk): State<Arc<Desk>>,
    frame: Frame,
    named: Result<Path<(String, String)>, PathRejection>,
) -> Page {
    let Path((lane, standing)) = named.map_err(|_| Trouble::Nowhere)?;
    let (w, lane) = (frame.w, Lane::new(lane));
    let (standing, title, help) = match standing.as_str() {
        "calling" => (AtSupplier::Calling, w.in_a_call, w.calling_help),
        "asked" => (AtSupplier::Asked, w.asked, w.asked_help),
        _ => return Err(Trouble::Nowhere),
    };
    let found = desk.store.orders_at_suppliers(&lane, standing);
    page(&AtSuppliersPage {
        w,
        frame,
        found: desk.ask(found).await?,
        lane,
        title,
        help,
    })
}
