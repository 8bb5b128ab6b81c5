//! The supplier of what is measured: what it says of itself, and what it is told to do.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::stage::Stage;

/// The supplier's own pages.
pub(super) struct Supplier {
    url: String,
    client: reqwest::Client,
}

impl Supplier {
    pub(super) fn of(stage: &Stage<'_>) -> anyhow::Result<Self> {
        let way = stage.cast.ways.first();
        let at = way.map(|way| way.supplier.to_string()).unwrap_or_default();
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(10))
            .build()?;
        Ok(Self {
            url: format!("http://{at}"),
            client,
        })
    }

    pub(super) async fn control(&self, control: &Value) -> anyhow::Result<()> {
        let request = self.client.post(format!("{}/control", self.url));
        let request = request.header("content-type", "application/json");
        let answer = request.body(control.to_string()).send().await?;
        answer.error_for_status()?;
        Ok(())
    }

    /// Second by second.
    pub(super) async fn calls(&self) -> anyhow::Result<Vec<Calls>> {
        let answer = self
            .client
            .get(format!("{}/calls", self.url))
            .send()
            .await?;
        Ok(serde_json::from_slice(&answer.bytes().await?)?)
    }

    /// Second by second, without those of `before`, which may have been in a second that goes on.
    pub(super) async fn calls_since(&self, before: &[Calls]) -> anyhow::Result<Vec<Calls>> {
        let mut calls = self.calls().await?;
        for then in before {
            if let Some(now) = calls.iter_mut().find(|now| now.second == then.second) {
                now.submits -= then.submits;
                now.refused -= then.refused;
                now.queries -= then.queries;
            }
        }
        Ok(calls)
    }

    /// All submits and queries that have come to it.
    pub(super) async fn asked(&self) -> anyhow::Result<u64> {
        let calls = self.calls().await?;
        Ok(calls
            .iter()
            .map(|calls| calls.submits + calls.queries)
            .sum())
    }
}

/// What the supplier was asked in one second.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(super) struct Calls {
    pub(super) second: u64,
    pub(super) submits: u64,
    pub(super) refused: u64,
    pub(super) queries: u64,
}
