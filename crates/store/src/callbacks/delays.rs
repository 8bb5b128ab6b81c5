//! How long reports take.

use domain::UnixMs;

use crate::{Store, StoreError};

/// From the final state to the moment at which the merchant had the report, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Delays {
    /// Reports that were delivered.
    pub delivered: i64,
    /// Half of them took no longer.
    pub p50_ms: f64,
    /// All but one in a hundred took no longer.
    pub p99_ms: f64,
    /// The most tries that any report has had, delivered or not.
    pub most_tries: i16,
}

impl Store {
    /// Looks at all reports of orders that became final since then: for benches, not for every day.
    pub async fn report_delays(&self, since: UnixMs) -> Result<Delays, StoreError> {
        self.bounded(async {
            let session = self.session().await?;
            let sql = "SELECT count(*) FILTER (WHERE state = 2), coalesce(max(tries), 0::smallint),
                    coalesce(percentile_disc(ARRAY[0.5, 0.99]) WITHIN GROUP (ORDER BY extract(epoch FROM delivered_at - created_at)::float8
                             * 1000) FILTER (WHERE state = 2 AND round = 1), '{0,0}')
                 FROM callbacks WHERE created_at >= 'epoch'::timestamptz + $1::bigint * interval '1 millisecond'";
            let row = session.client().query_one(sql, &[&since.0]).await?;
            session.give_back();
            let percentiles: Vec<f64> = row.get(2);
            Ok(Delays {
                delivered: row.get(0),
                most_tries: row.get(1),
                p50_ms: percentiles.first().copied().unwrap_or_default(),
                p99_ms: percentiles.get(1).copied().unwrap_or_default(),
            })
        })
        .await
    }
}
