//! A transaction that begins with its first statement, in the same round trip.

use std::sync::atomic::Ordering;
use std::time::Duration;

use deadpool_postgres::Object;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Error, Row, Statement, ToStatement};

use crate::StoreError;
use crate::session::Session;

/// On one session's connection. Dropped without an end it is rolled back, because the session's connection is closed then.
pub(crate) struct Transaction<'s> {
    session: &'s Session,
    /// The statement that begins it.
    begin: &'static str,
}

type Values<'v> = &'v [&'v (dyn ToSql + Sync)];

impl<'s> Transaction<'s> {
    /// Nothing is sent yet. The session is borrowed mutably, so that it has one at a time.
    pub(crate) fn new(session: &'s mut Session, begin: &'static str) -> Self {
        Self { session, begin }
    }

    /// The connection that it is on: what is asked there is part of it, once it has begun.
    pub(crate) fn client(&self) -> &Object {
        self.session.client()
    }

    pub(crate) async fn prepare_cached(&self, sql: &str) -> Result<Statement, Error> {
        self.client().prepare_cached(sql).await
    }

    pub(crate) async fn query<S: ?Sized + ToStatement + Sync>(
        &self,
        statement: &S,
        values: Values<'_>,
    ) -> Result<Vec<Row>, Error> {
        self.within(self.client().query(statement, values)).await
    }

    pub(crate) async fn query_one<S: ?Sized + ToStatement + Sync>(
        &self,
        statement: &S,
        values: Values<'_>,
    ) -> Result<Row, Error> {
        self.within(self.client().query_one(statement, values))
            .await
    }

    pub(crate) async fn query_opt<S: ?Sized + ToStatement + Sync>(
        &self,
        statement: &S,
        values: Values<'_>,
    ) -> Result<Option<Row>, Error> {
        self.within(self.client().query_opt(statement, values))
            .await
    }

    pub(crate) async fn execute<S: ?Sized + ToStatement + Sync>(
        &self,
        statement: &S,
        values: Values<'_>,
    ) -> Result<u64, Error> {
        self.within(self.client().execute(statement, values)).await
    }

    pub(crate) async fn batch_execute(&self, sql: &str) -> Result<(), Error> {
        self.within(self.client().batch_execute(sql)).await
    }

    /// Sends the beginning before the first statement, without waiting for the answer in between. Boxed: a set asks much at once.
    fn within<T: Send>(
        &self,
        statement: impl Future<Output = Result<T, Error>> + Send,
    ) -> impl Future<Output = Result<T, Error>> + Send {
        let statement = Box::pin(statement);
        async move {
            if self.session.open.swap(true, Ordering::Relaxed) {
                return statement.await;
            }
            let begin = self.client().batch_execute(self.begin);
            let ((), done) = futures::try_join!(begin, statement)?;
            Ok(done)
        }
    }

    pub(crate) async fn commit(self) -> Result<(), Error> {
        self.end("COMMIT").await
    }

    pub(crate) async fn rollback(self) -> Result<(), Error> {
        self.end("ROLLBACK").await
    }

    async fn end(self, sql: &str) -> Result<(), Error> {
        if self.session.open.load(Ordering::Relaxed) {
            self.client().batch_execute(sql).await?;
            self.session.open.store(false, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// How long the answer to a commit is waited for.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(5);

/// Commits `work`. Whatever breaks from here on leaves open whether it happened.
pub(crate) async fn commit(
    transaction: Transaction<'_>,
    work: &'static str,
) -> Result<(), StoreError> {
    last(transaction.commit(), work).await
}

/// The last that `work` asks of the server: a commit, or a statement that is a transaction by itself.
pub(crate) async fn last<T>(
    asking: impl Future<Output = Result<T, Error>>,
    work: &'static str,
) -> Result<T, StoreError> {
    halt::at(work, "before the commit").await;
    let asking = async {
        let mut asking = std::pin::pin!(asking);
        tokio::select! {
            biased;
            done = &mut asking => done,
            () = halt::at(work, "commit sent") => asking.await,
        }
    };
    match tokio::time::timeout(COMMIT_TIMEOUT, asking).await {
        Ok(Ok(done)) => {
            halt::at(work, "committed").await;
            Ok(done)
        }
        // An answer from the server: it refused, so nothing was done.
        Ok(Err(error)) if error.code().is_some() => Err(error.into()),
        Ok(Err(_)) | Err(_) => Err(StoreError::CommitUnknown),
    }
}
