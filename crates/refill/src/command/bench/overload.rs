//! `refill bench overload`: more than the door can take. What still gets through, what refusals cost those who are refused, and how
//! much one account's flood, or thousands of connections that say nothing, disturb everybody else.

use std::time::Duration;

use serde_json::{Value, json};

use super::Place;
use super::bare::BareAnswers;
use super::catalogue::Cast;
use super::crowd::Crowd;
use super::flat::measured_offer;
use super::latency::Latencies;
use super::measured::{Measured, measure, warm_up};
use super::offer::Offer;
use super::report::round;
use super::roles::Roles;
use super::sender::Load;
use super::shares::zipf;
use super::stage::{Stage, free_address};
use super::steps::{self, Step};
use super::table::Table;

/// The one that floods is the first of them.
const ACCOUNTS: u16 = 10;
/// So many times what the platform does, from the request to the report.
const OVER: f64 = 5.0;
/// So many times what each of the others sends, within what the platform does; and so many times an account's even share of all
/// that it does, five times as much as there is room for.
const FLOOD: f64 = 50.0;
/// How long an account's oldest order may wait here before more of it is refused: an overload of seconds is measured, not of minutes.
pub(super) const MAX_WAITING: (&str, &str) = ("REFILL__INGRESS__MAX_WAITING_MS", "1000");
/// What the others send together, as a part of that.
const MODEST: f64 = 0.1;
/// Orders in one batch of the others.
const MODEST_BATCH: u32 = 10;

/// The flags of `refill bench overload`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Flags {
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    /// Orders of the closed loop that finds the capacity.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(100..))]
    orders: u32,
    /// How long the overload lasts. The first seconds fill the queues, and what fills them is not done yet.
    #[arg(long, default_value = "1m", value_parser = humantime::parse_duration)]
    lasts: Duration,
    /// How long the modest load lasts, in each of its runs.
    #[arg(long, default_value = "10s", value_parser = humantime::parse_duration)]
    modest: Duration,
    /// Connections that say nothing, and as many that say one byte a second.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u16).range(0..=4_000))]
    connections: u16,
}

struct Overload {
    capacity: Measured,
    over: Step,
    /// What an answer cost meanwhile that nothing was done for.
    bare: Latencies,
    /// The modest load alone, beside one account that is much larger, beside the flood, and beside the crowd.
    alone: Step,
    /// As much as the modest load and the large account together, but evenly from all: how much of what the large one costs the others is
    /// that the machine is busier.
    as_busy: Step,
    beside_large: Step,
    large: Step,
    beside_flood: Step,
    flood: Step,
    beside_crowd: Step,
    /// Connections of the crowd that were open at the end.
    held_open: usize,
}

pub(super) async fn run(place: &Place<'_>, flags: &Flags) -> anyhow::Result<()> {
    let mut cast = Cast::small(free_address()?);
    cast.businesses = ACCOUNTS;
    cast.settings = vec![MAX_WAITING];
    let stage = place.stage(cast).await?;
    let roles = Roles::start(&stage, 1, &[]).await?;
    let measured = overload(&stage, &roles, flags).await;
    roles.stop().await;
    stage.strike().await;
    let overload = measured?;
    if flags.json {
        println!("{}", overload.json());
    } else {
        print!("{}", overload.table());
        println!(
            "done under overload: {:.2} of the capacity of {:.0} a second",
            overload.goodput(),
            overload.capacity.orders_per_second,
        );
        println!(
            "an answer that nothing is done for, meanwhile: p50 {:.1} ms, p99 {:.1} ms; a refusal's p99, to its: {:.2}",
            overload.bare.ms(0.5).unwrap_or(f64::NAN),
            overload.bare.ms(0.99).unwrap_or(f64::NAN),
            overload.refusals_to_bare().unwrap_or(f64::NAN),
        );
        println!("p99 of the others, to what it is alone:");
        for (beside, step) in [
            (
                "one account that is 50 times as large",
                &overload.beside_large,
            ),
            ("the flood", &overload.beside_flood),
            ("the crowd", &overload.beside_crowd),
        ] {
            let [accepted, delivered] = [accepted_p99, delivered_p99]
                .map(|of| ratio(step, &overload.alone, of).unwrap_or(f64::NAN));
            println!("  beside {beside}: accepted {accepted:.2}, delivered {delivered:.2}");
        }
        let [accepted, delivered] = [accepted_p99, delivered_p99]
            .map(|of| ratio(&overload.beside_large, &overload.as_busy, of).unwrap_or(f64::NAN));
        println!(
            "  and beside the large one, to what it is when all together send as much: accepted {accepted:.2}, delivered {delivered:.2}"
        );
        println!(
            "  connections of the crowd that were open at the end: {}",
            overload.held_open
        );
    }
    Ok(())
}

