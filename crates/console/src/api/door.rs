//! What every question of a program passes: whose token it bears, and whether its body may be looked at.

use std::sync::Arc;
use std::time::Instant;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Extension, FromRequestParts, Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use store::operators::{Bearer, TokenHolder};

use super::answer::Refusal;
use crate::actions::Actor;
use crate::desk::Desk;
use crate::door::{BODY_WITHIN, Peer, Token, address, at_the_next_beat, guarded, is_secure};

/// The most bytes of a body.
const BODY_BYTES: usize = 64 * 1024;

/// Who asks.
#[derive(Clone)]
pub(super) struct Caller(pub(super) Actor);

/// Lets a question in, or says why not.
pub(super) async fn enter(
    State(desk): State<Arc<Desk>>,
    Extension(peer): Extension<Peer>,
    request: Request,
    next: Next,
) -> Response {
    let secure = is_secure(request.headers());
    let answer = match admit(&desk, peer, request).await {
        Ok(request) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    };
    guarded(answer, secure)
}

async fn admit(desk: &Desk, peer: Peer, request: Request) -> Result<Request, Refusal> {
    let (mut parts, body) = request.into_parts();
    let holder = holder(desk, peer, &parts.headers).await?;
    // PostgreSQL keeps no NUL in a text.
    if parts.uri.to_string().contains("%00") {
        return Err(Refusal::invalid(None::<String>, "no text holds a NUL"));
    }
    let said = if parts.method == Method::POST {
        body_of(&parts, body).await?
    } else {
        Bytes::new()
    };
    parts.extensions.insert(Caller(Actor::by_token(&holder)));
    Ok(Request::from_parts(parts, Body::from(said)))
}

/// Whose token it is. A token that is wrong costs its address a try, and is answered as late as a wrong password; one that was good once
/// costs none, because its program does not guess.
async fn holder(desk: &Desk, peer: Peer, headers: &HeaderMap) -> Result<TokenHolder, Refusal> {
    let came = Instant::now();
    if !headers.contains_key(AUTHORIZATION) {
        return Err(Refusal::STRANGER);
    }
    let from = address(desk, peer, headers);
    let token = Token::borne(headers).filter(|_| desk.token_tries.allow(from, came));
    let worth = match token {
        Some(token) => desk.ask(desk.store.bearer(&token.sha256())).await?,
        None => Bearer::Unknown,
    };
    match worth {
        Bearer::Live(holder) => return Ok(holder),
        Bearer::Over => {}
        Bearer::Unknown => desk.token_tries.failed(from, Instant::now()),
    }
    tracing::warn!(%from, "a token was refused");
    at_the_next_beat(came).await;
    Err(Refusal::STRANGER)
}

/// What was posted, as JSON that holds no NUL; nothing means `{}`.
async fn body_of(parts: &Parts, body: Body) -> Result<Bytes, Refusal> {
    let read = tokio::time::timeout(BODY_WITHIN, to_bytes(body, BODY_BYTES)).await;
    let said = read
        .map_err(|_| Refusal::TOO_SLOW)?
        .map_err(|_| Refusal::TOO_LONG)?;
    if said.is_empty() {
        return Ok(Bytes::from_static(b"{}"));
    }
    if !is_json(&parts.headers) {
        return Err(Refusal::NO_JSON);
    }
    match serde_json::from_slice(&said) {
        Ok(value) if holds_nul(&value) => {
            Err(Refusal::invalid(None::<String>, "no text holds a NUL"))
        }
        Ok(Value::Object(_)) => Ok(said),
        Ok(_) => Err(Refusal::invalid(None::<String>, "a body is one object")),
        Err(why) => Err(Refusal::invalid(None::<String>, why.to_string())),
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next());
    kind.is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

fn holds_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(values) => values.iter().any(holds_nul),
        Value::Object(fields) => fields.values().any(holds_nul),
        _ => false,
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let caller = parts.extensions.get::<Self>().cloned();
        caller.ok_or(Refusal::STRANGER)
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn json_is_what_says_so() {
        let kind = |kind: &'static str| {
            is_json(&HeaderMap::from_iter([(
                CONTENT_TYPE,
                HeaderValue::from_static(kind),
            )]))
        };
        assert!(kind("application/json") && kind("Application/JSON; charset=utf-8"));
        assert!(!kind("text/plain") && !kind("application/x-www-form-urlencoded") && !kind(""));
        assert!(!is_json(&HeaderMap::new()));
    }

    #[test]
    fn a_nul_is_found_wherever_it_is() {
        let nul = |text: &str| holds_nul(&serde_json::from_str(text).unwrap());
        assert!(nul(r#"{"a":[{"b":"x\u0000"}]}"#));
        assert!(!nul(r#"{"a":[{"b":"x\\u0000"}],"c":1}"#));
    }
}
