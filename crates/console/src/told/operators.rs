//! Who may come in, with what, and what they did.

use serde_json::{Value, json};
use store::audit::AuditLine;
use store::operators::{OperatorLine, Role, TokenLine};

/// What became of an operator that is let in no more.
pub const MAY_NOT: &str = "may not sign in any more";
/// And of one that is let in again.
pub const MAY_AGAIN: &str = "may sign in again";

/// An operator.
pub fn operator(line: &OperatorLine) -> Value {
    json!({
        "name": line.name, "role": line.role.word(), "active": line.active, "sessions": line.sessions,
        "failedTries": line.failed_tries, "lockedUntil": line.locked_until.map(|at| at.0), "createdAt": line.created_at.0,
    })
}

/// What became of a new operator.
pub fn may_sign_in(role: Role) -> String {
    format!("may sign in as {}", role.word())
}

/// What became of one with another role.
pub fn is_now(role: Role) -> String {
    format!("is {} now", role.word())
}

/// An operator, and what became of it.
pub fn changed(name: &str, done: &str) -> Value {
    json!({ "operator": name, "done": done })
}

/// A token, without what would let anybody in.
pub fn token(line: &TokenLine) -> Value {
    json!({
        "id": line.no, "operator": line.operator, "label": line.label, "state": line.state, "createdAt": line.created_at.0,
        "expiresAt": line.expires_at.0, "usedAt": line.used_at.map(|at| at.0),
    })
}

/// A token that has just been drawn, with its text: this once.
pub fn new_token(line: &TokenLine, text: &str) -> Value {
    let mut told = token(line);
    told["token"] = text.into();
    told
}

/// What somebody did.
pub fn audit_line(line: &AuditLine) -> Value {
    let parameters = serde_json::from_str(&line.parameters);
    let parameters = parameters.unwrap_or_else(|_| Value::String(line.parameters.clone()));
    json!({
        "no": line.no, "at": line.at.0, "operator": line.operator, "role": line.role, "action": line.action,
        "object": line.object, "parameters": parameters, "outcome": line.outcome, "detail": line.detail,
    })
}
