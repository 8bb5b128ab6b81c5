//! Writes what was decided for a set of orders: each table once, whatever the size of the set.
//!
//! The balance comes last, one row per business: it is the row that everybody shares.

use std::collections::{BTreeMap, BTreeSet};

use deadpool_postgres::Transaction;
use domain::life::{self, AttemptChange, Change, Doubt, Posting, Wait};
use domain::{
    AttemptNo, AttemptState, BusinessId, Catalogue, Evidence, Lane, OrderKey, ProductCode,
};
use uuid::Uuid;

use super::load::{Loaded, arrays};
use super::rows::{self, Ticket};
use super::{Fate, Moved};
use crate::StoreError;

/// One order and what is to be written of it.
pub(super) struct Written {
    order: Loaded,
    change: Change,
    /// Only what is kept.
    evidence: Option<Evidence>,
    /// Of a new attempt.
    ticket: Option<Ticket>,
    /// `None`: the product is no longer in the catalogue; the timer keeps the lane that it has.
    lane: Option<Lane>,
    actor: Option<String>,
    note: Option<String>,
    posting: Option<Posting>,
    /// Its merchant wants to be told when the whole batch is final.
    batch_report: bool,
}

impl Written {
    pub(super) fn new(
        order: Loaded,
        change: Change,
        evidence: Option<Evidence>,
        note: Option<String>,
        catalogue: &Catalogue,
    ) -> Result<Self, StoreError> {
        let ticket = match &change.attempt {
            AttemptChange::Open { no, supplier } => {
                Some(rows::new_ticket(&order, *no, supplier, catalogue)?)
            }
            _ => None,
        };
        let actor = evidence.as_ref().and_then(|e| e.actor.clone());
        let evidence = evidence.filter(|e| change.attempt.keeps_evidence(&order.life.attempts, e));
        let lane = catalogue
            .products
            .get(&order.product)
            .map(|p| p.lane.clone());
        let posting = change.posting(order.life.state);
        let business = catalogue.businesses.get(&order.key.business);
        Ok(Self {
            batch_report: business.is_some_and(|b| b.batch_report),
            order,
            change,
            evidence,
            ticket,
            lane,
            actor,
            note,
            posting,
        })
    }

    pub(super) const fn key(&self) -> &OrderKey {
        &self.order.key
    }

    /// The counted product of which a unit is free again.
    pub(super) fn stock_it_returns(&self) -> Option<&ProductCode> {
        let returns = self.order.counted && self.posting == Some(Posting::Release);
        returns.then_some(&self.order.product)
    }

    /// The account whose balance moves.
    pub(super) fn balance_it_moves(&self) -> Option<&BusinessId> {
        self.posting.map(|_| &self.order.key.business)
    }

    /// The same order, left for its next look.
    pub(super) fn put_off(self) -> Self {
        Self {
            change: life::put_off(&self.order.life, self.order.now),
            evidence: None,
            ticket: None,
            note: None,
            posting: None,
            ..self
        }
    }

    fn fate(&self, report: bool) -> Fate {
        match (&self.change.doubt, self.change.wait) {
            _ if self.posting.is_some() => Fate::Finished { report },
            (Doubt::Open(_), _) => Fate::Doubt,
            (_, Wait::Check(at)) if at <= self.order.now => Fate::Again,
            _ => Fate::Waiting,
        }
    }

    fn moved(&self, report: bool) -> Moved {
        Moved {
            key: self.order.key.clone(),
            state: self.change.state,
            fate: self.fate(report),
            lane: self.lane.clone().unwrap_or_else(|| Lane::new("")),
            attempt: self.change.attempt.no(),
            traceparent: self.order.traceparent.clone(),
        }
    }
}

/// Writes the set. Returns what became of each order, in order.
pub(super) async fn changes(
    tx: &Transaction<'_>,
    set: &[Written],
) -> Result<Vec<Moved>, StoreError> {
    if set.is_empty() {
        return Ok(vec![]);
    }
    open_attempts(tx, set).await?;
    repeat_attempts(tx, set).await?;
    change_attempts(tx, set).await?;
    change_orders(tx, set).await?;
    set_timers(tx, set).await?;
    clear_timers(tx, set).await?;
    open_doubts(tx, set).await?;
    close_doubts(tx, set).await?;
    let reported = write_reports(tx, set).await?;
    return_stock(tx, set).await?;
    post(tx, set).await?;
    write_batch_reports(tx, set).await?;
    Ok(set
        .iter()
        .map(|w| w.moved(reported.contains(&w.order.key.order.uuid())))
        .collect())
}

