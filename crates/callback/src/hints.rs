//! Hints: an order has just become final, its report can go at once.

use std::time::Duration;

use queue::Delivery;
use retry::Backoff;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::fleet::Fleet;
use crate::sender::{Sender, now};

/// How often hints that come late are told of.
const MARK_EVERY: Duration = Duration::from_millis(250);

/// Takes hints until the consumer ends or shutdown.
pub(crate) struct HintLoop {
    pub(crate) sender: Sender,
    pub(crate) deliveries: mpsc::Receiver<Delivery>,
    pub(crate) claim_size: usize,
    pub(crate) mark: Mark,
    pub(crate) fleet: Fleet,
}

/// How far this process has come in the queue, told while it comes late: ingress then takes no more of those whose reports wait.
pub(crate) struct Mark {
    worker: Uuid,
    due: Instant,
}

impl HintLoop {
    /// Acknowledges after the claim: the row brings the report back, whether it found a slot or not, whatever happens to this process.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        let mut backoff =
            Backoff::new(Duration::from_millis(100), Duration::from_secs(5)).with_jitter();
        let mut rest = company::Rest::default();
        loop {
            let first = tokio::select! {
                () = shutdown.cancelled() => return,
                first = self.deliveries.recv() => match first {
                    Some(first) => first,
                    None => return,
                },
            };
            rest.end().await;
            // Endpoints that are slow or dead hold other slots, so this wait is short.
            let free = tokio::select! {
                () = shutdown.cancelled() => return,
                free = self.sender.slots.free_for_first() => free,
            };
            let mut hints = vec![first];
            let most = free.min(self.claim_size);
            let workers = self.fleet.size();
            let patience = |hint: &Delivery| company::patience(age(hint), workers);
            company::gather(&mut self.deliveries, &mut hints, most, patience).await;
            let keys: Vec<_> = hints.iter().map(|hint| hint.key().clone()).collect();
            let began = Instant::now();
            let told = self.sender.send_hinted(&keys).await;
            rest.begin(began.elapsed(), workers);
            match told {
                Ok(late) => {
                    backoff.reset();
                    hints.into_iter().for_each(Delivery::ack);
                    if let Some(late) = late {
                        self.mark.tell(&self.sender, late).await;
                    }
                }
                Err(error) => {
                    let delay = backoff.next_delay();
                    tracing::warn!(%error, reports = keys.len(), delay_ms = delay.as_millis(), "reports not claimed, hints given back");
                    tokio::select! {
                        () = shutdown.cancelled() => return,
                        () = tokio::time::sleep(delay) => {}
                    }
                }
            }
        }
    }
}

/// A report is as late as its order.
fn age(hint: &Delivery) -> Duration {
    now().since(hint.key().order.made_at())
}

impl Mark {
    /// Of a process that has just begun.
    pub(crate) fn new() -> Self {
        Self {
            worker: Uuid::now_v7(),
            due: Instant::now(),
        }
    }

    /// Nobody waits for it: one that cannot be told is told with the next hint that is late.
    async fn tell(&mut self, sender: &Sender, late: Duration) {
        if Instant::now() < self.due {
            return;
        }
        if let Err(error) = sender.store.mark_reports(self.worker, late).await {
            tracing::debug!(%error, "nobody was told that reports are late");
        }
        self.due = Instant::now() + MARK_EVERY;
    }
}
