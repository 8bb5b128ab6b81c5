//! What keeps new orders from suppliers for a while: persons' pauses, and breakers that tripped. A change raises the catalogue's
//! version, so that every process has it within seconds.

use domain::gates::{self, Gates};
use domain::{Lane, SupplierId, UnixMs};
use tokio_postgres::types::ToSql;

use crate::audit::Deed;
use crate::transaction::{Transaction, commit};
use crate::vitals::COUNTED_TO;
use crate::{Store, StoreError};

const NEW_VERSION: &str = "UPDATE platform SET catalogue_version = catalogue_version + 1";

/// A pause: of a supplier, of a lane, or of a supplier in a lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// `None`: all suppliers.
    pub supplier: Option<SupplierId>,
    /// `None`: all lanes.
    pub lane: Option<Lane>,
    /// Who paused it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Since when.
    pub since: UnixMs,
}

impl Pause {
    /// Whether it shuts this lane as a whole.
    pub fn is_of_lane(&self, lane: &Lane) -> bool {
        self.supplier.is_none() && self.lane.as_ref() == Some(lane)
    }
}

/// A supplier, as ops see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SupplierLine {
    /// Which.
    pub id: SupplierId,
    /// By the catalogue.
    pub is_enabled: bool,
    /// Tripped: why, how often in a row, and from when on it is probed.
    pub tripped: Option<(String, i32, UnixMs)>,
    /// Attempts that a worker is calling about now.
    pub calling: i64,
}

pub(crate) async fn read(tx: &Transaction<'_>) -> Result<Gates, StoreError> {
    let mut gates = Gates::default();
    for row in tx
        .query("SELECT supplier_id, lane FROM pauses", &[])
        .await?
    {
        let (supplier, lane): (String, String) = (row.get(0), row.get(1));
        gates.paused.insert((
            (!supplier.is_empty()).then(|| SupplierId::new(supplier)),
            (!lane.is_empty()).then(|| Lane::new(lane)),
        ));
    }
    let tripped = "SELECT supplier_id, (extract(epoch FROM probe_at) * 1000)::bigint FROM breakers";
    for row in tx.query(tripped, &[]).await? {
        let supplier = SupplierId::new(row.get::<_, String>(0));
        gates.tripped.insert(supplier, UnixMs(row.get(1)));
    }
    Ok(gates)
}

impl Store {
    /// Shuts a supplier, a lane, or a supplier in a lane for new orders. Returns whether it was open.
    pub async fn pause(
        &self,
        supplier: Option<&SupplierId>,
        lane: Option<&Lane>,
        by: &str,
        reason: &str,
        deed: &Deed,
    ) -> Result<bool, StoreError> {
        let sql = "INSERT INTO pauses (supplier_id, lane, paused_by, reason) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
        let supplier = supplier.map_or("", |s| s.as_str());
        let lane = lane.map_or("", |l| l.as_str());
        let values: [&(dyn ToSql + Sync); 4] = [&supplier, &lane, &by, &reason];
        self.shift(sql, &values, Some(deed)).await
    }

    /// Opens what `pause` has shut. Returns whether it was shut.
    pub async fn resume(
        &self,
        supplier: Option<&SupplierId>,
        lane: Option<&Lane>,
        deed: &Deed,
    ) -> Result<bool, StoreError> {
        let sql = "DELETE FROM pauses WHERE supplier_id = $1 AND lane = $2";
        let supplier = supplier.map_or("", |s| s.as_str());
        let lane = lane.map_or("", |l| l.as_str());
        self.shift(sql, &[&supplier, &lane], Some(deed)).await
    }

