//! How one worker process works.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The settings of the `fulfillment` role.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The most orders that one claim takes.
    pub claim_size: usize,
    /// The most outcomes that one transaction records.
    pub record_size: usize,
    /// How often to look for orders whose next look is due, in milliseconds; several workers look in turn.
    pub due_every_ms: u64,
    /// How often to look for what stood still, in milliseconds.
    pub sweep_every_ms: u64,
    /// The most messages that one sweep puts back to work, per lane.
    pub sweep_size: usize,
    /// How long running calls may go on after a stop was asked for, in milliseconds.
    pub drain_timeout_ms: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            claim_size: 200,
            record_size: 500,
            due_every_ms: 250,
            sweep_every_ms: 2_000,
            sweep_size: 500,
            drain_timeout_ms: 35_000,
        }
    }
}

impl Settings {
    pub(crate) const fn due_every(&self) -> Duration {
        Duration::from_millis(self.due_every_ms)
    }

    pub(crate) const fn sweep_every(&self) -> Duration {
        Duration::from_millis(self.sweep_every_ms)
    }

    pub(crate) const fn drain_timeout(&self) -> Duration {
        Duration::from_millis(self.drain_timeout_ms)
    }
}
