//! What the overload came to: one object, a table, and sentences.

use serde_json::{Map, Value, json};

use super::Overload;
use crate::command::bench::report::round;
use crate::command::bench::steps::Step;
use crate::command::bench::table::Table;

/// Of a step, in milliseconds.
type Figure = fn(&Step) -> Option<f64>;

/// What is compared.
const COMPARED: [(&str, Figure); 4] = [
    ("accepted_p50", |step| step.accepted.ms(0.5)),
    ("accepted_p99", |step| step.accepted.ms(0.99)),
    ("delivered_p50", |step| step.delivered.all.ms(0.5)),
    ("delivered_p99", |step| step.delivered.all.ms(0.99)),
];

/// The others' figure beside something, to what it is without.
struct Beside {
    /// In the object.
    key: &'static str,
    /// In the sentences.
    what: &'static str,
    /// In the order of `COMPARED`.
    ratios: [Option<f64>; 4],
}

impl Overload {
    fn beside(&self) -> [Beside; 8] {
        let to = |key, what, step: &Step, without: &[&Step]| Beside {
            key,
            what,
            ratios: COMPARED.map(|(_, of)| Some(of(step)? / mean_of(without, of)?)),
        };
        let [before, after] = &self.unlimited.alone;
        let alone = [before, after];
        [
            to(
                "large_at_a_third",
                "one account that is 50 times as large, a third of the capacity in all",
                &self.unlimited.beside_large_at_a_third,
                &alone,
            ),
            to(
                "large",
                "one account that is 50 times as large, two thirds in all",
                &self.unlimited.beside_large,
                &alone,
            ),
            to(
                "large_to_as_busy",
                "the same, to all ten evenly sending as much",
                &self.unlimited.beside_large,
                &[&self.unlimited.as_busy],
            ),
            to("flood", "the flood", &self.unlimited.beside_flood, &alone),
            to(
                "held_flood",
                "the same flood, once a limit holds its account to a quarter of the capacity",
                &self.held.beside,
                &[&self.held.alone],
            ),
            to(
                "large_apart",
                "the large one at another installation on this machine, two thirds in all",
                &self.apart.beside_large,
                &[&self.held.alone],
            ),
            to(
                "flood_apart",
                "the flood at another installation on this machine",
                &self.apart.beside_flood,
                &[&self.held.alone],
            ),
            to("crowd", "the crowd", &self.unlimited.beside_crowd, &alone),
        ]
    }

    /// Orders a second, before the overload and after it.
    fn capacities(&self) -> [f64; 2] {
        self.unlimited
            .capacity
            .each_ref()
            .map(|c| c.orders_per_second)
    }

    /// What was done under overload, as a part of the capacity before it and after it, which are the machine's at two moments.
    fn goodput(&self) -> f64 {
        let [before, after] = self.capacities();
        2.0 * self.done() / (before + after)
    }

    /// As a part of the larger of the two.
    fn goodput_of_peak(&self) -> f64 {
        let [before, after] = self.capacities();
        self.done() / before.max(after)
    }

    fn done(&self) -> f64 {
        self.unlimited.over.finished.unwrap_or_default()
    }

    /// What a refusal cost, to an answer that nothing was done for.
    fn refusals_to_bare(&self) -> Option<f64> {
        Some(self.unlimited.over.refusals.ms(0.99)? / self.unlimited.bare.ms(0.99)?)
    }

