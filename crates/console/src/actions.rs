//! What an operator may do, each thing one function. The pages, the API and the subcommands call the same ones, so that the same is
//! allowed, checked and kept in the audit, however it is asked for.

mod callbacks;
mod catalogue;
mod doubts;
mod endpoints;
mod gates;
mod operators;
mod orders;
mod parked;
mod rights;
mod tokens;

use serde_json::{Value, json};
use store::audit::{Deed, DeedOutcome};
use store::operators::{Role, TokenHolder};
use store::resend::NoJob;
use store::{Store, StoreError};

pub use callbacks::{PER_SECOND, order_job, placed, resend};
pub use catalogue::{import_catalogue, seal_secrets};
pub use doubts::{Saying, confirm, propose, settle};
pub use endpoints::{named_endpoint, pause_endpoint, resume_endpoint};
pub use gates::{Gate, pause, resume};
pub use operators::{add_operator, is_operator_name, set_active, set_password, set_role};
pub use orders::{LEFT_AS_IT_IS, Named, cancel};
pub use parked::{Chosen, settle_parked};
pub use rights::{Action, Right, may};
pub use tokens::{MOST_DAYS, add_token, revoke_token};

/// Who acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// The person. The same name is the same person, in the console and by command.
    pub name: String,
    /// What gives the right to.
    pub right: Right,
    /// Number and label of the token that it comes with.
    token: Option<(i64, String)>,
}

impl Actor {
    /// Somebody who has signed in.
    pub fn signed_in(name: &str, role: Role) -> Self {
        Self {
            name: name.to_owned(),
            right: Right::Role(role),
            token: None,
        }
    }

    /// Somebody whose program has come with a token.
    pub fn by_token(holder: &TokenHolder) -> Self {
        Self {
            token: Some((holder.no, holder.label.clone())),
            ..Self::signed_in(&holder.operator, holder.role)
        }
    }

    /// Somebody who has the database's password.
    pub fn command(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            right: Right::Command,
            token: None,
        }
    }

    /// Whether it may do that.
    pub fn may(&self, action: Action) -> bool {
        may(self.right, action)
    }

    /// What the audit keeps of something that it does.
    pub fn deed(&self, action: Action, object: &str, parameters: Value) -> Deed {
        let (operator, role) = match self.right {
            Right::Role(role) => (self.name.clone(), role.word()),
            Right::Command => (format!("cli:{}", self.name), "command"),
        };
        let mut parameters = tamed(parameters);
        if let (Some((no, label)), Value::Object(fields)) = (&self.token, &mut parameters) {
            fields.insert("token".into(), json!({ "no": no, "label": label }));
        }
        Deed {
            operator,
            role,
            action: action.word(),
            object: tame(object),
            parameters,
        }
    }
}

/// The longest text that the audit keeps, in characters; whoever may do nothing may still be refused at any length.
const LONGEST_KEPT: usize = 1_000;

/// A text as the audit keeps it.
fn tame(text: &str) -> String {
    let kept = text.chars().filter(|c| *c != '\0');
    kept.take(LONGEST_KEPT).collect()
}

fn tamed(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(tame(&text)),
        Value::Array(values) => values.into_iter().map(tamed).collect(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| (name, tamed(value)))
            .collect(),
        other => other,
    }
}

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum NotDone {
    /// Not with this role.
    #[error("{0} needs the role {1}")]
    NotAllowed(&'static str, &'static str),
    /// What was said breaks a rule: the field, and the rule.
    #[error("{0}: {1}")]
    Invalid(&'static str, String),
    /// What was typed is wrong, in a sentence of its page.
    #[error("{0}")]
    Mistyped(String),
    /// Everything is so already.
    #[error("{0}")]
    Unchanged(String),
    /// It is not there, or its state does not allow it.
    #[error("{0}")]
    Refused(String),
    /// The broker does not answer.
    #[error("{0}")]
    Away(String),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<NoJob> for NotDone {
    fn from(why: NoJob) -> Self {
        match why {
            NoJob::Store(error) => Self::Store(error),
            other => Self::Refused(other.to_string()),
        }
    }
}

/// A deed that has begun, and is allowed.
struct Begun<'s> {
    store: &'s Store,
    deed: Deed,
}

/// Begins a deed, unless the actor may not: then that is kept.
async fn begin<'s>(
    store: &'s Store,
    actor: &Actor,
    action: Action,
    object: String,
    parameters: Value,
) -> Result<Begun<'s>, NotDone> {
    let begun = Begun {
        store,
        deed: actor.deed(action, &object, parameters),
    };
    if actor.may(action) {
        return Ok(begun);
    }
    let why = NotDone::NotAllowed(action.word(), action.least().word());
    begun.ended(Err(why)).await
}

impl Begun<'_> {
    /// What was done is in the audit by now, in the deed's own transaction; what was not is written here.
    async fn ended<T>(self, result: Result<T, NotDone>) -> Result<T, NotDone> {
        let Deed {
            operator,
            action,
            object,
            ..
        } = &self.deed;
        let outcome = match &result {
            Ok(_) => {
                tracing::info!(operator, action, object, "done");
                return result;
            }
            Err(NotDone::Store(_)) => return result,
            Err(NotDone::Unchanged(_)) => DeedOutcome::Unchanged,
            Err(_) => DeedOutcome::Refused,
        };
        if let Err(why) = &result {
            tracing::info!(operator, action, object, %why, "not done");
            self.store
                .note_deed(&self.deed, outcome, &why.to_string())
                .await?;
        }
        result
    }
}

/// A text that somebody typed, within its bounds.
fn text(
    what: &'static str,
    text: &str,
    shortest: usize,
    longest: usize,
) -> Result<String, NotDone> {
    let text = text.trim();
    if (shortest..=longest).contains(&text.chars().count()) && !text.contains('\0') {
        return Ok(text.to_owned());
    }
    let rule = format!("{shortest} to {longest} characters");
    Err(NotDone::Invalid(what, rule))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_audit_keeps_is_bounded_whatever_was_sent() {
        let long = "长".repeat(5_000) + "\0";
        let parameters =
            serde_json::json!({ "reason": long, "which": { "batch": "a\0b" }, "n": 1 });
        let deed =
            Actor::command("wang").deed(Action::PauseLane, &format!("lane {long}"), parameters);
        assert_eq!(deed.operator, "cli:wang");
        assert_eq!(deed.object.chars().count(), LONGEST_KEPT);
        let reason = deed.parameters["reason"].as_str().unwrap();
        assert_eq!(reason.chars().count(), LONGEST_KEPT);
        assert_eq!(deed.parameters["which"]["batch"], "ab");
    }
}
