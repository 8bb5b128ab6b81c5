//! Latencies, in a histogram of microseconds.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use super::report::round;

/// What is told of each, as name and part.
pub(super) const QUANTILES: [(&str, f64); 5] = [
    ("p50", 0.5),
    ("p90", 0.9),
    ("p99", 0.99),
    ("p99_9", 0.999),
    ("max", 1.0),
];

/// What is longer counts as an hour.
const HIGHEST_US: u64 = 3_600_000_000;

/// Many of them.
#[derive(Clone, Debug)]
pub(super) struct Latencies(Histogram<u64>);

impl Latencies {
    /// None so far, to be kept to three digits.
    pub(super) fn new() -> anyhow::Result<Self> {
        Ok(Self(Histogram::new_with_bounds(1, HIGHEST_US, 3)?))
    }

    pub(super) fn add(&mut self, latency: Duration) {
        let us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.0.saturating_record(us);
    }

    pub(super) fn count(&self) -> u64 {
        self.0.len()
    }

    /// So many of them, as a part of 1, took no longer: in milliseconds. `None`: there are none.
    pub(super) fn ms(&self, quantile: f64) -> Option<f64> {
        let us = self.0.value_at_quantile(quantile);
        #[expect(
            clippy::cast_precision_loss,
            reason = "latencies are far below 2^52 microseconds"
        )]
        (!self.0.is_empty()).then_some(us as f64 / 1_000.0)
    }

    /// All that is told, in milliseconds.
    pub(super) fn json(&self) -> Value {
        let mut told = serde_json::Map::new();
        for (name, quantile) in QUANTILES {
            told.insert(format!("{name}_ms"), json!(self.ms(quantile).map(round)));
        }
        told.insert("count".into(), json!(self.count()));
        told.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_what_was_added_and_none_are_of_nothing() {
        let mut latencies = Latencies::new().unwrap();
        assert_eq!(latencies.ms(0.5), None);
        for us in 1..=1_000 {
            latencies.add(Duration::from_micros(us * 100));
        }
        let near = |quantile, ms: f64| {
            let is = latencies.ms(quantile).unwrap();
            assert!((is - ms).abs() <= ms / 500.0, "{quantile}: {is}, not {ms}");
        };
        near(0.5, 50.0);
        near(0.99, 99.0);
        near(0.999, 99.9);
        near(1.0, 100.0);
    }
}
