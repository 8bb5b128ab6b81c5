//! What the bench says: the platform beside the floor.

use serde_json::{Map, Value, json};

use super::Flags;
use super::latency::QUANTILES;
use super::measured::Measured;
use super::meter::{Cost, OUTSIDE};
use super::table::Table;

pub(super) struct Report {
    pub(super) flags: Flags,
    pub(super) refill: Measured,
    pub(super) floor: Option<Measured>,
}

impl Report {
    /// For machines or for people.
    pub(super) fn tell(&self) {
        if self.flags.json {
            println!("{}", self.json());
            return;
        }
        print!("{}", self.table());
        if self.flags.statements {
            print_statements(&self.refill.cost);
        }
    }

    /// Fails where the platform falls behind the floor by more than was asked for.
    pub(super) fn judge(&self) -> anyhow::Result<()> {
        let ratio =
            |of: fn(&Measured) -> f64| self.floor.as_ref().map(|f| of(&self.refill) / of(f));
        if let (Some(least), Some(speed)) = (self.flags.at_least, ratio(|m| m.orders_per_second)) {
            anyhow::ensure!(
                speed >= least,
                "throughput is {speed:.2} of the floor's, at least {least} was asked for"
            );
        }
        if let (Some(most), Some(cost)) = (self.flags.cpu_at_most, ratio(|m| m.cost.inside())) {
            anyhow::ensure!(
                cost <= most,
                "an order costs {cost:.2} of the floor's CPU, at most {most} was asked for"
            );
        }
        Ok(())
    }

    fn json(&self) -> Value {
        let flags = &self.flags;
        let mut told = figures(&self.refill);
        let floor = self.floor.as_ref().map(figures);
        // One that was not measured has the same names, with nothing known.
        for name in told.keys().cloned().collect::<Vec<_>>() {
            let value = floor.as_ref().and_then(|floor| floor.get(&name)).cloned();
            told.insert(format!("floor_{name}"), value.unwrap_or(Value::Null));
        }
        let ratio = |of: fn(&Measured) -> f64| {
            let floor = self.floor.as_ref().map(of);
            floor.map(|floor| round(of(&self.refill) / floor))
        };
        told.insert(
            "ratio_to_floor".into(),
            json!(ratio(|m| m.orders_per_second)),
        );
        told.insert(
            "ratio_of_cpu_to_floor".into(),
            json!(ratio(|m| m.cost.inside())),
        );
        told.insert(
            "settings".into(),
            json!({
                "batch": flags.batch, "concurrency": flags.concurrency, "rate": flags.rate, "outstanding": flags.outstanding,
                "workers": flags.workers, "businesses": flags.businesses, "skew": flags.skew,
                "callback_sign": flags.callback_sign.name(),
                "cores": std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
                "debug_build": cfg!(debug_assertions),
            }),
        );
        if flags.statements {
            told.insert("statements".into(), statements(&self.refill.cost));
        }
        told.into()
    }

    fn table(&self) -> Table {
        let runs: Vec<&Measured> = [&self.refill].into_iter().chain(&self.floor).collect();
        let mut columns = vec!["Refill"];
        if self.floor.is_some() {
            columns.extend(["floor", "ratio"]);
        }
        let mut table = Table::new(columns);
        let mut row = |name: &str, of: &dyn Fn(&Measured) -> Option<f64>| {
            let mut values: Vec<Option<f64>> = runs.iter().map(|run| of(run)).collect();
            if let [Some(refill), Some(floor)] = values[..] {
                values.push(Some(refill / floor));
            }
            table.row(name, values);
        };
        row("orders", &|m| Some(f64::from(m.orders)));
        row("orders a second, request to report", &|m| {
            Some(m.orders_per_second)
        });
        row("orders accepted a second", &|m| Some(m.accepted_per_second));
        for (name, quantile) in QUANTILES {
            row(&format!("accepted {name}, ms"), &|m| {
                m.accepted.all.ms(quantile)
            });
        }
        if self.flags.batch.len() > 1 {
            for size in &self.flags.batch {
                for (name, quantile) in [("p50", 0.5), ("p99", 0.99)] {
                    row(&format!("  batches of {size}, {name}, ms"), &|m| {
                        m.accepted.by_size.get(size)?.ms(quantile)
                    });
                }
            }
        }
        for (name, quantile) in QUANTILES {
            row(&format!("delivered {name}, ms"), &|m| {
                m.delivered.all.ms(quantile)
            });
        }
        if self.flags.businesses > 1 {
            row("  largest account, p99, ms", &|m| {
                m.delivered.largest.ms(0.99)
            });
            row("  smaller half of the accounts, p99, ms", &|m| {
                m.delivered.smaller.ms(0.99)
            });
        }
        row("batches refused, and sent again", &|m| {
            u32::try_from(m.refusals.count()).ok().map(f64::from)
        });
        let costs: Vec<&Cost> = runs.iter().map(|run| &run.cost).collect();
        let beside_floor = self.floor.is_some();
        let ratio = beside_floor.then_some((|refill, floor| refill / floor) as fn(f64, f64) -> f64);
        cost_rows(&mut table, &costs, ratio);
        table
    }
}

