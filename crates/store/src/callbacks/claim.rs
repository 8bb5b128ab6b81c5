//! The claim: each try is written before its call.

use std::collections::HashSet;
use std::time::Duration;

use domain::{BusinessId, Endpoint, Epoch, OrderCode, OrderKey, schedule};
use tokio_postgres::Row;
use uuid::Uuid;

use super::lines::{Pick, asked, due_first};
use super::{ClaimedReport, Line, Subject, batch};
use crate::reads::order_facts;
use crate::session::in_ms;
use crate::transaction::{Transaction, commit};
use crate::{Store, StoreError};

/// Which reports are to be claimed.
#[derive(Clone, Copy, Debug)]
pub enum Wanted<'w> {
    /// These, as far as they may be sent now.
    Named(&'w [OrderKey]),
    /// Those of a line that are due first, so many of each endpoint. What other workers are claiming does not count: no two of them are after
    /// the same.
    DueFirst {
        /// The line.
        line: Line,
        /// How many of which endpoint.
        picks: &'w [Pick],
        /// Also those whose time has not come, which is right for first tries, whose time is only when their hint would be taken for lost.
        early: bool,
    },
}

impl Wanted<'_> {
    const fn is_nothing(&self) -> bool {
        match self {
            Self::Named(keys) => keys.is_empty(),
            Self::DueFirst { picks, .. } => picks.is_empty(),
        }
    }
}

impl Store {
    /// Claims what is `wanted`, skipping what another worker holds. `admit` is asked once for each of them, and what it does not admit stays
    /// as it is. The claimed come in the order in which they were admitted.
    pub async fn claim_reports(
        &self,
        wanted: Wanted<'_>,
        lease: Duration,
        mut admit: impl FnMut(&ClaimedReport) -> bool + Send,
    ) -> Result<Vec<ClaimedReport>, StoreError> {
        if wanted.is_nothing() {
            return Ok(vec![]);
        }
        let mut session = self.session().await?;
        let (transaction, claimed) = self
            .bounded(async {
                let transaction = session.begin();
                let found = lock(&transaction, wanted).await?;
                let mut claimed = vec![];
                let mut used_up = vec![];
                for report in found {
                    if report.try_no > schedule::MAX_TRIES {
                        used_up.push(report);
                    } else if admit(&report) {
                        claimed.push(report);
                    }
                }
                begin_tries(&transaction, &claimed, lease).await?;
                park(&transaction, &used_up).await?;
                Ok((transaction, claimed))
            })
            .await?;
        commit(transaction, "report claim").await?;
        session.give_back();
        Ok(claimed)
    }
}

/// The reports that may be claimed, under their row locks, with what they say. `epoch` and `try_no` are already those of the claim.
/// One that was never tried need not be due: `due_at` is then when its hint would be taken for lost.
async fn lock(tx: &Transaction<'_>, wanted: Wanted<'_>) -> Result<Vec<ClaimedReport>, StoreError> {
    let rows = match wanted {
        Wanted::Named(keys) => {
            let (businesses, codes) = arrays(keys.iter().collect::<HashSet<_>>());
            let named = what_of(
                "unnest($1::text[], $2::uuid[]) AS k (business_id, order_code)
                 JOIN callbacks c ON c.business_id = k.business_id AND c.order_code = k.order_code",
            );
            let statement = tx
                .prepare_cached(&format!("{named} FOR UPDATE OF c SKIP LOCKED"))
                .await?;
            tx.query(&statement, &[&businesses, &codes]).await?
        }
        Wanted::DueFirst { line, picks, early } => {
            let (endpoints, most) = asked(picks);
            let due = format!(
                "unnest($1::text[], $2::bigint[]) AS p (endpoint, most), LATERAL ({} FOR UPDATE SKIP LOCKED) c",
                due_first(line)
            );
            let statement = tx.prepare_cached(&what_of(&due)).await?;
            tx.query(&statement, &[&endpoints, &most, &early]).await?
        }
    };
    let mut reports = Vec::with_capacity(rows.len());
    for row in &rows {
        let subject = if row.get("of_batch") {
            Subject::Batch(batch::facts(tx, &key(row)).await?)
        } else {
            Subject::Order(order_facts(row)?)
        };
        reports.push(report(row, subject));
    }
    Ok(reports)
}

