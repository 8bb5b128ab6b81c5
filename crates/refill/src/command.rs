//! The tools, one file each.

pub(crate) mod audit;
pub(crate) mod bench;
pub(crate) mod catalog;
pub(crate) mod check;
pub(crate) mod demo;
pub(crate) mod dev;
pub(crate) mod doubt;
pub(crate) mod endpoint;
pub(crate) mod first_admin;
pub(crate) mod floor;
pub(crate) mod gates;
pub(crate) mod health;
pub(crate) mod keys;
pub(crate) mod migrate;
mod moment;
pub(crate) mod operator;
pub(crate) mod order;
pub(crate) mod queue;
pub(crate) mod resend;
pub(crate) mod sign;
pub(crate) mod sim;
