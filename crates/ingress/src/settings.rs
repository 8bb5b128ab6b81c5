//! What an ingress process may be told, with the defaults.

use std::time::Duration;

use ipnet::IpNet;
use openapi::requests::BatchLimits;
use serde::{Deserialize, Serialize};

/// How the door is kept. Every name says its unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The longest body of a merchant's request; a longer one answers 413.
    pub max_body_bytes: usize,
    /// Items in one batch.
    pub max_items: usize,
    /// How far a request's timestamp may be from now, before or after.
    pub timestamp_window_ms: u32,
    /// Proxies whose `X-Forwarded-For` is believed; without any the socket's address counts.
    pub trusted_proxies: Vec<IpNet>,
    /// Connections at a time; more wait in the kernel's queue.
    pub max_connections: usize,
    /// Requests past their signature at a time; more answer 503. A business has at most as many as are still free.
    pub max_in_flight: usize,
    /// Memory for bodies that are being read or worked on; a body that does not fit answers 503.
    pub max_body_memory_bytes: usize,
    /// For the head of a request, and for the pause between two requests on one connection.
    pub head_timeout_ms: u64,
    /// For the body of a request, from its head on.
    pub body_timeout_ms: u64,
    /// Batches that may wait for the broker; while more do, batches answer 503.
    pub max_backlog_batches: i64,
    /// How long a business's oldest order may wait in a lane before more of that business is answered 503 there.
    pub max_waiting_ms: u64,
    /// Orders a second that an account without an `order_limit` of its own may have taken by this process; 0: any number.
    pub order_limit: u32,
    /// Batches of this process that may wait for the broker's confirms; the sweeper announces the others.
    pub max_announcing_batches: usize,
    /// Whether a merchant's own `traceparent` is gone on with. It decides then whether the trace is kept, so only for merchants who are
    /// part of the house.
    pub follow_traces: bool,
    /// After the shutdown began: for requests in flight, and again for the broker's confirms.
    pub shutdown_grace_ms: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_body_bytes: 1 << 20,
            max_items: 1_000,
            timestamp_window_ms: 300_000,
            trusted_proxies: vec![],
            max_connections: 10_000,
            max_in_flight: 512,
            max_body_memory_bytes: 128 << 20,
            head_timeout_ms: 30_000,
            body_timeout_ms: 5_000,
            max_backlog_batches: 100_000,
            max_waiting_ms: 60_000,
            order_limit: 0,
            max_announcing_batches: 4_096,
            follow_traces: false,
            shutdown_grace_ms: 15_000,
        }
    }
}

/// A setting that could not work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("ingress.{field} {rule}")]
pub struct BadSetting {
    /// Which.
    pub field: &'static str,
    /// What it must be.
    pub rule: &'static str,
}

impl Settings {
    /// Whether they can work.
    pub fn check(&self) -> Result<(), BadSetting> {
        let rules = [
            (
                "max_body_bytes",
                (1_024..=64 << 20).contains(&self.max_body_bytes),
                "must be between 1024 and 67108864",
            ),
            (
                "max_items",
                (1..=10_000).contains(&self.max_items),
                "must be between 1 and 10000",
            ),
            (
                "timestamp_window_ms",
                (1_000..=86_400_000).contains(&self.timestamp_window_ms),
                "must be between 1000 and 86400000",
            ),
            (
                "max_connections",
                (1..=1_000_000).contains(&self.max_connections),
                "must be between 1 and 1000000",
            ),
            (
                "max_in_flight",
                (1..=100_000).contains(&self.max_in_flight),
                "must be between 1 and 100000",
            ),
            (
                "max_body_memory_bytes",
                (self.max_body_bytes..=64 << 30).contains(&self.max_body_memory_bytes),
                "must be at least max_body_bytes and at most 64 GiB",
            ),
            (
                "head_timeout_ms",
                (100..=600_000).contains(&self.head_timeout_ms),
                "must be between 100 and 600000",
            ),
            (
                "body_timeout_ms",
                (100..=10_000).contains(&self.body_timeout_ms),
                "must be between 100 and 10000",
            ),
            (
                "max_backlog_batches",
                self.max_backlog_batches > 0,
                "must be above 0",
            ),
            (
                "max_waiting_ms",
                (100..=86_400_000).contains(&self.max_waiting_ms),
                "must be between 100 and 86400000",
            ),
            (
                "max_announcing_batches",
                (1..=1_000_000).contains(&self.max_announcing_batches),
                "must be between 1 and 1000000",
            ),
            (
                "shutdown_grace_ms",
                self.shutdown_grace_ms <= 600_000,
                "must be at most 600000",
            ),
        ];
        match rules.into_iter().find(|(_, holds, _)| !holds) {
            Some((field, _, rule)) => Err(BadSetting { field, rule }),
            None => Ok(()),
        }
    }

    /// A nonce stays used for twice the timestamp window and a minute (`CONTRACT.md` §1).
    pub(crate) fn nonce_ttl(&self) -> Duration {
        Duration::from_millis(u64::from(self.timestamp_window_ms)) * 2 + Duration::from_mins(1)
    }

    pub(crate) const fn batch_limits(&self) -> BatchLimits {
        BatchLimits {
            most_items: self.max_items,
        }
    }

    pub(crate) const fn max_waiting(&self) -> Duration {
        Duration::from_millis(self.max_waiting_ms)
    }

    pub(crate) const fn shutdown_grace(&self) -> Duration {
        Duration::from_millis(self.shutdown_grace_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_work_and_the_nonce_outlives_both_ends_of_the_window() {
        let settings = Settings::default();
        assert_eq!(settings.check(), Ok(()));
        assert_eq!(settings.nonce_ttl(), Duration::from_mins(11));
    }

    #[test]
    fn a_setting_that_cannot_work_is_named() {
        let settings = Settings {
            max_body_memory_bytes: 1_024,
            ..Settings::default()
        };
        assert_eq!(
            settings.check().unwrap_err().to_string(),
            "ingress.max_body_memory_bytes must be at least max_body_bytes and at most 64 GiB"
        );
    }
}
