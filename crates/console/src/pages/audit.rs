//! What persons did, and were kept from doing.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use serde::Deserialize;
use store::audit::AuditLine;

use super::{Asked, Page, page};
use crate::desk::Desk;
use crate::frame::Frame;
use crate::lists::{Listed, audit_of};
use crate::tongue::Words;
use crate::{codes, words};

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage {
    w: &'static Words,
    frame: Frame,
    by: String,
    object: String,
    lines: Vec<AuditLine>,
    next: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Which {
    #[serde(default)]
    by: String,
    #[serde(default)]
    object: String,
    before: Option<i64>,
}

pub(super) async fn audit(
    State(desk): State<Arc<Desk>>,
    frame: Frame,
    Asked(which): Asked<Which>,
) -> Page {
    let (by, object) = (which.by.trim().to_owned(), which.object.trim().to_owned());
    let of = audit_of(&by.replace('\0', ""), &object.replace('\0', ""));
    let Listed { rows, next } = desk.audit(&of, which.before).await?;
    page(&AuditPage {
        w: frame.w,
        frame,
        by,
        object,
        lines: rows,
        next,
    })
}
