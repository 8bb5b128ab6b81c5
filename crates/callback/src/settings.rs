//! How one process reports.

use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Bounds and times of a callback process.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Reports on the way at the same time, in all: half of them first tries, the rest retries, replays, slow endpoints and probes.
    pub max_in_flight: usize,
    /// The most calls at the same time to one endpoint (scheme, host and port), when it answers well. It begins with 16.
    pub max_in_flight_per_endpoint: usize,
    /// Reports claimed and not yet answered of one business, however many endpoints it names.
    pub max_in_flight_per_business: usize,
    /// The most reports that are claimed in one transaction.
    pub claim_batch: usize,
    /// The most results that are recorded in one transaction.
    pub record_batch: usize,
    /// How often reports are looked for whose time has come, in milliseconds; several workers look in turn.
    pub poll_every_ms: u64,
    /// How long a claim lasts, in milliseconds: the call, and time to record what came of it.
    pub lease_ms: u64,
    /// How long one call may take in all, in milliseconds (`CONTRACT.md` §6: 10 s).
    pub call_timeout_ms: u64,
    /// Who resolves merchants' names, as `address:port`; empty: the system's servers.
    pub name_servers: Vec<SocketAddr>,
    /// For how many days each try is kept.
    pub keep_tries_days: i32,
    /// For how many days reports wait for an endpoint that is not well, until they are parked.
    pub keep_set_aside_days: i32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_in_flight: 1_024,
            max_in_flight_per_endpoint: 64,
            max_in_flight_per_business: 512,
            claim_batch: 100,
            record_batch: 200,
            poll_every_ms: 500,
            lease_ms: 60_000,
            call_timeout_ms: 10_000,
            name_servers: vec![],
            keep_tries_days: 30,
            keep_set_aside_days: 3,
        }
    }
}

impl Settings {
    pub(crate) const fn lease(&self) -> Duration {
        Duration::from_millis(self.lease_ms)
    }

    pub(crate) const fn poll_every(&self) -> Duration {
        Duration::from_millis(self.poll_every_ms)
    }

    pub(crate) const fn call_timeout(&self) -> Duration {
        Duration::from_millis(self.call_timeout_ms)
    }

    /// What breaks the rules, as field and rule.
    pub fn fault(&self) -> Option<(&'static str, &'static str)> {
        let counts = [
            ("callback.max_in_flight", self.max_in_flight),
            (
                "callback.max_in_flight_per_endpoint",
                self.max_in_flight_per_endpoint,
            ),
            (
                "callback.max_in_flight_per_business",
                self.max_in_flight_per_business,
            ),
            ("callback.claim_batch", self.claim_batch),
            ("callback.record_batch", self.record_batch),
        ];
        if let Some((field, _)) = counts.into_iter().find(|(_, n)| !(1..=10_000).contains(n)) {
            return Some((field, "must be between 1 and 10000"));
        }
        if !(10..=60_000).contains(&self.poll_every_ms) {
            return Some(("callback.poll_every_ms", "must be between 10 and 60000"));
        }
        if !(100..=60_000).contains(&self.call_timeout_ms) {
            return Some(("callback.call_timeout_ms", "must be between 100 and 60000"));
        }
        for (field, days) in [
            ("callback.keep_tries_days", self.keep_tries_days),
            ("callback.keep_set_aside_days", self.keep_set_aside_days),
        ] {
            if !(1..=3_650).contains(&days) {
                return Some((field, "must be between 1 and 3650"));
            }
        }
        if self.lease_ms < self.call_timeout_ms.saturating_mul(2) {
            return Some((
                "callback.lease_ms",
                "must be at least twice call_timeout_ms",
            ));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_break_no_rule_and_what_could_not_work_does() {
        assert_eq!(Settings::default().fault(), None);
        let short_lease = Settings {
            lease_ms: 15_000,
            ..Settings::default()
        };
        assert_eq!(short_lease.fault().unwrap().0, "callback.lease_ms");
        let none_at_all = Settings {
            max_in_flight_per_endpoint: 0,
            ..Settings::default()
        };
        assert_eq!(
            none_at_all.fault().unwrap().0,
            "callback.max_in_flight_per_endpoint"
        );
    }
}
