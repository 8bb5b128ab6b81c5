#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]
//! The console, met over a real socket on a real database.

mod actions;
mod api;
mod broker;
mod door;
mod languages;
mod pages;
mod standing;
mod support;
