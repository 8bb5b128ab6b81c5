//! `refill bench flat`: what an order costs while so many others are stored and wait for a supplier that does not answer.
//!
//! Between the first point and the last lie minutes, in which a shared machine may become half as fast. So the floor is measured beside each
//! point: it knows nothing of those that wait, and what its orders cost is the machine's share.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::Instant;

use super::catalogue::{Cast, Way};
use super::cpu;
use super::measured::{Measured, measure, per_second, warm_up};
use super::offer::{Offer, Pace, Refused};
use super::report::{cost_rows, costs, round};
use super::roles::Roles;
use super::shares::zipf;
use super::stage::{Stage, free_address};
use super::table::Table;
use super::{Place, sender};

/// The product whose orders wait.
const WAITING: &str = "WAIT";
/// Accounts that wait; the first also sends what is measured.
const ACCOUNTS: u16 = 8;
const REQUESTS: usize = 8;
/// Orders in one batch of those that wait.
const FILL_BATCH: u32 = 1_000;

/// The flags of `refill bench flat`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Flags {
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    /// How many orders wait while it is measured, in turn.
    #[arg(long, default_value = "10000,100000,1000000", value_delimiter = ',')]
    at: Vec<u32>,
    /// Orders of each measurement.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
    orders: u32,
}

/// One measurement.
pub(super) struct Point {
    pub(super) waiting: u32,
    pub(super) measured: Measured,
    floor: Measured,
    /// How fast those that wait came in, on the way here.
    filled_per_second: Option<f64>,
}

impl Point {
    /// What an order has cost, in orders of the floor.
    fn to_floor(&self) -> f64 {
        self.measured.cost.inside() / self.floor.cost.inside()
    }
}

/// A supplier that takes connections and never answers.
struct Silence {
    _listener: TcpListener,
    way: Way,
}

impl Silence {
    async fn keep() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        // One call at a time, each of which ends in doubt after half a minute: all other orders of the lane stay where they are.
        let card = "resubmit = \"never\"\nmax_in_flight = 1\nbreak_after = 0\n";
        let way = Way {
            product: WAITING,
            lane: "waiting",
            supplier: listener.local_addr()?,
            card: card.into(),
        };
        Ok(Self {
            _listener: listener,
            way,
        })
    }

    /// What is measured, and those that wait.
    fn cast(&self) -> anyhow::Result<Cast> {
        let mut cast = Cast::small(free_address()?);
        cast.businesses = ACCOUNTS;
        cast.ways.push(self.way.clone());
        // Those that wait are meant to wait.
        cast.settings = vec![("REFILL__INGRESS__MAX_WAITING_MS", "86400000")];
        Ok(cast)
    }
}

pub(super) async fn run(place: &Place<'_>, flags: &Flags) -> anyhow::Result<()> {
    let points = measured_at(place, &flags.at, flags.orders).await?;
    if flags.json {
        println!("{}", json(&points));
    } else {
        print!("{}", table(&points));
    }
    Ok(())
}

/// All measurements, on a stage of their own.
pub(super) async fn measured_at(
    place: &Place<'_>,
    at: &[u32],
    orders: u32,
) -> anyhow::Result<Vec<Point>> {
    let silence = Silence::keep().await?;
    let stage = place.stage(silence.cast()?).await?;
    let roles = Roles::start(&stage, 1, &[]).await?;
    let measured = points(&stage, &roles, at, orders).await;
    roles.stop().await;
    stage.strike().await;
    measured
}

/// Fills up to each number of waiting orders in turn, and measures beside them.
async fn points(
    stage: &Stage<'_>,
    roles: &Roles,
    at: &[u32],
    orders: u32,
) -> anyhow::Result<Vec<Point>> {
    let offer = measured_offer(stage, orders);
    let (mut points, mut waiting) = (vec![], 0_u32);
    for wanted in at.iter().copied() {
        let filled_per_second = match wanted.checked_sub(waiting).filter(|missing| *missing > 0) {
            Some(missing) => Some(fill(stage, roles, missing).await?),
            None => None,
        };
        waiting = waiting.max(wanted);
        cpu::rests(&stage.servers.pids()).await;
        warm_up(stage, roles, &offer).await?;
        let measured = measure(stage, roles, &offer).await?;
        let floor = beside(stage, &offer).await?;
        tracing::info!(waiting, "measured");
        points.push(Point {
            waiting,
            measured,
            floor,
            filled_per_second,
        });
    }
    Ok(points)
}

