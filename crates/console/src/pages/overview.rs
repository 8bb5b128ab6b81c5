//! What waits now.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use store::endpoints::{EndpointLine, Standing};
use store::gates::{Pause, SupplierLine};
use store::story::Overview;

use super::{Page, page};
use crate::desk::Desk;
use crate::frame::Frame;
use crate::tongue::Words;
use crate::words;

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage {
    w: &'static Words,
    frame: Frame,
    now: Overview,
    suppliers: Vec<SupplierLine>,
    pauses: Vec<Pause>,
    endpoints: Vec<EndpointLine>,
    catalogue_version: i64,
}

pub(super) async fn overview(State(desk): State<Arc<Desk>>, frame: Frame) -> Page {
    page(&OverviewPage {
        w: frame.w,
        frame,
        now: desk.ask(desk.store.overview()).await?,
        suppliers: desk.ask(desk.store.suppliers()).await?,
        pauses: desk.ask(desk.store.pauses()).await?,
        endpoints: desk.ask(desk.store.unwell_endpoints()).await?,
        catalogue_version: desk.catalogue().version,
    })
}
