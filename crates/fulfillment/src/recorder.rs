//! Records what was heard, many orders in one transaction, and acknowledges their messages after the commit.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use domain::SupplierId;
use queue::{Delivery, PublisherHandle, QueueName};
use retry::Backoff;
use store::Store;
use store::life::{Fate, Moved, Outcome};
use tokio::sync::{Notify, mpsc, watch};
use traces::Span;

use crate::breaker::News;
use crate::desk::Desk;
use crate::meters;

/// What a call brought, with the messages that wait for its commit.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) outcome: Outcome,
    pub(crate) supplier: SupplierId,
    pub(crate) deliveries: Vec<Delivery>,
    /// A new order that tried a tripped supplier.
    pub(crate) is_probe: bool,
    /// Ends when it is recorded.
    pub(crate) recording: Span,
}

/// Tells others what a commit means for them.
#[derive(Clone)]
pub(crate) struct Announcer {
    pub(crate) publisher: PublisherHandle,
    pub(crate) callbacks: QueueName,
    /// Wakes the due loop: orders wait for their next way.
    pub(crate) again: Arc<Notify>,
}

impl Announcer {
    /// After the commit: reports to the callback workers, next ways to the due loop, and one log line for each end.
    pub(crate) fn announce(&self, moved: &[Moved]) {
        let mut reports = vec![];
        for moved in moved {
            match moved.fate {
                Fate::Finished { report } => {
                    if report {
                        reports.push(moved.key.clone());
                    }
                    meters::finished(moved.state);
                    tracing::info!(
                        order = %moved.key.order,
                        business = %moved.key.business,
                        attempt = moved.attempt.map(|no| no.0),
                        state = moved.state.word(),
                        "order finished"
                    );
                }
                Fate::Doubt => {
                    meters::doubted();
                    tracing::warn!(
                        order = %moved.key.order,
                        business = %moved.key.business,
                        attempt = moved.attempt.map(|no| no.0),
                        "order set aside for a person"
                    );
                }
                Fate::Again => self.again.notify_one(),
                Fate::Waiting => {}
            }
        }
        // A hint that does not get through is found by the callback workers' own look at what is due.
        if let Err(error) = self
            .publisher
            .try_publish(&self.callbacks, reports, None)
            .map(drop)
        {
            tracing::debug!(%error, "hints for reports not published");
        }
    }
}

/// Takes what was heard until all who could bring more are gone.
pub(crate) struct Recorder {
    pub(crate) store: Store,
    pub(crate) desk: watch::Receiver<Arc<Desk>>,
    pub(crate) heard: mpsc::Receiver<Heard>,
    pub(crate) announcer: Announcer,
    pub(crate) set_size: usize,
}

impl Recorder {
    /// Ends when every sender has ended and all is recorded.
    pub(crate) async fn run(mut self) {
        let mut set = Vec::with_capacity(self.set_size);
        while self.heard.recv_many(&mut set, self.set_size).await > 0 {
            let mut outcomes = Vec::with_capacity(set.len());
            let mut deliveries = Vec::with_capacity(set.len());
            let mut recordings = Vec::with_capacity(set.len());
            let mut news = HashMap::new();
            for heard in set.drain(..) {
                count(&heard);
                if let Some(heard_of) = self.news(&heard) {
                    news.insert(heard.supplier.clone(), heard_of);
                }
                outcomes.push(heard.outcome);
                deliveries.extend(heard.deliveries);
                recordings.push(heard.recording);
            }
            self.record(outcomes).await;
            drop(recordings);
            for delivery in deliveries {
                delivery.ack();
            }
            halt::at("record", "acknowledged").await;
            for (supplier, news) in news {
                self.tell_the_fleet(&supplier, news).await;
            }
        }
    }

    fn news(&self, heard: &Heard) -> Option<News> {
        let evidence = &heard.outcome.evidence;
        let desk = Arc::clone(&self.desk.borrow());
        let breaker = &desk.counter(&heard.supplier)?.breaker;
        breaker.hear(evidence.source, &evidence.verdict, heard.is_probe)
    }

    /// What cannot be told now is noticed again: the calls go on failing, or the next probe succeeds.
    async fn tell_the_fleet(&self, supplier: &SupplierId, news: News) {
        let told = match news {
            News::Fails => {
                let reason = "submits without a usable answer";
                self.store.trip_breaker(supplier, reason).await
            }
            News::Answers => self.store.close_breaker(supplier).await,
        };
        match (told, news) {
            (Ok(false), _) => {}
            (Ok(true), News::Fails) => {
                meters::tripped(supplier);
                tracing::warn!(%supplier, "the supplier fails: no new orders for a while");
            }
            (Ok(true), News::Answers) => tracing::info!(%supplier, "the supplier answers again"),
            (Err(error), _) => tracing::warn!(%supplier, %error, "the fleet could not be told"),
        }
    }

    /// Tries until it is recorded: nobody else knows what was heard. An outcome that the database refuses for itself is told
    /// and left to the lease, so that it does not stand in the way of the others.
    async fn record(&self, outcomes: Vec<Outcome>) {
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(5));
        let mut sets = vec![outcomes];
        while let Some(set) = sets.pop() {
            let catalogue = Arc::clone(&self.desk.borrow().catalogue);
            match self.store.record(set.clone(), &catalogue).await {
                Ok(moved) => {
                    backoff.reset();
                    self.announcer.announce(&moved);
                }
                Err(error) if error.is_passing() => {
                    let delay = backoff.next_delay();
                    tracing::warn!(%error, orders = set.len(), delay_ms = delay.as_millis(), "not recorded yet, tried again");
                    sets.push(set);
                    tokio::time::sleep(delay).await;
                }
                Err(_) if set.len() > 1 => sets.extend(set.into_iter().map(|one| vec![one])),
                Err(error) => {
                    for outcome in set {
                        tracing::error!(
                            order = %outcome.key.order,
                            business = %outcome.key.business,
                            attempt = outcome.attempt.0,
                            verdict = outcome.evidence.verdict.word(),
                            %error,
                            "what was heard could not be recorded, the lease brings the order back"
                        );
                    }
                }
            }
        }
    }
}

fn count(heard: &Heard) {
    let verdict = heard.outcome.evidence.verdict.word();
    meters::answered(&heard.supplier, verdict);
    tracing::debug!(
        order = %heard.outcome.key.order,
        business = %heard.outcome.key.business,
        attempt = heard.outcome.attempt.0,
        supplier = %heard.supplier,
        verdict,
        "supplier answered"
    );
}
