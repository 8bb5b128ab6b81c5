//! The attempts of a set of orders, and the evidence for what they have become.

use domain::life::AttemptChange;
use domain::{AttemptNo, AttemptState, Evidence};

use super::Written;
use crate::StoreError;
use crate::life::load::arrays;
use crate::transaction::Transaction;

pub(super) async fn open_attempts(tx: &Transaction<'_>, set: &[Written]) -> Result<(), StoreError> {
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

pub(super) async fn repeat_attempts(
    tx: &Transaction<'_>,
    set: &[Written],
) -> Result<(), StoreError> {
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
pub(super) async fn change_attempts(
    tx: &Transaction<'_>,
    set: &[Written],
) -> Result<(), StoreError> {
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
