//! The doubt desk: what waits for persons, and what they say about it.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use store::doubt_desk::OpenCase;

use super::{Page, page};
use crate::desk::Desk;
use crate::frame::Frame;
use crate::tongue::Words;
use crate::words;

/// The most doubts that are listed.
const MOST_DOUBTS: i64 = 200;

#[derive(Template)]
#[template(path = "doubts.html")]
pub(super) struct DoubtsPage {
    pub(super) w: &'static Words,
    pub(super) frame: Frame,
    pub(super) doubts: Vec<OpenCase>,
    pub(super) is_cut: bool,
}

pub(super) async fn doubts(State(desk): State<Arc<Desk>>, frame: Frame) -> Page {
    let doubts = desk.ask(desk.store.open_cases(MOST_DOUBTS)).await?;
    let is_cut = i64::try_from(doubts.len()).is_ok_and(|listed| listed >= MOST_DOUBTS);
    page(&DoubtsPage {
        w: frame.w,
        frame,
        doubts,
        is_cut,
    })
}
