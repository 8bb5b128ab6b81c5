//! Who may sign in.

use serde_json::json;
use store::Store;
use store::operators::Role;

use super::{Action, Actor, NotDone, begin};

/// The longest name.
const LONGEST_NAME: usize = 32;

/// Whether an operator may have this name.
pub fn is_operator_name(name: &str) -> bool {
    let known = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    (1..=LONGEST_NAME).contains(&name.len())
        && name.bytes().all(|b| known(b) || b".-_".contains(&b))
        && name.bytes().next().is_some_and(known)
}

/// Adds an operator; `password_hash` is what [`crate::passwords::hash`] made.
pub async fn add_operator(
    store: &Store,
    actor: &Actor,
    name: &str,
    role: Role,
    password_hash: &str,
) -> Result<(), NotDone> {
    let parameters = json!({ "role": role.word() });
    let begun = begin(store, actor, Action::AddOperator, object(name), parameters).await?;
    let work = async {
        if !is_operator_name(name) {
            let rule =
                format!("1 to {LONGEST_NAME} of a-z 0-9 . _ -, beginning with a letter or a digit");
            return Err(NotDone::Invalid("name", rule));
        }
        if store
            .add_operator(name, role, password_hash, &begun.deed)
            .await?
        {
            return Ok(());
        }
        Err(NotDone::Refused(format!(
            "there is an operator {name} already"
        )))
    };
    let done = work.await;
    begun.ended(done).await
}

/// Gives an operator another role; they sign in anew.
pub async fn set_role(store: &Store, actor: &Actor, name: &str, role: Role) -> Result<(), NotDone> {
    let parameters = json!({ "role": role.word() });
    let begun = begin(store, actor, Action::SetRole, object(name), parameters).await?;
    let done = match not_oneself(actor, name) {
        Ok(()) => changed(store.set_operator_role(name, role, &begun.deed).await, name),
        Err(why) => Err(why),
    };
    begun.ended(done).await
}

/// Lets an operator in, or not any more: then their sessions end at once.
pub async fn set_active(
    store: &Store,
    actor: &Actor,
    name: &str,
    active: bool,
) -> Result<(), NotDone> {
    let parameters = json!({ "active": active });
    let begun = begin(store, actor, Action::SetActive, object(name), parameters).await?;
    let done = match not_oneself(actor, name) {
        Ok(()) => changed(
            store.set_operator_active(name, active, &begun.deed).await,
            name,
        ),
        Err(why) => Err(why),
    };
    begun.ended(done).await
}

/// Gives an operator another password; they sign in anew. Everybody may change their own.
pub async fn set_password(
    store: &Store,
    actor: &Actor,
    name: &str,
    password_hash: &str,
) -> Result<(), NotDone> {
    let action = if actor.name == name {
        Action::OwnPassword
    } else {
        Action::SetPassword
    };
    let begun = begin(store, actor, action, object(name), json!({})).await?;
    let set = store
        .set_operator_password(name, password_hash, &begun.deed)
        .await;
    begun.ended(changed(set, name)).await
}

pub(super) fn object(name: &str) -> String {
    let shown: String = name.chars().take(LONGEST_NAME).collect();
    format!("operator {shown}")
}

/// So that there is always somebody left who may.
fn not_oneself(actor: &Actor, name: &str) -> Result<(), NotDone> {
    let oneself = actor.name == name && actor.right != super::Right::Command;
    if oneself {
        return Err(NotDone::Refused(
            "another admin has to change your own rights".into(),
        ));
    }
    Ok(())
}

fn changed(done: Result<bool, store::StoreError>, name: &str) -> Result<(), NotDone> {
    if done? {
        return Ok(());
    }
    Err(NotDone::Unchanged(format!(
        "there is no operator {name}, or it is so already"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_nothing_else() {
        for name in ["a", "wang", "li.lei-2", "9to5", &"x".repeat(32)] {
            assert!(is_operator_name(name), "{name}");
        }
        for name in [
            "",
            "Wang",
            "cli:wang",
            ".a",
            "-a",
            "a b",
            "王",
            "a\n",
            &"x".repeat(33),
        ] {
            assert!(!is_operator_name(name), "{name}");
        }
    }
}
