//! The pages, one file each; here are their addresses.

mod at_suppliers;
mod audit;
mod batch;
mod businesses;
mod callbacks;
mod doubts;
mod gates;
mod operators;
mod orders;
mod overview;
mod parked;
mod products;
mod signature;

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{FromRequestParts, Query};
use axum::http::header::{CONTENT_TYPE, HeaderName};
use axum::http::request::Parts;
use axum::middleware::from_fn_with_state;
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use serde::de::DeserializeOwned;

use crate::desk::Desk;
use crate::door;
use crate::frame::local;
use crate::trouble::Trouble;

/// What an address says behind its question mark; what cannot be read there is told on a page, as with forms.
pub(crate) struct Asked<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Trouble;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Trouble> {
        let asked = Query::from_request_parts(parts, state).await;
        let Query(asked) = asked.map_err(|_| Trouble::Unreadable("what the address asks for"))?;
        Ok(Self(asked))
    }
}

/// All addresses, behind the door.
pub(crate) fn router(desk: Arc<Desk>) -> Router {
    Router::new()
        .route("/", get(overview::overview))
        .route("/live", get(overview::live))
        .route("/orders", get(orders::search))
        .route("/orders/{code}", get(orders::order))
        .route("/orders/{code}/cancel", post(orders::cancel))
        .route("/batches/{business}", get(batch::batch))
        .route("/batches/{business}/cancel", post(batch::cancel))
        .route("/doubts", get(doubts::doubts))
        .route("/discrepancies", get(doubts::discrepancies))
        .route("/doubts/{code}/{step}", post(doubts::say))
        .route("/suppliers", get(gates::suppliers))
        .route("/lanes", get(gates::lanes))
        .route("/lanes/{lane}/{standing}", get(at_suppliers::orders))
        .route("/parked", get(parked::parked))
        .route("/parked/{step}", post(parked::settle))
        .route("/endpoints", get(gates::endpoints))
        .route("/gates/{kind}/{step}", post(gates::shift))
        .route("/callbacks", get(callbacks::callbacks))
        .route("/callbacks/resend", post(callbacks::resend))
        .route("/callbacks/jobs/{id}/{step}", post(callbacks::order_job))
        .route("/businesses", get(businesses::businesses))
        .route("/businesses/{id}", get(businesses::business))
        .route("/products", get(products::products))
        .route("/signature", get(signature::form).post(signature::examined))
        .route("/audit", get(audit::audit))
        .route("/operators", get(operators::operators))
        .route("/operators/{step}", post(operators::change))
        .route(
            "/password",
            get(operators::own_password).post(operators::change_own_password),
        )
        .route("/console.css", get(style))
        .route("/console.js", get(script))
        .route("/live.js", get(live_script))
        .merge(door::router())
        .fallback(async || Trouble::Nowhere)
        .layer(from_fn_with_state(Arc::clone(&desk), door::enter))
        .with_state(desk)
}

pub(crate) use overview::{Sight, sight};

type Page = Result<Response, Trouble>;

fn page(template: &impl Template) -> Page {
    Ok(Html(template.render()?).into_response())
}

/// Back to where a form was, which says that it was done.
fn back(to: &str) -> Response {
    let to = local(to);
    let mark = if to.contains('?') { '&' } else { '?' };
    Redirect::to(&format!("{to}{mark}done=1")).into_response()
}

async fn style() -> impl IntoResponse {
    let style = include_str!("../assets/console.css");
    ([(CONTENT_TYPE, "text/css; charset=utf-8")], style)
}

const SCRIPT: [(HeaderName, &str); 1] = [(CONTENT_TYPE, "text/javascript; charset=utf-8")];

async fn script() -> impl IntoResponse {
    (SCRIPT, include_str!("../assets/console.js"))
}

async fn live_script() -> impl IntoResponse {
    (SCRIPT, include_str!("../assets/live.js"))
}

#[cfg(test)]
#[path = "pages_tests.rs"]
mod tests;
