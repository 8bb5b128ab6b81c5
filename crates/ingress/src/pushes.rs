//! What suppliers pushed on its way into the database: what comes while others are being recorded is recorded together, one transaction at
//! a time. Pushes for one account all move its balance; each by itself, they would find it locked by each other.
//!
//! Nobody waits for a lock with a connection in hand: what another transaction holds is tried again after a pause, for a while.

use std::sync::Arc;
use std::time::Duration;

use retry::Backoff;
use store::life::{Heard, Pushed};
use store::{Store, StoreError};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::known::Known;

/// The most pushes in one transaction.
const SET: usize = 200;
/// The pauses between tries to record what another transaction holds: about the first, then longer, up to the longest. Not all the same,
/// because processes that met once would otherwise meet again each time.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(80);
/// How long it is tried, once it was held: others before it in line take none of this. Then the supplier is to try again.
const PATIENCE: Duration = Duration::from_millis(500);

struct Waiting {
    pushed: Pushed,
    /// When it is no longer tried; from when it was first held.
    until: Option<Instant>,
    told: oneshot::Sender<Heard>,
}

/// Where requests leave what was pushed.
#[derive(Clone)]
pub(crate) struct PushHandle {
    inbox: mpsc::Sender<Waiting>,
}

impl PushHandle {
    /// The handle, and the task that records. `most`: pushes that may wait, which the places of the requests bound already.
    pub(crate) fn new(
        store: Store,
        known: watch::Receiver<Arc<Known>>,
        most: usize,
    ) -> (Self, PushTask) {
        let (inbox, waiting) = mpsc::channel(most);
        let task = PushTask {
            store,
            known,
            waiting,
            held: vec![],
        };
        (Self { inbox }, task)
    }

    /// Records a push. `Err(Locked)`: somebody keeps locked what it needs.
    pub(crate) async fn record(&self, pushed: Pushed) -> Heard {
        let (told, answer) = oneshot::channel();
        let waiting = Waiting {
            pushed,
            until: None,
            told,
        };
        if self.inbox.send(waiting).await.is_err() {
            return Err(StoreError::Away("no pushes are recorded any more".into()));
        }
        // Whoever was recording it broke: nobody knows how far it came, and the supplier pushes again.
        answer.await.unwrap_or(Err(StoreError::CommitUnknown))
    }
}

/// Records what is left with the handle.
pub(crate) struct PushTask {
    store: Store,
    known: watch::Receiver<Arc<Known>>,
    waiting: mpsc::Receiver<Waiting>,
    /// What another transaction held.
    held: Vec<Waiting>,
}

impl PushTask {
    /// Runs until `shutdown`, then records what still waits.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        let mut pauses = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE).with_jitter();
        let mut try_again_at = Instant::now();
        let mut set = vec![];
        let mut open = true;
        while open || !self.held.is_empty() {
            tokio::select! {
                () = shutdown.cancelled(), if !self.waiting.is_closed() => self.waiting.close(),
                taken = self.waiting.recv_many(&mut set, SET), if open => open = taken > 0,
                () = sleep_until(try_again_at), if !self.held.is_empty() => set.append(&mut self.held),
            }
            if set.is_empty() {
                continue;
            }
            // Others' pushes that come meanwhile do not put off the next try.
            let holds_none_back = self.held.is_empty();
            self.record(std::mem::take(&mut set)).await;
            if holds_none_back {
                try_again_at = Instant::now() + pauses.next_delay();
            }
            if self.held.is_empty() {
                pauses.reset();
            }
        }
    }

    async fn record(&mut self, set: Vec<Waiting>) {
        let catalogue = Arc::clone(&self.known.borrow().catalogue);
        let (pushes, waiting): (Vec<Pushed>, Vec<_>) = set
            .into_iter()
            .map(|w| (w.pushed, (w.until, w.told)))
            .unzip();
        let heard = self.store.record_pushes(&pushes, &catalogue).await;
        for ((pushed, (until, told)), heard) in pushes.into_iter().zip(waiting).zip(heard) {
            let until = until.unwrap_or_else(|| Instant::now() + PATIENCE);
            if matches!(heard, Err(StoreError::Locked)) && Instant::now() < until {
                self.held.push(Waiting {
                    pushed,
                    until: Some(until),
                    told,
                });
            } else {
                // Nobody waits any more if the request broke.
                let _ = told.send(heard);
            }
        }
    }
}
