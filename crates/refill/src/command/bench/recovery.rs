//! `refill bench recovery`: a supplier goes down, a backlog builds up, and it comes back at half its strength. How gently is it
//! treated, and do orders that come in now wait behind the old ones?

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::Place;
use super::catalogue::{Cast, PRODUCT, Way};
use super::flat::measured_offer;
use super::latency::Latencies;
use super::measured::{delivered, per_second, warm_up};
use super::offer::{Offer, Pace, Refused};
use super::report::round;
use super::roles::Roles;
use super::sender::{self, Sent};
use super::stage::{Stage, free_address};
use super::supplier::{Calls, Supplier};
use super::table::Table;

/// Orders in one batch of the backlog, and of the fresh ones.
const OLD_BATCH: u32 = 1_000;
const FRESH_BATCH: u32 = 10;

/// The flags of `refill bench recovery`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Flags {
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    /// Orders that come in while the supplier is down.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..))]
    backlog: u32,
    /// Calls per second that the supplier's card allows; it comes back with half of that.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(2..))]
    rate: u32,
    /// How long a call above the supplier's strength waits for its turn before it is refused.
    #[arg(long, default_value = "0s", value_parser = humantime::parse_duration)]
    longest_wait: Duration,
    /// How long fresh orders come in during the drain.
    #[arg(long, default_value = "30s", value_parser = humantime::parse_duration)]
    fresh: Duration,
}

struct Recovery {
    flags: Flags,
    /// Fresh orders before anything happened, and during the drain.
    before: Latencies,
    fresh: Latencies,
    /// Of the old orders, from the supplier's return to their report.
    old: Latencies,
    /// From the supplier's return to the first call that it took, to the last report.
    first_call_after_s: Option<u64>,
    drained_after: Duration,
    orders: u32,
    /// Of them, so many came to nothing.
    failed: u64,
    /// Since its return; while it is down it takes no submits.
    calls: Calls,
    most_submits_a_second: u64,
    /// Submits and queries.
    most_calls_a_second: u64,
}

pub(super) async fn run(place: &Place<'_>, flags: &Flags) -> anyhow::Result<()> {
    let mut way = Way::measured(free_address()?);
    way.card = format!(
        "resubmit = \"query\"\nmax_in_flight = 1024\nrate = {}\nfirst_query_after = \"1s\"\nquery_every = \"2s\"\n\
         not_found_final_after = \"1s\"\n",
        flags.rate
    );
    let mut cast = Cast::small(way.supplier);
    cast.ways = vec![way];
    let stage = place.stage(cast).await?;
    let roles = Roles::start(&stage, 1, &[]).await?;
    let measured = recover(&stage, &roles, flags).await;
    roles.stop().await;
    stage.strike().await;
    let recovery = measured?;
    if flags.json {
        println!("{}", recovery.json());
    } else {
        print!("{}", recovery.table());
    }
    Ok(())
}

async fn recover(stage: &Stage<'_>, roles: &Roles, flags: &Flags) -> anyhow::Result<Recovery> {
    let supplier = Supplier::of(stage)?;
    let fresh = Offer {
        orders: (flags.rate / 20).max(1) * u32::try_from(flags.fresh.as_secs().max(1))?,
        sizes: vec![FRESH_BATCH],
        pace: Pace::PerSecond {
            rate: (flags.rate / 20).max(1),
            outstanding: 2_000,
        },
        refused: Refused::SentAgain,
        product: PRODUCT,
        shares: vec![1.0],
        callback_urls: stage.callback_urls.clone(),
        signed_before: false,
    };
    let url = &roles.openapi_url;
    warm_up(stage, roles, &fresh).await?;
    let few = Offer {
        orders: (fresh.orders / 3).max(1),
        ..fresh.clone()
    };
    let sent = sender::send(stage, url, &few).await?;
    let before = delivered(stage, &sent, 1).await?.all;

    let failed_before = stage.received.summary().failed;
    supplier.control(&json!({ "down": true })).await?;
    let backlog = Offer {
        sizes: vec![OLD_BATCH],
        ..measured_offer(stage, flags.backlog)
    };
    let old = sender::send(stage, url, &backlog).await?;
    let asked_before = supplier.calls().await?;
    let wait_ms = u64::try_from(flags.longest_wait.as_millis())?;
    supplier
        .control(
            &json!({ "down": false, "per_second": flags.rate / 2, "longest_wait_ms": wait_ms }),
        )
        .await?;
    let back = SystemTime::now().duration_since(UNIX_EPOCH)?;
    tracing::info!(backlog = flags.backlog, "the supplier is back");
    let sent = sender::send(stage, url, &fresh).await?;
    let of_fresh = delivered(stage, &sent, 1).await?;
    let of_old = delivered(stage, &old, 1).await?;

    let since = supplier.calls_since(&asked_before).await?;
    let mut sum = Calls::default();
    for second in &since {
        sum.submits += second.submits;
        sum.refused += second.refused;
        sum.queries += second.queries;
    }
    let taken = since.iter().find(|calls| calls.submits > calls.refused);
    let back_us = u64::try_from(back.as_micros())?;
    let last_us = of_fresh.last_us.max(of_old.last_us);
    Ok(Recovery {
        flags: flags.clone(),
        before,
        fresh: of_fresh.all,
        old: since_return(stage, &old, back_us)?,
        first_call_after_s: taken.map(|calls| calls.second.saturating_sub(back.as_secs())),
        drained_after: Duration::from_micros(last_us.saturating_sub(back_us)),
        orders: old.orders() + sent.orders(),
        failed: stage.received.summary().failed - failed_before,
        calls: sum,
        most_submits_a_second: most(&since, |calls| calls.submits),
        most_calls_a_second: most(&since, |calls| calls.submits + calls.queries),
    })
}

