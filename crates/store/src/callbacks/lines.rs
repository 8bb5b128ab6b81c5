//! Which reports are due, endpoint by endpoint: one with a million rows costs what one with a single row costs.

use domain::{BusinessId, Endpoint, OrderCode, OrderKey};

use super::Line;
use crate::{Store, StoreError};

/// The first report of an endpoint in a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Which endpoint.
    pub endpoint: Endpoint,
    /// For how long it has been due, in milliseconds; negative: it is not yet.
    pub due_for_ms: i64,
}

/// How many reports of which endpoint are to be picked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pick {
    /// From where.
    pub endpoint: Endpoint,
    /// At most so many.
    pub most: usize,
}

/// `heads`, for a `WITH RECURSIVE`: of each endpoint the report that has waited longest for its first try, but for endpoints that are not
/// well; of a thousand endpoints at most.
pub(crate) const FIRST_HEADS: &str = "walk AS (
         (SELECT endpoint, business_id, created_at, due_at FROM callbacks WHERE due_at IS NOT NULL AND round = 1 AND tries = 0
          ORDER BY endpoint, due_at LIMIT 1)
         UNION ALL
         SELECT n.* FROM walk w, LATERAL (
             SELECT c.endpoint, c.business_id, c.created_at, c.due_at FROM callbacks c
             WHERE c.due_at IS NOT NULL AND c.round = 1 AND c.tries = 0 AND c.endpoint > w.endpoint
             ORDER BY c.endpoint, c.due_at LIMIT 1) n
     ), heads AS (
         SELECT * FROM walk w
         WHERE NOT EXISTS (SELECT FROM endpoints e
                           WHERE e.endpoint IN (w.endpoint, '//' || substring(w.endpoint from '//(\\[[^]]*\\]|[^:]*)')))
         LIMIT 1000
     )";

impl Line {
    /// The predicate of the index that holds this line.
    const fn rows(self) -> &'static str {
        match self {
            Self::First => "c.due_at IS NOT NULL AND c.round = 1 AND c.tries = 0",
            Self::Retry => "c.due_at IS NOT NULL AND c.round = 1 AND c.tries > 0",
            Self::Replay => "c.due_at IS NOT NULL AND c.round > 1",
        }
    }
}

/// Of one endpoint `p` the rows of `line` that are due first, `$3`: early too.
pub(super) fn due_first(line: Line) -> String {
    let rows = line.rows();
    format!(
        "SELECT * FROM callbacks c WHERE {rows} AND c.endpoint = p.endpoint AND (c.due_at <= now() OR $3)
         ORDER BY c.due_at LIMIT p.most"
    )
}

/// `$1` and `$2` of what is picked.
pub(super) fn asked(picks: &[Pick]) -> (Vec<&str>, Vec<i64>) {
    let most = |pick: &Pick| i64::try_from(pick.most).unwrap_or(i64::MAX);
    picks
        .iter()
        .map(|pick| (pick.endpoint.as_str(), most(pick)))
        .unzip()
}

impl Store {
    /// The endpoints that have anything in `line`, in the order of their names from `after` on, `limit` of them, each with the report
    /// that is due first.
    pub async fn heads(
        &self,
        line: Line,
        after: Option<&Endpoint>,
        limit: i64,
    ) -> Result<Vec<Head>, StoreError> {
        let rows = line.rows();
        let sql = format!(
            "WITH RECURSIVE walk AS (
                 (SELECT c.endpoint, c.due_at FROM callbacks c WHERE {rows} AND c.endpoint > $1
                  ORDER BY c.endpoint, c.due_at LIMIT 1)
                 UNION ALL
                 SELECT n.endpoint, n.due_at FROM walk w, LATERAL (
                     SELECT c.endpoint, c.due_at FROM callbacks c WHERE {rows} AND c.endpoint > w.endpoint
                     ORDER BY c.endpoint, c.due_at LIMIT 1) n
             )
             SELECT endpoint, (extract(epoch FROM now() - due_at) * 1000)::bigint FROM walk LIMIT $2"
        );
        let after = after.map_or("", Endpoint::as_str);
        self.bounded(async {
            let session = self.session().await?;
            let statement = session.client().prepare_cached(&sql).await?;
            let rows = session
                .client()
                .query(&statement, &[&after, &limit])
                .await?;
            session.give_back();
            Ok(rows
                .iter()
                .map(|row| Head {
                    endpoint: Endpoint::new(row.get::<_, String>(0)),
                    due_for_ms: row.get(1),
                })
                .collect())
        })
        .await
    }

    /// The report of `line` at an endpoint that has been due longest.
    pub async fn longest_due(
        &self,
        line: Line,
        endpoint: &Endpoint,
    ) -> Result<Option<OrderKey>, StoreError> {
        let sql = format!(
            "SELECT r.business_id, r.order_code FROM unnest($1::text[], $2::bigint[]) AS p (endpoint, most), LATERAL ({}) r",
            due_first(line)
        );
        let (endpoints, most) = ([endpoint.as_str()], [1_i64]);
        self.bounded(async {
            let session = self.session().await?;
            let statement = session.client().prepare_cached(&sql).await?;
            let row = session
                .client()
                .query_opt(&statement, &[&&endpoints[..], &&most[..], &false])
                .await?;
            session.give_back();
            Ok(row.map(|row| OrderKey {
                business: BusinessId::new(row.get::<_, String>(0)),
                order: OrderCode::from_uuid(row.get(1)),
            }))
        })
        .await
    }
}
