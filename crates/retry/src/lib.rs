//! How long to wait before the next try, and when to stop trying.
//!
//! This is the one room that knows the `backoff` crate: it is unmaintained (RUSTSEC-2025-0012), so it
//! only draws delays here; the cap on tries and the deadline are ours. The room depends on nothing of
//! Refill and neither sleeps nor reads a clock: callers tell it how much time has passed.
//!
//! Read [`Backoff`] first, then [`Schedule`].

mod backoff;
mod schedule;

pub use crate::backoff::Backoff;
pub use crate::schedule::Schedule;
