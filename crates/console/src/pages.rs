//! The pages, one file each; here are their addresses.

mod doubts;
mod orders;
mod overview;

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::from_fn_with_state;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;

use crate::desk::Desk;
use crate::door;
use crate::trouble::Trouble;

/// All addresses, behind the door.
pub(crate) fn router(desk: Arc<Desk>) -> Router {
    Router::new()
        .route("/", get(overview::overview))
        .route("/orders", get(orders::search))
        .route("/orders/{code}", get(orders::order))
        .route("/doubts", get(doubts::doubts))
        .route("/console.css", get(style))
        .route("/console.js", get(script))
        .merge(door::router())
        .fallback(async || Trouble::Nowhere)
        .layer(from_fn_with_state(Arc::clone(&desk), door::enter))
        .with_state(desk)
}

type Page = Result<Response, Trouble>;

fn page(template: &impl Template) -> Page {
    Ok(Html(template.render()?).into_response())
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
