//! What a newcomer watches: a bar per state and one for delivered reports, or plain lines where there is no terminal.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde_json::json;
use simulator::MerchantClient;
use tokio::time::Instant;

use super::orders::Batch;
use super::stage::Stage;

const LOOK_EVERY: Duration = Duration::from_millis(300);
const NAMES: [&str; 5] = ["stored", "processing", "succeeded", "failed", "cancelled"];

/// How far all orders are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    by_state: [u64; 5],
    delivered: u64,
}

pub(super) struct Progress {
    total: u64,
    bars: Option<(MultiProgress, Vec<ProgressBar>)>,
    last: Counts,
}

impl Progress {
    pub(super) fn new(total: u32) -> Self {
        let bars = std::io::stderr().is_terminal().then(|| {
            let all = MultiProgress::new();
            let style = ProgressStyle::with_template("  {prefix:<18} {bar:40} {pos:>6}/{len}")
                .unwrap_or_else(|_| ProgressStyle::default_bar());
            let bars = NAMES
                .iter()
                .take(4)
                .chain(&["reports delivered"])
                .map(|name| {
                    let bar = all.add(ProgressBar::new(u64::from(total)));
                    bar.set_style(style.clone());
                    bar.set_prefix(*name);
                    bar
                });
            let bars = bars.collect();
            (all, bars)
        });
        Self {
            total: u64::from(total),
            bars,
            last: Counts::default(),
        }
    }

    fn show(&mut self, counts: Counts) {
        if counts == self.last {
            return;
        }
        self.last = counts;
        let shown = counts.by_state.iter().take(4).chain([&counts.delivered]);
        if let Some((_, bars)) = &self.bars {
            for (bar, count) in bars.iter().zip(shown) {
                bar.set_position(*count);
            }
        } else {
            let states: Vec<String> = NAMES
                .iter()
                .zip(counts.by_state)
                .take(4)
                .map(|(name, n)| format!("{name} {n}"))
                .collect();
            println!(
                "  {}, reports delivered {} of {}",
                states.join(", "),
                counts.delivered,
                self.total
            );
        }
    }

    pub(super) fn finish(&self) {
        if let Some((_, bars)) = &self.bars {
            bars.iter().for_each(ProgressBar::abandon);
        }
    }
}

/// Watches through the merchant's own API until every report is delivered. When nothing moves any more because a person has to decide,
/// `settle` is asked; returns what it said.
pub(super) async fn watch(
    client: &MerchantClient,
    batches: &[Batch],
    stage: &Stage,
    progress: &mut Progress,
    deadline: Instant,
    settle: impl AsyncFn() -> anyhow::Result<Vec<String>>,
) -> anyhow::Result<Vec<String>> {
    let mut said = vec![];
    loop {
        let counts = Counts {
            by_state: count(client, batches).await?,
            delivered: stage.received.taken(),
        };
        progress.show(counts);
        let of_this_run = reported(batches, stage);
        if of_this_run == progress.total {
            return Ok(said);
        }
        anyhow::ensure!(
            Instant::now() < deadline,
            "not done in time: {counts:?}; `refill doubt list` and the log say more"
        );
        said.extend(settle().await?);
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn reported(batches: &[Batch], stage: &Stage) -> u64 {
    let taken = |code: &str| stage.received.get(code).is_some_and(|r| r.taken_at_us > 0);
    let items = batches.iter().flat_map(|batch| &batch.items);
    u64::try_from(items.filter(|item| taken(&item.biz_code)).count()).unwrap_or(u64::MAX)
}

async fn count(client: &MerchantClient, batches: &[Batch]) -> anyhow::Result<[u64; 5]> {
    let mut sums = [0; 5];
    for batch in batches {
        let body = json!({"batchBizCode": batch.code, "pageNo": 1, "pageSize": 1}).to_string();
        let answer = client
            .post("/v1/openapi/order/batch/info", body.as_bytes())
            .await?;
        for (sum, name) in sums.iter_mut().zip(NAMES) {
            *sum += answer.data["counts"][name].as_u64().unwrap_or_default();
        }
    }
    Ok(sums)
}
