//! The supplier's card: what a supplier promises, as data that the code enforces.

use std::collections::HashMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What may be done when nobody knows whether a submit arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resubmit {
    /// The same number again returns the first result, `resubmit_for` long.
    Idempotent,
    /// Ask by our number.
    Query,
    /// Neither: one submit ever, doubt goes to a person.
    Never,
}

/// What a code in a supplier's answer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CodeVerdict {
    /// Will finish later.
    Accepted,
    /// Charged.
    Succeeded,
    /// Accepted once, then failed.
    Failed,
    /// Not accepted, nothing formed.
    Rejected,
    /// Not finished yet.
    Processing,
    /// Says nothing.
    Unknown,
}

/// The unit of the amounts that a supplier speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MoneyUnit {
    /// Yuan, with decimals.
    #[default]
    Yuan,
    /// Whole fen (0.01 yuan).
    Fen,
}

/// A supplier's card. Durations are written like `"30s"`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SupplierCard {
    /// What may be done in doubt.
    pub resubmit: Resubmit,
    /// For `idempotent`: how long the supplier remembers our number. It is sent again only while it would also arrive within that
    /// time: a lease and `not_found_final_after` less.
    #[serde(default = "day", with = "humantime_serde")]
    pub resubmit_for: Duration,
    /// How long after the call's deadline `NotFound` proves that nothing was formed; absent: never.
    #[serde(
        default,
        with = "humantime_serde",
        skip_serializing_if = "Option::is_none"
    )]
    pub not_found_final_after: Option<Duration>,
    /// The first query, after the submit.
    #[serde(default = "half_minute", with = "humantime_serde")]
    pub first_query_after: Duration,
    /// Between two queries, or two resubmits.
    #[serde(default = "half_minute", with = "humantime_serde")]
    pub query_every: Duration,
    /// How long the supplier is asked before a person decides: from the first submit on where it accepted the order, else from when a
    /// call of ours can no longer arrive.
    #[serde(default = "day", with = "humantime_serde")]
    pub query_for: Duration,
    /// Between two queries after that, while a person may decide any time.
    #[serde(default = "ten_minutes", with = "humantime_serde")]
    pub doubt_query_every: Duration,
    /// One call in all, at most 30 s.
    #[serde(default = "half_minute", with = "humantime_serde")]
    pub timeout: Duration,
    /// Calls at the same time, of the whole fleet.
    #[serde(default = "hundred")]
    pub max_in_flight: u32,
    /// Calls per second, of the whole fleet; 0: no limit.
    #[serde(default)]
    pub rate: u32,
    /// So many submits of one worker process with an unknown outcome within half a minute, and at least half of all, keep new orders
    /// away for a while; 0: never.
    #[serde(default = "twenty")]
    pub break_after: u32,
    /// What the codes in the answers mean; a code that is not listed is unknown.
    #[serde(default)]
    pub result_codes: HashMap<String, CodeVerdict>,
    /// The field that names the most that we pay, where the supplier has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_cost_field: Option<String>,
    /// The longest reference that the supplier takes; ours has 28 characters.
    #[serde(default = "reference_length")]
    pub reference_length: u8,
    /// The unit of its amounts.
    #[serde(default)]
    pub money_unit: MoneyUnit,
    /// The offset of the times that it writes, like `+08:00`.
    #[serde(default = "china_time")]
    pub time_zone: String,
}

impl SupplierCard {
    /// The longest that one call may take.
    pub const MAX_TIMEOUT: Duration = Duration::from_secs(30);

    /// Whether the supplier can be asked by our number.
    pub const fn can_query(&self) -> bool {
        !matches!(self.resubmit, Resubmit::Never)
    }

    /// What breaks the card's rules, as field and rule.
    pub fn fault(&self) -> Option<(&'static str, String)> {
        let short = Duration::from_millis(1);
        if self.timeout < short || self.timeout > Self::MAX_TIMEOUT {
            return Some(("timeout", "must be between 1ms and 30s".into()));
        }
        if self.query_every < Duration::from_millis(100) {
            return Some(("query_every", "must be at least 100ms".into()));
        }
        if self.doubt_query_every < Duration::from_secs(1) {
            return Some(("doubt_query_every", "must be at least 1s".into()));
        }
        if self.max_in_flight == 0 || self.max_in_flight > 10_000 {
            return Some(("max_in_flight", "must be between 1 and 10000".into()));
        }
        if usize::from(self.reference_length) < crate::reference::LENGTH {
            return Some((
                "reference_length",
                format!("must be at least {}", crate::reference::LENGTH),
            ));
        }
        None
    }
}

const fn day() -> Duration {
    Duration::from_hours(24)
}

const fn ten_minutes() -> Duration {
    Duration::from_mins(10)
}

fn half_minute() -> Duration {
    Duration::from_secs(30)
}

const fn twenty() -> u32 {
    20
}

const fn hundred() -> u32 {
    100
}

const fn reference_length() -> u8 {
    32
}

fn china_time() -> String {
    "+08:00".into()
}