async fn open_attempts(tx: &Transaction<'_>, set: &[Written]) -> Result<(), StoreError> {
    let new: Vec<_> = set
        .iter()
        .filter_map(|w| Some((w, w.change.attempt.no()?, w.ticket.as_ref()?)))
        .collect();
    if new.is_empty() {
        return Ok(());
    }
    let (businesses, codes) = arrays(new.iter().map(|(w, ..)| w.key()));
    let numbers: Vec<i16> = new.iter().map(|(_, no, _)| no.0).collect();
    let suppliers: Vec<&str> = new.iter().map(|(.., t)| t.supplier.as_str()).collect();
    let references: Vec<&str> = new.iter().map(|(.., t)| t.reference.as_str()).collect();
    let skus: Vec<&str> = new.iter().map(|(.., t)| t.sku.as_str()).collect();
    let costs: Vec<i64> = new.iter().map(|(.., t)| t.cost.units()).collect();
    let statement = tx
        .prepare_cached(
            "INSERT INTO attempts (business_id, order_code, attempt_no, supplier_id, reference, sku, cost, first_call_at, last_call_at)
             SELECT business_id, order_code, attempt_no, supplier_id, reference, sku, cost, clock_timestamp(), clock_timestamp()
             FROM unnest($1::text[], $2::uuid[], $3::smallint[], $4::text[], $5::text[], $6::text[], $7::bigint[])
                 AS new (business_id, order_code, attempt_no, supplier_id, reference, sku, cost)",
        )
        .await?;
    tx.execute(
        &statement,
        &[
            &businesses,
            &codes,
            &numbers,
            &suppliers,
            &references,
            &skus,
            &costs,
        ],
    )
    .await?;
    Ok(())
}

async fn repeat_attempts(tx: &Transaction<'_>, set: &[Written]) -> Result<(), StoreError> {
    let again: Vec<_> = set
        .iter()
        .filter_map(|w| match w.change.attempt {
            AttemptChange::Again { no } => Some((w, no)),
            _ => None,
        })
        .collect();
    if again.is_empty() {
        return Ok(());
    }
    let (businesses, codes) = arrays(again.iter().map(|(w, _)| w.key()));
    let numbers: Vec<i16> = again.iter().map(|(_, no)| no.0).collect();
    let statement = tx
        .prepare_cached(
            "UPDATE attempts a SET calls = least(a.calls + 1, 32767), last_call_at = clock_timestamp()
             FROM unnest($1::text[], $2::uuid[], $3::smallint[]) AS again (business_id, order_code, attempt_no)
             WHERE a.business_id = again.business_id AND a.order_code = again.order_code AND a.attempt_no = again.attempt_no",
        )
        .await?;
    tx.execute(&statement, &[&businesses, &codes, &numbers])
        .await?;
    Ok(())
}

