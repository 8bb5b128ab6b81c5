//! Signing in and out. Whatever is wrong, the answer is the same, and comes at the same beat of the clock.

use std::sync::Arc;
use std::time::Instant;

use askama::Template;
use axum::extract::rejection::FormRejection;
use axum::extract::{Extension, Form, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{AppendHeaders, Html, IntoResponse, Redirect, Response};
use serde::Deserialize;
use store::audit::DeedOutcome;

use super::token::cookie_name;
use super::{Peer, Token, address, at_the_next_beat, set_cookie};
use crate::actions::{Action, Actor, is_operator_name};
use crate::desk::Desk;
use crate::frame::{Frame, local};
use crate::pages::Asked;
use crate::tongue::Words;
use crate::trouble::Trouble;

/// How long a language or a theme is remembered, in seconds: a year.
const A_YEAR: u32 = 31_536_000;

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    w: &'static Words,
    frame: Frame,
    next: String,
    failed: bool,
}

#[derive(Deserialize)]
pub(super) struct Next {
    #[serde(default)]
    next: String,
}

pub(super) async fn form(frame: Frame, Asked(next): Asked<Next>) -> Result<Response, Trouble> {
    page(frame, local(&next.next), false)
}

fn page(frame: Frame, next: String, failed: bool) -> Result<Response, Trouble> {
    let status = if failed {
        StatusCode::UNAUTHORIZED
    } else {
        StatusCode::OK
    };
    let page = SignInPage {
        w: frame.w,
        frame,
        next,
        failed,
    };
    Ok((status, Html(page.render()?)).into_response())
}

#[derive(Deserialize)]
pub(super) struct Credentials {
    name: String,
    password: String,
    #[serde(default)]
    next: String,
}

pub(super) async fn sign_in(
    State(desk): State<Arc<Desk>>,
    Extension(peer): Extension<Peer>,
    frame: Frame,
    headers: HeaderMap,
    form: Result<Form<Credentials>, FormRejection>,
) -> Result<Response, Trouble> {
    let came = Instant::now();
    let Form(said) = form.map_err(|_| Trouble::Unreadable("name and password are missing"))?;
    let next = local(&said.next);
    let from = address(&desk, peer, &headers);
    if let Some(token) = right(&desk, from, said).await? {
        let seconds = u32::try_from(desk.rules.session_hours * 3_600).unwrap_or(0);
        let cookie = set_cookie(&headers, cookie_name(&headers), &token.text(), seconds);
        return Ok((AppendHeaders(cookie), Redirect::to(&next)).into_response());
    }
    tracing::warn!(%from, "a sign-in failed");
    at_the_next_beat(came).await;
    page(frame, next, true)
}

/// A session, if name and password are right and may be tried.
async fn right(
    desk: &Desk,
    from: std::net::IpAddr,
    said: Credentials,
) -> Result<Option<Token>, Trouble> {
    let may_try = desk.tries.allow(from, Instant::now());
    let name = said.name.trim().to_lowercase();
    let tried = if may_try && is_operator_name(&name) {
        desk.ask(desk.store.try_operator(&name)).await?
    } else {
        None
    };
    let hash = tried.as_ref().map(|tried| tried.password_hash.clone());
    let fits = desk.passwords.fit(hash, said.password).await;
    let Some(tried) = tried else {
        desk.tries.failed(from, Instant::now());
        return Ok(None);
    };
    let actor = Actor::signed_in(&name, tried.role);
    let parameters = serde_json::json!({ "from": from.to_string() });
    let deed = actor.deed(Action::SignIn, &format!("operator {name}"), parameters);
    if fits {
        let token = Token::draw();
        let sha256 = token.sha256();
        let opened = desk
            .store
            .open_session(&name, &tried, &sha256, desk.rules, &deed);
        if desk.ask(opened).await? {
            return Ok(Some(token));
        }
    }
    desk.tries.failed(from, Instant::now());
    let noted = desk
        .store
        .note_deed(&deed, DeedOutcome::Refused, "wrong password");
    desk.ask(noted).await?;
    Ok(None)
}

pub(super) async fn sign_out(
    State(desk): State<Arc<Desk>>,
    Extension(token): Extension<Token>,
    frame: Frame,
    headers: HeaderMap,
) -> Result<Response, Trouble> {
    let actor = frame.actor()?;
    let object = format!("operator {}", actor.name);
    let deed = actor.deed(Action::SignOut, &object, serde_json::json!({}));
    desk.ask(desk.store.end_session(&token.sha256(), &deed))
        .await?;
    let cookie = set_cookie(&headers, cookie_name(&headers), "", 0);
    Ok((AppendHeaders(cookie), Redirect::to("/sign-in")).into_response())
}

#[derive(Deserialize)]
pub(super) struct Wish {
    #[serde(default)]
    lang: String,
    #[serde(default)]
    theme: String,
    #[serde(default)]
    back: String,
}

/// Remembers the language, or the theme, that somebody wants.
pub(super) async fn look(headers: HeaderMap, form: Result<Form<Wish>, FormRejection>) -> Response {
    let Ok(Form(wish)) = form else {
        return Redirect::to("/").into_response();
    };
    let known = |value: &str, known: &[&str]| known.contains(&value);
    let lang =
        known(&wish.lang, &["en", "zh"]).then(|| set_cookie(&headers, "lang", &wish.lang, A_YEAR));
    let theme = known(&wish.theme, &["light", "dark", "auto"])
        .then(|| set_cookie(&headers, "theme", &wish.theme, A_YEAR));
    let cookies = AppendHeaders(
        [lang, theme]
            .into_iter()
            .flatten()
            .flatten()
            .collect::<Vec<_>>(),
    );
    (cookies, Redirect::to(&local(&wish.back))).into_response()
}
