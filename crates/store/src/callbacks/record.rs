//! What tries came to, many at a time.

use domain::OrderKey;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::{Next, Tried};
use crate::life::Locking;
use crate::session::in_ms;
use crate::transaction::last;
use crate::{Store, StoreError};

impl Store {
    /// Records what tries came to; where locks are not waited for, nothing of those whose report another transaction holds. Returns how many
    /// reports moved: one whose claim has been followed by another does not. Safe to repeat.
    pub async fn record_tries(&self, tried: &[Tried], locking: Locking) -> Result<u64, StoreError> {
        if tried.is_empty() {
            return Ok(0);
        }
        let mut contended = 0;
        loop {
            match self.record_tries_once(tried, locking).await {
                Err(StoreError::Contended(_)) if contended < 5 => contended += 1,
                other => return other,
            }
        }
    }

    async fn record_tries_once(
        &self,
        tried: &[Tried],
        locking: Locking,
    ) -> Result<u64, StoreError> {
        let rows = Rows::of(tried);
        self.bounded(async {
            let session = self.session().await?;
            let statement = session.client().prepare_cached(&record(locking)).await?;
            let columns = rows.columns();
            let recording = session.client().execute(&statement, &columns);
            let moved = last(recording, "report record").await?;
            session.give_back();
            Ok(moved)
        })
        .await
    }
}

/// The facts about each try, whatever has become of its report since; and what follows, for those reports whose claim is still in force.
/// One statement, so it is a transaction by itself.
fn record(locking: Locking) -> String {
    let free = match locking {
        Locking::Wait => "",
        Locking::Skip => {
            "JOIN callbacks c ON c.business_id = d.business_id AND c.order_code = d.order_code FOR UPDATE OF c SKIP LOCKED"
        }
    };
    format!(
        "WITH tried AS MATERIALIZED (
             SELECT d.* FROM unnest($1::text[], $2::uuid[], $3::int[], $4::int[], $5::smallint[], $6::text[], $7::text[], $8::text[],
                                    $9::boolean[], $10::smallint[], $11::bigint[], $12::boolean[])
                 AS d (business_id, order_code, epoch, duration_ms, http_status, outcome, detail, fault, charged, state, wait_ms, unreached)
             {free}
         ), noted AS (
             UPDATE callback_tries t SET duration_ms = d.duration_ms, http_status = d.http_status, outcome = d.outcome,
                    detail = d.detail, fault = d.fault, charged = d.charged
             FROM tried d WHERE t.business_id = d.business_id AND t.order_code = d.order_code AND t.epoch = d.epoch
         )
         UPDATE callbacks c
         SET state = d.state, unreached = d.unreached, tries = c.tries - CASE WHEN d.charged THEN 0 ELSE 1 END,
             due_at = CASE WHEN d.state = 0 THEN now() + d.wait_ms * interval '1 millisecond' END,
             delivered_at = CASE WHEN d.state = 2 THEN now() ELSE c.delivered_at END
         FROM tried d
         WHERE c.business_id = d.business_id AND c.order_code = d.order_code AND c.epoch = d.epoch AND c.state = 1"
    )
}

/// The set, column by column.
#[derive(Default)]
struct Rows<'t> {
    businesses: Vec<&'t str>,
    codes: Vec<Uuid>,
    epochs: Vec<i32>,
    durations_ms: Vec<i32>,
    http_statuses: Vec<Option<i16>>,
    outcomes: Vec<&'t str>,
    details: Vec<Option<&'t str>>,
    faults: Vec<Option<&'static str>>,
    unreached: Vec<bool>,
    charged: Vec<bool>,
    states: Vec<i16>,
    waits_ms: Vec<i64>,
}

impl<'t> Rows<'t> {
    /// In the order of the keys: two sets that share rows must not wait for each other in a ring.
    fn of(tried: &'t [Tried]) -> Self {
        let mut sorted: Vec<&Tried> = tried.iter().collect();
        sorted.sort_by_key(|t| &t.key);
        let mut rows = Self::default();
        for t in sorted {
            let OrderKey { business, order } = &t.key;
            rows.businesses.push(business.as_str());
            rows.codes.push(order.uuid());
            rows.epochs.push(t.epoch.0);
            rows.durations_ms
                .push(i32::try_from(t.duration.as_millis()).unwrap_or(i32::MAX));
            rows.http_statuses
                .push(t.http_status.and_then(|s| i16::try_from(s).ok()));
            rows.outcomes.push(t.outcome);
            rows.details.push(t.detail.as_deref());
            rows.faults.push(t.fault);
            rows.unreached.push(t.unreached);
            rows.charged.push(!matches!(t.next, Next::Uncharged(_)));
            let (state, wait_ms) = match t.next {
                Next::Again(wait) | Next::Uncharged(wait) => (0, in_ms(wait)),
                Next::Delivered => (2, 0),
                Next::Parked => (3, 0),
            };
            rows.states.push(state);
            rows.waits_ms.push(wait_ms);
        }
        rows
    }

    fn columns(&self) -> [&(dyn ToSql + Sync); 12] {
        [
            &self.businesses,
            &self.codes,
            &self.epochs,
            &self.durations_ms,
            &self.http_statuses,
            &self.outcomes,
            &self.details,
            &self.faults,
            &self.charged,
            &self.states,
            &self.waits_ms,
            &self.unreached,
        ]
    }
}
