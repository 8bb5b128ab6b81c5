//! A merchant's receiver: it verifies every report, keeps what it was told, and answers as the path of its URL says.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::clock::now_us;
use crate::error::SimulatorError;
use crate::open_sign::{SignedHeaders, Verifier};
use crate::server::serve;

const MAX_REPORT_BYTES: usize = 256 * 1024;
const SLOW: Duration = Duration::from_secs(2);
const UNHURRIED: Duration = Duration::from_millis(500);
const FOR_EVER: Duration = Duration::from_secs(40);
const BIG_ANSWER_BYTES: usize = 10 * 1024 * 1024;
/// What `fail-3` fails.
const FAILS_FIRST: u32 = 3;

/// A merchant's receiver.
#[derive(Clone, Debug)]
pub struct MerchantReceiverSettings {
    /// What the platform's reports are checked with, PEM.
    pub platform_public_keys: Vec<String>,
    /// … or the account's secrets.
    pub md5_keys: Vec<String>,
    /// The most orders that are remembered.
    pub keep: usize,
}

/// What a merchant was told about one of its orders.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Received {
    /// The state that the first report named.
    pub status: i64,
    /// Reports so far.
    pub reports: u32,
    /// When the first one came that was taken, Unix microseconds; 0: none was.
    pub taken_at_us: u64,
    /// Whether a later report named another state.
    pub conflict: bool,
}

/// The sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceivedSummary {
    /// Orders that were reported.
    pub orders: u64,
    /// … of which a report was taken.
    pub taken: u64,
    /// … that succeeded.
    pub succeeded: u64,
    /// … that failed.
    pub failed: u64,
    /// All reports, the repeated ones too.
    pub reports: u64,
    /// Orders that were reported more than once.
    pub repeated: u64,
    /// Orders that were told in two ways.
    pub conflicts: u64,
    /// Reports whose signature was wrong.
    pub bad_signatures: u64,
    /// Reports that could not be read, or were too many to be remembered.
    pub unreadable: u64,
}

/// A receiver that can be run, on several listeners if it is cloned.
#[derive(Clone)]
pub struct MerchantReceiver {
    desk: Arc<Desk>,
}

/// Looks into a receiver that runs. Cheap to clone.
#[derive(Clone)]
pub struct ReceivedHandle {
    desk: Arc<Desk>,
}

struct Desk {
    verifier: Verifier,
    keep: usize,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    orders: HashMap<String, Received>,
    /// Reports of whole batches, by the merchant's number.
    batches: HashMap<String, serde_json::Value>,
    taken: u64,
    reports: u64,
    bad_signatures: u64,
    unreadable: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    biz_code: String,
    status: i64,
}

/// What the merchant does with a report that it has read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    Takes,
    FailsFirst,
    Refuses,
    Slow,
    Unhurried,
    Hangs,
    Big,
    Redirects,
}

impl Manner {
    fn of_path(path: &str) -> Self {
        match path.split('/').nth(1).unwrap_or_default() {
            "fail-3" => Self::FailsFirst,
            "no" => Self::Refuses,
            "slow" => Self::Slow,
            "unhurried" => Self::Unhurried,
            "hang" => Self::Hangs,
            "big" => Self::Big,
            "redirect" => Self::Redirects,
            _ => Self::Takes,
        }
    }

    fn takes(self, report_no: u32) -> bool {
        match self {
            Self::Takes | Self::Slow | Self::Unhurried => true,
            Self::FailsFirst => report_no > FAILS_FIRST,
            Self::Refuses | Self::Hangs | Self::Big | Self::Redirects => false,
        }
    }
}

impl MerchantReceiver {
    /// Reads the keys.
    ///
    /// # Errors
    /// When a key cannot be read.
    pub fn new(settings: &MerchantReceiverSettings) -> Result<Self, SimulatorError> {
        let verifier = Verifier::new(
            &settings.platform_public_keys,
            "platform_public_keys",
            &settings.md5_keys,
        )?;
        Ok(Self {
            desk: Arc::new(Desk {
                verifier,
                keep: settings.keep,
                kept: Mutex::default(),
            }),
        })
    }

    /// To look into it while it runs.
    pub fn handle(&self) -> ReceivedHandle {
        ReceivedHandle {
            desk: Arc::clone(&self.desk),
        }
    }

    /// Serves until `shutdown`.
    ///
    /// # Errors
    /// When the listener fails.
    pub async fn run(
        self,
        listener: TcpListener,
        shutdown: CancellationToken,
    ) -> Result<(), SimulatorError> {
        let router = Router::new()
            .route("/received/summary", get(summary))
            .route("/received/{biz_code}", get(one))
            .fallback(report)
            .layer(DefaultBodyLimit::max(MAX_REPORT_BYTES))
            .with_state(self.desk);
        serve(listener, router, shutdown).await
    }
}

