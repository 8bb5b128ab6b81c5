//! Reports on their way: claimed in sets, signed, sent side by side, and handed to the recorder.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use domain::{BusinessId, Catalogue, Endpoint, OrderKey, UnixMs};
use openapi::AuthHeaders;
use openapi::replies::{BatchReport, CallbackReport};
use store::callbacks::{ClaimedReport, Line, Next, Subject, Tried, Wanted};
use store::{Store, StoreError};
use tokio::sync::{mpsc, watch};
use tokio_util::task::TaskTracker;
use traces::{Kind, Span, TraceParent};
use url::Url;

use crate::egress::Turn;
use crate::judge::{Answer, Fault, Reach, judge};
use crate::late::{LATE, Lateness};
use crate::post::Post;
use crate::signers::Signers;
use crate::slots::{Heard, News, Slot, Slots};
use crate::standing::Standings;

/// Claims and sends.
#[derive(Clone)]
pub(crate) struct Sender {
    pub(crate) store: Store,
    pub(crate) catalogue: watch::Receiver<Arc<Catalogue>>,
    pub(crate) signers: Arc<Mutex<Arc<Signers>>>,
    pub(crate) slots: Slots,
    pub(crate) lateness: Lateness,
    pub(crate) standings: Standings,
    pub(crate) post: Post,
    pub(crate) tried: mpsc::Sender<Tried>,
    pub(crate) calls: TaskTracker,
    pub(crate) lease: Duration,
}

/// Why reports are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Errand {
    /// To deliver them.
    Deliver(Line),
    /// To find out how their endpoint is.
    Probe,
}

/// What became of reports that were wanted.
#[derive(Debug)]
pub(crate) struct Sent {
    /// So many could have been sent, to which endpoint.
    pub(crate) found: HashMap<Endpoint, usize>,
    /// So many of them found a slot.
    pub(crate) sent: usize,
}

impl Sender {
    /// Sends those whose hints have come. Returns how late the latest of them is, if one of them is late.
    pub(crate) async fn send_hinted(
        &self,
        keys: &[OrderKey],
    ) -> Result<Option<Duration>, StoreError> {
        let errand = Errand::Deliver(Line::First);
        let claimed = self.claim(Wanted::Named(keys), errand, |_, _| {}).await?;
        let late: Vec<_> = claimed
            .iter()
            .map(|(report, _)| report)
            .filter(|report| matches!(report.subject, Subject::Order(_)))
            .filter(|report| report.since_final > LATE)
            .collect();
        let latest = late.iter().map(|report| report.since_final).max();
        if latest.is_some() {
            let endpoints: Vec<_> = late.iter().map(|report| &report.endpoint).collect();
            self.lateness.note(&endpoints);
        }
        self.start(claimed);
        Ok(latest)
    }

    /// Claims of what is `wanted` what finds a slot, and sends it. Returns how much, when it is claimed.
    pub(crate) async fn send(
        &self,
        wanted: Wanted<'_>,
        errand: Errand,
    ) -> Result<Sent, StoreError> {
        let (mut found, mut left) = (HashMap::new(), HashSet::new());
        let claimed = self
            .claim(wanted, errand, |endpoint, has_slot| {
                match found.get_mut(endpoint) {
                    Some(count) => *count += 1,
                    None => drop(found.insert(endpoint.clone(), 1)),
                }
                if !has_slot && !left.contains(endpoint) {
                    left.insert(endpoint.clone());
                }
            })
            .await?;
        if errand == Errand::Deliver(Line::First) {
            // Until now they were locked: whoever looked meanwhile has not seen them.
            for endpoint in left.iter().filter(|e| self.slots.is_open(e)) {
                self.slots.overflows(endpoint);
            }
        }
        let sent = claimed.len();
        self.start(claimed);
        Ok(Sent { found, sent })
    }

