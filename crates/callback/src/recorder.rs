//! Records what tries came to, many in one transaction.

use std::time::Duration;

use retry::Backoff;
use store::callbacks::{Next, Tried};
use store::life::Locking;
use store::{Store, StoreError};
use tokio::sync::mpsc;

use crate::fleet::Fleet;

/// The patience of what is recorded here by one process alone, young or late: nobody waits for it.
const LINGER: Duration = Duration::from_millis(50);

/// Takes tries until all who could bring more are gone.
pub(crate) struct Recorder {
    pub(crate) store: Store,
    pub(crate) tried: mpsc::Receiver<Tried>,
    pub(crate) set_size: usize,
    pub(crate) fleet: Fleet,
}

impl Recorder {
    /// Ends when every sender has ended and all is recorded.
    pub(crate) async fn run(mut self) {
        let mut set = Vec::with_capacity(self.set_size);
        while self.tried.recv_many(&mut set, self.set_size).await > 0 {
            let linger = self.fleet.pause(LINGER);
            company::gather(&mut self.tried, &mut set, self.set_size, |_| linger).await;
            self.record(&set).await;
            set.iter().for_each(tell);
            set.clear();
        }
    }

    /// Tries until it is recorded: nobody else knows what the merchant answered. What the database refuses for itself, and what somebody
    /// keeps locked, is left to the lease, which sends the report once more: merchants expect that.
    async fn record(&self, set: &[Tried]) {
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(5));
        let mut locking = Locking::Wait;
        loop {
            match self.store.record_tries(set, locking).await {
                Ok(_) => return,
                Err(StoreError::Locked) if locking == Locking::Wait => {
                    tracing::warn!(
                        reports = set.len(),
                        "somebody keeps some of these reports locked, their leases bring them back"
                    );
                    locking = Locking::Skip;
                }
                Err(error) if error.is_passing() => {
                    let delay = backoff.next_delay();
                    tracing::warn!(%error, reports = set.len(), delay_ms = delay.as_millis(), "not recorded yet, tried again");
                    tokio::time::sleep(delay).await;
                }
                Err(error) => {
                    tracing::error!(%error, reports = set.len(), "tries could not be recorded, their leases bring them back");
                    return;
                }
            }
        }
    }
}

fn tell(tried: &Tried) {
    crate::meters::tried(tried);
    let (order, business) = (&tried.key.order, &tried.key.business);
    let (round, try_no) = (tried.round, tried.try_no);
    match tried.next {
        Next::Delivered => {
            tracing::info!(%order, %business, round, try_no, "report delivered");
        }
        Next::Again(wait) => {
            tracing::info!(%order, %business, round, try_no, outcome = tried.outcome, fault = tried.fault, status = tried.http_status, next_in_s = wait.as_secs(), "report not taken");
        }
        Next::Uncharged(wait) => {
            tracing::warn!(%order, %business, round, try_no, outcome = tried.outcome, next_in_s = wait.as_secs(), "report not sent by our own fault, try not charged");
        }
        Next::Parked => {
            tracing::warn!(%order, %business, round, try_no, outcome = tried.outcome, status = tried.http_status, "report parked");
        }
    }
}
