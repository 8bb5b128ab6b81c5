//! Endpoints that are not well: set aside, probed, recovering, paused by hand. The whole fleet reads it, so that one process's
//! bad experience spares the others theirs.

use domain::{Endpoint, UnixMs};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::audit::Deed;
use crate::transaction::commit;
use crate::{Store, StoreError};

/// The most endpoints that are read: more than that are not well only when we are not.
const MOST_READ: i64 = 20_000;
/// How many endpoints of one host have to be set aside until the host is.
const HOST_AFTER: i64 = 3;

/// What is known of an endpoint that is not well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointLine {
    /// Which; or a whole host.
    pub endpoint: Endpoint,
    /// How it stands.
    pub standing: Standing,
    /// What happened to it, in words.
    pub reason: String,
    /// Probes that have been sent since it was set aside.
    pub probes: i32,
    /// Since when it has not been well.
    pub since: UnixMs,
}

/// How an endpoint that is not well stands, by the database's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Its reports wait; one of them is sent as a probe when this has passed (milliseconds; negative: now).
    SetAside {
        /// How long until the next probe.
        probe_in_ms: i64,
    },
    /// It answers again, and gets more by and by.
    Recovering {
        /// For how long it has answered.
        for_ms: i64,
    },
    /// Paused by hand.
    Paused,
}

impl Store {
    /// All endpoints that are not well.
    pub async fn unwell_endpoints(&self) -> Result<Vec<EndpointLine>, StoreError> {
        self.bounded(async {
            let session = self.session().await?;
            let statement = session
                .client()
                .prepare_cached(
                    "SELECT endpoint, state, reason, probes, (extract(epoch FROM set_aside_at) * 1000)::bigint,
                            (extract(epoch FROM probe_at - now()) * 1000)::bigint,
                            (extract(epoch FROM now() - well_at) * 1000)::bigint
                     FROM endpoints ORDER BY endpoint LIMIT $1",
                )
                .await?;
            let rows = session.client().query(&statement, &[&MOST_READ]).await?;
            session.give_back();
            rows.iter().map(line).collect()
        })
        .await
    }

    /// Calls to the endpoint keep failing: from now on its reports wait, and one at a time probes it. `alone`: no other endpoint of
    /// its host has answered lately either, so that a third one of that host that is set aside takes the host with it. Returns whether
    /// this was news.
    pub async fn set_aside(
        &self,
        endpoint: &Endpoint,
        reason: &str,
        alone: bool,
    ) -> Result<bool, StoreError> {
        let news = self
            .change(
                "INSERT INTO endpoints AS e (endpoint, state, reason, probe_at) VALUES ($1, 1, $2, now() + interval '15 s')
                 ON CONFLICT (endpoint) DO UPDATE SET state = 1, well_at = NULL, reason = excluded.reason,
                     probe_at = now() + least(interval '15 s' * 2 ^ least(e.probes, 10), interval '5 min')
                 WHERE e.state = 2",
                &[&endpoint.as_str(), &reason],
            )
            .await?
            > 0;
        if news && alone {
            self.change(
                "INSERT INTO endpoints (endpoint, state, reason, probe_at)
                 SELECT $1, 1, count(*) || ' endpoints of this host are set aside', now() + interval '15 s'
                 FROM endpoints WHERE host = substring($1 from 3) AND state = 1 AND endpoint NOT LIKE '//%'
                 HAVING count(*) >= $2 ON CONFLICT DO NOTHING",
                &[&endpoint.host().as_str(), &HOST_AFTER],
            )
            .await?;
        }
        Ok(news)
    }

    /// Takes the right to probe, if it is time: one process in the fleet gets it. The next probe follows 15 s, 30 s, … 5 min later.
    pub async fn take_probe(&self, endpoint: &Endpoint) -> Result<bool, StoreError> {
        let taken = self
            .change(
                "UPDATE endpoints SET probes = probes + 1,
                        probe_at = now() + least(interval '15 s' * 2 ^ least(probes, 10), interval '5 min') * (0.9 + random() * 0.2)
                 WHERE endpoint = $1 AND state = 1 AND probe_at <= now()",
                &[&endpoint.as_str()],
            )
            .await?;
        Ok(taken > 0)
    }

    /// The endpoint has answered: it recovers, and so does its host.
    pub async fn endpoint_answered(&self, endpoint: &Endpoint) -> Result<(), StoreError> {
        self.change(
            "WITH host AS (DELETE FROM endpoints WHERE endpoint = $2 AND state = 1)
             UPDATE endpoints SET state = 2, well_at = now() WHERE endpoint = $1 AND state = 1",
            &[&endpoint.as_str(), &endpoint.host().as_str()],
        )
        .await
        .map(drop)
    }

    /// Lets reports that did not reach the endpoint go out now, without waiting for their next try's time; `limit` of them, those
    /// that would have waited longest last. Returns how many.
    pub async fn release_set_aside(
        &self,
        endpoint: &Endpoint,
        limit: i64,
    ) -> Result<u64, StoreError> {
        self.change(
            "UPDATE callbacks c SET due_at = now(), unreached = false
             FROM (SELECT business_id, order_code FROM callbacks
                   WHERE endpoint = $1 AND state = 0 AND unreached ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED) w
             WHERE c.business_id = w.business_id AND c.order_code = w.order_code",
            &[&endpoint.as_str(), &limit],
        )
        .await
    }

