//! The signature debugger.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use askama::Template;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, State};
use domain::UnixMs;
use serde::Deserialize;

use super::{Page, page};
use crate::actions::NotDone;
use crate::desk::Desk;
use crate::frame::Frame;
use crate::signature::{Found, Pasted, examine};
use crate::tongue::Words;
use crate::trouble::Trouble;

#[derive(Template)]
#[template(path = "signature.html")]
struct SignaturePage {
    w: &'static Words,
    frame: Frame,
    pasted: Pasted,
    found: Option<Found>,
}

pub(super) async fn form(frame: Frame) -> Page {
    page(&SignaturePage {
        w: frame.w,
        frame,
        pasted: Pasted::default(),
        found: None,
    })
}

#[derive(Deserialize)]
pub(super) struct Said {
    headers: String,
    body: String,
    #[serde(default)]
    theirs: String,
}

pub(super) async fn examined(
    State(desk): State<Arc<Desk>>,
    frame: Frame,
    form: Result<Form<Said>, FormRejection>,
) -> Page {
    let Form(said) = form.map_err(|_| Trouble::Unreadable("headers and body"))?;
    let pasted = Pasted {
        headers: said.headers,
        body: said.body,
        theirs: said.theirs,
    };
    if pasted.holds_private_key() {
        return Err(NotDone::Mistyped(frame.w.m_private_key.to_owned()).into());
    }
    let pasted = pasted.with_plain_lines();
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let now = UnixMs(i64::try_from(now.as_millis()).unwrap_or(0));
    let found = examine(&pasted, &desk.catalogue(), now);
    page(&SignaturePage {
        w: frame.w,
        frame,
        pasted,
        found: Some(found),
    })
}
