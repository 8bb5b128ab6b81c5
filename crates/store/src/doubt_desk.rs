//! The doubt desk: orders that only evidence or two persons can settle, and contradictions after the end.

mod decide;

use std::collections::HashMap;

use domain::{BusinessId, Money, OrderCode, OrderKey, UnixMs};
use uuid::Uuid;

use crate::audit::Deed;
use crate::life::{NotSettled, Settlement};
use crate::story::{EvidenceLine, heard, one_moment};
use crate::{Store, StoreError};

pub use decide::{Closed, Refusal, Word};

/// The pieces of evidence that one line of the desk shows, the newest.
const EVIDENCE_SHOWN: usize = 5;

/// A case that waits at the desk.
#[derive(Clone, Debug)]
pub struct OpenCase {
    /// Which order.
    pub key: OrderKey,
    /// `doubt`: the order stands still; `discrepancy`: something contradicts its final state.
    pub kind: String,
    /// Why.
    pub reason: String,
    /// Since when.
    pub opened_at: UnixMs,
    /// The same in microseconds, as the desk is sorted.
    pub opened_us: i64,
    /// How long ago that is, in milliseconds by the database's clock.
    pub age_ms: i64,
    /// What the merchant pays.
    pub amount: Money,
    /// When the supplier is asked again by itself; `None`: it cannot be, or need not.
    pub next_check_at: Option<UnixMs>,
    /// The attempt that it is about, its supplier and our reference there.
    pub attempt: Option<(i16, String, String)>,
    /// What one person has proposed.
    pub proposal: Option<Word>,
    /// What was heard about the order last, the oldest first.
    pub evidence: Vec<EvidenceLine>,
}

/// A place in the desk's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeskPlace {
    /// Since when, in microseconds.
    pub opened_us: i64,
    /// Which order.
    pub order: Uuid,
}

impl Store {
    /// What waits at the desk, the oldest first, up to `limit`.
    pub async fn open_cases(&self, limit: i64) -> Result<Vec<OpenCase>, StoreError> {
        self.open_cases_after(None, None, limit).await
    }

    /// The same of one kind, after the case that a page ended with.
    pub async fn open_cases_after(
        &self,
        kind: Option<&str>,
        after: Option<DeskPlace>,
        limit: i64,
    ) -> Result<Vec<OpenCase>, StoreError> {
        let place = after.unwrap_or(DeskPlace {
            opened_us: 0,
            order: Uuid::nil(),
        });
        self.bounded(async {
            let mut session = self.session().await?;
            let read = one_moment(&mut session).await?;
            // Read in the order of the index and sorted among those of one moment, however many wait: never all of them.
            read.batch_execute("SET LOCAL enable_sort = off").await?;
            let statement = read
                .prepare_cached(
                    "WITH page AS MATERIALIZED (
                         SELECT * FROM doubts WHERE closed_at IS NULL AND ($2::text IS NULL OR kind = $2)
                            AND (opened_at, order_code) > (timestamptz 'epoch' + $3::bigint * interval '1 microsecond', $4)
                         ORDER BY opened_at, order_code LIMIT $1
                     )
                     SELECT d.business_id, d.order_code, d.kind, d.reason, (extract(epoch FROM d.opened_at) * 1000)::bigint,
                            (extract(epoch FROM clock_timestamp() - d.opened_at) * 1000)::bigint, o.price,
                            (extract(epoch FROM t.due_at) * 1000)::bigint, a.attempt_no, a.supplier_id, a.reference,
                            d.proposed_charged, d.proposed_by, d.proposed_reason, (extract(epoch FROM d.opened_at) * 1000000)::bigint
                     FROM page d JOIN orders o USING (business_id, order_code)
                     LEFT JOIN timers t ON t.business_id = d.business_id AND t.order_code = d.order_code AND d.kind = 'doubt'
                     LEFT JOIN attempts a ON a.business_id = d.business_id AND a.order_code = d.order_code
                         AND a.attempt_no = d.attempt_no
                     ORDER BY d.opened_at, d.order_code",
                )
                .await?;
            let rows = read.query(&statement, &[&limit, &kind, &place.opened_us, &place.order]).await?;
            let mut cases: Vec<OpenCase> = rows.iter().map(case).collect();
            let businesses: Vec<&str> = cases.iter().map(|c| c.key.business.as_str()).collect();
            let codes: Vec<_> = cases.iter().map(|c| c.key.order.uuid()).collect();
            let statement = read
                .prepare_cached(
                    "SELECT e.attempt_no, e.source, e.verdict, e.upstream_no, e.detail, e.actor,
                            (extract(epoch FROM e.at) * 1000)::bigint, e.business_id, e.order_code
                     FROM (SELECT DISTINCT business_id, order_code FROM unnest($1::text[], $2::uuid[]) AS k (business_id, order_code)) k
                     CROSS JOIN LATERAL (SELECT * FROM evidence e WHERE e.business_id = k.business_id AND e.order_code = k.order_code
                                         ORDER BY e.attempt_no DESC, e.evidence_no DESC LIMIT 5) e
                     ORDER BY e.attempt_no, e.evidence_no",
                )
                .await?;
            let rows = read.query(&statement, &[&businesses, &codes]).await?;
            read.commit().await?;
            session.give_back();
            let mut heard_of: HashMap<OrderKey, Vec<EvidenceLine>> = HashMap::new();
            for row in &rows {
                let key = OrderKey {
                    business: BusinessId::new(row.get::<_, String>(7)),
                    order: OrderCode::from_uuid(row.get(8)),
                };
                heard_of.entry(key).or_default().push(heard(row));
            }
            for case in &mut cases {
                case.evidence = heard_of.get(&case.key).cloned().unwrap_or_default();
                debug_assert!(case.evidence.len() <= EVIDENCE_SHOWN);
            }
            Ok(cases)
        })
        .await
    }

    /// Settles an order in doubt by the word of one person alone, where the house rules allow that.
    pub async fn settle_alone(
        &self,
        order: OrderCode,
        word: &Word,
        catalogue: &domain::Catalogue,
        deed: &Deed,
    ) -> Result<Result<Closed, Refusal>, StoreError> {
        let settlement = Settlement {
            order,
            charged: word.charged,
            reason: word.reason.clone(),
            actor: word.by.clone(),
        };
        Ok(
            match self.settle_doubt(&settlement, catalogue, deed).await? {
                Ok(moved) => Ok(Closed::Settled(moved.state)),
                Err(NotSettled::NoOrder) => Err(Refusal::NoOrder),
                Err(NotSettled::NotInDoubt) => Err(Refusal::NoCase),
            },
        )
    }
}

fn case(row: &tokio_postgres::Row) -> OpenCase {
    OpenCase {
        key: OrderKey {
            business: BusinessId::new(row.get::<_, String>(0)),
            order: OrderCode::from_uuid(row.get(1)),
        },
        kind: row.get(2),
        reason: row.get(3),
        opened_at: UnixMs(row.get(4)),
        opened_us: row.get(14),
        age_ms: row.get(5),
        amount: Money::from_units(row.get(6)),
        next_check_at: row.get::<_, Option<i64>>(7).map(UnixMs),
        attempt: row
            .get::<_, Option<i16>>(8)
            .map(|no| (no, row.get(9), row.get(10))),
        proposal: row.get::<_, Option<bool>>(11).map(|charged| Word {
            charged,
            by: row.get(12),
            reason: row.get(13),
        }),
        evidence: vec![],
    }
}