    /// `found` is told of each that could be sent, and whether there is a slot for it.
    async fn claim(
        &self,
        wanted: Wanted<'_>,
        errand: Errand,
        mut found: impl FnMut(&Endpoint, bool) + Send,
    ) -> Result<Vec<(ClaimedReport, Slot)>, StoreError> {
        self.store
            .claim_reports(wanted, self.lease, |report| {
                let (business, endpoint) = (&report.key.business, &report.endpoint);
                let slot = match errand {
                    Errand::Deliver(line) => self.slots.take(business, endpoint, line),
                    Errand::Probe => self.slots.take_probe(business, endpoint),
                };
                found(endpoint, slot.is_some());
                slot
            })
            .await
    }

    fn start(&self, claimed: Vec<(ClaimedReport, Slot)>) {
        for (report, slot) in claimed {
            let sender = self.clone();
            self.calls
                .spawn(async move { sender.try_once(report, slot).await });
        }
    }

    async fn try_once(&self, report: ClaimedReport, slot: Slot) {
        let began = Instant::now();
        let mut span = step(&report, began);
        let answer = self.call(&report).await;
        halt::at("report", "posted").await;
        let took = began.elapsed();
        let reach = answer.reach();
        let heard = self.slots.heard(&slot, reach, took, Instant::now());
        let judged = judge(answer, report.try_no, heard.ours);
        span.note("outcome", judged.outcome);
        if judged.next != Next::Delivered {
            span.failed();
        }
        drop(span);
        let reason = format!(
            "{} {}",
            judged.outcome,
            judged.detail.as_deref().unwrap_or_default()
        );
        let tried = Tried {
            key: report.key,
            epoch: report.epoch,
            round: report.round,
            try_no: report.try_no,
            duration: took,
            since_final: report.since_final + took,
            http_status: judged.http_status,
            outcome: judged.outcome,
            detail: judged.detail,
            fault: judged.fault.map(Fault::name),
            unreached: reach == Reach::Unreached,
            next: judged.next,
        };
        // Closed only when the recorder was given up at the end; the lease then brings the report back.
        let _ = self.tried.send(tried).await;
        // Held until then: while nothing can be recorded, nothing more is sent.
        drop(slot);
        self.tell(&report.endpoint, heard, reason.trim()).await;
    }

    /// Tells the fleet what a call has shown. When it cannot be told, the next call shows it again.
    async fn tell(&self, endpoint: &Endpoint, heard: Heard, reason: &str) {
        match heard.egress {
            Some(Turn::Froze) => {
                tracing::error!(
                    "most endpoints cannot be reached: our own way out is taken for broken, nothing is charged"
                );
            }
            Some(Turn::Thawed) => tracing::warn!("endpoints can be reached again"),
            None => {}
        }
        let told = match heard.news {
            None => return,
            Some(News::SetAside { alone }) => {
                self.standings.set_aside(endpoint);
                self.store
                    .set_aside(endpoint, reason, alone)
                    .await
                    .map(|news| {
                        if news {
                            tracing::warn!(%endpoint, reason, "endpoint set aside, its reports wait");
                        }
                    })
            }
            Some(News::Answered) => {
                self.standings.answered(endpoint);
                self.store.endpoint_answered(endpoint).await.map(|()| {
                    tracing::info!(%endpoint, "endpoint answers again");
                })
            }
        };
        if let Err(error) = told {
            tracing::warn!(%error, %endpoint, "the fleet could not be told how an endpoint is");
        }
    }

    async fn call(&self, report: &ClaimedReport) -> Answer {
        let Ok(url) = Url::parse(&report.url) else {
            return Answer::Closed("the callback URL cannot be read".into());
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
        let body = match &report.subject {
            Subject::Order(facts) => CallbackReport(facts.clone()).to_json(),
            Subject::Batch(facts) => BatchReport(facts.clone()).to_json(),
        };
        let body = body.map_err(|error| format!("the report cannot be written: {error}"))?;
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

/// What is told of a try, if its order's trace is kept.
fn step(report: &ClaimedReport, begun: Instant) -> Span {
    let trace = report.traceparent.as_deref().and_then(TraceParent::parse);
    let mut span = Span::after(trace.as_ref(), "report", Kind::Client, begun);
    span.note("order", report.key.order);
    span.note("attempt", report.try_no);
    span
}

pub(crate) fn now() -> UnixMs {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    UnixMs(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
