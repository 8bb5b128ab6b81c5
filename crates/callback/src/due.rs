//! Reports whose time has come: next tries, those that were put off, those whose hint or whose worker was lost.

use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use crate::sender::Sender;

/// Looks at what is due.
pub(crate) struct DueLoop {
    pub(crate) sender: Sender,
    pub(crate) every: Duration,
    pub(crate) claim_size: usize,
}

impl DueLoop {
    /// Runs until `shutdown`.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        loop {
            let room = tokio::select! {
                () = shutdown.cancelled() => return,
                room = self.sender.room(self.claim_size) => room,
            };
            let Some(room) = room else { return };
            if self.look(room).await && !shutdown.is_cancelled() {
                continue;
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(self.every) => {}
            }
        }
    }

    /// Returns whether there is probably more that can go now.
    async fn look(&self, room: Vec<OwnedSemaphorePermit>) -> bool {
        let limit = i64::try_from(room.len()).unwrap_or(i64::MAX);
        let sent = async {
            let keys = self.sender.store.due_reports(limit).await?;
            if keys.is_empty() {
                return Ok(false);
            }
            let full = keys.len() == room.len();
            let sent = self.sender.send(&keys, room).await?;
            Ok::<_, store::StoreError>(full && sent > 0)
        };
        sent.await.unwrap_or_else(|error| {
            tracing::warn!(%error, "cannot look for due reports");
            false
        })
    }
}
