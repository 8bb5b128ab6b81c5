//! What persons did, and were kept from doing.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use serde::Deserialize;
use store::audit::{AuditLine, AuditOf};

use super::{Page, last_of_full, page};
use crate::desk::Desk;
use crate::frame::Frame;
use crate::tongue::Words;
use crate::{codes, words};

/// The rows of a page.
const LISTED: i64 = 50;

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage {
    w: &'static Words,
    frame: Frame,
    by: String,
    object: String,
    lines: Vec<AuditLine>,
    next: Option<i64>,
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
    Query(which): Query<Which>,
) -> Page {
    let (by, object) = (which.by.trim().to_owned(), which.object.trim().to_owned());
    let of = match (by.replace('\0', ""), object.replace('\0', "")) {
        (by, _) if !by.is_empty() => AuditOf::Operator(by),
        (_, object) if !object.is_empty() => AuditOf::Object(object),
        _ => AuditOf::Everything,
    };
    let lines = desk
        .ask(desk.store.audit(&of, which.before, LISTED))
        .await?;
    let next = last_of_full(&lines, LISTED).map(|line| line.no);
    page(&AuditPage {
        w: frame.w,
        frame,
        by,
        object,
        lines,
        next,
    })
}
