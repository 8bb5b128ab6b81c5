//! Operators, and what persons did. Passwords are changed on the pages and by command: a token that was lost opens nobody's account for
//! good.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::json;
use store::operators::Role;

use super::answer::{Answer, Refusal};
use super::door::Caller;
use super::orders::listed;
use super::said::{Asked, At, Nothing, Said};
use crate::actions::{self, Action, NotDone};
use crate::desk::Desk;
use crate::lists::audit_of;
use crate::told;

/// Whoever may do this may see who else there is.
pub(super) const LISTING: Action = Action::AddOperator;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    #[serde(default)]
    by: String,
    #[serde(default)]
    object: String,
    before: Option<String>,
}

/// What persons did, the newest first.
pub(super) async fn audit(State(desk): State<Arc<Desk>>, Asked(which): Asked<Which>) -> Answer {
    let before = which.before.as_deref().map(str::parse).transpose();
    let before = before.map_err(|_| Refusal::field("before", "must be a number"))?;
    let of = audit_of(&which.by, &which.object);
    let page = desk.audit(&of, before).await?;
    Ok(Json(json!({
        "audit": listed(&page.rows, told::audit_line), "next": page.next,
    })))
}

/// Who may come in.
pub(super) async fn operators(State(desk): State<Arc<Desk>>, Caller(actor): Caller) -> Answer {
    if !actor.may(LISTING) {
        return Err(NotDone::NotAllowed(LISTING.word(), LISTING.least().word()).into());
    }
    let operators = desk.ask(desk.store.operators()).await?;
    Ok(Json(
        json!({ "operators": listed(&operators, told::operator) }),
    ))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Newcomer {
    name: String,
    role: String,
    password: String,
}

/// Adds one.
pub(super) async fn add(
    State(desk): State<Arc<Desk>>,
    Caller(actor): Caller,
    Said(said): Said<Newcomer>,
) -> Answer {
    let role = role(&said.role)?;
    let hash = desk.passwords.hash(said.password).await;
    let hash = hash.map_err(|bad| Refusal::field("password", bad.to_string()))?;
    actions::add_operator(&desk.store, &actor, &said.name, role, &hash).await?;
    Ok(Json(told::changed(&said.name, &told::may_sign_in(role))))
}

fn role(text: &str) -> Result<Role, Refusal> {
    let role = text.parse::<Role>();
    role.map_err(|why| Refusal::field("role", why.to_string()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewRole {
    role: String,
}

pub(super) async fn set_role(
    State(desk): State<Arc<Desk>>,
    Caller(actor): Caller,
    At(name): At<String>,
    Said(said): Said<NewRole>,
) -> Answer {
    let role = role(&said.role)?;
    actions::set_role(&desk.store, &actor, &name, role).await?;
    Ok(Json(told::changed(&name, &told::is_now(role))))
}

/// Lets one in no more.
pub(super) async fn disable(
    State(desk): State<Arc<Desk>>,
    Caller(actor): Caller,
    At(name): At<String>,
    Said(_): Said<Nothing>,
) -> Answer {
    actions::set_active(&desk.store, &actor, &name, false).await?;
    Ok(Json(told::changed(&name, told::MAY_NOT)))
}

/// Lets one in again.
pub(super) async fn enable(
    State(desk): State<Arc<Desk>>,
    Caller(actor): Caller,
    At(name): At<String>,
    Said(_): Said<Nothing>,
) -> Answer {
    actions::set_active(&desk.store, &actor, &name, true).await?;
    Ok(Json(told::changed(&name, told::MAY_AGAIN)))
}
