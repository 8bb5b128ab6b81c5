//! The floor under every measurement: the least program that could be said to do the same as the platform.
//!
//! One row per order that is updated twice, two messages, one supplier call, one signed report; no ledger, no attempts, no evidence, no retries, and the first
//! fault ends it. `refill bench` runs it beside the platform, on the same servers, so that a speed can be read as a ratio. It takes only
//! the signatures from our rooms (`openapi`): the cryptography costs both the same. Nothing may depend on it but the bench.
//!
//! Read `door` (a batch comes in), `worker` (an order is charged), then `teller` (its merchant is told).

mod door;
mod messages;
mod rows;
mod teller;
mod worker;

use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use domain::UnixMs;
use openapi::{KeyError, SigningKey, VerifyingKey};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::messages::Broker;
use crate::rows::Rows;

/// What the floor stands between.
pub struct Settings {
    /// Where merchants' requests come.
    pub listen: SocketAddr,
    /// The supplier's base URL (form shape).
    pub supplier: String,
    /// What both sign with.
    pub supplier_key: String,
    /// Where all reports go.
    pub callback: String,
    /// PostgreSQL.
    pub database_url: String,
    /// RabbitMQ.
    pub amqp_url: String,
    /// Signs reports.
    pub report_key: SigningKey,
    /// Verifies requests (PEM).
    pub merchant_public_key: String,
}

/// The floor ends at the first of these.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum FloorError {
    #[error("a key cannot be read: {0}")]
    Key(#[from] KeyError),
    #[error("database: {0}")]
    Database(#[from] tokio_postgres::Error),
    #[error("no connection to the database: {0}")]
    Pool(#[from] deadpool_postgres::PoolError),
    #[error("the pool cannot be made: {0}")]
    Build(#[from] deadpool_postgres::BuildError),
    #[error("broker: {0}")]
    Broker(#[from] lapin::Error),
    #[error("HTTP: {0}")]
    Http(#[from] reqwest::Error),
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error("{0}")]
    Unexpected(String),
}

impl FloorError {
    fn unexpected(what: impl std::fmt::Display) -> Self {
        Self::Unexpected(what.to_string())
    }
}

/// Runs until `shutdown`, or until the first fault.
pub async fn run(settings: Settings, shutdown: CancellationToken) -> Result<(), FloorError> {
    let rows = Rows::open(&settings.database_url).await?;
    let broker = Broker::open(&settings.amqp_url).await?;
    let http = reqwest::Client::builder()
        .no_proxy()
        .pool_max_idle_per_host(worker::CALLS)
        .timeout(std::time::Duration::from_secs(30))
        .build()?;
    let worker = worker::Worker {
        rows: rows.clone(),
        broker: broker.clone(),
        http: http.clone(),
        supplier: settings.supplier,
        key: settings.supplier_key,
    };
    let teller = teller::Teller {
        broker: broker.clone(),
        http,
        callback: settings.callback,
        rows: rows.clone(),
        key: settings.report_key,
    };
    let door = door::Door {
        rows,
        broker,
        key: VerifyingKey::rsa_from_pem(&settings.merchant_public_key)?,
    };
    let listener = TcpListener::bind(settings.listen).await?;
    let mut tasks = JoinSet::new();
    tasks.spawn(worker.run());
    tasks.spawn(teller.run());
    tasks.spawn(door.run(listener));
    tokio::select! {
        () = shutdown.cancelled() => Ok(()),
        Some(ended) = tasks.join_next() => ended.map_err(FloorError::unexpected)?,
    }
}

fn now() -> UnixMs {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    UnixMs(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