    /// Keeps new orders from a supplier whose calls fail. A supplier that has tripped already rests twice as long, but only when it had
    /// been probed: the news of other processes about the same trip change nothing. Returns whether it did.
    pub async fn trip_breaker(
        &self,
        supplier: &SupplierId,
        reason: &str,
    ) -> Result<bool, StoreError> {
        let rests: Vec<f64> = (1..=12)
            .map(|n| gates::rest_after(n).as_secs_f64())
            .collect();
        let sql = "INSERT INTO breakers AS b (supplier_id, reason, trips, probe_at)
                   VALUES ($1, $2, 1, clock_timestamp() + make_interval(secs => ($3::float8[])[1]))
                   ON CONFLICT (supplier_id) DO UPDATE SET reason = excluded.reason, trips = b.trips + 1,
                       probe_at = clock_timestamp() + make_interval(secs => ($3::float8[])[least(b.trips + 1, 12)])
                   WHERE b.probe_at <= clock_timestamp()";
        self.shift(sql, &[&supplier.as_str(), &reason, &rests], None)
            .await
    }

    /// The supplier answers again. Returns whether it had tripped.
    pub async fn close_breaker(&self, supplier: &SupplierId) -> Result<bool, StoreError> {
        self.shift(
            "DELETE FROM breakers WHERE supplier_id = $1",
            &[&supplier.as_str()],
            None,
        )
        .await
    }

    /// One change of the gates, with a new version of the catalogue if it changed anything, and the deed where a person did it.
    async fn shift(
        &self,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
        deed: Option<&Deed>,
    ) -> Result<bool, StoreError> {
        let mut session = self.session().await?;
        let (tx, changed) = self
            .bounded(async {
                let tx = session.begin();
                let changed = tx.execute(sql, parameters).await? > 0;
                if changed {
                    tx.execute(NEW_VERSION, &[]).await?;
                    if let Some(deed) = deed {
                        deed.done(&tx, "").await?;
                    }
                }
                Ok((tx, changed))
            })
            .await?;
        commit(tx, "gates").await?;
        session.give_back();
        Ok(changed)
    }

    /// All pauses, the oldest first.
    pub async fn pauses(&self) -> Result<Vec<Pause>, StoreError> {
        self.bounded(async {
            let session = self.session().await?;
            let sql = "SELECT supplier_id, lane, paused_by, reason, (extract(epoch FROM paused_at) * 1000)::bigint
                       FROM pauses ORDER BY paused_at";
            let rows = session.client().query(sql, &[]).await?;
            session.give_back();
            let named = |text: String| (!text.is_empty()).then_some(text);
            Ok(rows
                .iter()
                .map(|row| Pause {
                    supplier: named(row.get(0)).map(SupplierId::new),
                    lane: named(row.get(1)).map(Lane::new),
                    by: row.get(2),
                    reason: row.get(3),
                    since: UnixMs(row.get(4)),
                })
                .collect())
        })
        .await
    }

    /// All suppliers.
    pub async fn suppliers(&self) -> Result<Vec<SupplierLine>, StoreError> {
        self.bounded(async {
            let session = self.session().await?;
            // Lane by lane, because that is how timers are found by what they wait for; as far as anything is counted.
            let sql = "SELECT s.supplier_id, s.enabled, b.reason, b.trips, (extract(epoch FROM b.probe_at) * 1000)::bigint,
                              coalesce(c.calling, 0)
                       FROM suppliers s LEFT JOIN breakers b USING (supplier_id)
                       LEFT JOIN (SELECT a.supplier_id, count(*) AS calling
                                  FROM (SELECT lane FROM products UNION SELECT lane FROM lane_marks) l,
                                  LATERAL (SELECT business_id, order_code FROM timers
                                           WHERE lane = l.lane AND kind = 1 AND kind > 0 ORDER BY due_at LIMIT $1) t,
                                  LATERAL (SELECT supplier_id FROM attempts WHERE business_id = t.business_id
                                           AND order_code = t.order_code AND state < 3 OFFSET 0) a
                                  GROUP BY 1) c USING (supplier_id)
                       ORDER BY s.supplier_id";
            let rows = session.client().query(sql, &[&COUNTED_TO]).await?;
            session.give_back();
            Ok(rows
                .iter()
                .map(|row| SupplierLine {
                    id: SupplierId::new(row.get::<_, String>(0)),
                    is_enabled: row.get(1),
                    tripped: row
                        .get::<_, Option<String>>(2)
                        .map(|reason| (reason, row.get(3), UnixMs(row.get(4)))),
                    calling: row.get(5),
                })
                .collect())
        })
        .await
    }
}