    fn steps(&self) -> [(&'static str, &Step); 18] {
        let [alone, alone_again] = &self.unlimited.alone;
        [
            ("overload", &self.unlimited.over),
            ("others_alone", alone),
            ("others_alone_again", alone_again),
            (
                "others_beside_large_at_a_third",
                &self.unlimited.beside_large_at_a_third,
            ),
            ("large_at_a_third", &self.unlimited.large_at_a_third),
            ("others_beside_large", &self.unlimited.beside_large),
            ("large", &self.unlimited.large),
            ("all_as_busy", &self.unlimited.as_busy),
            ("others_beside_flood", &self.unlimited.beside_flood),
            ("flood", &self.unlimited.flood),
            ("others_beside_crowd", &self.unlimited.beside_crowd),
            ("others_alone_then", &self.held.alone),
            ("others_beside_held_flood", &self.held.beside),
            ("held_flood", &self.held.flood),
            ("others_beside_large_apart", &self.apart.beside_large),
            ("large_apart", &self.apart.large),
            ("others_beside_flood_apart", &self.apart.beside_flood),
            ("flood_apart", &self.apart.flood),
        ]
    }

    pub(super) fn json(&self) -> Value {
        let mut told = Map::new();
        for (name, step) in self.steps() {
            told.insert(name.into(), of_step(step));
        }
        let [before, after] = self.capacities();
        let figures = [
            ("capacity_per_second", json!(round(before))),
            ("capacity_after_per_second", json!(round(after))),
            ("goodput_of_capacity", json!(round(self.goodput()))),
            ("goodput_of_peak", json!(round(self.goodput_of_peak()))),
            ("bare_answers", self.unlimited.bare.json()),
            (
                "refusals_to_bare_answers_p99_ratio",
                json!(self.refusals_to_bare().map(round)),
            ),
            ("crowd_connections", json!(self.unlimited.held_open)),
        ];
        told.extend(figures.map(|(name, value)| (name.into(), value)));
        for Beside { key, ratios, .. } in self.beside() {
            for ((figure, _), ratio) in COMPARED.iter().zip(ratios) {
                told.insert(format!("{key}_{figure}_ratio"), json!(ratio.map(round)));
            }
        }
        told.into()
    }

    pub(super) fn table(&self) -> Table {
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
        for (figure, of) in COMPARED {
            row(&format!("{}, ms", figure.replace('_', " ")), &of);
        }
        row("delivered max, ms", &|s| s.delivered.all.ms(1.0));
        for role in ["ingress", "fulfillment", "callback"] {
            row(&format!("peak MB, {role}"), &|s| {
                s.peak_mb.get(role).copied()
            });
        }
        table
    }

    /// A line each.
    pub(super) fn sentences(&self) -> String {
        let [before, after] = self.capacities();
        let ms = |quantile| self.unlimited.bare.ms(quantile).unwrap_or(f64::NAN);
        let mut lines = vec![
            format!(
                "done under overload: {:.2} of the capacity, {before:.0} a second before it and {after:.0} after; {:.2} of the larger",
                self.goodput(),
                self.goodput_of_peak(),
            ),
            format!(
                "an answer that nothing is done for, meanwhile: p50 {:.1} ms, p99 {:.1} ms; a refusal's p99, to its: {:.2}",
                ms(0.5),
                ms(0.99),
                self.refusals_to_bare().unwrap_or(f64::NAN),
            ),
            "p50 and p99 of the others, to what they are alone:".into(),
        ];
        for Beside { what, ratios, .. } in self.beside() {
            let [accepted, accepted_p99, delivered, delivered_p99] =
                ratios.map(|ratio| ratio.unwrap_or(f64::NAN));
            lines.push(format!(
                "  beside {what}: accepted {accepted:.2} and {accepted_p99:.2}, delivered {delivered:.2} and {delivered_p99:.2}"
            ));
        }
        lines.push(format!(
            "  connections of the crowd that were open at the end: {}",
            self.unlimited.held_open
        ));
        lines.join("\n") + "\n"
    }
}

fn of_step(step: &Step) -> Value {
    let peak_mb: Map<String, Value> = step
        .peak_mb
        .iter()
        .map(|(name, mb)| ((*name).to_owned(), json!(round(*mb))))
        .collect();
    json!({
        "offered_per_second": round(step.offered),
        "accepted_per_second": round(step.taken),
        "finished_per_second": step.finished.map(round),
        "accepted": step.accepted.json(),
        "delivered": step.delivered.all.json(),
        "refusals": step.refusals.json(),
        "refused_share": round(step.refused_share),
        "unanswered_batches": step.unanswered,
        "peak_mb": peak_mb,
    })
}

fn mean_of(steps: &[&Step], of: Figure) -> Option<f64> {
    let figures: Option<Vec<f64>> = steps.iter().map(|step| of(step)).collect();
    let figures = figures.filter(|figures| !figures.is_empty())?;
    let count = f64::from(u32::try_from(figures.len()).ok()?);
    Some(figures.iter().sum::<f64>() / count)
}
