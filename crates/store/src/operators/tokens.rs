//! Tokens of operators' programs. One is looked up with every question, as its operator is then.

use domain::UnixMs;
use tokio_postgres::Row;

use super::{Role, role_of};
use crate::audit::Deed;
use crate::transaction::{Transaction, commit};
use crate::{Store, StoreError};

/// The most tokens of one operator that are good at the same time.
const MOST_LIVE: i64 = 20;
/// The most that are listed, the newest.
const MOST_LISTED: i64 = 500;

/// A token, without what would let anybody in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenLine {
    /// Its number.
    pub no: i64,
    /// Whose.
    pub operator: String,
    /// What it is for.
    pub label: String,
    /// Since when.
    pub created_at: UnixMs,
    /// Until when.
    pub expires_at: UnixMs,
    /// When it was used last, to the minute.
    pub used_at: Option<UnixMs>,
    /// `live`, `revoked`, `expired`, or `disabled` with its operator.
    pub state: String,
}

/// A token that is to be.
#[derive(Clone, Copy)]
pub struct NewToken<'t> {
    /// Whose.
    pub operator: &'t str,
    /// What it is for.
    pub label: &'t str,
    /// What recognizes it.
    pub sha256: &'t [u8; 32],
    /// For how long.
    pub days: i32,
}

/// Why there is no new token.
#[derive(Debug, thiserror::Error)]
pub enum NoToken {
    /// Nobody who may come in.
    #[error("there is no such operator, or it is disabled")]
    NoOperator,
    /// Too many already.
    #[error("{MOST_LIVE} tokens of this operator are good already")]
    TooMany,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Who comes with a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenHolder {
    /// The token's number.
    pub no: i64,
    /// What it is for.
    pub label: String,
    /// The operator.
    pub operator: String,
    /// What it may do now.
    pub role: Role,
}

/// What a token is worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bearer {
    /// It is good.
    Live(TokenHolder),
    /// It was: expired, revoked, or its operator is disabled.
    Over,
    /// Nobody ever had it.
    Unknown,
}

const TOKEN: &str = "SELECT k.token_no, k.operator, k.label, (extract(epoch FROM k.created_at) * 1000)::bigint,
        (extract(epoch FROM k.expires_at) * 1000)::bigint, (extract(epoch FROM k.used_at) * 1000)::bigint,
        CASE WHEN k.revoked_at IS NOT NULL THEN 'revoked' WHEN k.expires_at <= now() THEN 'expired'
             WHEN NOT o.active THEN 'disabled' ELSE 'live' END
    FROM operator_tokens k JOIN operators o ON o.name = k.operator";

impl Store {
    /// Adds a token.
    pub async fn add_token(&self, new: NewToken<'_>, deed: &Deed) -> Result<TokenLine, NoToken> {
        let mut session = self.session().await?;
        let (tx, added) = self
            .bounded(async {
                let tx = session.begin();
                let added = added(&tx, new, deed).await?;
                Ok((tx, added))
            })
            .await?;
        let line = added?;
        commit(tx, "token").await?;
        session.give_back();
        Ok(line)
    }

    /// Revokes a token; its next question is refused. `None`: there is none, or it is revoked already.
    pub async fn revoke_token(
        &self,
        no: i64,
        deed: &Deed,
    ) -> Result<Option<TokenLine>, StoreError> {
        let mut session = self.session().await?;
        let (tx, revoked) = self
            .bounded(async {
                let tx = session.begin();
                let sql = "UPDATE operator_tokens SET revoked_at = now() WHERE token_no = $1 AND revoked_at IS NULL";
                if tx.execute(sql, &[&no]).await? == 0 {
                    return Ok((tx, None));
                }
                let line = line_of(&tx, no).await?;
                let detail = format!("{} of {}", line.label, line.operator);
                deed.done(&tx, &detail).await?;
                Ok((tx, Some(line)))
            })
            .await?;
        commit(tx, "token").await?;
        session.give_back();
        Ok(revoked)
    }

