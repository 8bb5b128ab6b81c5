//! The door: merchants' signed requests come in, are checked in the contract's order, and are stored or answered; suppliers push
//! results to it.
//!
//! Thin on purpose. What a request must look like is `openapi`'s, what a batch means is `domain`'s, what is stored and read is
//! `store`'s; here is the order of the checks, the bounds at the door, and the one place where a refusal becomes an answer.
//! Depends on `domain`, `openapi`, `suppliers`, `store`, `queue`, `retry` and `traces`; knows no SQL and no AMQP.
//!
//! Read `authenticate.rs` first, then `batch.rs` and its `batch/plan.rs`, then `answer.rs` (every refusal and what it answers).

mod address;
mod admission;
mod announce;
mod answer;
mod authenticate;
mod backlog;
mod balance;
mod batch;
mod batch_info;
mod behind;
mod body;
mod events;
mod front;
mod info;
mod intake;
mod known;
mod meters;
mod nonces;
mod places;
mod products;
mod push;
mod pushes;
mod rate;
mod resend;
mod router;
mod server;
mod settings;

pub use meters::describe_meters;
pub use server::Ingress;
pub use settings::{BadSetting, Settings};
