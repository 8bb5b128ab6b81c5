//! What a page says when there is nothing to show, or something was not done: one place where a failure becomes a status and a sentence.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Redirect, Response};
use store::StoreError;

use crate::actions::NotDone;
use crate::frame::Frame;
use crate::tongue::Words;

/// Why a page cannot be shown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// No such page or order.
    #[error("there is nothing here")]
    Nowhere,
    /// The request cannot be read.
    #[error("the request cannot be read: {0}")]
    Unreadable(&'static str),
    /// Nobody is signed in.
    #[error("nobody is signed in")]
    SignedOut,
    /// A form that no page of this session has sent.
    #[error("a form that did not come from here")]
    Foreign,
    /// An action was refused.
    #[error("not done: {0}")]
    NotDone(NotDone),
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

impl From<NotDone> for Trouble {
    fn from(why: NotDone) -> Self {
        match why {
            NotDone::Store(error) => Self::Store(error),
            other => Self::NotDone(other),
        }
    }
}

#[derive(Template)]
#[template(path = "trouble.html")]
struct TroublePage {
    w: &'static Words,
    frame: Frame,
    title: &'static str,
    sentence: &'static str,
    detail: String,
}

/// A trouble on its way out, to be written in the language of whoever asked.
#[derive(Clone)]
struct Told {
    words: fn(&'static Words) -> (&'static str, &'static str),
    detail: String,
}

impl Trouble {
    fn answer(&self) -> (StatusCode, Told) {
        let plain = |words| Told {
            words,
            detail: String::new(),
        };
        match self {
            Self::Nowhere => (StatusCode::NOT_FOUND, plain(|w| (w.nowhere, w.nowhere_why))),
            Self::SignedOut => (StatusCode::UNAUTHORIZED, plain(|w| (w.sign_in, ""))),
            Self::Unreadable(rule) => (
                StatusCode::BAD_REQUEST,
                Told {
                    words: |w| (w.bad_request, w.bad_request_why),
                    detail: (*rule).to_owned(),
                },
            ),
            Self::Foreign => (StatusCode::FORBIDDEN, plain(|w| (w.foreign, w.foreign_why))),
            Self::NotDone(why @ NotDone::NotAllowed(..)) => (
                StatusCode::FORBIDDEN,
                Told {
                    words: |w| (w.not_allowed, ""),
                    detail: why.to_string(),
                },
            ),
            Self::NotDone(why) => {
                let status = match why {
                    NotDone::Invalid(..) | NotDone::Mistyped(_) => StatusCode::UNPROCESSABLE_ENTITY,
                    _ => StatusCode::CONFLICT,
                };
                (
                    status,
                    Told {
                        words: |w| (w.not_done, ""),
                        detail: why.to_string(),
                    },
                )
            }
            Self::TooSlow => (
                StatusCode::SERVICE_UNAVAILABLE,
                plain(|w| (w.slow, w.slow_why)),
            ),
            Self::Store(error) if error.is_passing() => (
                StatusCode::SERVICE_UNAVAILABLE,
                plain(|w| (w.away, w.away_why)),
            ),
            Self::Store(_) | Self::Page(_) => (
                StatusCode::INTERNAL_SERVER_ERROR,
                plain(|w| (w.broke, w.broke_why)),
            ),
        }
    }
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        let (status, told) = self.answer();
        if status.is_server_error() {
            tracing::warn!(error = %self, status = status.as_u16(), "a page could not be shown");
        }
        let mut response = status.into_response();
        response.extensions_mut().insert(told);
        response
    }
}

/// The answer as a page, where a trouble came out; whoever is signed out is shown the way in.
pub(crate) fn dressed(mut response: Response, frame: &Frame) -> Response {
    let Some(told) = response.extensions_mut().remove::<Told>() else {
        return response;
    };
    let status = response.status();
    if status == StatusCode::UNAUTHORIZED && frame.here != "/live" {
        let next = url::form_urlencoded::byte_serialize(frame.here.as_bytes());
        return Redirect::to(&format!("/sign-in?next={}", next.collect::<String>()))
            .into_response();
    }
    let (title, sentence) = (told.words)(frame.w);
    let page = TroublePage {
        w: frame.w,
        frame: frame.clone(),
        title,
        sentence,
        detail: told.detail,
    };
    match page.render() {
        Ok(page) => (status, Html(page)).into_response(),
        Err(_) => (status, title).into_response(),
    }
}
