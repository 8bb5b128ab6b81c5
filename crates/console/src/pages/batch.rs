//! A batch, and how far its orders have come.

use std::sync::Arc;

use askama::Template;
use axum::extract::Form;
use axum::extract::rejection::FormRejection;
use axum::extract::{Path, State};
use domain::{BusinessId, Money, OrderState};
use serde::Deserialize;
use store::reads::BatchView;

use super::orders::take_back;
use super::{Asked, Page, page};
use crate::actions::Named;
use crate::desk::Desk;
use crate::frame::Frame;
use crate::lists::{ORDERS, batch_place};
use crate::tongue::Words;
use crate::trouble::Trouble;
use crate::words;

#[derive(Template)]
#[template(path = "batch.html")]
struct BatchPage {
    w: &'static Words,
    frame: Frame,
    business: String,
    product_name: String,
    batch: BatchView,
    from: i64,
}

impl BatchPage {
    /// State, orders and their prices, of the states that there are.
    fn states(&self) -> Vec<(OrderState, i64, Money)> {
        let states = [
            OrderState::Stored,
            OrderState::Processing,
            OrderState::Succeeded,
            OrderState::Failed,
            OrderState::Cancelled,
        ];
        let counted = states.into_iter().zip(self.batch.by_state);
        let there = counted.filter(|(_, (count, _))| *count > 0);
        there
            .map(|(state, (count, money))| (state, count, money))
            .collect()
    }

    fn all(&self) -> i64 {
        self.batch.by_state.iter().map(|(count, _)| count).sum()
    }

    /// Orders that no worker has claimed yet.
    fn waiting(&self) -> i64 {
        let states = self.states().into_iter();
        states
            .filter(|(state, ..)| *state == OrderState::Stored)
            .map(|(_, count, _)| count)
            .sum()
    }

    fn ended(&self) -> i64 {
        let states = self.states().into_iter();
        states
            .filter(|(state, ..)| state.is_final())
            .map(|(_, count, _)| count)
            .sum()
    }

    /// Where the next page begins.
    fn next(&self) -> Option<i64> {
        let next = self.from + ORDERS;
        (next < self.all()).then_some(next)
    }
}

#[derive(Deserialize)]
pub(super) struct Which {
    /// The merchant's number.
    number: String,
    #[serde(default)]
    from: i64,
}

pub(super) async fn batch(
    State(desk): State<Arc<Desk>>,
    frame: Frame,
    Path(business): Path<String>,
    Asked(which): Asked<Which>,
) -> Page {
    let from = batch_place(which.from);
    let id = BusinessId::new(business.as_str());
    if business.contains('\0') || which.number.contains('\0') {
        return Err(Trouble::Nowhere);
    }
    let read = desk.store.batch(&id, &which.number, from, ORDERS);
    let batch = desk.ask(read).await?.ok_or(Trouble::Nowhere)?;
    page(&BatchPage {
        w: frame.w,
        product_name: desk.name_of(&batch.product),
        frame,
        business,
        batch,
        from,
    })
}

#[derive(Deserialize)]
pub(super) struct Cancel {
    /// The merchant's number.
    number: String,
    #[serde(default)]
    reason: String,
    back: String,
}

/// Takes back what no worker has claimed of it.
pub(super) async fn cancel(
    State(desk): State<Arc<Desk>>,
    frame: Frame,
    Path(business): Path<String>,
    form: Result<Form<Cancel>, FormRejection>,
) -> Page {
    let Form(said) = form.map_err(|_| Trouble::Unreadable("which batch"))?;
    if business.contains('\0') {
        return Err(Trouble::Nowhere);
    }
    let named = Named::Batch(BusinessId::new(business.as_str()), said.number);
    take_back(&desk, &frame, &named, &said.reason, &said.back).await
}
