//! The doubt desk and the discrepancies: what waits for persons, and what they say about it.

use std::sync::Arc;

use askama::Template;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, Path, State};
use domain::OrderCode;
use serde::Deserialize;
use store::doubt_desk::OpenCase;

use super::{Asked, Page, back, page};
use crate::actions::{self, Saying};
use crate::desk::Desk;
use crate::frame::Frame;
use crate::lists::{Listed, case_place};
use crate::tongue::Words;
use crate::trouble::Trouble;
use crate::{codes, words};

#[derive(Template)]
#[template(path = "doubts.html")]
pub(super) struct DoubtsPage {
    pub(super) w: &'static Words,
    pub(super) frame: Frame,
    pub(super) title: &'static str,
    pub(super) kind: &'static str,
    pub(super) doubts: Vec<OpenCase>,
    /// Where the next page begins.
    pub(super) next: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct After {
    after: Option<String>,
}

/// Orders that stand still.
pub(super) async fn doubts(
    State(desk): State<Arc<Desk>>,
    frame: Frame,
    Asked(after): Asked<After>,
) -> Page {
    let title = frame.w.doubts;
    cases(&desk, frame, title, "doubt", after).await
}

/// Orders whose end something contradicts.
pub(super) async fn discrepancies(
    State(desk): State<Arc<Desk>>,
    frame: Frame,
    Asked(after): Asked<After>,
) -> Page {
    let title = frame.w.discrepancies;
    cases(&desk, frame, title, "discrepancy", after).await
}

async fn cases(
    desk: &Desk,
    frame: Frame,
    title: &'static str,
    kind: &'static str,
    after: After,
) -> Page {
    let after = after.after.as_deref().and_then(case_place);
    let Listed { rows, next } = desk.cases(kind, after).await?;
    page(&DoubtsPage {
        w: frame.w,
        frame,
        title,
        kind,
        doubts: rows,
        next,
    })
}

#[derive(Deserialize)]
pub(super) struct Word {
    charged: String,
    evidence: String,
    back: String,
}

/// Somebody's word: the first, or the second.
pub(super) async fn say(
    State(desk): State<Arc<Desk>>,
    frame: Frame,
    Path((code, step)): Path<(String, String)>,
    form: Result<Form<Word>, FormRejection>,
) -> Page {
    let Form(word) = form.map_err(|_| Trouble::Unreadable("charged or not, and evidence"))?;
    let order: OrderCode = code.parse().map_err(|_| Trouble::Nowhere)?;
    let charged = match word.charged.as_str() {
        "yes" => true,
        "no" => false,
        _ => return Err(Trouble::Unreadable("charged: yes or no")),
    };
    let actor = frame.actor()?;
    let saying = Saying {
        order,
        charged,
        evidence: word.evidence,
    };
    match step.as_str() {
        "propose" => actions::propose(&desk.store, &actor, &saying).await?,
        "confirm" => {
            let catalogue = desk.catalogue();
            actions::confirm(&desk.store, &actor, &saying, &catalogue).await?;
        }
        _ => return Err(Trouble::Nowhere),
    }
    Ok(back(&word.back))
}
