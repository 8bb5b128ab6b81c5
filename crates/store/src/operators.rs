//! Who may use the console: operators, the tries of their passwords, their sessions, their programs' tokens.
//!
//! A password is here only as its argon2id hash, a session or a token only as its SHA-256.

mod sessions;
mod tokens;

use std::str::FromStr;

use domain::UnixMs;
use tokio_postgres::types::ToSql;

use crate::audit::Deed;
use crate::transaction::{Transaction, commit};
use crate::{Store, StoreError};

pub use sessions::{SessionRules, SignedIn, Tried};
pub use tokens::{Bearer, NewToken, NoToken, TokenHolder, TokenLine};

/// What somebody may do; each may do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Looks.
    Viewer,
    /// Pauses, resumes, sends again, proposes.
    Operator,
    /// Confirms what another one proposed.
    Approver,
    /// Says who may do what.
    Admin,
}

/// A text that names no role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a role is viewer, operator, approver or admin")]
pub struct NoRole;

impl Role {
    /// All, the one that may do least first.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Operator, Self::Approver, Self::Admin];

    /// As it is stored and typed.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Approver => "approver",
            Self::Admin => "admin",
        }
    }
}

impl FromStr for Role {
    type Err = NoRole;

    fn from_str(text: &str) -> Result<Self, NoRole> {
        let named = Self::ALL.into_iter().find(|role| role.word() == text);
        named.ok_or(NoRole)
    }
}

/// An operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperatorLine {
    /// The name that is signed in with.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// Whether it may sign in at all.
    pub active: bool,
    /// Until when no password is tried.
    pub locked_until: Option<UnixMs>,
    /// Wrong passwords in a row.
    pub failed_tries: i32,
    /// Open sessions.
    pub sessions: i64,
    /// Since when.
    pub created_at: UnixMs,
}

/// The most operators that are listed.
const MOST_LISTED: i64 = 500;

impl Store {
    /// Adds an operator. `false`: the name is taken.
    pub async fn add_operator(
        &self,
        name: &str,
        role: Role,
        password_hash: &str,
        deed: &Deed,
    ) -> Result<bool, StoreError> {
        let sql = "INSERT INTO operators (name, role, password_hash) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
        self.change_operator(name, sql, &[&name, &role.word(), &password_hash], deed)
            .await
    }

    /// Gives an operator another role. `false`: no such operator, or it has the role already.
    pub async fn set_operator_role(
        &self,
        name: &str,
        role: Role,
        deed: &Deed,
    ) -> Result<bool, StoreError> {
        let sql = "UPDATE operators SET role = $2 WHERE name = $1 AND role <> $2";
        self.change_operator(name, sql, &[&name, &role.word()], deed)
            .await
    }

    /// Lets an operator in or not; whoever is not ends at once. `false`: no such operator, or it is so already.
    pub async fn set_operator_active(
        &self,
        name: &str,
        active: bool,
        deed: &Deed,
    ) -> Result<bool, StoreError> {
        let sql = "UPDATE operators SET active = $2, failed_tries = 0, locked_until = NULL WHERE name = $1 AND active <> $2";
        self.change_operator(name, sql, &[&name, &active], deed)
            .await
    }

    /// Another password: nobody stays signed in with the old one. `false`: no such operator.
    pub async fn set_operator_password(
        &self,
        name: &str,
        password_hash: &str,
        deed: &Deed,
    ) -> Result<bool, StoreError> {
        let sql = "UPDATE operators SET password_hash = $2, failed_tries = 0, locked_until = NULL WHERE name = $1";
        self.change_operator(name, sql, &[&name, &password_hash], deed)
            .await
    }

    /// One change of an operator with its row in the audit, if it changed anything. Open sessions end with it: who signs in again
    /// meets what is so now.
    async fn change_operator(
        &self,
        name: &str,
        sql: &str,
        values: &[&(dyn ToSql + Sync)],
        deed: &Deed,
    ) -> Result<bool, StoreError> {
        let mut session = self.session().await?;
        let (tx, changed) = self
            .bounded(async {
                let tx = session.begin();
                let changed = tx.execute(sql, values).await? > 0;
                if changed {
                    end_sessions_of(&tx, name).await?;
                    deed.done(&tx, "").await?;
                }
                Ok((tx, changed))
            })
            .await?;
        commit(tx, "operator").await?;
        session.give_back();
        Ok(changed)
    }

    /// All operators, by name.
    pub async fn operators(&self) -> Result<Vec<OperatorLine>, StoreError> {
        self.bounded(async {
            let session = self.session().await?;
            let statement = session
                .client()
                .prepare_cached(
                    "SELECT name, role, active, (extract(epoch FROM CASE WHEN locked_until > now() THEN locked_until END) * 1000)::bigint,
                            failed_tries, (SELECT count(*) FROM console_sessions s WHERE s.operator = name AND ends_at > now()),
                            (extract(epoch FROM created_at) * 1000)::bigint
                     FROM operators ORDER BY name LIMIT $1",
                )
                .await?;
            let rows = session.client().query(&statement, &[&MOST_LISTED]).await?;
            session.give_back();
            rows.iter()
                .map(|row| {
                    Ok(OperatorLine {
                        name: row.get(0),
                        role: role_of(row.get(1))?,
                        active: row.get(2),
                        locked_until: row.get::<_, Option<i64>>(3).map(UnixMs),
                        failed_tries: row.get(4),
                        sessions: row.get(5),
                        created_at: UnixMs(row.get(6)),
                    })
                })
                .collect()
        })
        .await
    }
}

async fn end_sessions_of(tx: &Transaction<'_>, name: &str) -> Result<(), StoreError> {
    let sql = "DELETE FROM console_sessions WHERE operator = $1";
    tx.execute(sql, &[&name]).await?;
    Ok(())
}

fn role_of(word: &str) -> Result<Role, StoreError> {
    let unknown = |_| StoreError::unreadable(format!("role {word}"));
    word.parse().map_err(unknown)
}
