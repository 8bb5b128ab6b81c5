//! One connection for one piece of work: taken from a bounded pool, given back only when the work came to a known end.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use deadpool_postgres::{Object, Pool, Runtime};

use crate::connection;
use crate::seal::MasterKeys;
use crate::transaction::Transaction;
use crate::{Secrets, StoreError};

/// How a process uses the database.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Like `postgres://user:password@host:port/database`; with `?sslmode=require` by TLS.
    pub url: String,
    /// The authorities that vouch for the server's certificate; `None`: those of this machine.
    pub ca_file: Option<PathBuf>,
    /// The most connections of this process.
    pub max_connections: usize,
    /// How long to wait for one of them, and for a new one to open, in milliseconds.
    pub acquire_timeout_ms: u64,
    /// How long one piece of work (a transaction, a read) may take in all, in milliseconds.
    pub work_timeout_ms: u64,
    /// What opens and seals the catalogue's secrets.
    pub keys: MasterKeys,
    /// Which of them are read.
    pub secrets: Secrets,
}

impl Settings {
    /// The defaults for one database.
    pub fn for_url(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            ca_file: None,
            max_connections: 16,
            acquire_timeout_ms: 3_000,
            work_timeout_ms: 10_000,
            keys: MasterKeys::default(),
            secrets: Secrets::ALL,
        }
    }
}

impl Settings {
    /// With none of these nothing could ever be asked.
    fn check(&self) -> Result<(), StoreError> {
        let given = [
            ("database.max_connections", self.max_connections != 0),
            ("database.acquire_timeout_ms", self.acquire_timeout_ms != 0),
            ("database.work_timeout_ms", self.work_timeout_ms != 0),
        ];
        match given.into_iter().find(|(_, is_given)| !is_given) {
            Some((field, _)) => Err(StoreError::Setting {
                field,
                rule: "must be at least 1".into(),
            }),
            None => Ok(()),
        }
    }
}

/// How many connections a process has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connections {
    /// At work now.
    pub used: usize,
    /// Open, at work or not.
    pub open: usize,
    /// That may be open.
    pub most: usize,
}

/// The database: everything that is remembered. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    pool: Pool,
    work_timeout: Duration,
    pub(crate) keys: MasterKeys,
    pub(crate) secrets: Secrets,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("pool", &self.pool.status())
            .finish_non_exhaustive()
    }
}

impl Store {
    /// Prepares a pool; the first connection is made by the first piece of work, so a database that is away now is no error.
    pub fn new(settings: &Settings) -> Result<Self, StoreError> {
        settings.check()?;
        let acquire = Duration::from_millis(settings.acquire_timeout_ms);
        let work_timeout = Duration::from_millis(settings.work_timeout_ms);
        let pool = Pool::builder(connection::manager(settings)?)
            .max_size(settings.max_connections)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(acquire))
            .create_timeout(Some(acquire))
            .recycle_timeout(Some(acquire))
            .build()
            .map_err(|e| StoreError::Setting {
                field: "database.max_connections",
                rule: e.to_string(),
            })?;
        Ok(Self {
            pool,
            work_timeout,
            keys: settings.keys.clone(),
            secrets: settings.secrets,
        })
    }

    /// Whether the database answers now.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.bounded(async {
            let session = self.session().await?;
            session.client().simple_query("SELECT 1").await?;
            session.give_back();
            Ok(())
        })
        .await
    }

    /// The connections of this process, for the metrics.
    pub fn connections(&self) -> Connections {
        let status = self.pool.status();
        Connections {
            used: status.size.saturating_sub(status.available),
            open: status.size,
            most: status.max_size,
        }
    }

    pub(crate) async fn session(&self) -> Result<Session, StoreError> {
        let object = self.pool.get().await?;
        Ok(Session {
            object: Some(object),
            open: AtomicBool::new(false),
        })
    }

    /// Ends a piece of work that takes too long. Its connection is closed with it, so the server rolls it back.
    pub(crate) async fn bounded<T>(
        &self,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        tokio::time::timeout(self.work_timeout, work)
            .await
            .unwrap_or(Err(StoreError::TooSlow))
    }
}

/// A connection at work. Unless it is given back it is closed: nobody else may meet a transaction whose end is unknown.
pub(crate) struct Session {
    object: Option<Object>,
    /// Whether a transaction has begun whose end is not known.
    pub(crate) open: AtomicBool,
}

impl Session {
    #[expect(
        clippy::expect_used,
        reason = "the connection is only taken out when the session ends"
    )]
    pub(crate) fn client(&self) -> &Object {
        self.object
            .as_ref()
            .expect("a session has its connection until it ends")
    }

    /// A transaction; nothing is sent yet.
    pub(crate) fn begin(&mut self) -> Transaction<'_> {
        Transaction::new(self, "BEGIN")
    }

    /// A transaction that sees one moment and cannot write; nothing is sent yet.
    pub(crate) fn begin_reading(&mut self) -> Transaction<'_> {
        Transaction::new(self, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    }

    #[expect(
        clippy::expect_used,
        reason = "the connection is only taken out when the session ends"
    )]
    pub(crate) fn client_mut(&mut self) -> &mut Object {
        self.object
            .as_mut()
            .expect("a session has its connection until it ends")
    }

    /// The work has ended, one way or the other, and the connection is idle; one with a transaction that has not ended is closed.
    pub(crate) fn give_back(mut self) {
        if !self.open.load(Ordering::Relaxed) {
            drop(self.object.take());
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(object) = self.object.take() {
            drop(Object::take(object));
        }
    }
}

/// A duration as statements take it.
pub(crate) fn in_ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_that_leaves_no_way_to_the_database_is_named() {
        let mut settings = Settings::for_url("postgres://refill@127.0.0.1/refill");
        assert!(Store::new(&settings).is_ok());
        settings.max_connections = 0;
        let fault = Store::new(&settings).unwrap_err();
        assert_eq!(
            fault.to_string(),
            "database.max_connections: must be at least 1"
        );
    }
}