    /// The endpoint has answered for long enough: it is as any other.
    pub async fn endpoint_is_well(&self, endpoint: &Endpoint) -> Result<(), StoreError> {
        self.change(
            "DELETE FROM endpoints WHERE endpoint = $1 AND state = 2",
            &[&endpoint.as_str()],
        )
        .await
        .map(drop)
    }

    /// By hand: nothing is sent there, not even a probe, until it is resumed.
    pub async fn pause_endpoint(
        &self,
        endpoint: &Endpoint,
        reason: &str,
        deed: &Deed,
    ) -> Result<(), StoreError> {
        self.change_by(
            deed,
            "INSERT INTO endpoints (endpoint, state, reason, probe_at) VALUES ($1, 3, $2, now())
             ON CONFLICT (endpoint) DO UPDATE SET state = 3, well_at = NULL, reason = excluded.reason",
            &[&endpoint.as_str(), &reason],
        )
        .await
        .map(drop)
    }

    /// By hand: one that is paused or set aside is probed now; it is well when it answers, not because somebody says so. `false`: it
    /// is neither.
    pub async fn resume_endpoint(
        &self,
        endpoint: &Endpoint,
        deed: &Deed,
    ) -> Result<bool, StoreError> {
        let resumed = self
            .change_by(
                deed,
                "UPDATE endpoints SET state = 1, well_at = NULL, probes = 0, probe_at = now() WHERE endpoint = $1 AND state IN (1, 3)",
                &[&endpoint.as_str()],
            )
            .await?;
        Ok(resumed > 0)
    }

    /// Forgets endpoints that are set aside and that no report waits for (the last was parked, or somebody paused what nobody has), once their
    /// probe has been due for ten minutes: nothing would ever probe them. Hosts go with the last endpoint of theirs. Returns how many.
    pub async fn forget_idle_endpoints(&self) -> Result<u64, StoreError> {
        self.change(
            "DELETE FROM endpoints e WHERE state = 1 AND probe_at < now() - interval '10 min' AND NOT EXISTS (
                 SELECT FROM endpoints o WHERE e.endpoint = '//' || o.host AND o.endpoint <> e.endpoint)
             AND NOT EXISTS (SELECT FROM callbacks WHERE endpoint = e.endpoint AND due_at IS NOT NULL AND round = 1 AND tries = 0)
             AND NOT EXISTS (SELECT FROM callbacks WHERE endpoint = e.endpoint AND due_at IS NOT NULL AND round = 1 AND tries > 0)
             AND NOT EXISTS (SELECT FROM callbacks WHERE endpoint = e.endpoint AND due_at IS NOT NULL AND round > 1)",
            &[],
        )
        .await
    }

    /// Parks reports that have waited for endpoints that are not well for longer than `days`, `limit` of them at most: they are
    /// sent on request. Returns how many.
    pub async fn park_long_set_aside(&self, days: i32, limit: i64) -> Result<u64, StoreError> {
        self.change(
            "UPDATE callbacks c SET state = 3, due_at = NULL, unreached = true
             FROM (SELECT w.business_id, w.order_code FROM endpoints e,
                   LATERAL ((SELECT business_id, order_code FROM callbacks
                             WHERE endpoint = e.endpoint AND state = 0 AND unreached AND due_at < now() - make_interval(days => $1)
                             ORDER BY due_at LIMIT $2)
                            UNION ALL
                            (SELECT business_id, order_code FROM callbacks
                             WHERE endpoint = e.endpoint AND due_at IS NOT NULL AND round = 1 AND tries = 0
                                 AND due_at < now() - make_interval(days => $1)
                             ORDER BY due_at LIMIT $2)) w
                   WHERE e.set_aside_at < now() - make_interval(days => $1) LIMIT $2) late
             WHERE c.business_id = late.business_id AND c.order_code = late.order_code AND c.state = 0",
            &[&days, &limit],
        )
        .await
    }

    /// A change that a person makes.
    async fn change_by(
        &self,
        deed: &Deed,
        sql: &str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<u64, StoreError> {
        let mut session = self.session().await?;
        let (tx, changed) = self
            .bounded(async {
                let tx = session.begin();
                let changed = tx.execute(sql, values).await?;
                if changed > 0 {
                    deed.done(&tx, "").await?;
                }
                Ok((tx, changed))
            })
            .await?;
        commit(tx, "endpoint").await?;
        session.give_back();
        Ok(changed)
    }

    async fn change(&self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<u64, StoreError> {
        self.bounded(async {
            let session = self.session().await?;
            let statement = session.client().prepare_cached(sql).await?;
            let changed = session.client().execute(&statement, values).await?;
            session.give_back();
            Ok(changed)
        })
        .await
    }
}

fn line(row: &Row) -> Result<EndpointLine, StoreError> {
    let standing = match row.get::<_, i16>(1) {
        1 => Standing::SetAside {
            probe_in_ms: row.get(5),
        },
        2 => Standing::Recovering { for_ms: row.get(6) },
        3 => Standing::Paused,
        other => return Err(StoreError::unreadable(format!("endpoint state {other}"))),
    };
    Ok(EndpointLine {
        endpoint: Endpoint::new(row.get::<_, String>(0)),
        standing,
        reason: row.get(2),
        probes: row.get(3),
        since: UnixMs(row.get(4)),
    })
}
