//! The end-to-end and fault tests: the platform as its users meet it, against real servers that the tests start, kill and restart.
//!
//! Depends on `servers` and `simulator` only. Read `tests/e2e/main.rs` first.
