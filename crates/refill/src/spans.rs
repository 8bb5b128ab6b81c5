//! Where the spans of this process go: to a collector, if the settings name one and the program was built with the feature `otel`.

use crate::settings::Traces;

/// How long a stop waits for what is not told yet.
#[cfg(feature = "otel")]
const FLUSH_WITHIN: std::time::Duration = std::time::Duration::from_secs(2);

/// The way to the collector, if there is one.
pub(crate) struct Spans {
    #[cfg(feature = "otel")]
    collector: Option<traces::Collector>,
}

#[cfg(feature = "otel")]
impl Spans {
    /// The spans of this process, which is `role`, are told from now on.
    pub(crate) fn of(role: &str, settings: &Traces) -> anyhow::Result<Self> {
        use anyhow::Context;
        let Traces { endpoint, ratio } = settings;
        if endpoint.is_empty() {
            return Ok(Self { collector: None });
        }
        let collector =
            traces::Collector::connect(endpoint, role, *ratio).context("traces.endpoint")?;
        tracing::info!(endpoint, ratio, "traces are told");
        Ok(Self {
            collector: Some(collector),
        })
    }

    /// Tells what is not told yet, for a while.
    pub(crate) async fn end(&mut self) {
        let Some(collector) = self.collector.take() else {
            return;
        };
        // It blocks, and it keeps its time.
        let telling = tokio::task::spawn_blocking(move || collector.end(FLUSH_WITHIN));
        if let Err(error) = telling.await {
            tracing::error!(%error, "telling the last spans broke");
        }
    }
}

#[cfg(not(feature = "otel"))]
#[allow(
    clippy::unnecessary_wraps,
    clippy::unused_async,
    clippy::unused_self,
    clippy::needless_pass_by_ref_mut,
    reason = "what the other build does"
)]
impl Spans {
    /// Says so, if somebody waits for them.
    pub(crate) fn of(_role: &str, settings: &Traces) -> anyhow::Result<Self> {
        if !settings.endpoint.is_empty() {
            tracing::warn!(
                "traces.endpoint is set, but this program was built without traces (feature `otel`)"
            );
        }
        Ok(Self {})
    }

    /// Nothing was told.
    pub(crate) async fn end(&mut self) {}
}
