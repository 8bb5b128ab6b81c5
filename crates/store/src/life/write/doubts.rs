//! Orders that are set aside for a person, and those whose doubt is over.

use domain::life::Doubt;

use super::Written;
use crate::StoreError;
use crate::life::load::arrays;
use crate::transaction::Transaction;

pub(super) async fn open_doubts(tx: &Transaction<'_>, set: &[Written]) -> Result<(), StoreError> {
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

pub(super) async fn close_doubts(tx: &Transaction<'_>, set: &[Written]) -> Result<(), StoreError> {
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