async fn overload(stage: &Stage<'_>, roles: &Roles, flags: &Flags) -> anyhow::Result<Overload> {
    let even = Offer {
        shares: zipf(ACCOUNTS, 0.0),
        ..measured_offer(stage, flags.orders)
    };
    warm_up(stage, roles, &even).await?;
    let capacity = measure(stage, roles, &even).await?;
    let does = capacity.orders_per_second;
    tracing::info!(does, "capacity measured");
    let bare = BareAnswers::begin(&roles.openapi_url);
    let over = steps::make(stage, roles, &steps::offer(&even, does * OVER, flags.lasts)).await?;
    let bare = bare.end().await?;
    tracing::info!("overload is over");

    let others = Offer {
        shares: [0.0].into_iter().chain(zipf(ACCOUNTS - 1, 0.0)).collect(),
        sizes: vec![MODEST_BATCH],
        ..even.clone()
    };
    let others = steps::offer(&others, does * MODEST, flags.modest);
    let alone = steps::make(stage, roles, &others).await?;
    let one = Offer {
        shares: vec![1.0],
        callback_urls: vec![stage.callback_url.clone()],
        ..even.clone()
    };
    let like_others = does * MODEST / f64::from(ACCOUNTS - 1);
    let one_sends = |rate| steps::offer(&one, rate, flags.modest);
    let large = one_sends(like_others * FLOOD);
    let both = does * MODEST + like_others * FLOOD;
    let spread = Offer {
        sizes: vec![MODEST_BATCH],
        ..even.clone()
    };
    let as_busy = steps::make(stage, roles, &steps::offer(&spread, both, flags.modest)).await?;
    let (beside_large, large) = side_by_side(stage, roles, &others, &large).await?;
    let flood = one_sends(does / f64::from(ACCOUNTS) * FLOOD);
    let (beside_flood, flood) = side_by_side(stage, roles, &others, &flood).await?;
    tracing::info!("the flood is over");
    let crowd = Crowd::gather(&roles.openapi_url, flags.connections.into()).await?;
    let beside_crowd = steps::make(stage, roles, &others).await?;
    let held_open = crowd.leave();
    Ok(Overload {
        capacity,
        over,
        bare,
        alone,
        as_busy,
        beside_large,
        large,
        beside_flood,
        flood,
        beside_crowd,
        held_open,
    })
}

/// What the others' load came to, and the one's.
async fn side_by_side(
    stage: &Stage<'_>,
    roles: &Roles,
    others: &Offer,
    one: &Offer,
) -> anyhow::Result<(Step, Step)> {
    // Both before either's clock starts: what is packed while another's clock runs is counted as waiting.
    let url = &roles.openapi_url;
    let (first, second) = (
        Load::pack(stage, url, others)?,
        Load::pack(stage, url, one)?,
    );
    let (sent, of_one) = tokio::try_join!(first.send(), second.send())?;
    Ok((
        steps::told(stage, roles, others, sent).await?,
        steps::told(stage, roles, one, of_one).await?,
    ))
}

fn accepted_p99(step: &Step) -> Option<f64> {
    step.accepted.ms(0.99)
}

fn delivered_p99(step: &Step) -> Option<f64> {
    step.delivered.all.ms(0.99)
}

fn ratio(beside: &Step, alone: &Step, of: impl Fn(&Step) -> Option<f64>) -> Option<f64> {
    Some(of(beside)? / of(alone)?)
}

impl Overload {
    /// What was done under overload, as a part of the capacity.
    fn goodput(&self) -> f64 {
        self.over.finished.unwrap_or_default() / self.capacity.orders_per_second
    }

