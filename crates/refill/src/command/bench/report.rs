//! What the bench says.

use serde_json::{Value, json};

use super::Flags;
use super::load::Ran;

pub(super) struct Report {
    pub(super) flags: Flags,
    pub(super) refill: Ran,
    pub(super) floor: Option<Ran>,
}

/// Processes that are the outside, not the platform or its servers.
const OUTSIDE: [&str; 2] = ["bench", "supplier"];

impl Ran {
    /// CPU milliseconds per order of everything but the outside.
    fn inside(&self) -> f64 {
        self.cpu_ms_per_order
            .iter()
            .filter(|(name, _)| !OUTSIDE.contains(name))
            .map(|(_, ms)| ms)
            .sum()
    }
}

impl Report {
    /// How many of the floor's orders per second are reached.
    fn ratio(&self) -> Option<f64> {
        self.floor
            .as_ref()
            .map(|floor| self.refill.orders_per_second / floor.orders_per_second)
    }

    fn json(&self) -> Value {
        let Self {
            flags,
            refill,
            floor,
        } = self;
        json!({
            "orders": refill.orders,
            "orders_per_second": round(refill.orders_per_second),
            "floor_orders_per_second": floor.as_ref().map(|f| round(f.orders_per_second)),
            "ratio_to_floor": self.ratio().map(round),
            "cpu_ms_per_order": cpu(refill),
            "cpu_ms_per_order_inside": round(refill.inside()),
            "floor_cpu_ms_per_order": floor.as_ref().map(cpu),
            "floor_cpu_ms_per_order_inside": floor.as_ref().map(|f| round(f.inside())),
            "accepted_p50_ms": refill.accepted.value_at_quantile(0.5),
            "accepted_p99_ms": refill.accepted.value_at_quantile(0.99),
            "delivered_p50_ms": refill.delivered.value_at_quantile(0.5),
            "delivered_p99_ms": refill.delivered.value_at_quantile(0.99),
            "settings": {
                "batch": flags.batch, "concurrency": flags.concurrency, "rate": flags.rate, "workers": flags.workers,
                "cores": std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
                "debug_build": cfg!(debug_assertions),
            },
        })
    }

    /// For machines or for people.
    pub(super) fn tell(&self, as_json: bool) {
        if as_json {
            println!("{}", self.json());
        } else {
            self.print();
        }
    }

    fn print(&self) {
        let Self { refill, floor, .. } = self;
        println!(
            "{} orders, {:.0} a second end to end (accepted → report taken)",
            refill.orders, refill.orders_per_second
        );
        for (what, histogram) in [
            ("accepted", &refill.accepted),
            ("delivered", &refill.delivered),
        ] {
            let at = |q| histogram.value_at_quantile(q);
            println!("  {what:<10} p50 {} ms, p99 {} ms", at(0.5), at(0.99));
        }
        println!(
            "CPU milliseconds per order: {:.3} without the outside",
            refill.inside()
        );
        for (name, ms) in &refill.cpu_ms_per_order {
            println!("  {name:<12} {ms:.3}");
        }
        if let (Some(floor), Some(ratio)) = (floor, self.ratio()) {
            println!(
                "Floor: {:.0} a second, {:.3} CPU ms per order; we reach {:.0} %",
                floor.orders_per_second,
                floor.inside(),
                ratio * 100.0
            );
        }
    }
}

fn cpu(ran: &Ran) -> Value {
    ran.cpu_ms_per_order
        .iter()
        .map(|(name, ms)| ((*name).to_owned(), json!(round(*ms))))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

pub(super) fn round(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}
