//! Businesses and their ledgers, a page at a time.

use domain::{BusinessId, Money, UnixMs};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::one_moment;
use crate::{Store, StoreError};

/// The balance of a business.
#[derive(Clone, Debug)]
pub struct BalanceLine {
    /// Whose.
    pub business: BusinessId,
    /// The merchant's name.
    pub merchant: String,
    /// Whether it may buy.
    pub enabled: bool,
    /// Prepaid money.
    pub prepaid: Money,
    /// What of it is held for open orders.
    pub held: Money,
    /// How far the free part may go below zero.
    pub credit_line: Money,
    /// What it can still spend.
    pub left: Money,
}

/// A line of a ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerLine {
    /// What it belongs to: an order's code; of a deposit, a number of its own.
    pub posting_ref: Uuid,
    /// 0 a hold or a deposit, 1 the end, later ones adjustments.
    pub step: i16,
    /// `deposit`, `hold`, `settle`, `release` or `adjust`.
    pub kind: String,
    /// What it did to the prepaid money.
    pub prepaid: Money,
    /// What it did to the held money.
    pub held: Money,
    /// What was written with it.
    pub note: Option<String>,
    /// When.
    pub at: UnixMs,
}

const BALANCE: &str = "SELECT b.business_id, m.name, s.enabled, b.prepaid, b.held, b.credit_line, b.prepaid - b.held + b.credit_line
    FROM balances b JOIN businesses s USING (business_id) JOIN merchants m USING (merchant_id)";

impl Store {
    /// The businesses that have the least left, at most `limit`.
    pub async fn least_balances(&self, limit: i64) -> Result<Vec<BalanceLine>, StoreError> {
        self.balances("ORDER BY 7, 1 LIMIT $1", &[&limit]).await
    }

    /// The businesses after this one, by name, at most `limit`.
    pub async fn business_lines(
        &self,
        after: &str,
        limit: i64,
    ) -> Result<Vec<BalanceLine>, StoreError> {
        let which = "WHERE b.business_id > $1 ORDER BY b.business_id LIMIT $2";
        self.balances(which, &[&after, &limit]).await
    }

    /// One business; `None`: there is none.
    pub async fn business_line(
        &self,
        business: &BusinessId,
    ) -> Result<Option<BalanceLine>, StoreError> {
        let which = "WHERE b.business_id = $1";
        let mut lines = self.balances(which, &[&business.as_str()]).await?;
        Ok(lines.pop())
    }

    async fn balances(
        &self,
        which: &str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<BalanceLine>, StoreError> {
        self.bounded(async {
            let session = self.session().await?;
            let sql = format!("{BALANCE} {which}");
            let statement = session.client().prepare_cached(&sql).await?;
            let rows = session.client().query(&statement, values).await?;
            session.give_back();
            Ok(rows.iter().map(balance).collect())
        })
        .await
    }

    /// A page of a ledger, the newest orders first: at most `limit` lines that come before this one.
    pub async fn ledger(
        &self,
        business: &BusinessId,
        before: Option<(Uuid, i16)>,
        limit: i64,
    ) -> Result<Vec<LedgerLine>, StoreError> {
        let (posting_ref, step) = before.unwrap_or((Uuid::max(), i16::MAX));
        self.bounded(async {
            let mut session = self.session().await?;
            let read = one_moment(&mut session).await?;
            let statement = read
                .prepare_cached(
                    "SELECT posting_ref, step, kind, prepaid_delta, held_delta, note, (extract(epoch FROM at) * 1000)::bigint
                     FROM ledger WHERE business_id = $1 AND (posting_ref, step) < ($2, $3)
                     ORDER BY posting_ref DESC, step DESC LIMIT $4",
                )
                .await?;
            let rows = read
                .query(&statement, &[&business.as_str(), &posting_ref, &step, &limit])
                .await?;
            read.commit().await?;
            session.give_back();
            Ok(rows
                .iter()
                .map(|row| LedgerLine {
                    posting_ref: row.get(0),
                    step: row.get(1),
                    kind: row.get(2),
                    prepaid: Money::from_units(row.get(3)),
                    held: Money::from_units(row.get(4)),
                    note: row.get(5),
                    at: UnixMs(row.get(6)),
                })
                .collect())
        })
        .await
    }
}

fn balance(row: &Row) -> BalanceLine {
    BalanceLine {
        business: BusinessId::new(row.get::<_, String>(0)),
        merchant: row.get(1),
        enabled: row.get(2),
        prepaid: Money::from_units(row.get(3)),
        held: Money::from_units(row.get(4)),
        credit_line: Money::from_units(row.get(5)),
        left: Money::from_units(row.get(6)),
    }
}