/// The floor's orders, on the same servers and beside the same roles.
async fn beside(stage: &Stage<'_>, offer: &Offer) -> anyhow::Result<Measured> {
    let floor = Roles::start_floor_alone(stage).await?;
    let measuring = async {
        warm_up(stage, &floor, offer).await?;
        measure(stage, &floor, offer).await
    };
    let measured = measuring.await;
    floor.stop().await;
    measured
}

/// A closed loop of one account on the lane that works.
pub(super) fn measured_offer(stage: &Stage<'_>, orders: u32) -> Offer {
    Offer {
        orders,
        sizes: vec![100],
        pace: Pace::AtOnce(REQUESTS),
        refused: Refused::SentAgain,
        product: super::PRODUCT,
        shares: vec![1.0],
        callback_urls: stage.callback_urls.clone(),
        signed_before: false,
    }
}

/// Returns how many a second were accepted.
async fn fill(stage: &Stage<'_>, roles: &Roles, orders: u32) -> anyhow::Result<f64> {
    let began = Instant::now();
    let offer = Offer {
        orders,
        sizes: vec![FILL_BATCH],
        product: WAITING,
        shares: zipf(ACCOUNTS, 0.0),
        ..measured_offer(stage, orders)
    };
    let sent = sender::send(stage, &roles.openapi_url, &offer).await?;
    let within: Duration = began.elapsed();
    let filled = per_second(sent.orders(), within);
    tracing::info!(orders, per_second = filled, "filled");
    Ok(filled)
}

/// The last one's to the first one's.
pub(super) fn growth(points: &[Point], of: impl Fn(&Point) -> f64) -> Option<f64> {
    let (first, last) = (points.first()?, points.last()?);
    Some(of(last) / of(first))
}

pub(super) fn json(points: &[Point]) -> Value {
    let told: Vec<Value> = points
        .iter()
        .map(|point| {
            let mut told = costs(&point.measured.cost);
            told.insert("waiting".into(), json!(point.waiting));
            told.insert("orders".into(), json!(point.measured.orders));
            let per_second = round(point.measured.orders_per_second);
            told.insert("orders_per_second".into(), json!(per_second));
            let accepted = round(point.measured.accepted_per_second);
            told.insert("accepted_per_second".into(), json!(accepted));
            let delivered = point.measured.delivered.all.ms(0.99).map(round);
            told.insert("delivered_p99_ms".into(), json!(delivered));
            let floor = round(point.floor.cost.inside());
            told.insert("floor_cpu_ms_per_order_inside".into(), json!(floor));
            told.insert("cpu_to_floor".into(), json!(round(point.to_floor())));
            let filled = point.filled_per_second.map(round);
            told.insert("filled_per_second".into(), json!(filled));
            told.into()
        })
        .collect();
    let cpu = growth(points, |point| point.measured.cost.inside());
    let to_floor = growth(points, Point::to_floor);
    let wal = growth(points, |point| point.measured.cost.wal_bytes);
    json!({
        "points": told,
        "cpu_of_last_to_first": cpu.map(round),
        "cpu_to_floor_of_last_to_first": to_floor.map(round),
        "wal_of_last_to_first": wal.map(round),
    })
}

pub(super) fn table(points: &[Point]) -> Table {
    let mut columns: Vec<String> = points
        .iter()
        .map(|point| format!("{} waiting", point.waiting))
        .collect();
    columns.push("last/first".into());
    let mut table = Table::new(columns);
    let mut row = |name: &str, of: &dyn Fn(&Point) -> Option<f64>| {
        let mut values: Vec<Option<f64>> = points.iter().map(of).collect();
        if let (Some(Some(first)), Some(Some(last))) = (values.first(), values.last()) {
            values.push(Some(last / first));
        }
        table.row(name, values);
    };
    row("those that wait came in, a second", &|p| {
        p.filled_per_second
    });
    row("orders a second, request to report", &|p| {
        Some(p.measured.orders_per_second)
    });
    row("orders accepted a second", &|p| {
        Some(p.measured.accepted_per_second)
    });
    row("accepted p99, ms", &|p| p.measured.accepted.all.ms(0.99));
    row("delivered p99, ms", &|p| p.measured.delivered.all.ms(0.99));
    row("CPU ms per order, the floor's beside it", &|p| {
        Some(p.floor.cost.inside())
    });
    row("CPU per order, to the floor's", &|p| Some(p.to_floor()));
    let costs: Vec<_> = points.iter().map(|point| &point.measured.cost).collect();
    cost_rows(&mut table, &costs, Some(|first, last| last / first));
    table
}
