//! The `callback` role: it tells merchants what became of their orders (`CONTRACT.md` §6).
//!
//! Depends on `domain`, `openapi` (the report and its signature), `store` (reports that wait), `queue` (hints) and `retry`. It knows
//! nothing of suppliers.
//!
//! Read `sender.rs` first: one report's way from claim to record. `hints.rs` and `due.rs` bring the work, `judge.rs` says what an answer
//! means, `network_rule.rs` where a report may go, `slots.rs` who has to wait, `worker.rs` how it starts and ends.

mod due;
mod hints;
mod judge;
mod network_rule;
mod post;
mod recorder;
mod sender;
mod settings;
mod signers;
mod slots;
mod worker;

pub use settings::Settings;
pub use worker::Worker;