fn most(calls: &[Calls], of: fn(&Calls) -> u64) -> u64 {
    calls.iter().map(of).max().unwrap_or(0)
}

/// How long after the supplier's return the orders were reported.
fn since_return(stage: &Stage<'_>, old: &Sent, back_us: u64) -> anyhow::Result<Latencies> {
    let mut latencies = Latencies::new()?;
    for accepted in &old.accepted {
        for biz_code in old.biz_codes(&accepted.batch) {
            let taken_us = stage.received.taken_at_us(&biz_code).unwrap_or_default();
            latencies.add(Duration::from_micros(taken_us.saturating_sub(back_us)));
        }
    }
    Ok(latencies)
}

impl Recovery {
    /// Submits beyond the first of each order, as a part of those.
    fn retries(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "calls are far below 2^52")]
        let submits = self.calls.submits as f64;
        (submits / f64::from(self.orders.max(1)) - 1.0).max(0.0)
    }

    fn json(&self) -> Value {
        json!({
            "backlog": self.flags.backlog,
            "card_rate_per_second": self.flags.rate,
            "supplier_takes_per_second": self.flags.rate / 2,
            "most_calls_per_second": self.most_calls_a_second,
            "most_submits_per_second": self.most_submits_a_second,
            "orders": self.orders,
            "failed": self.failed,
            "submits": self.calls.submits,
            "submits_refused": self.calls.refused,
            "queries": self.calls.queries,
            "retries_share": round(self.retries()),
            "first_call_after_s": self.first_call_after_s,
            "drained_after_s": round(self.drained_after.as_secs_f64()),
            "orders_per_second": round(per_second(self.orders, self.drained_after)),
            "fresh_before": self.before.json(),
            "fresh_during_drain": self.fresh.json(),
            "old_since_return": self.old.json(),
        })
    }

    fn table(&self) -> Table {
        let mut table = Table::new(["supplier"]);
        let whole = |count: u64| u32::try_from(count).ok().map(f64::from);
        let mut row = |name: &str, figure: Option<f64>| table.row(name, [figure]);
        row("orders", Some(f64::from(self.orders)));
        row("… that failed", whole(self.failed));
        row(
            "calls a second that its card allows",
            Some(f64::from(self.flags.rate)),
        );
        row(
            "… that it takes since its return",
            Some(f64::from(self.flags.rate / 2)),
        );
        row("most calls in one second", whole(self.most_calls_a_second));
        row("… submits", whole(self.most_submits_a_second));
        row("submits since its return", whole(self.calls.submits));
        row("… refused", whole(self.calls.refused));
        row(
            "submits beyond the first of each order, %",
            Some(self.retries() * 100.0),
        );
        row("queries", whole(self.calls.queries));
        row(
            "first order taken, s after its return",
            self.first_call_after_s.and_then(whole),
        );
        row(
            "all reported, s after its return",
            Some(self.drained_after.as_secs_f64()),
        );
        row(
            "orders a second",
            Some(per_second(self.orders, self.drained_after)),
        );
        for (what, latencies) in [
            ("fresh orders before, delivered", &self.before),
            ("fresh orders during the drain, delivered", &self.fresh),
            ("old orders, from its return", &self.old),
        ] {
            for (name, quantile) in [("p50", 0.5), ("p99", 0.99)] {
                row(&format!("{what} {name}, ms"), latencies.ms(quantile));
            }
        }
        table
    }
}
