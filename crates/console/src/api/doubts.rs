//! Doubts and discrepancies: what waits for persons, and what they say about it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use domain::OrderCode;
use serde::Deserialize;
use serde_json::json;

use super::answer::{Answer, Refusal};
use super::door::Caller;
use super::orders::listed;
use super::said::{Asked, At, Said};
use crate::actions::{self, Saying};
use crate::desk::Desk;
use crate::lists::case_place;
use crate::told;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct After {
    after: Option<String>,
}

/// Orders that stand still.
pub(super) async fn doubts(State(desk): State<Arc<Desk>>, Asked(after): Asked<After>) -> Answer {
    cases(&desk, "doubt", after).await
}

/// Orders whose end something contradicts.
pub(super) async fn discrepancies(
    State(desk): State<Arc<Desk>>,
    Asked(after): Asked<After>,
) -> Answer {
    cases(&desk, "discrepancy", after).await
}

async fn cases(desk: &Desk, kind: &str, After { after }: After) -> Answer {
    let place = after.as_deref().map(case_place);
    if place == Some(None) {
        return Err(Refusal::field("after", "must be the `next` of a page"));
    }
    let page = desk.cases(kind, place.flatten()).await?;
    Ok(Json(json!({
        "cases": listed(&page.rows, told::case), "next": page.next,
    })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Word {
    charged: bool,
    evidence: String,
}

impl Word {
    fn about(self, order: OrderCode) -> Saying {
        Saying {
            order,
            charged: self.charged,
            evidence: self.evidence,
        }
    }
}

/// The first person's word.
pub(super) async fn propose(
    State(desk): State<Arc<Desk>>,
    Caller(actor): Caller,
    At(order): At<OrderCode>,
    Said(word): Said<Word>,
) -> Answer {
    let saying = word.about(order);
    actions::propose(&desk.store, &actor, &saying).await?;
    let told = told::proposed(order, saying.charged, &actor.name);
    Ok(Json(told))
}

/// The second person's word.
pub(super) async fn confirm(
    State(desk): State<Arc<Desk>>,
    Caller(actor): Caller,
    At(order): At<OrderCode>,
    Said(word): Said<Word>,
) -> Answer {
    let catalogue = desk.catalogue();
    let closed = actions::confirm(&desk.store, &actor, &word.about(order), &catalogue).await?;
    Ok(Json(told::closed(order, &closed)))
}
