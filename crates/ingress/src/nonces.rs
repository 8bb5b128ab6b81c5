//! The nonces of requests that store nothing, used up many at a time: those that come while others are being written are written
//! together.

use store::intake::{NonceUse, Used};
use store::{Store, StoreError};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// The most nonces in one transaction.
const SET: usize = 500;
/// Transactions at the same time: who comes while one is slow at its commit does not wait for it as well.
const SETS_AT_ONCE: usize = 3;

struct Waiting {
    nonce: NonceUse,
    used: oneshot::Sender<Used>,
}

/// Where requests leave their nonces.
#[derive(Clone)]
pub(crate) struct NonceHandle {
    inbox: mpsc::Sender<Waiting>,
}

impl NonceHandle {
    /// The handle, and the task that writes. `most`: nonces that may wait, which the places of the requests bound already.
    pub(crate) fn new(store: Store, most: usize) -> (Self, NonceTask) {
        let (inbox, waiting) = mpsc::channel(most);
        (Self { inbox }, NonceTask { store, waiting })
    }

    /// Uses up a nonce.
    pub(crate) async fn use_up(&self, nonce: NonceUse) -> Used {
        let (used, answer) = oneshot::channel();
        let gone = || StoreError::Away("no nonces are written any more".into());
        let sent = self.inbox.send(Waiting { nonce, used }).await;
        sent.map_err(|_| gone())?;
        answer.await.unwrap_or_else(|_| Err(gone()))
    }
}

/// Writes what is left with the handle.
pub(crate) struct NonceTask {
    store: Store,
    waiting: mpsc::Receiver<Waiting>,
}

impl NonceTask {
    /// Runs until `shutdown`, then writes what still waits.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        let mut set = vec![];
        let mut writing = JoinSet::new();
        let mut open = true;
        while open || !writing.is_empty() {
            tokio::select! {
                () = shutdown.cancelled(), if !self.waiting.is_closed() => self.waiting.close(),
                Some(written) = writing.join_next() => if let Err(error) = written {
                    tracing::error!(%error, "writing a set of nonces broke");
                },
                taken = self.waiting.recv_many(&mut set, SET), if open && writing.len() < SETS_AT_ONCE => {
                    if taken == 0 {
                        open = false;
                    } else {
                        writing.spawn(write(self.store.clone(), std::mem::take(&mut set)));
                    }
                }
            }
        }
    }
}

async fn write(store: Store, set: Vec<Waiting>) {
    let (nonces, askers): (Vec<NonceUse>, Vec<_>) =
        set.into_iter().map(|w| (w.nonce, w.used)).unzip();
    let used = store.use_nonces(&nonces).await;
    for (used, asker) in used.into_iter().zip(askers) {
        // Nobody waits any more if the request broke.
        let _ = asker.send(used);
    }
}
