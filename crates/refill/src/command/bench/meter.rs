//! What orders cost: CPU, memory, statements, WAL, messages; each counted by whoever knows it.

use std::time::Duration;

use anyhow::Context;
use servers::Servers;
use store::load::{DatabaseLoad, HeavyStatement};
use tokio::time::Instant;

use super::cpu::{self, CpuMs};
use super::memory::{self, Megabytes, Watch};
use super::roles::Roles;
use super::stage::Stage;
use super::supplier::Supplier;

/// Processes that are the outside, not the platform or its servers.
pub(super) const OUTSIDE: [&str; 2] = ["bench", "supplier"];
/// The broker counts every five seconds: what has not moved for longer stands still.
const STANDS_STILL: Duration = Duration::from_secs(6);
const STANDS_STILL_WITHIN: Duration = Duration::from_mins(10);

/// What one order has cost.
#[derive(Clone, Debug, Default)]
pub(super) struct Cost {
    pub(super) cpu_ms: CpuMs,
    pub(super) statements: Option<f64>,
    pub(super) wal_bytes: f64,
    pub(super) messages: Option<f64>,
    /// Submits and queries at the supplier, by its own count.
    pub(super) supplier_calls: f64,
    /// Waits for a lock of 10 ms or longer, of a thousand orders.
    pub(super) lock_waits: Option<f64>,
    /// The most that each had while it was measured; not of one order.
    pub(super) peak_mb: Megabytes,
    /// Of all orders together.
    pub(super) heaviest: Vec<HeavyStatement>,
}

impl Cost {
    /// CPU milliseconds of everything but the outside.
    pub(super) fn inside(&self) -> f64 {
        let inside = self.cpu_ms.iter().filter(|(n, _)| !OUTSIDE.contains(n));
        inside.map(|(_, ms)| ms).sum()
    }
}

/// A count that has begun.
pub(super) struct Meter<'s> {
    stage: &'s Stage<'s>,
    roles: Vec<(&'static str, u32)>,
    messages: Option<u64>,
    supplier: Supplier,
    supplier_calls: u64,
    lock_waits: Option<u64>,
    database: DatabaseLoad,
    cpu: CpuMs,
    watch: Watch,
}

impl<'s> Meter<'s> {
    pub(super) async fn begin(stage: &'s Stage<'s>, roles: &Roles) -> anyhow::Result<Self> {
        let mut roles = roles.processes();
        roles.push(("bench", std::process::id()));
        let supplier = Supplier::of(stage)?;
        let messages = published(stage.servers).await?;
        stage.store.forget_statements().await?;
        memory::forget_peaks(&roles);
        let watch = Watch::begin(stage.servers.pids());
        Ok(Self {
            messages,
            supplier_calls: supplier.asked().await?,
            supplier,
            lock_waits: stage.servers.lock_waits()?,
            database: stage.store.database_load().await?,
            cpu: cpu::taken(&all(&roles, stage.servers)),
            watch,
            stage,
            roles,
        })
    }

    /// What was counted, for each of so many orders.
    pub(super) async fn end(self, orders: u32) -> anyhow::Result<Cost> {
        let stage = self.stage;
        let cpu = cpu::taken(&all(&self.roles, stage.servers));
        let database = stage.store.database_load().await?;
        let heaviest = stage.store.heaviest_statements(10).await?;
        let mut peak_mb = memory::peaks(&self.roles);
        peak_mb.extend(self.watch.end().await);
        let lock_waits = stage.servers.lock_waits()?;
        let messages = published(stage.servers).await?;
        let asked = self.supplier.asked().await?;
        let each = f64::from(orders.max(1));
        let between = |before: i64, after: i64| per(after.saturating_sub(before), each);
        let mut cpu_ms = cpu::per_order(&self.cpu, &cpu, orders);
        // The bench is the parent of the others: what it took itself is the rest.
        let others: f64 = cpu_ms
            .iter()
            .filter(|(n, _)| **n != "bench")
            .map(|(_, ms)| ms)
            .sum();
        if let Some(bench) = cpu_ms.get_mut("bench") {
            *bench = (*bench - others).max(0.0);
        }
        Ok(Cost {
            cpu_ms,
            statements: self
                .database
                .statements
                .zip(database.statements)
                .map(|(before, after)| between(before, after)),
            wal_bytes: between(self.database.wal_bytes, database.wal_bytes),
            messages: counted(self.messages, messages, each),
            supplier_calls: per(
                i64::try_from(asked.saturating_sub(self.supplier_calls))?,
                each,
            ),
            lock_waits: counted(self.lock_waits, lock_waits, each / 1_000.0),
            peak_mb,
            heaviest,
        })
    }
}

fn counted(before: Option<u64>, after: Option<u64>, each: f64) -> Option<f64> {
    let more = after?.saturating_sub(before?);
    Some(per(i64::try_from(more).unwrap_or(i64::MAX), each))
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn per(count: i64, orders: f64) -> f64 {
    count as f64 / orders
}

fn all(roles: &[(&'static str, u32)], servers: &Servers) -> Vec<(&'static str, u32)> {
    roles.iter().copied().chain(servers.pids()).collect()
}

/// The broker's own count of messages, once it stands still; `None`: the broker is not ours to ask.
async fn published(servers: &Servers) -> anyhow::Result<Option<u64>> {
    let asked = Instant::now();
    let mut since = Instant::now();
    let mut seen = None;
    loop {
        let now = servers.published().await.context("RabbitMQ's count")?;
        if now.is_none() || (now == seen && since.elapsed() >= STANDS_STILL) {
            return Ok(now);
        }
        anyhow::ensure!(
            asked.elapsed() < STANDS_STILL_WITHIN,
            "RabbitMQ goes on taking messages"
        );
        if now != seen {
            (seen, since) = (now, Instant::now());
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}