    /// All tokens, or those of one operator, the newest first.
    pub async fn tokens(&self, operator: Option<&str>) -> Result<Vec<TokenLine>, StoreError> {
        let sql = format!(
            "{TOKEN} WHERE $1::text IS NULL OR k.operator = $1 ORDER BY k.token_no DESC LIMIT $2"
        );
        self.bounded(async {
            let session = self.session().await?;
            let statement = session.client().prepare_cached(&sql).await?;
            let rows = session
                .client()
                .query(&statement, &[&operator, &MOST_LISTED])
                .await?;
            session.give_back();
            Ok(rows.iter().map(line).collect())
        })
        .await
    }

    /// What the token with this SHA-256 is worth now. That it was used is noted once a minute at most.
    pub async fn bearer(&self, sha256: &[u8; 32]) -> Result<Bearer, StoreError> {
        self.bounded(async {
            let session = self.session().await?;
            let statement = session
                .client()
                .prepare_cached(
                    "WITH t AS (SELECT k.token_no, k.label, o.name, o.role, k.revoked_at IS NULL AND k.expires_at > now() AND o.active AS live
                                FROM operator_tokens k JOIN operators o ON o.name = k.operator WHERE k.token_sha256 = $1),
                          touched AS (UPDATE operator_tokens k SET used_at = now() FROM t
                                      WHERE k.token_no = t.token_no AND t.live
                                        AND (k.used_at IS NULL OR k.used_at < now() - interval '1 min'))
                     SELECT token_no, label, name, role, live FROM t",
                )
                .await?;
            let row = session.client().query_opt(&statement, &[&&sha256[..]]).await?;
            session.give_back();
            Ok(match row {
                None => Bearer::Unknown,
                Some(row) if !row.get::<_, bool>(4) => Bearer::Over,
                Some(row) => Bearer::Live(TokenHolder {
                    no: row.get(0),
                    label: row.get(1),
                    operator: row.get(2),
                    role: role_of(row.get(3))?,
                }),
            })
        })
        .await
    }
}

/// The operator's row is locked meanwhile, so that two at once are counted one after the other.
async fn added(
    tx: &Transaction<'_>,
    new: NewToken<'_>,
    deed: &Deed,
) -> Result<Result<TokenLine, NoToken>, StoreError> {
    let lock = "SELECT FROM operators WHERE name = $1 AND active FOR UPDATE";
    if tx.query_opt(lock, &[&new.operator]).await?.is_none() {
        return Ok(Err(NoToken::NoOperator));
    }
    let live = "SELECT count(*) FROM operator_tokens WHERE operator = $1 AND revoked_at IS NULL AND expires_at > now()";
    let live: i64 = tx.query_one(live, &[&new.operator]).await?.get(0);
    if live >= MOST_LIVE {
        return Ok(Err(NoToken::TooMany));
    }
    let add = "INSERT INTO operator_tokens (operator, label, token_sha256, expires_at)
         VALUES ($1, $2, $3, now() + make_interval(days => $4)) RETURNING token_no";
    let values: [&(dyn tokio_postgres::types::ToSql + Sync); 4] =
        [&new.operator, &new.label, &&new.sha256[..], &new.days];
    let no: i64 = tx.query_one(add, &values).await?.get(0);
    deed.done(tx, &format!("token {no}")).await?;
    Ok(Ok(line_of(tx, no).await?))
}

async fn line_of(tx: &Transaction<'_>, no: i64) -> Result<TokenLine, StoreError> {
    let sql = format!("{TOKEN} WHERE k.token_no = $1");
    Ok(line(&tx.query_one(&sql, &[&no]).await?))
}

fn line(row: &Row) -> TokenLine {
    TokenLine {
        no: row.get(0),
        operator: row.get(1),
        label: row.get(2),
        created_at: UnixMs(row.get(3)),
        expires_at: UnixMs(row.get(4)),
        used_at: row.get::<_, Option<i64>>(5).map(UnixMs),
        state: row.get(6),
    }
}
