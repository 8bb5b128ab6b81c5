//! The console: what ops use all day. What waits now, any order's whole story, and what may be done about it.
//!
//! Whoever uses it has signed in (`door`): passwords as argon2id, sessions in the database, each form bound to its session. What may be
//! done is one function each (`actions`), which the subcommands and the API for programs (`api`, described in `API.md`) call too; each
//! leaves a row in the audit, in its own transaction.
//! Depends on `store` (all that it shows and does), `queue` (how the broker's queues stand, and what was put aside there), `openapi` (why
//! a merchant's signature is wrong, where a caller comes from) and `domain`; knows no supplier.
//!
//! Read `door.rs` first (what every request passes), then `pages.rs` (one file for each page), `api.rs` and `actions.rs` (who may do
//! what).
//! `alarms.rs` says what needs somebody now, `standing.rs` why an order stands where it stands; `server.rs` holds the bounds.

pub mod actions;
mod alarms;
mod api;
mod chart;
mod codes;
mod desk;
mod door;
mod frame;
mod kept;
mod lists;
mod pages;
pub mod passwords;
mod pulse;
mod queues;
mod server;
mod signature;
mod standing;
mod story;
pub mod told;
mod tongue;
mod trouble;
pub mod words;

pub use server::{Console, Settings};
