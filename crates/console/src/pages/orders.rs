//! The search, and one order's whole story.

use std::sync::Arc;

use askama::Template;
use axum::extract::rejection::{FormRejection, PathRejection, QueryRejection};
use axum::extract::{Form, Path, Query, State};
use axum::response::{IntoResponse, Redirect};
use domain::{OrderCode, OrderState};
use serde::Deserialize;
use store::story::{FoundOrder, MOST_ENTRIES, OrderStory};

use super::{Page, back, page};
use crate::actions::{self, LEFT_AS_IT_IS, Named, NotDone};
use crate::desk::Desk;
use crate::frame::Frame;
use crate::standing::{Standing, standing};
use crate::story::{Moment, is_cut, timeline};
use crate::tongue::Words;
use crate::trouble::Trouble;
use crate::{codes, words};

/// The longest text of a search, in bytes; numbers are far shorter.
const LONGEST_SEARCH: usize = 256;

#[derive(Deserialize)]
pub(super) struct Search {
    #[serde(default)]
    q: String,
}

#[derive(Template)]
#[template(path = "orders.html")]
pub(super) struct OrdersPage {
    pub(super) w: &'static Words,
    pub(super) frame: Frame,
    pub(super) query: String,
    pub(super) found: Vec<FoundOrder>,
}

/// One order that is found is shown at once.
pub(super) async fn search(
    State(desk): State<Arc<Desk>>,
    frame: Frame,
    search: Result<Query<Search>, QueryRejection>,
) -> Page {
    let Query(search) =
        search.map_err(|_| Trouble::Unreadable("The search must be one text: /orders?q=…"))?;
    if search.q.len() > LONGEST_SEARCH {
        return Err(Trouble::Unreadable(
            "The search is too long: it takes one number of at most 64 characters.",
        ));
    }
    let query = search.q.trim().to_owned();
    let found = desk.ask(desk.store.find_orders(&query)).await?;
    match found.as_slice() {
        [only] => Ok(Redirect::to(&format!("/orders/{}", only.key.order)).into_response()),
        _ => page(&OrdersPage {
            w: frame.w,
            frame,
            query,
            found,
        }),
    }
}

#[derive(Template)]
#[template(path = "order.html")]
pub(super) struct OrderPage {
    pub(super) w: &'static Words,
    pub(super) frame: Frame,
    pub(super) order: OrderStory,
    pub(super) product_name: String,
    pub(super) moments: Vec<Moment>,
    /// Why it stands where it stands, and what happens next, when.
    pub(super) standing: Standing,
    pub(super) in_doubt: bool,
    pub(super) is_cut: bool,
}

pub(super) async fn order(
    State(desk): State<Arc<Desk>>,
    frame: Frame,
    code: Result<Path<String>, PathRejection>,
) -> Page {
    let Path(code) = code.map_err(|_| Trouble::Nowhere)?;
    let code: OrderCode = code.parse().map_err(|_| Trouble::Nowhere)?;
    let order = desk
        .ask(desk.store.order_story(&code))
        .await?
        .ok_or(Trouble::Nowhere)?;
    let deeds = desk.store.deeds_about(&order, MOST_ENTRIES);
    let deeds = desk.ask(deeds).await?;
    page(&OrderPage {
        w: frame.w,
        product_name: desk.name_of(&order.product),
        moments: timeline(frame.w, &order, &deeds),
        standing: standing(frame.w, &order, &desk.catalogue()),
        in_doubt: order.doubts.iter().any(|doubt| doubt.closed.is_none()),
        is_cut: is_cut(&order),
        order,
        frame,
    })
}

#[derive(Deserialize)]
pub(super) struct Cancel {
    #[serde(default)]
    reason: String,
    back: String,
}

/// Takes an order back that no worker has claimed.
pub(super) async fn cancel(
    State(desk): State<Arc<Desk>>,
    frame: Frame,
    Path(code): Path<String>,
    form: Result<Form<Cancel>, FormRejection>,
) -> Page {
    let Form(said) = form.map_err(|_| Trouble::Unreadable("the reason"))?;
    let code: OrderCode = code.parse().map_err(|_| Trouble::Nowhere)?;
    let named = Named::Orders(vec![code]);
    take_back(&desk, &frame, &named, &said.reason, &said.back).await
}

/// Takes these back, and goes back to where that was asked for; unless there was none left to be taken.
pub(super) async fn take_back(
    desk: &Desk,
    frame: &Frame,
    named: &Named,
    reason: &str,
    to: &str,
) -> Page {
    let (actor, catalogue) = (frame.actor()?, desk.catalogue());
    match actions::cancel(&desk.store, &actor, named, reason, &catalogue).await? {
        (0, _) => Err(NotDone::Unchanged(LEFT_AS_IT_IS.into()).into()),
        _ => Ok(back(to)),
    }
}
