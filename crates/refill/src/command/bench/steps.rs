//! One open-loop step: so many orders a second for so long, and what is refused is not sent again.

use std::time::Duration;

use tokio::time::Instant;

use super::latency::Latencies;
use super::measured::{Delivered, accepted, delivered, per_second};
use super::memory::{self, Megabytes};
use super::offer::{Offer, Pace, Refused};
use super::roles::Roles;
use super::sender::{Load, Sent};
use super::stage::Stage;

/// Requests that may be unanswered.
const OUTSTANDING: usize = 4_000;

/// What a step came to, for the sender.
pub(super) struct Step {
    /// Orders a second.
    pub(super) offered: f64,
    /// Orders a second that were accepted.
    pub(super) taken: f64,
    /// Orders a second that were reported while the step lasted.
    pub(super) finished: Option<f64>,
    pub(super) accepted: Latencies,
    pub(super) refusals: Latencies,
    /// Of all orders, as a part of 1.
    pub(super) refused_share: f64,
    /// Batches that got no answer.
    pub(super) unanswered: u32,
    pub(super) delivered: Delivered,
    pub(super) peak_mb: Megabytes,
}

/// The offer for a step. Its requests are signed before the clock starts.
pub(super) fn offer(basis: &Offer, rate: f64, lasts: Duration) -> Offer {
    let rate = whole(rate).max(1);
    let orders = whole(f64::from(rate) * lasts.as_secs_f64()).max(1);
    Offer {
        orders,
        pace: Pace::PerSecond {
            rate,
            outstanding: OUTSTANDING,
        },
        refused: Refused::Dropped,
        signed_before: true,
        ..basis.clone()
    }
}

/// Makes the step, and waits until everything that was accepted is reported.
pub(super) async fn make(stage: &Stage<'_>, roles: &Roles, offer: &Offer) -> anyhow::Result<Step> {
    let load = Load::pack(stage, &roles.openapi_url, offer)?;
    memory::forget_peaks(&roles.processes());
    let (before, began) = (stage.received.taken(), Instant::now());
    let sent = load.send().await?;
    let finished = stage.received.taken() - before;
    let within = began.elapsed();
    let step = told(stage, roles, offer, sent).await?;
    Ok(Step {
        finished: Some(per_second(u32::try_from(finished)?, within)),
        ..step
    })
}

/// What was sent, once it is reported.
pub(super) async fn told(
    stage: &Stage<'_>,
    roles: &Roles,
    offer: &Offer,
    sent: Sent,
) -> anyhow::Result<Step> {
    let delivered = delivered(stage, &sent, offer.shares.len()).await?;
    sent.ensure_refused_is_nowhere().await?;
    let offered = match offer.pace {
        Pace::PerSecond { rate, .. } => f64::from(rate),
        Pace::AtOnce(_) => per_second(offer.orders, sent.accepted_within()),
    };
    let lasts = Duration::from_secs_f64(f64::from(offer.orders) / offered.max(1.0));
    Ok(Step {
        offered,
        taken: per_second(sent.orders(), sent.accepted_within().max(lasts)),
        finished: None,
        accepted: accepted(&sent)?.all,
        refused_share: f64::from(sent.refused_orders()) / f64::from(offer.orders.max(1)),
        unanswered: sent.unanswered,
        refusals: sent.refusals,
        delivered,
        peak_mb: memory::peaks(&roles.processes()),
    })
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to what fits"
)]
pub(super) fn whole(value: f64) -> u32 {
    value.round().clamp(0.0, f64::from(u32::MAX)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_offers_its_rate_for_its_time_and_sends_nothing_again() {
        let basis = Offer {
            orders: 1,
            sizes: vec![100],
            pace: Pace::AtOnce(1),
            refused: Refused::SentAgain,
            product: "P",
            shares: vec![1.0],
            callback_urls: vec![],
            signed_before: false,
        };
        let step = offer(&basis, 1_000.4, Duration::from_secs(3));
        assert_eq!((step.orders, step.refused), (3_000, Refused::Dropped));
        assert!(matches!(step.pace, Pace::PerSecond { rate: 1_000, .. }));
    }
}
