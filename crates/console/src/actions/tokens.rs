//! Tokens with which operators' programs come. By command only: with a token that was found nobody makes a longer one.

use serde_json::json;
use store::Store;
use store::operators::{NewToken, NoToken, TokenLine};

use super::operators::object;
use super::{Action, Actor, NotDone, begin, text};
use crate::door::Token;

/// The most days that a token is good for.
pub const MOST_DAYS: u16 = 366;

/// Adds a token for an operator's programs. Its text is returned here and nowhere kept.
pub async fn add_token(
    store: &Store,
    actor: &Actor,
    operator: &str,
    label: &str,
    days: u16,
) -> Result<(TokenLine, String), NotDone> {
    let parameters = json!({ "label": label, "days": days });
    let begun = begin(store, actor, Action::AddToken, object(operator), parameters).await?;
    let work = async {
        let label = text("label", label, 1, 64)?;
        if !(1..=MOST_DAYS).contains(&days) {
            return Err(NotDone::Invalid("days", format!("1 to {MOST_DAYS}")));
        }
        let token = Token::draw();
        let new = NewToken {
            operator,
            label: &label,
            sha256: &token.sha256(),
            days: days.into(),
        };
        let line = store.add_token(new, &begun.deed).await?;
        Ok((line, token.bearer_text()))
    };
    let done = work.await;
    begun.ended(done).await
}

/// Revokes a token: the next question that comes with it is refused.
pub async fn revoke_token(store: &Store, actor: &Actor, no: i64) -> Result<TokenLine, NotDone> {
    let object = format!("token {no}");
    let begun = begin(store, actor, Action::RevokeToken, object, json!({})).await?;
    let done = match store.revoke_token(no, &begun.deed).await {
        Ok(Some(line)) => Ok(line),
        Ok(None) => Err(NotDone::Unchanged(format!(
            "there is no token {no}, or it is revoked already"
        ))),
        Err(error) => Err(error.into()),
    };
    begun.ended(done).await
}

impl From<NoToken> for NotDone {
    fn from(why: NoToken) -> Self {
        match why {
            NoToken::Store(error) => Self::Store(error),
            other => Self::Refused(other.to_string()),
        }
    }
}