/// New states with the evidence for them, in one statement: a closed attempt without evidence is refused by the table.
async fn change_attempts(tx: &Transaction<'_>, set: &[Written]) -> Result<(), StoreError> {
    let heard: Vec<(&Written, AttemptNo, Option<AttemptState>)> = set
        .iter()
        .filter_map(|w| match w.change.attempt {
            AttemptChange::Set { no, state } => Some((w, no, Some(state))),
            AttemptChange::Note { no } => Some((w, no, None)),
            _ => None,
        })
        .collect();
    if heard.is_empty() {
        return Ok(());
    }
    let (businesses, codes) = arrays(heard.iter().map(|(w, ..)| w.key()));
    let numbers: Vec<i16> = heard.iter().map(|(_, no, _)| no.0).collect();
    let states: Vec<Option<i16>> = heard
        .iter()
        .map(|(.., s)| s.map(AttemptState::number))
        .collect();
    let evidence = |w: &Written| w.evidence.clone();
    let kept: Vec<Option<Evidence>> = heard.iter().map(|(w, ..)| evidence(w)).collect();
    let sources: Vec<Option<i16>> = kept
        .iter()
        .map(|e| e.as_ref().map(|e| e.source.number()))
        .collect();
    let verdicts: Vec<Option<i16>> = kept
        .iter()
        .map(|e| e.as_ref().map(|e| e.verdict.number()))
        .collect();
    let upstream: Vec<Option<&str>> = kept
        .iter()
        .map(|e| e.as_ref()?.upstream_no.as_deref())
        .collect();
    let details: Vec<Option<&str>> = kept
        .iter()
        .map(|e| e.as_ref().map(|e| e.detail.as_str()))
        .collect();
    let actors: Vec<Option<&str>> = kept.iter().map(|e| e.as_ref()?.actor.as_deref()).collect();
    let statement = tx
        .prepare_cached(
            "WITH changed AS (
                 UPDATE attempts a
                 SET state = coalesce(h.state, a.state),
                     holds = coalesce(h.state, a.state) <> 4,
                     upstream_no = coalesce(h.upstream_no, a.upstream_no),
                     last_verdict = coalesce(h.verdict, a.last_verdict),
                     evidence_count = a.evidence_count + (h.source IS NOT NULL)::int,
                     closed_at = CASE WHEN coalesce(h.state, a.state) >= 3 THEN coalesce(a.closed_at, clock_timestamp()) END
                 FROM unnest($1::text[], $2::uuid[], $3::smallint[], $4::smallint[], $5::smallint[], $6::smallint[],
                             $7::text[], $8::text[], $9::text[])
                     AS h (business_id, order_code, attempt_no, state, source, verdict, upstream_no, detail, actor)
                 WHERE a.business_id = h.business_id AND a.order_code = h.order_code AND a.attempt_no = h.attempt_no
                 RETURNING a.business_id, a.order_code, a.attempt_no, a.evidence_count, h.source, h.verdict,
                           h.upstream_no, h.detail, h.actor
             )
             INSERT INTO evidence (business_id, order_code, attempt_no, evidence_no, source, verdict, upstream_no, detail, actor)
             SELECT business_id, order_code, attempt_no, evidence_count, source, verdict, upstream_no, detail, actor
             FROM changed WHERE source IS NOT NULL",
        )
        .await?;
    tx.execute(
        &statement,
        &[
            &businesses,
            &codes,
            &numbers,
            &states,
            &sources,
            &verdicts,
            &upstream,
            &details,
            &actors,
        ],
    )
    .await?;
    Ok(())
}

async fn change_orders(tx: &Transaction<'_>, set: &[Written]) -> Result<(), StoreError> {
    let changed: Vec<&Written> = set
        .iter()
        .filter(|w| w.change.state != w.order.life.state || w.change.epoch != w.order.life.epoch)
        .collect();
    if changed.is_empty() {
        return Ok(());
    }
    let (businesses, codes) = arrays(changed.iter().map(|w| w.key()));
    let before: Vec<i32> = changed.iter().map(|w| w.order.life.epoch.0).collect();
    let epochs: Vec<i32> = changed.iter().map(|w| w.change.epoch.0).collect();
    let states: Vec<i16> = changed.iter().map(|w| w.change.state.number()).collect();
    let messages: Vec<Option<&str>> = changed
        .iter()
        .map(|w| w.change.message.as_deref())
        .collect();
    let vouchers: Vec<Option<&str>> = changed
        .iter()
        .map(|w| w.change.voucher.as_deref())
        .collect();
    let statement = tx
        .prepare_cached(
            "UPDATE orders o
             SET state = c.state, epoch = c.epoch, message = c.message, voucher = c.voucher,
                 finished_at = CASE WHEN c.state >= 2 THEN clock_timestamp() END
             FROM unnest($1::text[], $2::uuid[], $3::int[], $4::int[], $5::smallint[], $6::text[], $7::text[])
                 AS c (business_id, order_code, epoch_before, epoch, state, message, voucher)
             WHERE o.business_id = c.business_id AND o.order_code = c.order_code AND o.epoch = c.epoch_before",
        )
        .await?;
    let rows = tx
        .execute(
            &statement,
            &[
                &businesses,
                &codes,
                &before,
                &epochs,
                &states,
                &messages,
                &vouchers,
            ],
        )
        .await?;
    if rows == changed.len() as u64 {
        Ok(())
    } else {
        Err(StoreError::unreadable("an order changed under its lock"))
    }
}

