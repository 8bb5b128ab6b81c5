//! An HTTP server with an end.

use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::error::SimulatorError;

/// How long open calls may take after the end was asked for; some never end on purpose.
const DRAIN: Duration = Duration::from_secs(1);

/// Serves until `shutdown`, then ends open calls.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: CancellationToken,
) -> Result<(), SimulatorError> {
    let stop = shutdown.clone();
    let serving =
        axum::serve(listener, router).with_graceful_shutdown(async move { stop.cancelled().await });
    let overdue = async {
        shutdown.cancelled().await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        ended = serving => ended.map_err(SimulatorError::Listen),
        () = overdue => Ok(()),
    }
}
