//! What a role tells its keepers: `/livez`, `/readyz`, `/metrics`.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::meters;
use crate::readiness::Readiness;

/// How often old samples are forgotten.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);
/// The format that Prometheus reads.
const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The admin server of one process.
pub(crate) struct Admin {
    listener: TcpListener,
    state: Seen,
}

#[derive(Clone)]
struct Seen {
    readiness: Readiness,
    metrics: PrometheusHandle,
}

impl Admin {
    /// Listens.
    pub(crate) async fn bind(
        at: SocketAddr,
        readiness: Readiness,
        metrics: PrometheusHandle,
    ) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(at)
            .await
            .with_context(|| format!("admin.listen: cannot listen on {at}"))?;
        Ok(Self {
            listener,
            state: Seen { readiness, metrics },
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

async fn readyz(State(seen): State<Seen>) -> (StatusCode, String) {
    let judgement = seen.readiness.look().await;
    let status = if judgement.is_ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, judgement.text)
}

/// Asks nobody: what the database has to say was asked before (`vitals`).
async fn exposition(State(seen): State<Seen>) -> impl IntoResponse {
    meters::connections(&seen.readiness.store);
    ([(CONTENT_TYPE, EXPOSITION)], seen.metrics.render())
}
