//! Operators, for admins; and everybody's own password.

use std::sync::Arc;

use askama::Template;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, Path, State};
use axum::response::{IntoResponse, Redirect};
use serde::Deserialize;
use store::operators::{OperatorLine, Role};

use super::{Page, back, page};
use crate::actions::{self, Action, NotDone};
use crate::desk::Desk;
use crate::frame::Frame;
use crate::tongue::Words;
use crate::trouble::Trouble;
use crate::words;

#[derive(Template)]
#[template(path = "operators.html")]
struct OperatorsPage {
    w: &'static Words,
    frame: Frame,
    operators: Vec<OperatorLine>,
}

pub(super) async fn operators(State(desk): State<Arc<Desk>>, frame: Frame) -> Page {
    if !frame.may_rule() {
        let action = Action::AddOperator;
        return Err(NotDone::NotAllowed(action.word(), action.least().word()).into());
    }
    let operators = desk.ask(desk.store.operators()).await?;
    page(&OperatorsPage {
        w: frame.w,
        frame,
        operators,
    })
}

#[derive(Deserialize)]
pub(super) struct Change {
    name: String,
    #[serde(default)]
    role: String,
    #[serde(default)]
    password: String,
    back: String,
}

/// Adds an operator, or changes one.
pub(super) async fn change(
    State(desk): State<Arc<Desk>>,
    frame: Frame,
    Path(step): Path<String>,
    form: Result<Form<Change>, FormRejection>,
) -> Page {
    let Form(said) = form.map_err(|_| Trouble::Unreadable("who, and what"))?;
    let (actor, store, name) = (frame.actor()?, &desk.store, said.name.trim());
    let role = || {
        said.role
            .parse::<Role>()
            .map_err(|e| NotDone::Invalid("role", e.to_string()))
    };
    match step.as_str() {
        "add" => {
            let hash = new_hash(&desk, &said.password).await?;
            actions::add_operator(store, &actor, name, role()?, &hash).await?;
        }
        "role" => actions::set_role(store, &actor, name, role()?).await?,
        "disable" => actions::set_active(store, &actor, name, false).await?,
        "enable" => actions::set_active(store, &actor, name, true).await?,
        // One's own takes the old one: see `change_own_password`.
        "password" if name == actor.name => return Err(Trouble::Nowhere),
        "password" => {
            let hash = new_hash(&desk, &said.password).await?;
            actions::set_password(store, &actor, name, &hash).await?;
        }
        _ => return Err(Trouble::Nowhere),
    }
    Ok(back(&said.back))
}

#[derive(Template)]
#[template(path = "password.html")]
struct PasswordPage {
    w: &'static Words,
    frame: Frame,
}

pub(super) async fn own_password(frame: Frame) -> Page {
    page(&PasswordPage { w: frame.w, frame })
}

#[derive(Deserialize)]
pub(super) struct Passwords {
    old: String,
    new: String,
    again: String,
}

/// One's own password: whoever knows the old one; all sessions end.
pub(super) async fn change_own_password(
    State(desk): State<Arc<Desk>>,
    frame: Frame,
    form: Result<Form<Passwords>, FormRejection>,
) -> Page {
    let Form(said) =
        form.map_err(|_| Trouble::Unreadable("the old password, and the new one twice"))?;
    let actor = frame.actor()?;
    let tried = desk.ask(desk.store.try_operator(&actor.name)).await?;
    let hash = tried.map(|tried| tried.password_hash);
    if !desk.passwords.fit(hash, said.old).await {
        return Err(NotDone::Mistyped(frame.w.sign_in_failed.to_owned()).into());
    }
    if said.new != said.again {
        return Err(NotDone::Mistyped(frame.w.not_the_same.to_owned()).into());
    }
    let hash = new_hash(&desk, &said.new).await?;
    actions::set_password(&desk.store, &actor, &actor.name, &hash).await?;
    Ok(Redirect::to("/sign-in").into_response())
}

async fn new_hash(desk: &Desk, password: &str) -> Result<String, NotDone> {
    let hashed = desk.passwords.hash(password.to_owned()).await;
    hashed.map_err(|bad| NotDone::Invalid("password", bad.to_string()))
}
