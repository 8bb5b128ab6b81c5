//! Records what was heard, many orders in one transaction, and acknowledges their messages after the commit.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use domain::SupplierId;
use queue::{Delivery, PublisherHandle, QueueName};
use retry::Backoff;
use store::life::{Fate, Locking, Moved, Outcome};
use store::{Share, Store};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::Instant;
use traces::Span;

use crate::breaker::News;
use crate::call::Showing;
use crate::desk::Desk;
use crate::dispatch::InFlight;
use crate::held_up::HeldUp;
use crate::meters;

/// What a call brought, with the messages that wait for its commit.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) outcome: Outcome,
    pub(crate) supplier: SupplierId,
    pub(crate) deliveries: Vec<Delivery>,
    pub(crate) showing: Showing,
    /// A new order that tried a tripped supplier.
    pub(crate) is_probe: bool,
    /// Ends when it is recorded.
    pub(crate) recording: Span,
}

impl Heard {
    fn age(&self) -> Duration {
        meters::age(self.outcome.key.order)
    }

    /// Its messages have said what they had to say.
    pub(crate) fn acknowledge(&mut self) {
        for delivery in self.deliveries.drain(..) {
            delivery.ack();
        }
    }
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
    pub(crate) heard: mpsc::Receiver<Heard>,
    pub(crate) pen: Pen,
    pub(crate) set_size: usize,
    /// The calls that run: what they bring is on its way.
    pub(crate) in_flight: InFlight,
    /// How many workers record.
    pub(crate) share: watch::Receiver<Share>,
}

impl Recorder {
    /// Ends when every sender has ended and all is recorded.
    pub(crate) async fn run(mut self) {
        let mut held_up = HeldUp::new(self.pen.clone());
        let mut set = Vec::with_capacity(self.set_size);
        let mut open = true;
        let mut rest = company::Rest::default();
        loop {
            tokio::select! {
                heard = self.heard.recv_many(&mut set, self.set_size), if open => {
                    open = heard > 0;
                    rest.end().await;
                    let called = || !self.in_flight.is_empty();
                    company::expect(&mut self.heard, &mut set, self.set_size, called).await;
                    let workers = self.share.borrow().of;
                    let patience = |heard: &Heard| company::patience(heard.age(), workers);
                    company::gather(&mut self.heard, &mut set, self.set_size, patience).await;
                    let began = Instant::now();
                    self.take(set.drain(..), &mut held_up).await;
                    rest.begin(began.elapsed(), workers);
                }
                () = held_up.turn(), if !held_up.is_empty() => held_up.try_again(self.set_size).await,
                else => return,
            }
        }
    }

    async fn take(&self, set: impl Iterator<Item = Heard>, held_up: &mut HeldUp) {
        let mut news = HashMap::new();
        let (mut together, mut apart) = (vec![], vec![]);
        for heard in set {
            count(&heard);
            if let Some(heard_of) = self.news(&heard) {
                news.insert(heard.supplier.clone(), heard_of);
            }
            if held_up.has(&heard.outcome.key.business) {
                apart.push(heard);
            } else {
                together.push(heard);
            }
        }
        apart.extend(self.pen.record(together, Locking::Wait).await);
        held_up.add(apart);
        for (supplier, news) in news {
            self.tell_the_fleet(&supplier, news).await;
        }
    }

    fn news(&self, heard: &Heard) -> Option<News> {
        let desk = Arc::clone(&self.pen.desk.borrow());
        let breaker = &desk.counter(&heard.supplier)?.breaker;
        breaker.hear(heard.showing, heard.is_probe)
    }

    /// What cannot be told now is noticed again: the calls go on failing, or the next probe succeeds.
    async fn tell_the_fleet(&self, supplier: &SupplierId, news: News) {
        let told = match news {
            News::Fails => {
                let reason = "orders without a usable answer, or no connection";
                self.pen.store.trip_breaker(supplier, reason).await
            }
            News::Answers => self.pen.store.close_breaker(supplier).await,
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
}

/// Writes what was heard, and acknowledges it.
#[derive(Clone)]
pub(crate) struct Pen {
    pub(crate) store: Store,
    pub(crate) desk: watch::Receiver<Arc<Desk>>,
    pub(crate) announcer: Announcer,
}

impl Pen {
    /// Tries until it is recorded: nobody else knows what was heard. Returns what was not, because somebody keeps locked what it needs.
    /// Others' locks are waited for at most once: who keeps one, and whether for long, nobody knows. An outcome that the database refuses
    /// for itself is told and left to the lease, so that it does not stand in the way of the others.
    pub(crate) async fn record(&self, heard: Vec<Heard>, mut locking: Locking) -> Vec<Heard> {
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(5));
        let mut held = vec![];
        let mut sets = vec![heard];
        while let Some(mut set) = sets.pop() {
            if set.is_empty() {
                continue;
            }
            let catalogue = Arc::clone(&self.desk.borrow().catalogue);
            let outcomes = set.iter().map(|heard| heard.outcome.clone()).collect();
            match self.store.record(outcomes, &catalogue, locking).await {
                Ok(done) => {
                    backoff.reset();
                    self.announcer.announce(&done.moved);
                    held.extend(set.extract_if(.., |heard| done.held.contains(&heard.outcome.key)));
                    recorded(set).await;
                }
                Err(error) if error.is_passing() => {
                    let first = &set[0].outcome.key;
                    tracing::warn!(%error, orders = set.len(), first_order = %first.order, first_business = %first.business, "not recorded yet, tried again");
                    if error.may_be_a_lock() {
                        locking = Locking::Skip;
                    }
                    sets.push(set);
                    tokio::time::sleep(backoff.next_delay()).await;
                }
                Err(_) if set.len() > 1 => sets.extend(set.into_iter().map(|one| vec![one])),
                Err(error) => {
                    for Heard { outcome, .. } in &set {
                        tracing::error!(
                            order = %outcome.key.order,
                            business = %outcome.key.business,
                            attempt = outcome.attempt.0,
                            verdict = outcome.evidence.verdict.word(),
                            %error,
                            "what was heard could not be recorded, the lease brings the order back"
                        );
                    }
                    recorded(set).await;
                }
            }
        }
        held
    }
}

/// The orders' rows say now what became of them.
async fn recorded(set: Vec<Heard>) {
    for mut heard in set {
        heard.acknowledge();
        drop(heard.recording);
    }
    halt::at("record", "acknowledged").await;
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
