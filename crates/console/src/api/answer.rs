//! What a program is answered: JSON, whatever happens.

use std::borrow::Cow;

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::{HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use store::StoreError;

use crate::actions::NotDone;
use crate::trouble::Trouble;

/// What was asked for, or why not.
pub(super) type Answer = Result<Json<Value>, Refusal>;

/// After how many seconds it is worth asking again.
const LATER: HeaderValue = HeaderValue::from_static("5");

/// Why something is not told or not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    status: StatusCode,
    /// One word for programs.
    code: &'static str,
    /// A sentence for people.
    message: Cow<'static, str>,
    /// What of the question is wrong.
    field: Option<Cow<'static, str>>,
}

impl Refusal {
    /// Whoever comes without a good token, whatever is wrong with it.
    pub(super) const STRANGER: Self = Self::plain(
        StatusCode::UNAUTHORIZED,
        "no_token",
        "comes without a token that is good: Authorization: Bearer …",
    );
    pub(super) const NOWHERE: Self = Self::plain(
        StatusCode::NOT_FOUND,
        "not_found",
        "there is nothing here by this name",
    );
    pub(super) const WRONG_METHOD: Self = Self::plain(
        StatusCode::METHOD_NOT_ALLOWED,
        "wrong_method",
        "what is told is asked for by GET, what is done by POST",
    );
    pub(super) const TOO_LONG: Self = Self::plain(
        StatusCode::PAYLOAD_TOO_LARGE,
        "too_long",
        "a body has at most 64 KiB",
    );
    pub(super) const TOO_SLOW: Self = Self::plain(
        StatusCode::REQUEST_TIMEOUT,
        "too_slow",
        "the body did not come in time",
    );
    pub(super) const NO_JSON: Self = Self::plain(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "no_json",
        "a body is JSON and says so: Content-Type: application/json",
    );
    pub(super) const BROKER_AWAY: Self = Self::plain(
        StatusCode::SERVICE_UNAVAILABLE,
        "away",
        "the broker does not answer",
    );
    const DATABASE_AWAY: Self = Self::plain(
        StatusCode::SERVICE_UNAVAILABLE,
        "away",
        "the database did not answer in time",
    );
    const NOT_KNOWN: Self = Self::plain(
        StatusCode::SERVICE_UNAVAILABLE,
        "not_known",
        "it may or may not have been done: look before it is asked for again",
    );
    const BROKE: Self = Self::plain(
        StatusCode::INTERNAL_SERVER_ERROR,
        "broke",
        "something broke; the console's log says what",
    );

    const fn plain(status: StatusCode, code: &'static str, message: &'static str) -> Self {
        Self {
            status,
            code,
            message: Cow::Borrowed(message),
            field: None,
        }
    }

    fn saying(status: StatusCode, code: &'static str, message: String) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            field: None,
        }
    }

    /// A field breaks a rule; or the whole does.
    pub(super) fn invalid(
        field: Option<impl Into<Cow<'static, str>>>,
        rule: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            code: "invalid",
            message: rule.into(),
            field: field.map(Into::into),
        }
    }

    /// The same of one that has a name.
    pub(super) fn field(field: &'static str, rule: impl Into<Cow<'static, str>>) -> Self {
        Self::invalid(Some(field), rule)
    }
}

impl From<NotDone> for Refusal {
    fn from(why: NotDone) -> Self {
        let message = why.to_string();
        match why {
            NotDone::NotAllowed(..) => Self::saying(StatusCode::FORBIDDEN, "not_allowed", message),
            NotDone::Invalid(field, rule) => Self::field(field, rule),
            NotDone::Mistyped(rule) => Self::invalid(None::<String>, rule),
            NotDone::Unchanged(_) => Self::saying(StatusCode::CONFLICT, "unchanged", message),
            NotDone::Refused(_) => Self::saying(StatusCode::CONFLICT, "refused", message),
            NotDone::Away(_) => Self::BROKER_AWAY,
            NotDone::Store(error) => error.into(),
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        tracing::warn!(%error, "a program could not be answered");
        match error {
            StoreError::CommitUnknown => Self::NOT_KNOWN,
            error if error.is_passing() => Self::DATABASE_AWAY,
            _ => Self::BROKE,
        }
    }
}

impl From<Trouble> for Refusal {
    fn from(why: Trouble) -> Self {
        match why {
            Trouble::Nowhere => Self::NOWHERE,
            Trouble::Unreadable(rule) => Self::invalid(None::<String>, rule),
            Trouble::SignedOut | Trouble::Foreign => Self::STRANGER,
            Trouble::NotDone(why) => why.into(),
            Trouble::Store(error) => error.into(),
            Trouble::TooSlow => Self::DATABASE_AWAY,
            Trouble::Page(_) => Self::BROKE,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut error = json!({ "code": self.code, "message": self.message });
        if let Some(field) = self.field {
            error["field"] = field.into();
        }
        let mut response = (self.status, Json(json!({ "error": error }))).into_response();
        let headers = response.headers_mut();
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, LATER);
        }
        response
    }
}