/// What orders have cost, a row each; behind it what comes of the first and the last, if that is asked for.
pub(super) fn cost_rows(table: &mut Table, costs: &[&Cost], ratio: Option<fn(f64, f64) -> f64>) {
    let mut row = |name: String, of: &dyn Fn(&Cost) -> Option<f64>| {
        let mut values: Vec<Option<f64>> = costs.iter().map(|cost| of(cost)).collect();
        if let (Some(ratio), Some(Some(first)), Some(Some(last))) =
            (ratio, values.first(), values.last())
        {
            values.push(Some(ratio(*first, *last)));
        }
        table.row(name, values);
    };
    row("statements per order".into(), &|c| c.statements);
    row("WAL bytes per order".into(), &|c| Some(c.wal_bytes));
    row("messages per order".into(), &|c| c.messages);
    row("calls at the supplier per order".into(), &|c| {
        Some(c.supplier_calls)
    });
    row("lock waits of 10 ms, in 1,000 orders".into(), &|c| {
        c.lock_waits
    });
    row("CPU ms per order, without the outside".into(), &|c| {
        Some(c.inside())
    });
    let mut names: Vec<&str> = costs
        .iter()
        .flat_map(|cost| cost.cpu_ms.keys().copied())
        .collect();
    names.sort_unstable_by_key(|name| (OUTSIDE.contains(name), *name));
    names.dedup();
    for name in &names {
        row(format!("  {name}"), &|c| c.cpu_ms.get(name).copied());
    }
    for name in &names {
        row(format!("peak MB, {name}"), &|c| {
            c.peak_mb.get(name).copied()
        });
    }
}

