//! The claim: each try is written before its call.

use std::collections::HashSet;
use std::time::Duration;

use deadpool_postgres::Object;
use domain::{BusinessId, Endpoint, Epoch, OrderCode, OrderKey, schedule};
use tokio_postgres::{Error, Row};
use uuid::Uuid;

use super::lines::{Pick, asked, due_first};
use super::{ClaimedReport, Line, Subject, batch};
use crate::reads::order_facts;
use crate::session::in_ms;
use crate::transaction::{commit, last};
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
    /// Claims what is `wanted`, skipping what another worker holds. `admit` is asked once for each of them for a place to send it from, and
    /// what it has none for stays as it is. The claimed come in the order in which they were admitted, each with its place.
    pub async fn claim_reports<P: Send>(
        &self,
        wanted: Wanted<'_>,
        lease: Duration,
        admit: impl FnMut(&ClaimedReport) -> Option<P> + Send,
    ) -> Result<Vec<(ClaimedReport, P)>, StoreError> {
        if wanted.is_nothing() {
            return Ok(vec![]);
        }
        match wanted {
            Wanted::Named(keys) => self.claim_named(keys, lease, admit).await,
            Wanted::DueFirst { line, picks, early } => {
                self.claim_due(line, picks, early, lease, admit).await
            }
        }
    }

    /// Without locks in between: a hint comes to one worker, so hardly ever is another after the same. What has changed since it was read is
    /// left alone.
    async fn claim_named<P: Send>(
        &self,
        keys: &[OrderKey],
        lease: Duration,
        admit: impl FnMut(&ClaimedReport) -> Option<P> + Send,
    ) -> Result<Vec<(ClaimedReport, P)>, StoreError> {
        self.bounded(async {
            let session = self.session().await?;
            let client = session.client();
            let (businesses, codes) = arrays(keys.iter().collect::<HashSet<_>>());
            let statement = client.prepare_cached(&what_of(NAMED)).await?;
            let rows = client.query(&statement, &[&businesses, &codes]).await?;
            let Found { going, over } = found(client, &rows).await?;
            let mut claimed = place(going, admit);
            if !over.is_empty() {
                park(client, &over).await?;
            }
            if !claimed.is_empty() {
                let begun = last(begin_tries(client, &claimed, lease), "report claim").await?;
                claimed.retain(|(report, _)| begun.contains(&report.key));
            }
            session.give_back();
            Ok(claimed)
        })
        .await
    }

    /// Under their row locks, so that no two workers are after the same.
    async fn claim_due<P: Send>(
        &self,
        line: Line,
        picks: &[Pick],
        early: bool,
        lease: Duration,
        admit: impl FnMut(&ClaimedReport) -> Option<P> + Send,
    ) -> Result<Vec<(ClaimedReport, P)>, StoreError> {
        let mut session = self.session().await?;
        let (transaction, claimed) = self
            .bounded(async {
                let transaction = session.begin();
                let (endpoints, most) = asked(picks);
                let due = what_of(&locked_due_first(line));
                let statement = transaction.prepare_cached(&due).await?;
                let rows = transaction
                    .query(&statement, &[&endpoints, &most, &early])
                    .await?;
                let client = transaction.client();
                let Found { going, over } = found(client, &rows).await?;
                let claimed = place(going, admit);
                if !claimed.is_empty()
                    && begin_tries(client, &claimed, lease).await?.len() < claimed.len()
                {
                    return Err(StoreError::unreadable("a report changed under its lock"));
                }
                if !over.is_empty() {
                    park(client, &over).await?;
                }
                Ok((transaction, claimed))
            })
            .await?;
        commit(transaction, "report claim").await?;
        session.give_back();
        Ok(claimed)
    }
}

/// What is to be claimed.
#[derive(Default)]
struct Found {
    going: Vec<ClaimedReport>,
    /// As they were read: those whose last try of the round was lost with its worker, and those of orders that have been taken away with
    /// their month.
    over: Vec<(OrderKey, Epoch)>,
}

/// `epoch` and `try_no` are already those of the claim. One that was never tried need not be due: `due_at` is then when its hint would be
/// taken for lost.
async fn found(client: &Object, rows: &[Row]) -> Result<Found, StoreError> {
    let mut found = Found::default();
    for row in rows {
        let key = key(row);
        let subject = if row.get::<_, i16>("try_no") > schedule::MAX_TRIES {
            None
        } else if row.get("of_batch") {
            batch::facts(client, &key).await?.map(Subject::Batch)
        } else if row.get("is_there") {
            Some(Subject::Order(order_facts(row)?))
        } else {
            None
        };
        match subject {
            Some(subject) => found.going.push(report(row, subject)),
            None => found.over.push((key, Epoch(row.get("epoch")))),
        }
    }
    Ok(found)
}

/// Those that are admitted, each with its place.
fn place<P>(
    going: Vec<ClaimedReport>,
    mut admit: impl FnMut(&ClaimedReport) -> Option<P>,
) -> Vec<(ClaimedReport, P)> {
    let placed = going.into_iter().filter_map(|report| {
        let place = admit(&report)?;
        Some((report, place))
    });
    placed.collect()
}