impl ReceivedHandle {
    /// The sums so far.
    pub fn summary(&self) -> ReceivedSummary {
        self.desk.summary()
    }

    /// What was told about one order, by the merchant's number.
    pub fn get(&self, biz_code: &str) -> Option<Received> {
        self.desk.lock().orders.get(biz_code).cloned()
    }

    /// What was told about a whole batch, by the merchant's number.
    pub fn batch(&self, batch_biz_code: &str) -> Option<serde_json::Value> {
        self.desk.lock().batches.get(batch_biz_code).cloned()
    }

    /// How many orders have a report that was taken.
    pub fn taken(&self) -> u64 {
        self.desk.lock().taken
    }

    /// When the first report of an order came that was taken, Unix microseconds.
    pub fn taken_at_us(&self, biz_code: &str) -> Option<u64> {
        let kept = self.desk.lock();
        let received = kept.orders.get(biz_code)?;
        (received.taken_at_us > 0).then_some(received.taken_at_us)
    }
}

impl Desk {
    /// Keeps a report; returns which report of its order it is. `None`: the memory is full.
    fn keep(&self, report: &Report, manner: Manner) -> Option<u32> {
        let mut kept = self.lock();
        kept.reports += 1;
        if kept.orders.len() >= self.keep && !kept.orders.contains_key(&report.biz_code) {
            kept.unreadable += 1;
            return None;
        }
        let received = kept
            .orders
            .entry(report.biz_code.clone())
            .or_insert(Received {
                status: report.status,
                reports: 0,
                taken_at_us: 0,
                conflict: false,
            });
        received.reports += 1;
        received.conflict |= received.status != report.status;
        let report_no = received.reports;
        if received.taken_at_us == 0 && manner.takes(report_no) {
            received.taken_at_us = now_us();
            kept.taken += 1;
        }
        Some(report_no)
    }

    fn summary(&self) -> ReceivedSummary {
        let kept = self.lock();
        let mut sums = ReceivedSummary {
            reports: kept.reports,
            taken: kept.taken,
            bad_signatures: kept.bad_signatures,
            unreadable: kept.unreadable,
            ..ReceivedSummary::default()
        };
        for order in kept.orders.values() {
            sums.orders += 1;
            sums.succeeded += u64::from(order.status == 2);
            sums.failed += u64::from(order.status == 3);
            sums.repeated += u64::from(order.reports > 1);
            sums.conflicts += u64::from(order.conflict);
        }
        sums
    }

    /// Sums are kept whole at each step, so a poisoned lock guards nothing that is broken.
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn report(
    State(desk): State<Arc<Desk>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let signed =
        SignedHeaders::read(&headers).is_ok_and(|signed| desk.verifier.accepts(&signed, &body));
    if !signed {
        desk.lock().bad_signatures += 1;
        return StatusCode::FORBIDDEN.into_response();
    }
    if let Ok(batch) = serde_json::from_slice::<serde_json::Value>(&body)
        && batch["report"] == "batch"
        && let Some(number) = batch["batchBizCode"].as_str().map(str::to_owned)
    {
        desk.lock().batches.insert(number, batch);
        return "SUCCESS".into_response();
    }
    let Ok(report) = serde_json::from_slice::<Report>(&body) else {
        desk.lock().unreadable += 1;
        return StatusCode::BAD_REQUEST.into_response();
    };
    let manner = Manner::of_path(uri.path());
    let Some(report_no) = desk.keep(&report, manner) else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    match manner {
        Manner::Slow => tokio::time::sleep(SLOW).await,
        Manner::Unhurried => tokio::time::sleep(UNHURRIED).await,
        Manner::Hangs => tokio::time::sleep(FOR_EVER).await,
        Manner::Big => return "SUCCESS ".repeat(BIG_ANSWER_BYTES / 8).into_response(),
        Manner::Redirects => return Redirect::temporary("/elsewhere").into_response(),
        Manner::Refuses => return "not now".into_response(),
        Manner::Takes | Manner::FailsFirst => {}
    }
    if manner.takes(report_no) {
        "SUCCESS".into_response()
    } else {
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    }
}

async fn summary(State(desk): State<Arc<Desk>>) -> Json<ReceivedSummary> {
    Json(desk.summary())
}

async fn one(
    State(desk): State<Arc<Desk>>,
    Path(biz_code): Path<String>,
) -> Result<Json<Received>, StatusCode> {
    desk.lock()
        .orders
        .get(&biz_code)
        .cloned()
        .map(Json)
        .ok_or(StatusCode::NOT_FOUND)
}
