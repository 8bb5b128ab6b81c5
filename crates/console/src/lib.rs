//! The console: pages for ops. What waits now, one order's whole story, and the orders that wait for a person.
//!
//! It only reads. There is no login: whoever reaches its address may look, so it belongs on a private network.
//! Depends on `store` (all that it shows) and `domain`; knows no broker, no supplier, no merchant API.
//!
//! Read `pages.rs` first: one function for each address. Then `story.rs` (how an order's rows become a timeline) and
//! `trouble.rs` (what a page says when there is nothing to show). `server.rs` holds the bounds.

mod pages;
mod server;
mod story;
mod trouble;
mod words;

pub use server::Console;
