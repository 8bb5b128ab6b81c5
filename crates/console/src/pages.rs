//! The pages, one function for each address.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::Router;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::HeaderValue;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::middleware::map_response;
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::get;
use domain::{Catalogue, OrderCode, ProductCode};
use serde::Deserialize;
use store::doubt_desk::OpenCase;
use store::endpoints::{EndpointLine, Standing};
use store::gates::{Pause, SupplierLine};
use store::story::{FoundOrder, OrderStory, Overview};
use store::{Store, StoreError};
use tokio::sync::{Semaphore, watch};

use crate::story::{Moment, is_cut, timeline};
use crate::trouble::Trouble;
use crate::words;

/// How long a page waits for the database, its turn included.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);
/// How many pages ask the database at once; the others wait for their turn.
const QUESTIONS_AT_ONCE: usize = 16;
/// The most doubts that are listed.
const MOST_DOUBTS: i64 = 200;
/// The longest text of a search, in bytes; numbers are far shorter.
const LONGEST_SEARCH: usize = 256;

/// What the pages are made from.
pub(crate) struct Desk {
    store: Store,
    catalogue: watch::Receiver<Arc<Catalogue>>,
    turns: Semaphore,
}

impl Desk {
    pub(crate) fn new(store: Store, catalogue: watch::Receiver<Arc<Catalogue>>) -> Self {
        let turns = Semaphore::new(QUESTIONS_AT_ONCE);
        Self {
            store,
            catalogue,
            turns,
        }
    }

    /// One question to the database, within a page's bounds.
    async fn ask<T>(
        &self,
        question: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, Trouble> {
        let asked = async {
            let _turn = self.turns.acquire().await.map_err(|_| Trouble::TooSlow)?;
            Ok(question.await?)
        };
        tokio::time::timeout(ANSWER_WITHIN, asked)
            .await
            .unwrap_or(Err(Trouble::TooSlow))
    }

    /// The name of a product for people, where the catalogue knows it.
    fn name_of(&self, product: &ProductCode) -> String {
        let catalogue = self.catalogue.borrow();
        catalogue
            .products
            .get(product)
            .map_or_else(String::new, |p| p.name.clone())
    }
}

/// All addresses. None of them changes anything.
pub(crate) fn router(desk: Arc<Desk>) -> Router {
    Router::new()
        .route("/", get(overview))
        .route("/orders", get(orders))
        .route("/orders/{code}", get(order))
        .route("/doubts", get(doubts))
        .route("/console.css", get(style))
        .route("/console.js", get(script))
        .fallback(async || Trouble::Nowhere)
        .layer(map_response(guarded))
        .with_state(desk)
}

/// No page is kept, framed, sniffed or made to load anything from elsewhere.
async fn guarded(mut response: Response) -> Response {
    const POLICY: &str = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'";
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

type Page = Result<Response, Trouble>;

fn page(template: &impl Template) -> Page {
    Ok(Html(template.render()?).into_response())
}

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage {
    now: Overview,
    suppliers: Vec<SupplierLine>,
    pauses: Vec<Pause>,
    endpoints: Vec<EndpointLine>,
    catalogue_version: i64,
}

async fn overview(State(desk): State<Arc<Desk>>) -> Page {
    let now = desk.ask(desk.store.overview()).await?;
    let suppliers = desk.ask(desk.store.suppliers()).await?;
    let pauses = desk.ask(desk.store.pauses()).await?;
    let endpoints = desk.ask(desk.store.unwell_endpoints()).await?;
    let catalogue_version = desk.catalogue.borrow().version;
    page(&OverviewPage {
        now,
        suppliers,
        pauses,
        endpoints,
        catalogue_version,
    })
}

#[derive(Deserialize)]
struct Search {
    #[serde(default)]
    q: String,
}

#[derive(Template)]
#[template(path = "orders.html")]
struct OrdersPage {
    query: String,
    found: Vec<FoundOrder>,
}

/// One order that is found is shown at once.
async fn orders(
    State(desk): State<Arc<Desk>>,
    search: Result<Query<Search>, QueryRejection>,
) -> Page {
    let Query(search) =
        search.map_err(|_| Trouble::Unreadable("The search must be one text: /orders?q=…"))?;
    if search.q.len() > LONGEST_SEARCH {
        return Err(Trouble::Unreadable(
            "The search is too long: it takes one number of at most 64 characters.",
        ));
    }
    let query = search.q.trim().to_owned();
    let found = desk.ask(desk.store.find_orders(&query)).await?;
    match found.as_slice() {
        [only] => Ok(Redirect::to(&format!("/orders/{}", only.key.order)).into_response()),
        _ => page(&OrdersPage { query, found }),
    }
}

#[derive(Template)]
#[template(path = "order.html")]
struct OrderPage {
    order: OrderStory,
    product_name: String,
    moments: Vec<Moment>,
    is_cut: bool,
}

async fn order(State(desk): State<Arc<Desk>>, code: Result<Path<String>, PathRejection>) -> Page {
    let Path(code) = code.map_err(|_| Trouble::Nowhere)?;
    let code: OrderCode = code.parse().map_err(|_| Trouble::Nowhere)?;
    let order = desk
        .ask(desk.store.order_story(&code))
        .await?
        .ok_or(Trouble::Nowhere)?;
    page(&OrderPage {
        product_name: desk.name_of(&order.product),
        moments: timeline(&order),
        is_cut: is_cut(&order),
        order,
    })
}

#[derive(Template)]
#[template(path = "doubts.html")]
struct DoubtsPage {
    doubts: Vec<OpenCase>,
    is_cut: bool,
}

async fn doubts(State(desk): State<Arc<Desk>>) -> Page {
    let doubts = desk.ask(desk.store.open_cases(MOST_DOUBTS)).await?;
    let is_cut = i64::try_from(doubts.len()).is_ok_and(|listed| listed >= MOST_DOUBTS);
    page(&DoubtsPage { doubts, is_cut })
}

async fn style() -> impl IntoResponse {
    (
        [(CONTENT_TYPE, "text/css; charset=utf-8")],
        include_str!("../assets/console.css"),
    )
}

async fn script() -> impl IntoResponse {
    (
        [(CONTENT_TYPE, "text/javascript; charset=utf-8")],
        include_str!("../assets/console.js"),
    )
}

#[cfg(test)]
#[path = "pages_tests.rs"]
mod tests;
