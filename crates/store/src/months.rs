//! Orders, attempts and evidence are kept by calendar month (`migrations/V9__months.sql`): here the months are prepared in time.

use std::time::Duration;

use uuid::Uuid;

use crate::{Store, StoreError};

/// The months that are prepared beyond the present one: whoever prepares them may be away for two.
const AHEAD: i32 = 2;
/// More than can be missing: three tables, and the present month.
const MOST: i32 = 3 * (AHEAD + 1);
/// A part is made in a moment, or its lock is not had and the next hour will do.
const LIMIT: Duration = Duration::from_secs(30);

/// What is left of a code below twelve days (2³⁰ ms; a code begins with 48 bits of milliseconds).
const TWELVE_DAYS: u128 = (1 << 110) - 1;

/// `BETWEEN … AND …`, around all of these codes. Written into a statement, not given as a value: so its plan has the months of these codes
/// alone, and neither opens nor locks the others. Generous, so that there are few different statements to be kept.
pub(crate) fn around(codes: &[Uuid]) -> String {
    let codes = || codes.iter().map(Uuid::as_u128);
    let low = codes().min().unwrap_or_default() & !TWELVE_DAYS;
    let high = codes().max().unwrap_or_default() | TWELVE_DAYS;
    format!(
        "BETWEEN '{}' AND '{}'",
        Uuid::from_u128(low),
        Uuid::from_u128(high)
    )
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_names_a_range_that_holds_its_codes_and_changes_seldom() {
        let at = |ms: u128| Uuid::from_u128(ms << 80 | 7);
        let day = 86_400_000;
        let start = 0x019A_0000_0000;
        let first = around(&[at(start)]);
        assert_eq!(
            first,
            "BETWEEN '019a0000-0000-0000-0000-000000000000' AND '019a3fff-ffff-ffff-ffff-ffffffffffff'"
        );
        assert_eq!(around(&[at(start + 12 * day), at(start)]), first);
        let both = around(&[at(start), at(start + 13 * day)]);
        assert_eq!(
            both,
            "BETWEEN '019a0000-0000-0000-0000-000000000000' AND '019a7fff-ffff-ffff-ffff-ffffffffffff'"
        );
        let now = Uuid::now_v7();
        let range = around(&[now]);
        let (low, high) = range[9..].split_once("' AND '").unwrap();
        assert!(low < now.to_string().as_str() && high > now.to_string().as_str());
    }
}
