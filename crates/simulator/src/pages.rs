//! What a supplier shows of its book, and how it is switched off and on.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;

use crate::book::{Book, BookSummary, Entry};
use crate::strength::{Calls, Control, Strength};

#[derive(Clone)]
struct Shown {
    book: Arc<Book>,
    strength: Arc<Strength>,
}

#[derive(Deserialize)]
struct Which {
    account: Option<String>,
}

/// `/book`, `/book/summary`, `/book/{reference}`, `/calls`, `/control`.
pub(crate) fn router(book: Arc<Book>, strength: Arc<Strength>) -> Router {
    Router::new()
        .route("/book", get(list))
        .route("/book/summary", get(summary))
        .route("/book/{reference}", get(one))
        .route("/calls", get(calls))
        .route("/control", post(control))
        .with_state(Shown { book, strength })
}

async fn list(State(shown): State<Shown>, Query(which): Query<Which>) -> Json<Vec<Entry>> {
    Json(shown.book.list(which.account.as_deref()))
}

async fn summary(State(shown): State<Shown>) -> Json<BookSummary> {
    Json(shown.book.summary())
}

async fn one(
    State(shown): State<Shown>,
    Path(reference): Path<String>,
) -> Result<Json<Entry>, StatusCode> {
    shown
        .book
        .get(&reference)
        .map(Json)
        .ok_or(StatusCode::NOT_FOUND)
}

async fn control(State(shown): State<Shown>, Json(control): Json<Control>) -> Json<Control> {
    shown.strength.set(control);
    Json(control)
}

async fn calls(State(shown): State<Shown>) -> Json<Vec<Calls>> {
    Json(shown.strength.calls())
}
