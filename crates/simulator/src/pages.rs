//! What a supplier shows of its book, and how it is switched off and on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::book::{Book, BookSummary, Entry};

#[derive(Clone)]
struct Shown {
    book: Arc<Book>,
    down: Arc<AtomicBool>,
}

#[derive(Deserialize)]
struct Which {
    account: Option<String>,
}

#[derive(Deserialize)]
struct Control {
    down: bool,
}

/// `/book`, `/book/summary`, `/book/{reference}`, `/control`.
pub(crate) fn router(book: Arc<Book>, down: Arc<AtomicBool>) -> Router {
    Router::new()
        .route("/book", get(list))
        .route("/book/summary", get(summary))
        .route("/book/{reference}", get(one))
        .route("/control", post(control))
        .with_state(Shown { book, down })
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

async fn control(State(shown): State<Shown>, Json(control): Json<Control>) -> Json<Value> {
    shown.down.store(control.down, Ordering::Relaxed);
    Json(json!({ "down": control.down }))
}
