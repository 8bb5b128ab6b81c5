//! `refill bench curve`: throughput and latency over the offered load, and cost over the backlog, as figures and as one picture.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use serde_json::{Value, json};

use super::Place;
use super::catalogue::Cast;
use super::flat::{self, Point};
use super::measured::{measure, warm_up};
use super::overload;
use super::picture::{Line, Panel, Picture, Scale};
use super::report::round;
use super::roles::Roles;
use super::stage::free_address;
use super::steps::{self, Step};
use super::table::Table;

/// Parts of the maximum that are offered.
const PARTS: [u32; 10] = [10, 25, 50, 75, 90, 100, 150, 200, 300, 500];

/// The flags of `refill bench curve`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Flags {
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    /// Where to draw the picture.
    #[arg(long, value_name = "FILE")]
    svg: PathBuf,
    /// Orders of the closed loop that finds the maximum.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(100..))]
    orders: u32,
    /// How long each step offers its load. The first seconds of more than is done fill the queues.
    #[arg(long, default_value = "20s", value_parser = humantime::parse_duration)]
    step: Duration,
    /// How many orders wait while the cost is measured, in turn.
    #[arg(long, default_value = "1000,10000,50000", value_delimiter = ',')]
    at: Vec<u32>,
}

struct Curve {
    /// Orders a second, from the request to the report, in a closed loop.
    maximum: f64,
    steps: Vec<Step>,
    points: Vec<Point>,
}

pub(super) async fn run(place: &Place<'_>, flags: &Flags) -> anyhow::Result<()> {
    let (maximum, steps) = over_load(place, flags).await?;
    let points = flat::measured_at(place, &flags.at, flags.orders.min(10_000)).await?;
    let curve = Curve {
        maximum,
        steps,
        points,
    };
    let drawn = curve.picture().draw()?;
    std::fs::write(&flags.svg, drawn).with_context(|| flags.svg.display().to_string())?;
    if flags.json {
        println!("{}", curve.json());
    } else {
        print!("{}\n{}", curve.table(), flat::table(&curve.points));
    }
    Ok(())
}

/// The most that is done in a closed loop, and what becomes of parts and multiples of that.
async fn over_load(place: &Place<'_>, flags: &Flags) -> anyhow::Result<(f64, Vec<Step>)> {
    let mut cast = Cast::small(free_address()?);
    cast.settings = vec![overload::MAX_WAITING];
    let stage = place.stage(cast).await?;
    let roles = Roles::start(&stage, 1, &[]).await?;
    let measuring = async {
        let basis = flat::measured_offer(&stage, flags.orders);
        warm_up(&stage, &roles, &basis).await?;
        let maximum = measure(&stage, &roles, &basis).await?.orders_per_second;
        let mut steps = vec![];
        for part in PARTS {
            let offer = steps::offer(&basis, maximum * f64::from(part) / 100.0, flags.step);
            steps.push(steps::make(&stage, &roles, &offer).await?);
            tracing::info!(part, "step made");
        }
        anyhow::Ok((maximum, steps))
    };
    let measured = measuring.await;
    roles.stop().await;
    stage.strike().await;
    measured
}

impl Curve {
    fn json(&self) -> Value {
        let steps: Vec<Value> = self
            .steps
            .iter()
            .map(|step| {
                json!({
                    "offered_per_second": round(step.offered),
                    "accepted_per_second": round(step.taken),
                    "reported_per_second": step.finished.map(round),
                    "accepted_p50_ms": step.accepted.ms(0.5).map(round),
                    "accepted_p99_ms": step.accepted.ms(0.99).map(round),
                    "refused_share": round(step.refused_share),
                    "refusal_p99_ms": step.refusals.ms(0.99).map(round),
                    "unanswered_batches": step.unanswered,
                    "delivered_p50_ms": step.delivered.all.ms(0.5).map(round),
                    "delivered_p99_ms": step.delivered.all.ms(0.99).map(round),
                    "ingress_peak_mb": step.peak_mb.get("ingress").copied().map(round),
                })
            })
            .collect();
        json!({ "maximum_per_second": round(self.maximum), "steps": steps, "flat": flat::json(&self.points) })
    }

    fn table(&self) -> Table {
        let columns = PARTS.iter().map(|part| format!("{part} %"));
        let mut table = Table::new(columns);
        let mut row = |name: &str, of: &dyn Fn(&Step) -> Option<f64>| {
            table.row(name, self.steps.iter().map(of));
        };
        row("orders offered a second", &|s| Some(s.offered));
        row("orders accepted a second", &|s| Some(s.taken));
        row("orders reported a second meanwhile", &|s| s.finished);
        row("accepted p50, ms", &|s| s.accepted.ms(0.5));
        row("accepted p99, ms", &|s| s.accepted.ms(0.99));
        row("refused, %", &|s| Some(s.refused_share * 100.0));
        row("refused p99, ms", &|s| s.refusals.ms(0.99));
        row("batches without an answer", &|s| {
            Some(f64::from(s.unanswered))
        });
        row("delivered p50, ms", &|s| s.delivered.all.ms(0.5));
        row("delivered p99, ms", &|s| s.delivered.all.ms(0.99));
        row("peak MB, ingress", &|s| s.peak_mb.get("ingress").copied());
        table
    }

    fn picture(&self) -> Picture {
        let over_load = |name, of: &dyn Fn(&Step) -> Option<f64>| Line {
            name,
            points: self
                .steps
                .iter()
                .filter_map(|step| Some((step.offered, of(step)?)))
                .collect(),
        };
        let over_backlog = |name, of: &dyn Fn(&Point) -> f64| Line {
            name,
            points: self
                .points
                .iter()
                .map(|point| (f64::from(point.waiting), of(point)))
                .collect(),
        };
        Picture {
            panels: vec![
                Panel {
                    title: "Throughput",
                    across: "orders offered a second",
                    up: "orders a second",
                    across_scale: Scale::FromZero,
                    up_scale: Scale::FromZero,
                    lines: vec![
                        over_load("reported", &|s| s.finished),
                        over_load("accepted", &|s| Some(s.taken)),
                        over_load("offered", &|s| Some(s.offered)),
                    ],
                },
                Panel {
                    title: "Latency of the answer and of the report",
                    across: "orders offered a second",
                    up: "milliseconds",
                    across_scale: Scale::FromZero,
                    up_scale: Scale::Log,
                    lines: vec![
                        over_load("accepted, p50", &|s| s.accepted.ms(0.5)),
                        over_load("accepted, p99", &|s| s.accepted.ms(0.99)),
                        over_load("refused, p99", &|s| s.refusals.ms(0.99)),
                        over_load("reported, p50", &|s| s.delivered.all.ms(0.5)),
                    ],
                },
                Panel {
                    title: "Cost over backlog",
                    across: "orders that wait",
                    up: "CPU ms per order",
                    across_scale: Scale::Log,
                    up_scale: Scale::FromZero,
                    lines: vec![
                        over_backlog("all", &|p| p.measured.cost.inside()),
                        over_backlog("PostgreSQL", &|p| {
                            let cpu = &p.measured.cost.cpu_ms;
                            cpu.get("postgresql").copied().unwrap_or_default()
                        }),
                    ],
                },
            ],
        }
    }
}
