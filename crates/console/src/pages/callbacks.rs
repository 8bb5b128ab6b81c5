//! Reports to merchants: those that were given up, and the jobs that send reports again.

use std::sync::Arc;

use askama::Template;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, Path, State};
use domain::{BusinessId, OrderCode};
use serde::Deserialize;
use store::callbacks::ParkedReport;
use store::reads::OrderName;
use store::resend::{JobOrder, JobState, Resend, ResendJob, ResendRequest};

use super::{Asked, Page, back, page};
use crate::actions;
use crate::desk::Desk;
use crate::frame::Frame;
use crate::lists::{Listed, report_place};
use crate::tongue::Words;
use crate::trouble::Trouble;
use crate::{codes, words};

#[derive(Template)]
#[template(path = "callbacks.html")]
struct CallbacksPage {
    w: &'static Words,
    frame: Frame,
    business: String,
    parked: Vec<ParkedReport>,
    next: Option<String>,
    jobs: Vec<ResendJob>,
}

#[derive(Deserialize)]
pub(super) struct Place {
    #[serde(default)]
    business: String,
    after: Option<String>,
}

pub(super) async fn callbacks(
    State(desk): State<Arc<Desk>>,
    frame: Frame,
    Asked(place): Asked<Place>,
) -> Page {
    let business = place.business.trim().replace('\0', "");
    let only = (!business.is_empty()).then(|| BusinessId::new(business.as_str()));
    let after = place.after.as_deref().and_then(report_place);
    let Listed { rows, next } = desk.given_up(only.as_ref(), after.as_ref()).await?;
    page(&CallbacksPage {
        w: frame.w,
        next,
        jobs: desk.jobs(only.as_ref()).await?,
        frame,
        business,
        parked: rows,
    })
}

#[derive(Deserialize)]
pub(super) struct Wish {
    business: String,
    which: String,
    #[serde(default)]
    value: String,
    #[serde(default)]
    only_parked: Option<String>,
    #[serde(default)]
    per_second: Option<u32>,
    back: String,
}

/// Sends one report again, those of a batch, or all that were given up.
pub(super) async fn resend(
    State(desk): State<Arc<Desk>>,
    frame: Frame,
    form: Result<Form<Wish>, FormRejection>,
) -> Page {
    let Form(wish) = form.map_err(|_| Trouble::Unreadable("whose reports, and which"))?;
    let value = wish.value.trim().to_owned();
    let which = match wish.which.as_str() {
        "order" => Resend::Order(match value.parse::<OrderCode>() {
            Ok(code) => OrderName::Code(code),
            Err(_) => OrderName::BizCode(value),
        }),
        "batch" => Resend::Batch(value),
        "parked" => Resend::Parked,
        _ => return Err(Trouble::Unreadable("which: order, batch or parked")),
    };
    let actor = frame.actor()?;
    let request = ResendRequest {
        business: BusinessId::new(wish.business.trim()),
        which,
        only_parked: wish.only_parked.is_some(),
        per_second: wish
            .per_second
            .unwrap_or(actions::PER_SECOND)
            .clamp(1, 10_000),
        asked_by: actor.name.clone(),
    };
    actions::resend(&desk.store, &actor, &request).await?;
    Ok(back(&wish.back))
}

#[derive(Deserialize)]
pub(super) struct Back {
    back: String,
}

/// Pauses, resumes or cancels a job.
pub(super) async fn order_job(
    State(desk): State<Arc<Desk>>,
    frame: Frame,
    Path((id, step)): Path<(String, String)>,
    form: Result<Form<Back>, FormRejection>,
) -> Page {
    let Form(said) = form.map_err(|_| Trouble::Unreadable("which page it was"))?;
    let id = id.parse().map_err(|_| Trouble::Nowhere)?;
    let order = match step.as_str() {
        "pause" => JobOrder::Pause,
        "resume" => JobOrder::Resume,
        "cancel" => JobOrder::Cancel,
        _ => return Err(Trouble::Nowhere),
    };
    actions::order_job(&desk.store, &frame.actor()?, id, order).await?;
    Ok(back(&said.back))
}
