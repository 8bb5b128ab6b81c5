//! Orders, attempts and evidence are kept by calendar month (`migrations/V9__months.sql`): here the months are prepared in time.

use std::time::Duration;

use crate::{Store, StoreError};

/// The months that are prepared beyond the present one: whoever prepares them may be away for two.
const AHEAD: i32 = 2;
/// More than can be missing: three tables, and the present month.
const MOST: i32 = 3 * (AHEAD + 1);
/// A part is made in a moment, or its lock is not had and the next hour will do.
const LIMIT: Duration = Duration::from_secs(30);

impl Store {
    /// Prepares this month and the next ones, where they are missing; returns the names of the tables that it made. May be run by any
    /// number of processes at once.
    pub async fn keep_months(&self) -> Result<Vec<String>, StoreError> {
        let session = self.session().await?;
        let work = async {
            let statement = session
                .client()
                .prepare_cached("SELECT keep_months($1)")
                .await?;
            let mut made = vec![];
            for _ in 0..MOST {
                let row = session.client().query_one(&statement, &[&AHEAD]).await?;
                match row.get(0) {
                    Some(name) => made.push(name),
                    None => break,
                }
            }
            Ok(made)
        };
        let made = tokio::time::timeout(LIMIT, work)
            .await
            .unwrap_or(Err(StoreError::TooSlow))?;
        session.give_back();
        Ok(made)
    }
}
