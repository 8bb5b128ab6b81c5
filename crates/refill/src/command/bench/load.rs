//! The offered load, and what came of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use hdrhistogram::Histogram;
use servers::Servers;
use simulator::{Item, MerchantClient};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Flags;
use super::cpu::{self, CpuMs};
use super::roles::Roles;
use super::stage::{BUSINESS, MERCHANT, PRODUCT, Stage};

/// How long the last reports may take.
const PATIENCE: Duration = Duration::from_mins(5);

/// What one run came to.
pub(super) struct Ran {
    pub(super) orders: u32,
    pub(super) orders_per_second: f64,
    pub(super) cpu_ms_per_order: CpuMs,
    /// Milliseconds from the request to its answer, per batch.
    pub(super) accepted: Histogram<u64>,
    /// Milliseconds from the request to the report that was taken, per order.
    pub(super) delivered: Histogram<u64>,
}

pub(super) struct Load<'b> {
    flags: &'b Flags,
    stage: &'b Stage,
    openapi_url: &'b str,
    /// Where the batches want their reports, in turn.
    callback_urls: Vec<String>,
    /// In all numbers of this run.
    run: String,
}

/// One batch that was answered 0.
pub(super) struct Sent {
    batch: u32,
    items: u32,
    at_us: u64,
    answered: Duration,
}

impl<'b> Load<'b> {
    pub(super) fn new(flags: &'b Flags, stage: &'b Stage, openapi_url: &'b str) -> Self {
        Self {
            flags,
            stage,
            openapi_url,
            callback_urls: vec![stage.callback_url.clone()],
            run: format!("{:x}", now_us()),
        }
    }

    /// With reports to these addresses.
    pub(super) fn reported_to(self, callback_urls: Vec<String>) -> Self {
        Self {
            callback_urls,
            ..self
        }
    }

    pub(super) async fn run(&self, roles: &Roles, servers: &Servers) -> anyhow::Result<Ran> {
        let orders = self.flags.orders();
        let taken_before = self.stage.received.taken();
        let mut processes = roles.processes();
        processes.extend(servers.pids());
        processes.push(("bench", std::process::id()));
        let cpu_before = cpu::taken(&processes);
        let began_us = now_us();
        let sent = self.offer(orders).await?;
        let deadline = Instant::now() + PATIENCE;
        while self.stage.received.taken() < taken_before + u64::from(orders) {
            anyhow::ensure!(
                Instant::now() < deadline,
                "of {orders} orders {} were reported in time",
                self.stage.received.taken() - taken_before
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let cpu_after = cpu::taken(&processes);
        let mut accepted = Histogram::new(3)?;
        let mut delivered = Histogram::new(3)?;
        let mut last_us = began_us;
        let received = self.stage.received.all();
        for batch in &sent {
            accepted.record(millis(batch.answered))?;
            for n in 0..batch.items {
                let report = received
                    .get(&self.biz_code(batch.batch, n))
                    .context("an order was not reported")?;
                delivered.record(report.taken_at_us.saturating_sub(batch.at_us) / 1_000)?;
                last_us = last_us.max(report.taken_at_us);
            }
        }
        let seconds = Duration::from_micros(last_us - began_us).as_secs_f64();
        let mut cpu_ms_per_order = cpu::per_order(&cpu_before, &cpu_after, orders);
        // The bench is the parent of the roles: what it took itself is the rest.
        let others: f64 = roles
            .processes()
            .iter()
            .map(|(name, _)| *name)
            .collect::<std::collections::BTreeSet<_>>()
            .iter()
            .filter_map(|name| cpu_ms_per_order.get(name))
            .sum();
        let servers: f64 = servers
            .pids()
            .iter()
            .filter_map(|(name, _)| cpu_ms_per_order.get(name))
            .sum();
        if let Some(bench) = cpu_ms_per_order.get_mut("bench") {
            *bench = (*bench - others - servers).max(0.0);
        }
        Ok(Ran {
            orders,
            orders_per_second: f64::from(orders) / seconds,
            cpu_ms_per_order,
            accepted,
            delivered,
        })
    }

    /// Sends all batches, so many at the same time, at the rate that was asked for.
    pub(super) async fn offer(&self, orders: u32) -> anyhow::Result<Vec<Sent>> {
        let batches = orders.div_ceil(self.flags.batch);
        let next = Arc::new(AtomicU32::new(0));
        let (done, mut sent) = mpsc::channel(1_024);
        let key = &self.stage.merchant_key.private_pem;
        let client = MerchantClient::rsa(self.openapi_url, MERCHANT, BUSINESS, key)?;
        let began = Instant::now();
        let mut senders = JoinSet::new();
        for _ in 0..self.flags.concurrency {
            let sender = Sender {
                client: client.clone(),
                next: Arc::clone(&next),
                batches,
                orders,
                size: self.flags.batch,
                rate: self.flags.rate,
                began,
                run: self.run.clone(),
                callback_urls: self.callback_urls.clone(),
                done: done.clone(),
            };
            senders.spawn(sender.run());
        }
        drop(done);
        let mut all = vec![];
        while let Some(batch) = sent.recv().await {
            all.push(batch);
        }
        while let Some(ended) = senders.join_next().await {
            ended??;
        }
        Ok(all)
    }

    fn biz_code(&self, batch: u32, n: u32) -> String {
        biz_code(&self.run, batch, n)
    }
}

struct Sender {
    client: MerchantClient,
    next: Arc<AtomicU32>,
    batches: u32,
    orders: u32,
    size: u32,
    rate: Option<u32>,
    began: Instant,
    run: String,
    callback_urls: Vec<String>,
    done: mpsc::Sender<Sent>,
}

impl Sender {
    async fn run(self) -> anyhow::Result<()> {
        loop {
            let batch = self.next.fetch_add(1, Ordering::Relaxed);
            if batch >= self.batches {
                return Ok(());
            }
            if let Some(rate) = self.rate {
                let due =
                    Duration::from_secs_f64(f64::from(batch * self.size) / f64::from(rate.max(1)));
                tokio::time::sleep_until(self.began + due).await;
            }
            let count = self.size.min(self.orders - batch * self.size);
            let items: Vec<Item> = (0..count)
                .map(|n| {
                    Item::new(
                        biz_code(&self.run, batch, n),
                        format!("138{:08}", batch * self.size + n),
                    )
                })
                .collect();
            let code = format!("{}-{batch}", self.run);
            let urls = &self.callback_urls;
            let url = urls.get(batch as usize % urls.len().max(1));
            let (at_us, began) = (now_us(), Instant::now());
            loop {
                let answer = self
                    .client
                    .batch(&code, PRODUCT, url.map(String::as_str), &items)
                    .await?;
                match answer.status {
                    0 => break,
                    // Shed: to be sent again, which the contract allows.
                    1 | 98 => tokio::time::sleep(Duration::from_millis(100)).await,
                    _ => anyhow::bail!("batch {code} was answered {}", answer.body),
                }
            }
            let sent = Sent {
                batch,
                items: count,
                at_us,
                answered: began.elapsed(),
            };
            if self.done.send(sent).await.is_err() {
                return Ok(());
            }
        }
    }
}

fn biz_code(run: &str, batch: u32, n: u32) -> String {
    format!("{run}-{batch}-{n}")
}

fn now_us() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
