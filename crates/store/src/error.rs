//! What can go wrong between us and the database, and what each failure leaves open.

use deadpool_postgres::PoolError;
use tokio_postgres::error::SqlState;

/// A failure of the database, told by what a caller may conclude from it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No connection could be had in time: nothing was done.
    #[error("the database cannot be reached: {0}")]
    Away(String),
    /// The work did not end in time, or its connection broke, before the commit was sent: nothing was done.
    #[error("the database did not answer in time, nothing was changed")]
    TooSlow,
    /// The connection broke, or time ran out, while the commit was on its way: it may have been done.
    #[error("the commit was sent and not answered: it may or may not have happened")]
    CommitUnknown,
    /// Another transaction was in the way: nothing was done, the same work may be tried again at once.
    #[error("another transaction was in the way: {0}")]
    Contended(String),
    /// Somebody kept locked what the work needs, for longer than locks are waited for: nothing was done.
    #[error("a lock was kept for too long")]
    Locked,
    /// The database refused a statement: nothing was done.
    #[error("the database refused: {0}")]
    Refused(#[source] tokio_postgres::Error),
    /// A row holds what this program does not know: nothing was done.
    #[error("unreadable row: {0}")]
    Unreadable(String),
    /// The schema is not the one that this program was built for.
    #[error("the schema {0}")]
    Schema(String),
    /// A setting is wrong.
    #[error("{field}: {rule}")]
    Setting {
        /// Which.
        field: &'static str,
        /// The rule that it breaks.
        rule: String,
    },
}

impl StoreError {
    /// Whether the same work may succeed when it is tried again: the database was away, slow or busy.
    pub const fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Away(_) | Self::TooSlow | Self::CommitUnknown | Self::Contended(_) | Self::Locked
        )
    }

    /// Whether somebody may keep what the work needs locked. It says nothing of whose rows these are.
    pub const fn may_be_a_lock(&self) -> bool {
        matches!(self, Self::TooSlow | Self::Contended(_) | Self::Locked)
    }

    /// What a failure of common work means for each of `many`; `None`: it is about one of them, each must find out alone.
    pub(crate) fn for_many(&self, many: usize) -> Option<Vec<Self>> {
        let copy = || match self {
            Self::Away(why) => Some(Self::Away(why.clone())),
            Self::TooSlow => Some(Self::TooSlow),
            Self::CommitUnknown => Some(Self::CommitUnknown),
            _ => None,
        };
        std::iter::repeat_with(copy).take(many).collect()
    }

    pub(crate) fn unreadable(what: impl Into<String>) -> Self {
        Self::Unreadable(what.into())
    }
}

/// Works on all that is asked at once. What fails because of one of them is tried with each alone, so that it is the only one that fails.
pub(crate) async fn each_told<'a, A, T, W>(
    asked: &'a [A],
    work: impl Fn(&'a [A]) -> W,
) -> Vec<Result<T, StoreError>>
where
    W: Future<Output = Result<Vec<Result<T, StoreError>>, StoreError>>,
{
    let error = match work(asked).await {
        Ok(told) => return told,
        Err(error) => error,
    };
    if let Some(told) = error.for_many(asked.len()) {
        return told.into_iter().map(Err).collect();
    }
    if asked.len() == 1 {
        return vec![Err(error)];
    }
    let mut told = Vec::with_capacity(asked.len());
    for one in asked {
        let answer = work(std::slice::from_ref(one)).await;
        let missing = || StoreError::unreadable("work without an answer");
        told.push(answer.and_then(|mut answer| answer.pop().ok_or_else(missing)?));
    }
    told
}

impl From<tokio_postgres::Error> for StoreError {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(code) = error.code() else {
            return Self::TooSlow;
        };
        let contended = [
            SqlState::T_R_DEADLOCK_DETECTED,
            SqlState::T_R_SERIALIZATION_FAILURE,
            // A statement that was sent together with this one failed before it: the next try says why.
            SqlState::IN_FAILED_SQL_TRANSACTION,
        ];
        let away = [
            SqlState::ADMIN_SHUTDOWN,
            SqlState::CRASH_SHUTDOWN,
            SqlState::CANNOT_CONNECT_NOW,
            SqlState::TOO_MANY_CONNECTIONS,
            SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
            SqlState::DISK_FULL,
            SqlState::READ_ONLY_SQL_TRANSACTION,
        ];
        if *code == SqlState::LOCK_NOT_AVAILABLE {
            Self::Locked
        } else if contended.contains(code) {
            Self::Contended(error.to_string())
        } else if away.contains(code) {
            Self::Away(error.to_string())
        } else if *code == SqlState::QUERY_CANCELED {
            Self::TooSlow
        } else {
            Self::Refused(error)
        }
    }
}

impl From<PoolError> for StoreError {
    fn from(error: PoolError) -> Self {
        let PoolError::Backend(error) = &error else {
            return Self::Away(error.to_string());
        };
        let mut why = with_reasons(error);
        if why.starts_with("error performing TLS handshake") {
            why += " (DATABASE_URL asks for TLS by its sslmode; database.ca_file names who vouches for the server)";
        }
        Self::Away(why)
    }
}

/// An error with what it comes from: the driver's own words, and refinery's, do not tell what the database said.
pub(crate) fn with_reasons(error: &dyn std::error::Error) -> String {
    let reasons = std::iter::successors(Some(error), |error| error.source());
    reasons
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}
