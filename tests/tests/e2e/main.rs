//! What the platform's users are promised, tried from outside: a `refill dev` process, a simulated outside, real PostgreSQL and RabbitMQ.
//!
//! `harness` starts it all. Each test has its own database and vhost on servers that all tests share; those that kill a server start their
//! own. A test that waits looks again and again until what it waits for is there, or fails after a long time with what it saw.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    reason = "a test stops at the first surprise"
)]

mod architecture;
mod bad_days;
mod behaviours;
mod bench;
mod bills;
mod blocked_broker;
mod broker;
mod broker_rights;
mod canary;
mod cancel;
mod contract;
mod database;
mod distribution;
mod docs;
mod endpoints;
mod feed;
mod hanging;
mod harness;
mod held_up;
mod keys;
mod lanes;
mod looks;
mod manifests;
mod months;
mod operators;
mod ops_api;
mod overflow;
mod pages;
mod parked;
mod plans;
mod pulses;
mod pushes;
mod reports;
mod rights;
mod routing;
mod side_by_side;
mod stops;
mod stories;
mod ten_thousand;
mod tls;
mod tools;
mod turns;
mod twins;
mod unreachable;
mod watch;