    /// What a refusal cost, to an answer that nothing was done for.
    fn refusals_to_bare(&self) -> Option<f64> {
        Some(self.over.refusals.ms(0.99)? / self.bare.ms(0.99)?)
    }

    fn steps(&self) -> [(&'static str, &Step); 8] {
        [
            ("overload", &self.over),
            ("others_alone", &self.alone),
            ("all_as_busy", &self.as_busy),
            ("others_beside_large", &self.beside_large),
            ("large", &self.large),
            ("others_beside_flood", &self.beside_flood),
            ("flood", &self.flood),
            ("others_beside_crowd", &self.beside_crowd),
        ]
    }

    fn json(&self) -> Value {
        let mut told = serde_json::Map::new();
        for (name, step) in self.steps() {
            let peak_mb: serde_json::Map<String, Value> = step
                .peak_mb
                .iter()
                .map(|(name, mb)| ((*name).to_owned(), json!(round(*mb))))
                .collect();
            let value = json!({
                "offered_per_second": round(step.offered),
                "accepted_per_second": round(step.taken),
                "finished_per_second": step.finished.map(round),
                "accepted": step.accepted.json(),
                "delivered": step.delivered.all.json(),
                "refusals": step.refusals.json(),
                "refused_share": round(step.refused_share),
                "unanswered_batches": step.unanswered,
                "peak_mb": peak_mb,
            });
            told.insert(name.into(), value);
        }
        let (alone, crowd) = (&self.alone, &self.beside_crowd);
        let (large, flood) = (&self.beside_large, &self.beside_flood);
        let figures = json!({
            "capacity_per_second": round(self.capacity.orders_per_second),
            "goodput_of_capacity": round(self.goodput()),
            "bare_answers": self.bare.json(),
            "refusals_to_bare_answers_p99_ratio": self.refusals_to_bare().map(round),
            "large_to_as_busy_accepted_p99_ratio": ratio(large, &self.as_busy, accepted_p99).map(round),
            "large_to_as_busy_delivered_p99_ratio": ratio(large, &self.as_busy, delivered_p99).map(round),
            "large_accepted_p99_ratio": ratio(large, alone, accepted_p99).map(round),
            "large_delivered_p99_ratio": ratio(large, alone, delivered_p99).map(round),
            "flood_accepted_p99_ratio": ratio(flood, alone, accepted_p99).map(round),
            "flood_delivered_p99_ratio": ratio(flood, alone, delivered_p99).map(round),
            "crowd_accepted_p99_ratio": ratio(crowd, alone, accepted_p99).map(round),
            "crowd_delivered_p99_ratio": ratio(crowd, alone, delivered_p99).map(round),
            "crowd_connections": self.held_open,
        });
        if let Value::Object(figures) = figures {
            told.extend(figures);
        }
        told.into()
    }

    fn table(&self) -> Table {
        let steps = self.steps();
        let mut table = Table::new(steps.map(|(name, _)| name.replace('_', " ")));
        let mut row = |name: &str, of: &dyn Fn(&Step) -> Option<f64>| {
            table.row(name, steps.map(|(_, step)| of(step)));
        };
        row("orders offered a second", &|s| Some(s.offered));
        row("orders accepted a second", &|s| Some(s.taken));
        row("orders reported a second meanwhile", &|s| s.finished);
        row("refused, %", &|s| Some(s.refused_share * 100.0));
        row("batches without an answer", &|s| {
            Some(f64::from(s.unanswered))
        });
        row("refused p50, ms", &|s| s.refusals.ms(0.5));
        row("refused p99, ms", &|s| s.refusals.ms(0.99));
        row("accepted p50, ms", &|s| s.accepted.ms(0.5));
        row("accepted p99, ms", &accepted_p99);
        row("delivered p50, ms", &|s| s.delivered.all.ms(0.5));
        row("delivered p99, ms", &delivered_p99);
        row("delivered max, ms", &|s| s.delivered.all.ms(1.0));
        for role in ["ingress", "fulfillment", "callback"] {
            row(&format!("peak MB, {role}"), &|s| {
                s.peak_mb.get(role).copied()
            });
        }
        table
    }
}