async fn set_timers(tx: &Transaction<'_>, set: &[Written]) -> Result<(), StoreError> {
    let waiting: Vec<_> = set
        .iter()
        .filter(|w| w.change.wait != w.order.life.wait)
        .filter_map(|w| Some((w, rows::timer(w.change.wait)?)))
        .collect();
    if waiting.is_empty() {
        return Ok(());
    }
    let (businesses, codes) = arrays(waiting.iter().map(|(w, _)| w.key()));
    let lanes: Vec<Option<&str>> = waiting
        .iter()
        .map(|(w, _)| w.lane.as_ref().map(Lane::as_str))
        .collect();
    let kinds: Vec<i16> = waiting.iter().map(|(_, (kind, _))| *kind).collect();
    let due: Vec<i64> = waiting.iter().map(|(_, (_, due))| *due).collect();
    let statement = tx
        .prepare_cached(
            "INSERT INTO timers AS t (business_id, order_code, lane, kind, due_at)
             SELECT business_id, order_code, coalesce(lane, ''), kind, 'epoch'::timestamptz + due_ms * interval '1 millisecond'
             FROM unnest($1::text[], $2::uuid[], $3::text[], $4::smallint[], $5::bigint[])
                 AS w (business_id, order_code, lane, kind, due_ms)
             ON CONFLICT (business_id, order_code) DO UPDATE
             SET lane = coalesce(nullif(excluded.lane, ''), t.lane), kind = excluded.kind, due_at = excluded.due_at",
        )
        .await?;
    tx.execute(&statement, &[&businesses, &codes, &lanes, &kinds, &due])
        .await?;
    Ok(())
}

async fn clear_timers(tx: &Transaction<'_>, set: &[Written]) -> Result<(), StoreError> {
    let idle: Vec<_> = set
        .iter()
        .filter(|w| rows::timer(w.change.wait).is_none() && w.change.wait != w.order.life.wait)
        .map(Written::key)
        .collect();
    if idle.is_empty() {
        return Ok(());
    }
    let (businesses, codes) = arrays(idle);
    let statement = tx
        .prepare_cached(
            "DELETE FROM timers t USING unnest($1::text[], $2::uuid[]) AS idle (business_id, order_code)
             WHERE t.business_id = ANY (ARRAY[idle.business_id]) AND t.order_code = idle.order_code",
        )
        .await?;
    tx.execute(&statement, &[&businesses, &codes]).await?;
    Ok(())
}

async fn open_doubts(tx: &Transaction<'_>, set: &[Written]) -> Result<(), StoreError> {
    let mut keys = vec![];
    let mut kinds = vec![];
    let mut attempts = vec![];
    let mut reasons = vec![];
    for written in set {
        let doubt = match &written.change.doubt {
            Doubt::Open(reason) if !written.order.life.in_doubt => Some(("doubt", reason)),
            _ => None,
        };
        let discrepancy = written
            .change
            .discrepancy
            .as_ref()
            .map(|reason| ("discrepancy", reason));
        for (kind, reason) in doubt.into_iter().chain(discrepancy) {
            keys.push(written.key());
            kinds.push(kind);
            attempts.push(
                written
                    .change
                    .attempt
                    .no()
                    .or(written.order.life.live_attempt().map(|a| a.no))
                    .map(|no| no.0),
            );
            reasons.push(reason.as_str());
        }
    }
    if keys.is_empty() {
        return Ok(());
    }
    let (businesses, codes) = arrays(keys);
    let statement = tx
        .prepare_cached(
            "INSERT INTO doubts (business_id, order_code, doubt_no, kind, attempt_no, reason)
             SELECT n.business_id, n.order_code,
                    (SELECT coalesce(max(d.doubt_no), 0) + 1 FROM doubts d
                     WHERE d.business_id = n.business_id AND d.order_code = n.order_code),
                    n.kind, n.attempt_no, n.reason
             FROM unnest($1::text[], $2::uuid[], $3::text[], $4::smallint[], $5::text[])
                 AS n (business_id, order_code, kind, attempt_no, reason)",
        )
        .await?;
    tx.execute(
        &statement,
        &[&businesses, &codes, &kinds, &attempts, &reasons],
    )
    .await?;
    Ok(())
}

