//! Private PostgreSQL and RabbitMQ for `refill dev`, the demo and the tests: found, started, killed, ended.
//!
//! Choice, for each server on its own: a given URL, else the installed binaries as a private instance under a data folder, else
//! Docker compose where an engine answers, else apt. Whatever ends the launcher, no server outlives it: each has a guard, a small
//! shell that waits for the end of a pipe which only the launcher holds, and a record by which the next launcher finds what is left.
//! Depends on no other room.
//!
//! Read `launcher` first (the choice), then `postgres` and `rabbitmq` (one recipe each), `guard` (who cleans up).

mod apt;
mod compose;
mod folder;
mod guard;
mod launcher;
mod management;
mod port;
mod postgres;
mod program;
mod rabbitmq;

pub use apt::found_or_installed;
pub use launcher::{Certificate, Servers, Settings};
pub use port::free_address;
pub use postgres::Postgres;
pub use rabbitmq::RabbitMq;

/// Why there are no servers.
#[derive(Debug, thiserror::Error)]
pub enum ServersError {
    /// Nothing that was tried gave a server.
    #[error("no {server}: {tried}")]
    None {
        /// Which.
        server: &'static str,
        /// What was tried, and why it did not work.
        tried: String,
    },
    /// Another launcher works on the folder.
    #[error("{0} is in use by another process")]
    InUse(std::path::PathBuf),
    /// A program could not be run, or failed.
    #[error("{program}: {why}")]
    Program {
        /// Which.
        program: String,
        /// What it said.
        why: String,
    },
    /// It did not do in time what it should.
    #[error("{what} within {seconds} s")]
    TimedOut {
        /// Like "PostgreSQL did not answer".
        what: String,
        /// How long was waited.
        seconds: u64,
    },
    /// Files.
    #[error("{path}: {error}")]
    File {
        /// Which.
        path: std::path::PathBuf,
        /// What went wrong.
        error: std::io::Error,
    },
    /// This server is not ours to do that with.
    #[error("{0}")]
    NotOurs(String),
}

pub(crate) type Result<T> = std::result::Result<T, ServersError>;
