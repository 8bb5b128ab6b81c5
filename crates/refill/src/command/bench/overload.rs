//! `refill bench overload`: more than the door can take. What still gets through, what refusals cost those who are refused, and how
//! much one account's flood, or thousands of connections that say nothing, disturb everybody else.

mod apart;
mod loads;
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
use super::shares::zipf;
use super::stage::{Stage, free_address};
use super::steps::{self, Step, whole};
use apart::Apart;
use loads::{Loads, Side, side_by_side};

/// The one that floods is the first of them.
const ACCOUNTS: u16 = 10;
/// So many times what the platform does, from the request to the report.
const OVER: f64 = 5.0;
/// How long an account's oldest order may wait here before more of it is refused: an overload of seconds is measured, not of minutes.
pub(super) const MAX_WAITING: (&str, &str) = ("REFILL__INGRESS__MAX_WAITING_MS", "1000");
/// What an account may send that has a limit, as a part of what the platform does.
const HELD_TO: f64 = 0.25;

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
    /// Connections that say nothing, and as many that say one byte a second, half of them of their head and half of their body.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u16).range(0..=4_000))]
    connections: u16,
    /// How long the modest load lasts beside them: longer than the door waits for a head.
    #[arg(long, default_value = "40s", value_parser = humantime::parse_duration)]
    crowded: Duration,
}

struct Overload {
    unlimited: Unlimited,
    held: Held,
    apart: Apart,
}

/// While no account has a limit.
struct Unlimited {
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

/// The modest load, and the flood, once the account that floods has a limit.
struct Held {
    alone: Step,
    beside: Step,
    flood: Step,
}

pub(super) async fn run(place: &Place<'_>, flags: &Flags) -> anyhow::Result<()> {
    let mut stage = place.stage(cast()?).await?;
    let measured = Box::pin(overload(place, &mut stage, flags)).await;
    stage.strike().await;
    let overload = measured?;
    if flags.json {
        println!("{}", overload.json());
    } else {
        print!("{}{}", overload.table(), overload.sentences());
    }
    Ok(())
}

fn cast() -> anyhow::Result<Cast> {
    let mut cast = Cast::small(free_address()?);
    cast.businesses = ACCOUNTS;
    cast.settings = vec![MAX_WAITING];
    Ok(cast)
}

async fn overload(
    place: &Place<'_>,
    stage: &mut Stage<'_>,
    flags: &Flags,
) -> anyhow::Result<Overload> {
    let roles = Roles::start(stage, 1, &[]).await?;
    let measured = unlimited(stage, &roles, flags).await;
    roles.stop().await;
    let unlimited = measured?;

    let [before, _] = &unlimited.capacity;
    let does = before.orders_per_second;
    stage.limit_first(whole(does * HELD_TO).max(1)).await?;
    let roles = Roles::start(stage, 1, &[]).await?;
    let measuring = async {
        let held = held(stage, &roles, &Loads::of(stage, does, flags)).await?;
        let apart = apart::measured(place, stage, &roles, does, flags).await?;
        anyhow::Ok((held, apart))
    };
    let measured = measuring.await;
    roles.stop().await;
    let (held, apart) = measured?;
    Ok(Overload {
        unlimited,
        held,
        apart,
    })
}

async fn unlimited(stage: &Stage<'_>, roles: &Roles, flags: &Flags) -> anyhow::Result<Unlimited> {
    let even = even(stage, flags);
    warm_up(stage, roles, &even).await?;
    let before = measure(stage, roles, &even).await?;
    let does = before.orders_per_second;
    tracing::info!(does, "capacity measured");
    let bare = BareAnswers::begin(&roles.openapi_url);
    let over = steps::make(stage, roles, &steps::offer(&even, does * OVER, flags.lasts)).await?;
    let bare = bare.end().await?;
    let after = measure(stage, roles, &even).await?;
    tracing::info!("overload is over");

    let loads = Loads::of(stage, does, flags);
    let others = loads.others();
    let alone = steps::make(stage, roles, &others).await?;
    let sends = |offer| Side::new(stage, roles, offer);
    let (others_at_a_third, large_at_a_third) =
        (loads.others_at_a_third(), loads.large_at_a_third());
    let (beside_large_at_a_third, large_at_a_third) =
        side_by_side(&sends(&others_at_a_third), &sends(&large_at_a_third)).await?;
    let (large, flood) = (loads.large(), loads.flood());
    let (beside_large, large) = side_by_side(&sends(&others), &sends(&large)).await?;
    let as_busy = steps::make(stage, roles, &loads.evenly()).await?;
    let alone_again = steps::make(stage, roles, &others).await?;
    let (beside_flood, flood) = side_by_side(&sends(&others), &sends(&flood)).await?;
    tracing::info!("the flood is over");
    let crowd = Crowd::gather(&roles.openapi_url, flags.connections.into()).await?;
    let beside_crowd = steps::make(stage, roles, &loads.others_for(flags.crowded)).await?;
    let held_open = crowd.leave();
    Ok(Unlimited {
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

async fn held(stage: &Stage<'_>, roles: &Roles, loads: &Loads) -> anyhow::Result<Held> {
    let others = loads.others();
    warm_up(stage, roles, &others).await?;
    let alone = steps::make(stage, roles, &others).await?;
    let flood = loads.flood();
    let sends = |offer| Side::new(stage, roles, offer);
    let (beside, flood) = side_by_side(&sends(&others), &sends(&flood)).await?;
    Ok(Held {
        alone,
        beside,
        flood,
    })
}

/// What all ten send evenly, in a closed loop.
fn even(stage: &Stage<'_>, flags: &Flags) -> Offer {
    Offer {
        shares: zipf(ACCOUNTS, 0.0),
        ..measured_offer(stage, flags.orders)
    }
}
