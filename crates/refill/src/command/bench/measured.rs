//! One measured run: an offer is sent, its reports are waited for, and both are timed.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::latency::Latencies;
use super::meter::{Cost, Meter};
use super::offer::{Offer, Pace, Refused};
use super::roles::Roles;
use super::sender::{self, Sent};
use super::stage::Stage;

/// How long no report may come while some are missing: a supplier that has tripped rests for at most five minutes.
const PATIENCE: Duration = Duration::from_mins(6);
/// The most orders that warm a platform up.
const WARM_UP: u32 = 2_000;

/// What one run came to.
pub(super) struct Measured {
    /// Accepted, and reported.
    pub(super) orders: u32,
    /// From the start to the last report.
    pub(super) orders_per_second: f64,
    /// From the start to the last acceptance.
    pub(super) accepted_per_second: f64,
    pub(super) accepted: Accepted,
    pub(super) delivered: Delivered,
    /// Answers that refused a batch.
    pub(super) refusals: Latencies,
    pub(super) cost: Cost,
}

/// From when a batch was due, or sent in a closed loop, to its answer.
pub(super) struct Accepted {
    pub(super) all: Latencies,
    /// By the size that was asked for.
    pub(super) by_size: BTreeMap<u32, Latencies>,
}

/// From when an order's batch was due, or sent in a closed loop, to the report that the merchant took.
pub(super) struct Delivered {
    pub(super) all: Latencies,
    /// Of the largest account.
    pub(super) largest: Latencies,
    /// Of the smaller half of the accounts.
    pub(super) smaller: Latencies,
    /// When the last one came, Unix microseconds.
    pub(super) last_us: u64,
}

/// A tenth of the offer, in a closed loop, that nobody counts: connections, plans and pages that were not there before.
pub(super) async fn warm_up(stage: &Stage<'_>, roles: &Roles, offer: &Offer) -> anyhow::Result<()> {
    let warming = Offer {
        orders: (offer.orders / 10).clamp(1, WARM_UP),
        pace: Pace::AtOnce(8),
        refused: Refused::SentAgain,
        ..offer.clone()
    };
    let sent = sender::send(stage, &roles.openapi_url, &warming).await?;
    delivered(stage, &sent, offer.shares.len()).await?;
    Ok(())
}

/// Sends the offer and waits until every order of it that was accepted has been reported.
pub(super) async fn measure(
    stage: &Stage<'_>,
    roles: &Roles,
    offer: &Offer,
) -> anyhow::Result<Measured> {
    let meter = Meter::begin(stage, roles).await?;
    let sent = sender::send(stage, &roles.openapi_url, offer).await?;
    let delivered = delivered(stage, &sent, offer.shares.len()).await?;
    let orders = sent.orders();
    let cost = meter.end(orders).await?;
    let within = Duration::from_micros(delivered.last_us.saturating_sub(sent.began_us));
    Ok(Measured {
        orders,
        orders_per_second: per_second(orders, within),
        accepted_per_second: per_second(orders, sent.accepted_within()),
        accepted: accepted(&sent)?,
        delivered,
        refusals: sent.refusals,
        cost,
    })
}

/// How the accepted batches were answered.
pub(super) fn accepted(sent: &Sent) -> anyhow::Result<Accepted> {
    let mut all = Latencies::new()?;
    let mut by_size = BTreeMap::new();
    for accepted in &sent.accepted {
        all.add(accepted.answered);
        let of_size: &mut Latencies = match by_size.entry(accepted.batch.size) {
            std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::btree_map::Entry::Vacant(new) => new.insert(Latencies::new()?),
        };
        of_size.add(accepted.answered);
    }
    Ok(Accepted { all, by_size })
}

/// Waits until the merchant has been told of every accepted order.
pub(super) async fn delivered(
    stage: &Stage<'_>,
    sent: &Sent,
    accounts: usize,
) -> anyhow::Result<Delivered> {
    let mut delivered = Delivered {
        all: Latencies::new()?,
        largest: Latencies::new()?,
        smaller: Latencies::new()?,
        last_us: sent.began_us,
    };
    for accepted in &sent.accepted {
        let account = accepted.batch.account;
        for biz_code in sent.biz_codes(&accepted.batch) {
            let taken_us = taken(stage, &biz_code).await?;
            let latency = Duration::from_micros(taken_us.saturating_sub(accepted.start_us));
            delivered.all.add(latency);
            if account == 0 {
                delivered.largest.add(latency);
            }
            if account >= accounts / 2 {
                delivered.smaller.add(latency);
            }
            delivered.last_us = delivered.last_us.max(taken_us);
        }
    }
    Ok(delivered)
}

/// When an order's report was taken, Unix microseconds.
async fn taken(stage: &Stage<'_>, biz_code: &str) -> anyhow::Result<u64> {
    let mut so_far = stage.received.taken();
    let mut moved = Instant::now();
    loop {
        if let Some(taken_us) = stage.received.taken_at_us(biz_code) {
            return Ok(taken_us);
        }
        let now = stage.received.taken();
        if now > so_far {
            (so_far, moved) = (now, Instant::now());
        }
        anyhow::ensure!(
            moved.elapsed() < PATIENCE,
            "order {biz_code} has not been reported, and for a while none was; {now} reports were taken"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Orders a second.
pub(super) fn per_second(orders: u32, within: Duration) -> f64 {
    f64::from(orders) / within.as_secs_f64().max(0.001)
}
