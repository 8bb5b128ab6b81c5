//! `refill bench overload`: more than the door can take. What still gets through, what refusals cost those who are refused, and how
//! much one account's flood, or thousands of connections that say nothing, disturb everybody else.

mod told;

use std::time::Duration;

use super::Place;
use super::bare::BareAnswers;
use super::catalogue::Cast;
use super::crowd::Crowd;
use super::flat::measured_offer;
use super::latency::Latencies;
use super::measured::{Measured, measure, warm_up};
use super::offer::Offer;
use super::roles::Roles;
use super::sender::Load;
use super::shares::zipf;
use super::stage::{Stage, free_address};
use super::steps::{self, Step};

/// The one that floods is the first of them.
const ACCOUNTS: u16 = 10;
/// So many times what the platform does, from the request to the report.
const OVER: f64 = 5.0;
/// So many times what each of the others sends, within what the platform does; and so many times an account's even share of all
/// that it does, five times as much as there is room for.
const FLOOD: f64 = 50.0;
/// How long an account's oldest order may wait here before more of it is refused: an overload of seconds is measured, not of minutes.
pub(super) const MAX_WAITING: (&str, &str) = ("REFILL__INGRESS__MAX_WAITING_MS", "1000");
/// What the others send together, as a part of that. With one that sends 50 times as much as each of them it is two thirds of all that the
/// platform does, or a third.
const MODEST: f64 = 0.1;
const MODEST_AT_A_THIRD: f64 = 0.05;
/// Orders in one batch of the others.
const MODEST_BATCH: u32 = 10;

/// The flags of `refill bench overload`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Flags {
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    /// Orders of the closed loop that finds the capacity, before the overload and again after it.
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
    /// Before the overload, and after it: this machine's speed changes within minutes.
    capacity: [Measured; 2],
    over: Step,
    /// What an answer cost meanwhile that nothing was done for.
    bare: Latencies,
    /// The modest load alone, before and after all that is beside it below.
    alone: [Step; 2],
    /// As much as the modest load and the large account together, but evenly from all: how much of what the large one costs the others is
    /// that the machine is busier.
    as_busy: Step,
    /// The modest load beside one account that is 50 times as large, and that one.
    beside_large: Step,
    large: Step,
    /// The same, all of it half as much.
    beside_large_at_a_third: Step,
    large_at_a_third: Step,
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
        print!("{}{}", overload.table(), overload.sentences());
    }
    Ok(())
}

async fn overload(stage: &Stage<'_>, roles: &Roles, flags: &Flags) -> anyhow::Result<Overload> {
    let even = Offer {
        shares: zipf(ACCOUNTS, 0.0),
        ..measured_offer(stage, flags.orders)
    };
    warm_up(stage, roles, &even).await?;
    let before = measure(stage, roles, &even).await?;
    let does = before.orders_per_second;
    tracing::info!(does, "capacity measured");
    let bare = BareAnswers::begin(&roles.openapi_url);
    let over = steps::make(stage, roles, &steps::offer(&even, does * OVER, flags.lasts)).await?;
    let bare = bare.end().await?;
    let after = measure(stage, roles, &even).await?;
    tracing::info!("overload is over");

    let loads = Loads {
        even: &even,
        one: Offer {
            shares: vec![1.0],
            callback_urls: vec![stage.callback_url.clone()],
            ..even.clone()
        },
        does,
        lasts: flags.modest,
    };
    let others = loads.others(MODEST);
    let alone = steps::make(stage, roles, &others).await?;
    let (beside_large_at_a_third, large_at_a_third) = side_by_side(
        stage,
        roles,
        &loads.others(MODEST_AT_A_THIRD),
        &loads.large(MODEST_AT_A_THIRD),
    )
    .await?;
    let (beside_large, large) = side_by_side(stage, roles, &others, &loads.large(MODEST)).await?;
    let as_busy = steps::make(stage, roles, &loads.evenly(MODEST)).await?;
    let alone_again = steps::make(stage, roles, &others).await?;
    let flood = loads.one(does / f64::from(ACCOUNTS) * FLOOD);
    let (beside_flood, flood) = side_by_side(stage, roles, &others, &flood).await?;
    tracing::info!("the flood is over");
    let crowd = Crowd::gather(&roles.openapi_url, flags.connections.into()).await?;
    let beside_crowd = steps::make(stage, roles, &others).await?;
    let held_open = crowd.leave();
    Ok(Overload {
        capacity: [before, after],
        over,
        bare,
        alone: [alone, alone_again],
        as_busy,
        beside_large,
        large,
        beside_large_at_a_third,
        large_at_a_third,
        beside_flood,
        flood,
        beside_crowd,
        held_open,
    })
}

/// What is offered within the capacity, and the flood beyond it. `modest`: what the others send together, as a part of the capacity.
struct Loads<'o> {
    even: &'o Offer,
    /// Of the one account alone.
    one: Offer,
    /// Orders a second.
    does: f64,
    lasts: Duration,
}

impl Loads<'_> {
    fn others(&self, modest: f64) -> Offer {
        let others = Offer {
            shares: [0.0].into_iter().chain(zipf(ACCOUNTS - 1, 0.0)).collect(),
            sizes: vec![MODEST_BATCH],
            ..self.even.clone()
        };
        steps::offer(&others, self.does * modest, self.lasts)
    }

    fn large(&self, modest: f64) -> Offer {
        self.one(self.large_sends(modest))
    }

    /// From all ten evenly what the others and the large one send together.
    fn evenly(&self, modest: f64) -> Offer {
        let spread = Offer {
            sizes: vec![MODEST_BATCH],
            ..self.even.clone()
        };
        let both = self.does * modest + self.large_sends(modest);
        steps::offer(&spread, both, self.lasts)
    }

    fn one(&self, per_second: f64) -> Offer {
        steps::offer(&self.one, per_second, self.lasts)
    }

    fn large_sends(&self, modest: f64) -> f64 {
        self.does * modest / f64::from(ACCOUNTS - 1) * FLOOD
    }
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