async fn close_doubts(tx: &Transaction<'_>, set: &[Written]) -> Result<(), StoreError> {
    let closed: Vec<&Written> = set
        .iter()
        .filter(|w| w.order.life.in_doubt && !matches!(w.change.doubt, Doubt::Open(_)))
        .filter(|w| w.change.doubt == Doubt::Close)
        .collect();
    if closed.is_empty() {
        return Ok(());
    }
    let (businesses, codes) = arrays(closed.iter().map(|w| w.key()));
    let actors: Vec<&str> = closed
        .iter()
        .map(|w| w.actor.as_deref().unwrap_or("the supplier"))
        .collect();
    let statement = tx
        .prepare_cached(
            "UPDATE doubts d SET closed_at = clock_timestamp(), closed_by = c.actor
             FROM unnest($1::text[], $2::uuid[], $3::text[]) AS c (business_id, order_code, actor)
             WHERE d.business_id = c.business_id AND d.order_code = c.order_code AND d.closed_at IS NULL AND d.kind = 'doubt'",
        )
        .await?;
    tx.execute(&statement, &[&businesses, &codes, &actors])
        .await?;
    Ok(())
}

/// Status reports of orders that have become final and whose batch names an address. Returns the orders that have one now.
/// Their hint is published after the commit; `due_at` is when somebody looks whether it was lost.
async fn write_reports(
    tx: &Transaction<'_>,
    set: &[Written],
) -> Result<std::collections::HashSet<Uuid>, StoreError> {
    let finished: Vec<&Written> = set.iter().filter(|w| w.posting.is_some()).collect();
    if finished.is_empty() {
        return Ok(std::collections::HashSet::new());
    }
    let (businesses, codes) = arrays(finished.iter().map(|w| w.key()));
    let batches: Vec<Uuid> = finished.iter().map(|w| w.order.batch_id).collect();
    let traceparents: Vec<Option<&str>> = finished
        .iter()
        .map(|w| w.order.traceparent.as_deref())
        .collect();
    let statement = tx
        .prepare_cached(
            "INSERT INTO callbacks (business_id, order_code, url, traceparent, due_at)
             SELECT f.business_id, f.order_code, b.callback_url, f.traceparent, now() + interval '5 seconds'
             FROM unnest($1::text[], $2::uuid[], $3::uuid[], $4::text[]) AS f (business_id, order_code, batch_id, traceparent)
             JOIN batches b ON b.business_id = f.business_id AND b.batch_id = f.batch_id
             WHERE b.callback_url IS NOT NULL
             RETURNING order_code",
        )
        .await?;
    let rows = tx
        .query(&statement, &[&businesses, &codes, &batches, &traceparents])
        .await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

async fn return_stock(tx: &Transaction<'_>, set: &[Written]) -> Result<(), StoreError> {
    let mut units: BTreeMap<&ProductCode, i64> = BTreeMap::new();
    for product in set.iter().filter_map(Written::stock_it_returns) {
        *units.entry(product).or_default() += 1;
    }
    for (product, count) in units {
        let statement = tx
            .prepare_cached("UPDATE stock SET units_left = units_left + $2 WHERE product_code = $1")
            .await?;
        tx.execute(&statement, &[&product.as_str(), &count]).await?;
    }
    Ok(())
}

/// The one final posting of each order that has become final, and the balances that they move: one statement, because the number in
/// the business's feed is taken from the balance's row, under the lock that is held until the commit.
async fn post(tx: &Transaction<'_>, set: &[Written]) -> Result<(), StoreError> {
    let posted: Vec<(&Written, Posting)> =
        set.iter().filter_map(|w| Some((w, w.posting?))).collect();
    if posted.is_empty() {
        return Ok(());
    }
    let (businesses, codes) = arrays(posted.iter().map(|(w, _)| w.key()));
    let settled: Vec<bool> = posted.iter().map(|(_, p)| *p == Posting::Settle).collect();
    let prices: Vec<i64> = posted.iter().map(|(w, _)| w.order.price.units()).collect();
    let notes: Vec<Option<&str>> = posted.iter().map(|(w, _)| w.note.as_deref()).collect();
    // Locked in the order of their names first: two sets that share businesses must not wait for each other in a ring.
    let statement = tx
        .prepare_cached(
            "WITH sums AS MATERIALIZED (
                 SELECT business_id, count(*) AS postings, sum(price)::bigint AS held,
                        coalesce(sum(price) FILTER (WHERE settled), 0)::bigint AS spent,
                        array_agg(order_code ORDER BY place) AS codes, array_agg(settled ORDER BY place) AS settled,
                        array_agg(price ORDER BY place) AS prices, array_agg(note ORDER BY place) AS notes
                 FROM unnest($1::text[], $2::uuid[], $3::boolean[], $4::bigint[], $5::text[]) WITH ORDINALITY
                     AS p (business_id, order_code, settled, price, note, place)
                 GROUP BY business_id
             ), locked AS (
                 SELECT business_id FROM balances WHERE business_id = ANY ($1) ORDER BY business_id FOR UPDATE
             ), moved AS (
                 UPDATE balances b SET prepaid = b.prepaid - s.spent, held = b.held - s.held, feed_no = b.feed_no + s.postings
                 FROM locked JOIN sums s USING (business_id)
                 WHERE b.business_id = locked.business_id
                 RETURNING b.business_id, b.feed_no - s.postings AS before, s.codes, s.settled, s.prices, s.notes
             )
             INSERT INTO ledger (business_id, posting_ref, step, kind, prepaid_delta, held_delta, note, feed_no)
             SELECT m.business_id, p.code, 1, CASE WHEN p.settled THEN 'settle' ELSE 'release' END,
                    CASE WHEN p.settled THEN -p.price ELSE 0 END, -p.price, p.note, m.before + p.place
             FROM moved m, unnest(m.codes, m.settled, m.prices, m.notes) WITH ORDINALITY AS p (code, settled, price, note, place)",
        )
        .await?;
    let rows = tx
        .execute(
            &statement,
            &[&businesses, &codes, &settled, &prices, &notes],
        )
        .await?;
    if rows == posted.len() as u64 {
        Ok(())
    } else {
        Err(StoreError::unreadable("a business without a balance"))
    }
}

