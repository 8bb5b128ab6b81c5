//! Reports on their way: claimed in sets, signed, sent side by side, and handed to the recorder.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use domain::{BusinessId, Catalogue, OrderKey, UnixMs};
use openapi::AuthHeaders;
use openapi::replies::CallbackReport;
use store::callbacks::{Admission, ClaimedReport, Tried};
use store::{Store, StoreError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio_util::task::TaskTracker;
use url::Url;

use crate::judge::{Answer, judge};
use crate::post::Post;
use crate::signers::Signers;
use crate::slots::{Slot, Slots};

/// Claims and sends.
#[derive(Clone)]
pub(crate) struct Sender {
    pub(crate) store: Store,
    pub(crate) catalogue: watch::Receiver<Arc<Catalogue>>,
    pub(crate) signers: Arc<Mutex<Arc<Signers>>>,
    pub(crate) slots: Slots,
    pub(crate) post: Post,
    /// One permit for each report on its way, in all.
    pub(crate) room: Arc<Semaphore>,
    pub(crate) tried: mpsc::Sender<Tried>,
    pub(crate) calls: TaskTracker,
    pub(crate) lease: Duration,
    pub(crate) call_timeout: Duration,
}

impl Sender {
    /// Room for at least one report and for `most` at most.
    pub(crate) async fn room(&self, most: usize) -> Option<Vec<OwnedSemaphorePermit>> {
        let first = Arc::clone(&self.room).acquire_owned().await.ok()?;
        let more = std::iter::from_fn(|| Arc::clone(&self.room).try_acquire_owned().ok());
        Some(
            std::iter::once(first)
                .chain(more.take(most.saturating_sub(1)))
                .collect(),
        )
    }

    /// Claims those of `keys` that may be sent now and sends them; returns how many when they are claimed. There is room for all.
    pub(crate) async fn send(
        &self,
        keys: &[OrderKey],
        room: Vec<OwnedSemaphorePermit>,
    ) -> Result<usize, StoreError> {
        let mut slots: HashMap<OrderKey, Slot> = HashMap::new();
        let claimed = self
            .store
            .claim_reports(keys, self.lease, |report| {
                let endpoint = endpoint(&report.url);
                match self.slots.take(&report.key.business, &endpoint) {
                    Ok(slot) => {
                        slots.insert(report.key.clone(), slot);
                        Admission::Now
                    }
                    Err(wait) => Admission::Later(wait),
                }
            })
            .await?;
        let claimed_at = Instant::now();
        let sent = claimed.len();
        for (report, permit) in claimed.into_iter().zip(room) {
            if let Some(slot) = slots.remove(&report.key) {
                let sender = self.clone();
                self.calls.spawn(async move {
                    sender.try_once(report, slot, claimed_at).await;
                    drop(permit);
                });
            }
        }
        Ok(sent)
    }

    async fn try_once(&self, report: ClaimedReport, slot: Slot, claimed_at: Instant) {
        // A call must end, and be recorded, while the claim holds.
        let last_start = self.lease.saturating_sub(self.call_timeout * 3 / 2);
        let Some(turn) = slot
            .turn(last_start.saturating_sub(claimed_at.elapsed()))
            .await
        else {
            tracing::warn!(order = %report.key.order, "report not sent in time, its lease brings it back");
            return;
        };
        let began = Instant::now();
        let answer = self.call(&report).await;
        halt::at("report", "posted").await;
        drop(turn);
        let judged = judge(answer, report.try_no);
        let tried = Tried {
            key: report.key,
            epoch: report.epoch,
            round: report.round,
            try_no: report.try_no,
            duration: began.elapsed(),
            http_status: judged.http_status,
            outcome: judged.outcome,
            detail: judged.detail,
            next: judged.next,
        };
        // Closed only when the recorder was given up at the end; the lease then brings the report back.
        let _ = self.tried.send(tried).await;
    }

    async fn call(&self, report: &ClaimedReport) -> Answer {
        let Ok(url) = Url::parse(&report.url) else {
            return Answer::NotSent("the callback URL cannot be read".into());
        };
        match self.signed(&report.key.business, report) {
            Ok((headers, body)) => self.post.send(url, &headers, body).await,
            Err(why) => Answer::NotSent(why),
        }
    }

    fn signed(
        &self,
        business: &BusinessId,
        report: &ClaimedReport,
    ) -> Result<(AuthHeaders, Vec<u8>), String> {
        let body = CallbackReport(report.order.clone())
            .to_json()
            .map_err(|error| format!("the report cannot be written: {error}"))?;
        let now = now();
        let signers = self.signers();
        let key = signers
            .of_business(business, now)
            .ok_or("there is no key to sign with")?;
        let headers = key
            .sign(business, now, &body)
            .map_err(|error| error.to_string())?;
        Ok((headers, body))
    }

    /// The keys of the catalogue in force, read once for each catalogue.
    fn signers(&self) -> Arc<Signers> {
        let catalogue = Arc::clone(&self.catalogue.borrow());
        let mut kept = self.signers.lock().unwrap_or_else(PoisonError::into_inner);
        if !kept.is_of(&catalogue) {
            *kept = Arc::new(Signers::of(&catalogue));
        }
        Arc::clone(&kept)
    }
}

/// Host and port, which is what is fast, slow or dead.
fn endpoint(url: &str) -> String {
    Url::parse(url).map_or_else(
        |_| String::new(),
        |url| {
            format!(
                "{}:{}",
                url.host_str().unwrap_or_default(),
                url.port_or_known_default().unwrap_or_default()
            )
        },
    )
}

fn now() -> UnixMs {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    UnixMs(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
