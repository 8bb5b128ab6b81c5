//! Signing in: a try is counted before its password is looked at; a session is looked up with every page.

use super::{Role, role_of};
use crate::audit::Deed;
use crate::transaction::commit;
use crate::{Store, StoreError};

/// Wrong passwords in a row that cost nothing but themselves.
const FREE_TRIES: i32 = 5;
/// Sessions that are over are removed with the next sign-in, so many at a time.
const FORGOTTEN_AT_ONCE: i64 = 100;

/// How long a session lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionRules {
    /// Without a page asked for, in minutes.
    pub idle_minutes: i32,
    /// In all, in hours.
    pub session_hours: i32,
}

/// A try that was counted and may be looked at.
#[derive(Clone, PartialEq, Eq)]
pub struct Tried {
    /// What the password is held against.
    pub password_hash: String,
    /// What its owner may do.
    pub role: Role,
}

/// Whose session it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedIn {
    /// The operator.
    pub name: String,
    /// What it may do now.
    pub role: Role,
}

impl std::fmt::Debug for Tried {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tried")
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

impl Store {
    /// Counts a try of an operator's password. The fifth in a row that turns out wrong locks the operator for a minute, each further
    /// one for twice as long, up to a quarter of an hour. `None`: no such operator, disabled, or locked.
    pub async fn try_operator(&self, name: &str) -> Result<Option<Tried>, StoreError> {
        self.bounded(async {
            let session = self.session().await?;
            let statement = session
                .client()
                .prepare_cached(
                    "UPDATE operators SET failed_tries = failed_tries + 1, locked_until = CASE WHEN failed_tries + 1 >= $2
                         THEN now() + least(interval '1 min' * 2 ^ least(failed_tries + 1 - $2, 10), interval '15 min') END
                     WHERE name = $1 AND active AND (locked_until IS NULL OR locked_until <= now())
                     RETURNING password_hash, role",
                )
                .await?;
            let row = session.client().query_opt(&statement, &[&name, &FREE_TRIES]).await?;
            session.give_back();
            row.map(|row| {
                Ok(Tried {
                    password_hash: row.get(0),
                    role: role_of(row.get(1))?,
                })
            })
            .transpose()
        })
        .await
    }

    /// The password was right: opens a session, and forgets the tries. `false`: the operator, or the password, is another by now.
    pub async fn open_session(
        &self,
        name: &str,
        tried: &Tried,
        token_sha256: &[u8; 32],
        rules: SessionRules,
        deed: &Deed,
    ) -> Result<bool, StoreError> {
        let mut session = self.session().await?;
        let (tx, opened) = self
            .bounded(async {
                let tx = session.begin();
                let forget = "DELETE FROM console_sessions WHERE token_sha256 = ANY (ARRAY(
                                  SELECT token_sha256 FROM console_sessions WHERE ends_at <= now() ORDER BY ends_at LIMIT $1
                                  FOR UPDATE SKIP LOCKED))";
                tx.execute(forget, &[&FORGOTTEN_AT_ONCE]).await?;
                let reset = "UPDATE operators SET failed_tries = 0, locked_until = NULL
                             WHERE name = $1 AND active AND password_hash = $2";
                let opened = tx.execute(reset, &[&name, &tried.password_hash]).await? > 0;
                if opened {
                    let open = "INSERT INTO console_sessions (token_sha256, operator, ends_at)
                                VALUES ($1, $2, now() + make_interval(hours => $3))";
                    let token = &token_sha256[..];
                    tx.execute(open, &[&token, &name, &rules.session_hours]).await?;
                    deed.done(&tx, "").await?;
                }
                Ok((tx, opened))
            })
            .await?;
        commit(tx, "sign-in").await?;
        session.give_back();
        Ok(opened)
    }

    /// Whose session this is, as the operator is now; `None`: it is over. `active`: a person asked for something, so the idle time
    /// begins anew (noted twice a minute at most).
    pub async fn signed_in(
        &self,
        token_sha256: &[u8; 32],
        rules: SessionRules,
        active: bool,
    ) -> Result<Option<SignedIn>, StoreError> {
        self.bounded(async {
            let session = self.session().await?;
            let statement = session
                .client()
                .prepare_cached(
                    "WITH s AS (SELECT operator, seen_at FROM console_sessions
                                WHERE token_sha256 = $1 AND ends_at > now() AND seen_at > now() - make_interval(mins => $2)),
                          touched AS (UPDATE console_sessions c SET seen_at = now() FROM s
                                      WHERE c.token_sha256 = $1 AND $3 AND s.seen_at < now() - interval '30 s')
                     SELECT o.name, o.role FROM s JOIN operators o ON o.name = s.operator WHERE o.active",
                )
                .await?;
            let token = &token_sha256[..];
            let row = session
                .client()
                .query_opt(&statement, &[&token, &rules.idle_minutes, &active])
                .await?;
            session.give_back();
            row.map(|row| {
                Ok(SignedIn {
                    name: row.get(0),
                    role: role_of(row.get(1))?,
                })
            })
            .transpose()
        })
        .await
    }

    /// Ends a session.
    pub async fn end_session(
        &self,
        token_sha256: &[u8; 32],
        deed: &Deed,
    ) -> Result<bool, StoreError> {
        let mut session = self.session().await?;
        let (tx, ended) = self
            .bounded(async {
                let tx = session.begin();
                let sql = "DELETE FROM console_sessions WHERE token_sha256 = $1";
                let token = &token_sha256[..];
                let ended = tx.execute(sql, &[&token]).await? > 0;
                if ended {
                    deed.done(&tx, "").await?;
                }
                Ok((tx, ended))
            })
            .await?;
        commit(tx, "sign-out").await?;
        session.give_back();
        Ok(ended)
    }
}