/// The reports of batches whose last order has just become final, for the accounts that want them. Asked under the lock of the
/// balances: whoever finishes the last order sees that all others are final.
async fn write_batch_reports(tx: &Transaction<'_>, set: &[Written]) -> Result<(), StoreError> {
    let finished: BTreeSet<(&str, Uuid)> = set
        .iter()
        .filter(|w| w.posting.is_some() && w.batch_report)
        .map(|w| (w.key().business.as_str(), w.order.batch_id))
        .collect();
    if finished.is_empty() {
        return Ok(());
    }
    let (businesses, batches): (Vec<&str>, Vec<Uuid>) = finished.into_iter().unzip();
    let statement = tx
        .prepare_cached(
            "INSERT INTO callbacks (business_id, order_code, url, due_at, of_batch)
             SELECT b.business_id, b.batch_id, b.callback_url, now(), true
             FROM unnest($1::text[], $2::uuid[]) AS f (business_id, batch_id)
             JOIN batches b ON b.business_id = f.business_id AND b.batch_id = f.batch_id
             WHERE b.callback_url IS NOT NULL AND NOT EXISTS (
                 SELECT FROM orders o WHERE o.business_id = b.business_id AND o.batch_id = b.batch_id
                     AND o.order_code BETWEEN b.first_code AND b.last_code AND o.state < 2)
             ON CONFLICT DO NOTHING",
        )
        .await?;
    tx.execute(&statement, &[&businesses, &batches]).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::OrderState;

    #[test]
    fn the_numbers_in_the_statements_are_those_of_the_states() {
        assert_eq!(AttemptState::NotCharged.number(), 4);
        assert_eq!(
            AttemptState::ALL
                .into_iter()
                .filter(|s| !s.is_live())
                .map(AttemptState::number)
                .min(),
            Some(3)
        );
        assert_eq!(
            OrderState::ALL
                .into_iter()
                .filter(|s| s.is_final())
                .map(OrderState::number)
                .min(),
            Some(2)
        );
    }
}
