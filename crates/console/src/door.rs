//! The door: what every request passes before a page sees it. Who asks, whether what is posted came from our own pages, and what no
//! answer goes without. Whatever is not named as public here needs a session. Programs have a door of their own (`api/door.rs`).

mod cookies;
mod origin;
mod sign_in;
mod token;
mod tries;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;
use axum::routing::{get, post};
use openapi::caller::{FORWARDED_FOR, address_of};
use subtle::ConstantTimeEq;

use crate::desk::Desk;
use crate::frame::Frame;
use crate::trouble::{Trouble, dressed};

pub(crate) use self::cookies::{cookie, is_secure, set_cookie};
pub(crate) use self::token::Token;
pub(crate) use self::tries::{Tries, at_the_next_beat};

/// How long a caller may take to send what it posts.
pub(crate) const BODY_WITHIN: Duration = Duration::from_secs(10);
/// The most bytes that may be posted.
const BODY_BYTES: usize = 256 * 1024;

/// Where a connection comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// Where a request comes from, by the word of proxies that are trusted.
pub(crate) fn address(desk: &Desk, Peer(socket): Peer, headers: &HeaderMap) -> IpAddr {
    let forwarded = headers.get_all(FORWARDED_FOR);
    let forwarded = forwarded.iter().map(HeaderValue::as_bytes);
    address_of(socket, forwarded, &desk.trusted_proxies)
}

/// The addresses that need no session.
fn is_public(path: &str) -> bool {
    matches!(path, "/sign-in" | "/look" | "/console.css" | "/console.js")
}

/// Signing in and out, and how pages look.
pub(crate) fn router() -> Router<Arc<Desk>> {
    Router::new()
        .route("/sign-in", get(sign_in::form).post(sign_in::sign_in))
        .route("/sign-out", post(sign_in::sign_out))
        .route("/look", post(sign_in::look))
}

/// Lets a request in, or says why not.
pub(crate) async fn enter(State(desk): State<Arc<Desk>>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let mut frame = Frame::outside(&parts);
    let answer = match admit(&desk, &mut frame, parts, body).await {
        Ok(request) => next.run(request).await,
        Err(trouble) => axum::response::IntoResponse::into_response(trouble),
    };
    guarded(dressed(answer, &frame), frame.secure)
}

async fn admit(
    desk: &Desk,
    frame: &mut Frame,
    mut parts: Parts,
    body: Body,
) -> Result<Request, Trouble> {
    let public = is_public(parts.uri.path());
    if !public {
        let token = Token::of(&parts.headers).ok_or(Trouble::SignedOut)?;
        // What pages fetch by themselves is not a person who works.
        let active = parts.uri.path() != "/live";
        let sha256 = token.sha256();
        let known = desk.store.signed_in(&sha256, desk.rules, active);
        let who = desk.ask(known).await?.ok_or(Trouble::SignedOut)?;
        frame.let_in(who, &token);
        parts.extensions.insert(token);
    }
    let mut said = Bytes::new();
    if parts.method == Method::POST {
        if !origin::is_own(&parts.headers) {
            return Err(Trouble::Foreign);
        }
        let read = tokio::time::timeout(BODY_WITHIN, to_bytes(body, BODY_BYTES)).await;
        let too_much = Trouble::Unreadable("it is too long, or took too long");
        said = read.ok().and_then(Result::ok).ok_or(too_much)?;
        // PostgreSQL keeps no NUL in a text, and no form of ours sends one.
        if said.contains(&0) || said.windows(3).any(|three| three == b"%00") {
            return Err(Trouble::Unreadable("no text holds a NUL"));
        }
        if !public && !carries(&said, &frame.csrf) {
            return Err(Trouble::Foreign);
        }
    }
    parts.extensions.insert(frame.clone());
    Ok(Request::from_parts(parts, Body::from(said)))
}

/// Whether a form carries the token of the session that posts it.
fn carries(form: &[u8], csrf: &str) -> bool {
    url::form_urlencoded::parse(form)
        .find(|(name, _)| name == "csrf")
        .is_some_and(|(_, value)| {
            !csrf.is_empty() && value.as_bytes().ct_eq(csrf.as_bytes()).into()
        })
}

/// No answer is kept, framed, sniffed or made to load anything from elsewhere; scripts and styles are files of ours.
pub(crate) fn guarded(mut response: Response, secure: bool) -> Response {
    const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                          base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    if secure {
        let a_year = HeaderValue::from_static("max-age=31536000");
        headers.insert(STRICT_TRANSPORT_SECURITY, a_year);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_without_the_token_of_its_session_is_not_ours() {
        assert!(carries(b"a=1&csrf=0af&b=2", "0af"));
        for form in [
            &b"a=1"[..],
            b"csrf=",
            b"csrf=0ae",
            b"csrf=0af0",
            b"CSRF=0af",
        ] {
            assert!(!carries(form, "0af"));
        }
        assert!(!carries(b"csrf=", ""), "nobody's session has no token");
    }
}