fn print_statements(cost: &Cost) {
    if cost.heaviest.is_empty() {
        println!("\nThe database does not count its statements.");
        return;
    }
    println!("\nThe statements that took most time:");
    println!(
        "{:>8} {:>10} {:>8} {:>9} {:>12}",
        "calls", "ms", "ms each", "rows", "WAL bytes"
    );
    for heavy in &cost.heaviest {
        let each = heavy.total_ms / per_call(heavy.calls);
        println!(
            "{:>8} {:>10.1} {each:>8.3} {:>9} {:>12}  {}",
            heavy.calls, heavy.total_ms, heavy.rows, heavy.wal_bytes, heavy.text
        );
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn per_call(calls: i64) -> f64 {
    calls.max(1) as f64
}

fn statements(cost: &Cost) -> Value {
    let told = cost.heaviest.iter().map(|heavy| {
        json!({
            "text": heavy.text, "calls": heavy.calls, "total_ms": round(heavy.total_ms),
            "ms_each": round(heavy.total_ms / per_call(heavy.calls)), "rows": heavy.rows, "wal_bytes": heavy.wal_bytes,
        })
    });
    told.collect()
}

/// All figures of one run, by the names that machines know.
fn figures(run: &Measured) -> Map<String, Value> {
    let mut told = Map::new();
    let mut tell = |name: &str, value: Value| told.insert(name.to_owned(), value);
    tell("orders", json!(run.orders));
    tell("orders_per_second", json!(round(run.orders_per_second)));
    tell("accepted_per_second", json!(round(run.accepted_per_second)));
    for (what, latencies) in [
        ("accepted", &run.accepted.all),
        ("delivered", &run.delivered.all),
    ] {
        for (name, quantile) in QUANTILES {
            let value = latencies.ms(quantile).map(round);
            tell(&format!("{what}_{name}_ms"), json!(value));
        }
    }
    let by_size = run.accepted.by_size.iter();
    let by_size = by_size.map(|(size, latencies)| (size.to_string(), latencies.json()));
    tell("accepted_by_batch", by_size.collect::<Map<_, _>>().into());
    tell(
        "delivered_p99_largest_ms",
        json!(run.delivered.largest.ms(0.99).map(round)),
    );
    tell(
        "delivered_p99_smaller_half_ms",
        json!(run.delivered.smaller.ms(0.99).map(round)),
    );
    tell("refused", json!(run.refusals.count()));
    told.extend(costs(&run.cost));
    told
}

/// What orders have cost, by the names that machines know.
pub(super) fn costs(cost: &Cost) -> Map<String, Value> {
    let by_process = |values: &std::collections::BTreeMap<&'static str, f64>| -> Value {
        let rounded = values
            .iter()
            .map(|(name, value)| ((*name).to_owned(), json!(round(*value))));
        rounded.collect::<Map<_, _>>().into()
    };
    let named = [
        ("cpu_ms_per_order", by_process(&cost.cpu_ms)),
        ("cpu_ms_per_order_inside", json!(round(cost.inside()))),
        ("peak_mb", by_process(&cost.peak_mb)),
        ("statements_per_order", json!(cost.statements.map(round))),
        ("wal_bytes_per_order", json!(round(cost.wal_bytes))),
        ("messages_per_order", json!(cost.messages.map(round))),
        (
            "supplier_calls_per_order",
            json!(round(cost.supplier_calls)),
        ),
        (
            "lock_waits_per_1000_orders",
            json!(cost.lock_waits.map(round)),
        ),
    ];
    named
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// To three decimals.
pub(super) fn round(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use clap::Parser;

    use super::super::measured::{Accepted, Delivered};
    use super::*;
    use crate::command::bench::latency::Latencies;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        flags: Flags,
    }

    fn some() -> Latencies {
        let mut latencies = Latencies::new().unwrap();
        latencies.add(Duration::from_millis(7));
        latencies
    }

    fn measured() -> Measured {
        Measured {
            orders: 10,
            orders_per_second: 5.0,
            accepted_per_second: 6.0,
            accepted: Accepted {
                all: some(),
                by_size: BTreeMap::new(),
            },
            delivered: Delivered {
                all: some(),
                largest: some(),
                smaller: some(),
                last_us: 0,
            },
            refusals: Latencies::new().unwrap(),
            cost: Cost {
                cpu_ms: BTreeMap::from([("ingress", 1.5)]),
                ..Cost::default()
            },
        }
    }

    /// The numbers that others read from `refill bench --json`: a name that is gone breaks them.
    #[test]
    fn what_other_tools_read_keeps_its_name_and_its_kind() {
        let mut report = Report {
            flags: Line::parse_from(["bench"]).flags,
            refill: measured(),
            floor: Some(measured()),
        };
        let told = report.json();
        for name in [
            "orders",
            "orders_per_second",
            "floor_orders_per_second",
            "ratio_to_floor",
            "accepted_p50_ms",
            "accepted_p99_ms",
            "delivered_p50_ms",
            "delivered_p99_ms",
        ] {
            assert!(told[name].is_number(), "{name}: {told}");
        }
        assert_eq!(told["cpu_ms_per_order"], json!({"ingress": 1.5}));

        // Without a floor its names stay, with nothing known.
        report.floor = None;
        let told = report.json();
        for name in ["floor_orders_per_second", "ratio_to_floor"] {
            assert_eq!(told.get(name), Some(&Value::Null), "{name}: {told}");
        }
    }
}
