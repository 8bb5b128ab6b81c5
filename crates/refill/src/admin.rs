//! What a role tells its keepers: `/livez`, `/readyz`, `/metrics`.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use queue::PublisherHandle;
use store::Store;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// How long the database may take to show that it is there.
const READY_TIMEOUT: Duration = Duration::from_secs(2);
/// How often old samples are forgotten.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// The admin server of one process.
pub(crate) struct Admin {
    listener: TcpListener,
    state: Seen,
}

#[derive(Clone)]
struct Seen {
    store: Store,
    publisher: PublisherHandle,
    metrics: PrometheusHandle,
}

impl Admin {
    /// Listens. From here on the process's metrics are kept.
    pub(crate) async fn bind(
        at: SocketAddr,
        store: Store,
        publisher: PublisherHandle,
    ) -> anyhow::Result<Self> {
        let metrics = PrometheusBuilder::new()
            .set_buckets(&[
                0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
            ])
            .and_then(PrometheusBuilder::install_recorder)
            .context("metrics cannot be kept")?;
        let listener = TcpListener::bind(at)
            .await
            .with_context(|| format!("admin.listen: cannot listen on {at}"))?;
        Ok(Self {
            listener,
            state: Seen {
                store,
                publisher,
                metrics,
            },
        })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> anyhow::Result<SocketAddr> {
        Ok(self.listener.local_addr()?)
    }

    /// Serves until `shutdown`.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let metrics = self.state.metrics.clone();
        let upkeep = async {
            loop {
                tokio::time::sleep(UPKEEP_EVERY).await;
                metrics.run_upkeep();
            }
        };
        let router = Router::new()
            .route("/livez", get(|| async { "ok\n" }))
            .route("/readyz", get(readyz))
            .route("/metrics", get(exposition))
            .with_state(self.state);
        let serving = axum::serve(self.listener, router);
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = upkeep => {}
            ended = serving => if let Err(error) = ended {
                tracing::error!(%error, "the admin server ended");
            },
        }
    }
}

/// Ready: the database answers. A broker that is away is told but is no reason to send nobody here: orders are still taken.
async fn readyz(State(seen): State<Seen>) -> (StatusCode, String) {
    let database = match tokio::time::timeout(READY_TIMEOUT, seen.store.ping()).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("no answer in time".into()),
    };
    let broker = if seen.publisher.is_connected() {
        "connected"
    } else {
        "away"
    };
    match database {
        Ok(()) => (StatusCode::OK, format!("database ok\nbroker {broker}\n")),
        Err(error) => (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("database {error}\nbroker {broker}\n"),
        ),
    }
}

async fn exposition(State(seen): State<Seen>) -> String {
    let (used, all) = seen.store.connections();
    metrics::gauge!("refill_database_connections", "state" => "used")
        .set(u32::try_from(used).unwrap_or(u32::MAX));
    metrics::gauge!("refill_database_connections", "state" => "open")
        .set(u32::try_from(all).unwrap_or(u32::MAX));
    seen.metrics.render()
}
