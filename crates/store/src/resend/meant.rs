//! Which reports a request means.

use domain::UnixMs;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::{Resend, ResendRequest};
use crate::StoreError;
use crate::reads::OrderName;
use crate::transaction::Transaction;

/// Where counting stops.
const COUNTED_TO: i64 = 1_000_000;
/// The orders whose reports are meant.
pub(super) struct Span {
    pub(super) low: Uuid,
    pub(super) high: Uuid,
    pub(super) batch: Option<Uuid>,
}

/// The reports that a job means: of `$1` business, from `$2` to `$3`, of `$4` batch, after `$5`. Two shapes, so that those that are
/// parked are found by their own index.
pub(super) fn meant(only_parked: bool) -> String {
    let states = if only_parked {
        "c.state = 3"
    } else {
        "c.state IN (2, 3)"
    };
    format!(
        "FROM callbacks c WHERE c.business_id = $1 AND c.order_code BETWEEN $2 AND $3 AND c.order_code > $5
         AND {states} AND c.round < 32767
         AND ($4::uuid IS NULL OR c.order_code = $4 OR EXISTS (SELECT FROM orders o WHERE o.business_id = c.business_id
              AND o.order_code = c.order_code AND o.batch_id = $4))"
    )
}

pub(super) async fn span(
    tx: &Transaction<'_>,
    request: &ResendRequest,
) -> Result<Option<Span>, StoreError> {
    let business = request.business.as_str();
    let one = |code: Uuid| Span {
        low: code,
        high: code,
        batch: None,
    };
    Ok(match &request.which {
        Resend::Order(OrderName::Code(code)) => {
            let known = "SELECT order_code FROM orders WHERE business_id = $1 AND order_code = $2";
            let row = tx.query_opt(known, &[&business, &code.uuid()]).await?;
            row.map(|row| one(row.get(0)))
        }
        Resend::Order(OrderName::BizCode(text)) => {
            let known =
                "SELECT order_code FROM order_numbers WHERE business_id = $1 AND biz_code = $2";
            let row = tx.query_opt(known, &[&business, text]).await?;
            row.map(|row| one(row.get(0)))
        }
        Resend::Batch(text) => {
            // The batch's own id is a little older, or younger, than the codes of its orders.
            let known = "SELECT least(batch_id, first_code), greatest(batch_id, last_code), batch_id FROM batches
                         WHERE business_id = $1 AND batch_biz_code = $2";
            let row = tx.query_opt(known, &[&business, text]).await?;
            row.map(|row| Span {
                low: row.get(0),
                high: row.get(1),
                batch: row.get(2),
            })
        }
        Resend::Parked => is_known(tx, business).await?.then(|| Span {
            low: Uuid::nil(),
            high: Uuid::max(),
            batch: None,
        }),
        Resend::Placed(from, to) => is_known(tx, business).await?.then(|| Span {
            low: first_code_at(*from),
            high: first_code_at(*to),
            batch: None,
        }),
    })
}

async fn is_known(tx: &Transaction<'_>, business: &str) -> Result<bool, StoreError> {
    let known = "SELECT FROM businesses WHERE business_id = $1";
    Ok(tx.query_opt(known, &[&business]).await?.is_some())
}

/// Codes begin with the millisecond in which they were made.
pub(crate) fn first_code_at(at: UnixMs) -> Uuid {
    let ms = u128::try_from(at.0.max(0)).unwrap_or_default();
    Uuid::from_u128(ms << 80)
}

pub(super) async fn count(
    tx: &Transaction<'_>,
    request: &ResendRequest,
    span: &Span,
) -> Result<i64, StoreError> {
    let meant = meant(request.only_parked());
    let sql = format!("SELECT count(*) FROM (SELECT {meant} LIMIT $6) m");
    let statement = tx.prepare_cached(&sql).await?;
    let values: [&(dyn ToSql + Sync); 6] = [
        &request.business.as_str(),
        &span.low,
        &span.high,
        &span.batch,
        &Uuid::nil(),
        &COUNTED_TO,
    ];
    Ok(tx.query_one(&statement, &values).await?.get(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_begin_with_their_millisecond() {
        let code = Uuid::now_v7();
        let (seconds, nanos) = code.get_timestamp().unwrap().to_unix();
        let ms = i64::try_from(seconds * 1_000 + u64::from(nanos) / 1_000_000).unwrap();
        assert!(first_code_at(UnixMs(ms)) <= code);
        assert!(first_code_at(UnixMs(ms + 1)) > code);
    }
}
