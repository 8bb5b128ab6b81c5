//! The `callback` role: it tells merchants what became of their orders (`CONTRACT.md` §6).
//!
//! Depends on `domain`, `openapi` (the report and its signature), `store` (reports that wait), `queue` (hints), `retry`, `company` and `traces`. It
//! knows nothing of suppliers.
//!
//! Read `sender.rs` first: one report's way from claim to record. `hints.rs`, `due.rs` and `overtaking.rs` (by `looks.rs`, when `late.rs` says so) bring the work, `judge.rs` says what an answer
//! means, `names.rs` where a report may go (by the rule in `openapi`), `slots.rs` who has to wait (by what `pace.rs`, `standing.rs` and `egress.rs` know of
//! endpoints), `health.rs` how those recover, `fleet.rs` how many do all this, `worker.rs` how it starts and ends.

mod due;
mod egress;
mod fleet;
mod health;
mod hints;
mod judge;
mod late;
mod looks;
mod meters;
mod names;
mod overtaking;
mod pace;
mod pools;
mod post;
mod recorder;
mod sender;
mod settings;
mod signers;
mod slots;
mod standing;
mod worker;

pub use meters::describe_meters;
pub use post::NoClient;
pub use settings::Settings;
pub use worker::Worker;
