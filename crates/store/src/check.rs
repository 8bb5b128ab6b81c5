//! What must hold at any moment (`refill check`): questions whose right answer is "none", asked at one moment, read only.

mod bill;
mod rules;

use std::time::Duration;

use domain::UnixMs;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::session::Session;
use crate::{Store, StoreError};

pub use bill::{BillCheck, BillLine, Difference};
use rules::{RULES, Rule, Span};

/// The examples that are shown of each kind of fault.
const EXAMPLES: i64 = 10;
/// How long all questions together may take.
const WITHIN: Duration = Duration::from_mins(15);

/// One rule, and what breaks it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule, as a sentence.
    pub rule: &'static str,
    /// How many rows break it.
    pub broken_by: i64,
    /// Some of them.
    pub examples: Vec<String>,
    /// What to do about it.
    pub advice: &'static str,
    /// Not asked: it needs all rows, and only the newer ones were to be looked at.
    pub is_skipped: bool,
}

/// All rules with what was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Check {
    /// In the order of the rules.
    pub findings: Vec<Finding>,
}

impl Check {
    /// Whether all rules hold that were asked.
    pub fn holds(&self) -> bool {
        self.findings.iter().all(|finding| finding.broken_by == 0)
    }
}

impl Store {
    /// Asks all questions at one moment; changes nothing. `since`: only about orders that were stored from then on.
    pub async fn check(&self, since: Option<UnixMs>) -> Result<Check, StoreError> {
        let mut session = self.session().await?;
        let check = tokio::time::timeout(WITHIN, ask_all(&mut session, since))
            .await
            .unwrap_or(Err(StoreError::TooSlow))?;
        session.give_back();
        Ok(check)
    }
}

/// The time and the plans that suit whole tables.
const WHOLE_TABLES: &str = "SET LOCAL statement_timeout = '10min'; SET LOCAL idle_in_transaction_session_timeout = '10min';
    SET LOCAL enable_seqscan = on; SET LOCAL enable_hashjoin = on; SET LOCAL enable_mergejoin = on;
    SET LOCAL enable_bitmapscan = on; SET LOCAL enable_material = on; SET LOCAL join_collapse_limit = 8;
    SET LOCAL plan_cache_mode = auto";

async fn ask_all(session: &mut Session, since: Option<UnixMs>) -> Result<Check, StoreError> {
    let transaction = session.begin_reading();
    transaction.batch_execute(WHOLE_TABLES).await?;
    let mut check = Check::default();
    for rule in &RULES {
        let mut finding = Finding {
            rule: rule.says,
            broken_by: 0,
            examples: vec![],
            advice: rule.advice,
            is_skipped: since.is_some() && rule.span == Span::Everything,
        };
        if !finding.is_skipped {
            let rows = transaction.query(&question(rule, since), &[]).await?;
            finding.broken_by = rows.first().map_or(0, |row| row.get(0));
            finding.examples = rows.iter().map(|row: &Row| row.get(1)).collect();
        }
        check.findings.push(finding);
    }
    transaction.rollback().await?;
    Ok(check)
}

/// The rule's question about all orders, or about those whose codes begin late enough: a code begins with the time at which it was made.
fn question(rule: &Rule, since: Option<UnixMs>) -> String {
    let newer = |table: &str, column: &str| match since {
        None => table.to_owned(),
        Some(at) => {
            let ms = u128::try_from(at.0).unwrap_or(0);
            let first = Uuid::from_u128(ms << 80);
            format!(
                "(SELECT x.* FROM businesses JOIN {table} x USING (business_id) WHERE x.{column} >= '{first}')"
            )
        }
    };
    let mut asked = rule.asks.to_owned();
    for (table, column) in [
        ("orders", "order_code"),
        ("attempts", "order_code"),
        ("evidence", "order_code"),
        ("callbacks", "order_code"),
        ("ledger", "posting_ref"),
        ("batches", "first_code"),
    ] {
        asked = asked.replace(&format!("{{{table}}}"), &newer(table, column));
    }
    format!("SELECT count(*) OVER (), example FROM ({asked}) AS broken (example) LIMIT {EXAMPLES}")
}