/// Rows `c` of `callbacks` by their keys.
const NAMED: &str = "unnest($1::text[], $2::uuid[]) AS k (business_id, order_code)
     JOIN callbacks c ON c.business_id = k.business_id AND c.order_code = k.order_code";

/// Rows `c` of `callbacks` that are due first, under their locks.
fn locked_due_first(line: Line) -> String {
    let due = due_first(line);
    format!(
        "unnest($1::text[], $2::bigint[]) AS p (endpoint, most), LATERAL ({due} FOR UPDATE SKIP LOCKED) c"
    )
}

/// That a report `c` may be sent now: its time has come, or nobody has claimed it yet, and its hint may come at any time. (One that was not
/// charged has no tries either, and waits.)
const MAY_GO: &str = "(c.due_at <= now() OR c.state = 0 AND c.epoch = 0 AND c.round = 1)";

/// What is said of the rows `c` of `callbacks`.
fn what_of(rows: &str) -> String {
    format!(
        "SELECT c.business_id, c.url, c.endpoint, c.epoch + 1 AS epoch, c.round, (c.tries + 1)::smallint AS try_no,
                (extract(epoch FROM now() - c.created_at) * 1000)::bigint AS since_final_ms,
                CASE WHEN c.round = 1 THEN c.traceparent END AS traceparent,
                c.of_batch, b.batch_id IS NOT NULL AS is_there, c.order_code, o.biz_code, b.batch_biz_code, o.product_code, o.account, o.spec, o.price, o.state,
                o.message, o.voucher, (extract(epoch FROM o.created_at) * 1000)::bigint AS created_ms,
                (extract(epoch FROM o.finished_at) * 1000)::bigint AS finished_ms
         FROM {rows}
         LEFT JOIN orders o ON o.business_id = c.business_id AND o.order_code = c.order_code
         LEFT JOIN batches b ON b.business_id = o.business_id AND b.batch_id = o.batch_id
         WHERE {MAY_GO}"
    )
}

/// Claims those that are still as they were read, and returns them.
async fn begin_tries<P>(
    client: &Object,
    claimed: &[(ClaimedReport, P)],
    lease: Duration,
) -> Result<HashSet<OrderKey>, Error> {
    let (businesses, codes) = arrays(claimed.iter().map(|(report, _)| &report.key));
    let column = |of: fn(&ClaimedReport) -> i32| -> Vec<i32> {
        claimed.iter().map(|(report, _)| of(report)).collect()
    };
    let epochs = column(|report| report.epoch.0);
    let rounds = column(|report| report.round.into());
    let tries = column(|report| report.try_no.into());
    let statement = client
        .prepare_cached(&format!(
            "WITH mine AS (
                 SELECT c.business_id, c.order_code
                 FROM unnest($1::text[], $2::uuid[], $3::int[], $4::int[], $5::int[])
                     AS k (business_id, order_code, epoch, round, try_no)
                 JOIN callbacks c ON c.business_id = k.business_id AND c.order_code = k.order_code
                 WHERE c.epoch + 1 = k.epoch AND c.round = k.round AND c.tries + 1 = k.try_no AND {MAY_GO}
                 FOR UPDATE OF c SKIP LOCKED
             ), claimed AS (
                 UPDATE callbacks c SET state = 1, epoch = c.epoch + 1, tries = c.tries + 1,
                        due_at = now() + $6::bigint * interval '1 millisecond'
                 FROM mine WHERE c.business_id = mine.business_id AND c.order_code = mine.order_code
                 RETURNING c.business_id, c.order_code, c.epoch, c.round, c.tries
             )
             INSERT INTO callback_tries (business_id, order_code, epoch, round, try_no)
             SELECT business_id, order_code, epoch, round, tries FROM claimed
             RETURNING business_id, order_code"
        ))
        .await?;
    let rows = client
        .query(
            &statement,
            &[&businesses, &codes, &epochs, &rounds, &tries, &in_ms(lease)],
        )
        .await?;
    Ok(rows.iter().map(key).collect())
}

/// Those that are still as they were read.
async fn park(client: &Object, over: &[(OrderKey, Epoch)]) -> Result<(), StoreError> {
    let (businesses, codes) = arrays(over.iter().map(|(key, _)| key));
    let epochs: Vec<i32> = over.iter().map(|(_, epoch)| epoch.0).collect();
    let statement = client
        .prepare_cached(
            "UPDATE callbacks c SET state = 3, due_at = NULL
             FROM unnest($1::text[], $2::uuid[], $3::int[]) AS k (business_id, order_code, epoch)
             WHERE c.business_id = k.business_id AND c.order_code = k.order_code AND c.epoch + 1 = k.epoch AND c.due_at <= now()",
        )
        .await?;
    client
        .execute(&statement, &[&businesses, &codes, &epochs])
        .await?;
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
