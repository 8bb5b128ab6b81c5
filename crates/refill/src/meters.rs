//! The process in numbers, and the place where all rooms' numbers are kept until somebody asks for them.
//!
//! Each room says in its `meters.rs` what it counts, with a description of each metric; here they come together.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use metrics::{Unit, describe_gauge, gauge};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use store::Store;

use crate::version::{self, VERSION};

/// What a call, a transaction or a request may take, in seconds.
const BUCKETS: [f64; 14] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];
/// What waits for its turn may wait for hours, in seconds.
const LONG_BUCKETS: [f64; 14] = [
    0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 1_800.0, 21_600.0,
];
const LONG: [&str; 2] = ["refill_hint_late_seconds", "refill_report_lag_seconds"];
/// Things, not seconds.
const COUNT_BUCKETS: [f64; 9] = [1.0, 2.0, 3.0, 5.0, 8.0, 13.0, 21.0, 55.0, 200.0];
const COUNTS: &str = "refill_ingress_batches_together";

/// Keeps the metrics of this process from now on; `role` is what it runs as. Once per process, before anything counts.
pub(crate) fn keep(role: &str) -> anyhow::Result<PrometheusHandle> {
    let handle = builder()
        .and_then(PrometheusBuilder::install_recorder)
        .context("metrics cannot be kept")?;
    describe_meters();
    queue::describe_meters();
    ingress::describe_meters();
    fulfillment::describe_meters();
    callback::describe_meters();
    crate::vitals::describe_meters();
    let commit = version::commit().unwrap_or("unknown");
    gauge!("refill_build_info", "version" => VERSION, "commit" => commit, "role" => role.to_owned()).set(1.0);
    gauge!("process_start_time_seconds").set(now());
    gauge!("refill_schema_version", "of" => "binary").set(f64::from(store::SCHEMA_NEEDED));
    Ok(handle)
}

fn builder() -> Result<PrometheusBuilder, metrics_exporter_prometheus::BuildError> {
    let mut builder = PrometheusBuilder::new().set_buckets(&BUCKETS)?;
    for name in LONG {
        builder = builder.set_buckets_for_metric(Matcher::Full(name.into()), &LONG_BUCKETS)?;
    }
    builder.set_buckets_for_metric(Matcher::Full(COUNTS.into()), &COUNT_BUCKETS)
}

fn describe_meters() {
    describe_gauge!(
        "refill_build_info",
        "Always 1, with the version, the commit and the role of the process as labels."
    );
    describe_gauge!(
        "process_start_time_seconds",
        Unit::Seconds,
        "When the process started, in seconds since 1970."
    );
    describe_gauge!(
        "refill_ready",
        "Whether /readyz would say so, 1 or 0: the database answers, its schema is not behind, a worker has its broker, nobody has asked to stop."
    );
    describe_gauge!(
        "refill_schema_version",
        "The last migration: that this binary needs (of=binary), and that was applied (of=database)."
    );
    describe_gauge!(
        "refill_database_connections",
        "This process's connections to the database, by state: used, open."
    );
    describe_gauge!(
        "refill_database_connections_most",
        "Connections to the database that this process may open (database.max_connections)."
    );
}

/// Whether the process is ready, and which migration the database has seen, if it answers.
pub(crate) fn readiness(is_ready: bool, applied: Option<i32>) {
    gauge!("refill_ready").set(f64::from(u8::from(is_ready)));
    if let Some(applied) = applied {
        gauge!("refill_schema_version", "of" => "database").set(f64::from(applied));
    }
}

/// The pool, as it is now.
pub(crate) fn connections(store: &Store) {
    let number = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    let connections = store.connections();
    gauge!("refill_database_connections", "state" => "used").set(number(connections.used));
    gauge!("refill_database_connections", "state" => "open").set(number(connections.open));
    gauge!("refill_database_connections_most").set(number(connections.most));
}

/// Seconds since 1970, by this machine's clock.
pub(crate) fn now() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.as_ref().map_or(0.0, Duration::as_secs_f64)
}
