//! What a page says when there is nothing to show: one place where a failure becomes a status and a sentence.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use store::StoreError;

/// Why a page cannot be shown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// No such page or order.
    #[error("there is nothing here")]
    Nowhere,
    /// The request cannot be read.
    #[error("the request cannot be read: {0}")]
    Unreadable(&'static str),
    /// The database did not answer in time, or too many pages were asked for at once.
    #[error("the database did not answer in time")]
    TooSlow,
    /// The database said no.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A page could not be written.
    #[error(transparent)]
    Page(#[from] askama::Error),
}

#[derive(Template)]
#[template(path = "trouble.html")]
struct TroublePage {
    title: &'static str,
    sentence: &'static str,
}

impl Trouble {
    const fn answer(&self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::Nowhere => (
                StatusCode::NOT_FOUND,
                "Not found",
                "There is no such page or order. An order code has 32 hexadecimal digits; the search also takes the merchant's numbers.",
            ),
            Self::Unreadable(rule) => (StatusCode::BAD_REQUEST, "Bad request", rule),
            Self::TooSlow => (
                StatusCode::SERVICE_UNAVAILABLE,
                "The database is slow",
                "It did not answer within 3 seconds. Orders are safe where they are; try again shortly.",
            ),
            Self::Store(error) if error.is_passing() => (
                StatusCode::SERVICE_UNAVAILABLE,
                "The database is away",
                "It cannot be reached now. Orders are safe where they are, and work goes on when it is back.",
            ),
            Self::Store(_) | Self::Page(_) => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "This page broke",
                "The console's log says why.",
            ),
        }
    }
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        let (status, title, sentence) = self.answer();
        if status.is_server_error() {
            tracing::warn!(error = %self, status = status.as_u16(), "a page could not be shown");
        }
        match (TroublePage { title, sentence }).render() {
            Ok(page) => (status, Html(page)).into_response(),
            Err(_) => (status, title).into_response(),
        }
    }
}