/// What is said of the rows `c` of `callbacks`.
fn what_of(rows: &str) -> String {
    format!(
        "SELECT c.business_id, c.url, c.endpoint, c.epoch + 1 AS epoch, c.round, (c.tries + 1)::smallint AS try_no,
                (extract(epoch FROM now() - c.created_at) * 1000)::bigint AS since_final_ms,
                CASE WHEN c.round = 1 THEN c.traceparent END AS traceparent,
                c.of_batch, c.order_code, o.biz_code, b.batch_biz_code, o.product_code, o.account, o.spec, o.price, o.state,
                o.message, o.voucher, (extract(epoch FROM o.created_at) * 1000)::bigint AS created_ms,
                (extract(epoch FROM o.finished_at) * 1000)::bigint AS finished_ms
         FROM {rows}
         LEFT JOIN orders o ON o.business_id = c.business_id AND o.order_code = c.order_code
         LEFT JOIN batches b ON b.business_id = o.business_id AND b.batch_id = o.batch_id
         WHERE (c.due_at <= now() OR c.state = 0 AND c.tries = 0 AND c.round = 1)
           AND (c.of_batch OR b.batch_id IS NOT NULL)"
    )
}

async fn begin_tries(
    tx: &Transaction<'_>,
    claimed: &[ClaimedReport],
    lease: Duration,
) -> Result<(), StoreError> {
    if claimed.is_empty() {
        return Ok(());
    }
    let (businesses, codes) = arrays(claimed.iter().map(|r| &r.key));
    let statement = tx
        .prepare_cached(
            "WITH claimed AS (
                 UPDATE callbacks c SET state = 1, epoch = c.epoch + 1, tries = c.tries + 1,
                        due_at = now() + $3::bigint * interval '1 millisecond'
                 FROM unnest($1::text[], $2::uuid[]) AS k (business_id, order_code)
                 WHERE c.business_id = k.business_id AND c.order_code = k.order_code
                 RETURNING c.business_id, c.order_code, c.epoch, c.round, c.tries
             )
             INSERT INTO callback_tries (business_id, order_code, epoch, round, try_no)
             SELECT business_id, order_code, epoch, round, tries FROM claimed",
        )
        .await?;
    let rows = tx
        .execute(&statement, &[&businesses, &codes, &in_ms(lease)])
        .await?;
    if rows == claimed.len() as u64 {
        Ok(())
    } else {
        Err(StoreError::unreadable("a report changed under its lock"))
    }
}

/// The last try of the round was lost with its worker.
async fn park(tx: &Transaction<'_>, used_up: &[ClaimedReport]) -> Result<(), StoreError> {
    if used_up.is_empty() {
        return Ok(());
    }
    let (businesses, codes) = arrays(used_up.iter().map(|r| &r.key));
    let statement = tx
        .prepare_cached(
            "UPDATE callbacks c SET state = 3, due_at = NULL
             FROM unnest($1::text[], $2::uuid[]) AS k (business_id, order_code)
             WHERE c.business_id = k.business_id AND c.order_code = k.order_code",
        )
        .await?;
    tx.execute(&statement, &[&businesses, &codes]).await?;
    Ok(())
}

fn arrays<'a>(keys: impl IntoIterator<Item = &'a OrderKey>) -> (Vec<&'a str>, Vec<Uuid>) {
    keys.into_iter()
        .map(|key| (key.business.as_str(), key.order.uuid()))
        .unzip()
}

fn key(row: &Row) -> OrderKey {
    OrderKey {
        business: BusinessId::new(row.get::<_, String>("business_id")),
        order: OrderCode::from_uuid(row.get("order_code")),
    }
}

fn report(row: &Row, subject: Subject) -> ClaimedReport {
    ClaimedReport {
        key: key(row),
        epoch: Epoch(row.get("epoch")),
        round: row.get("round"),
        try_no: row.get("try_no"),
        url: row.get("url"),
        endpoint: Endpoint::new(row.get::<_, String>("endpoint")),
        since_final: Duration::from_millis(row.get::<_, i64>("since_final_ms").unsigned_abs()),
        subject,
        traceparent: row.get("traceparent"),
    }
}
