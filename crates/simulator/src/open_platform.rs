//! A supplier that is itself a platform: it speaks the merchants' contract, so that Refill can stand upstream of Refill.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::book::{Book, End, Entry};
use crate::clock::now_ms;
use crate::error::SimulatorError;
use crate::magic::Behaviour;
use crate::open_sign::{SignedHeaders, Signer, Verifier};
use crate::pages;
use crate::push::{Kind, Push, PushTask, Pusher};
use crate::server::serve;

const FOR_EVER: Duration = Duration::from_secs(40);
const SLOW: Duration = Duration::from_secs(2);
const QUERY_ONLY_AFTER: Duration = Duration::from_secs(1);
const WINDOW_MS: u64 = 300_000;

/// A supplier of the open shape, with one customer.
#[derive(Clone, Debug)]
pub struct OpenPlatformSettings {
    /// The customer's account here.
    pub business_id: String,
    /// What the customer's requests are checked with, PEM.
    pub customer_public_keys: Vec<String>,
    /// … or the secrets shared with it.
    pub customer_md5_keys: Vec<String>,
    /// What reports are signed with, PEM.
    pub platform_private_key: String,
    /// What happens to accounts that are not magic.
    pub default_behaviour: Behaviour,
    /// How long a later push waits.
    pub push_after: Duration,
    /// Where the book is kept; none: in memory.
    pub book: Option<PathBuf>,
}

/// A running supplier.
pub struct OpenPlatformSupplier {
    desk: Arc<Desk>,
    push_task: PushTask,
}

struct Desk {
    settings: OpenPlatformSettings,
    verifier: Verifier,
    book: Arc<Book>,
    pusher: Pusher,
    down: Arc<AtomicBool>,
    numbers: AtomicU64,
    /// What each batch number was first used for.
    batches: Mutex<HashMap<String, (String, Value)>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Batch {
    #[serde(rename = "batchBizCode")]
    number: String,
    product_code: String,
    #[serde(default)]
    callback_url: Option<String>,
    #[serde(default)]
    item_list: Vec<BatchItem>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BatchItem {
    biz_code: String,
    account: String,
    #[serde(default)]
    spec: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Info {
    biz_code: String,
}

impl OpenPlatformSupplier {
    /// Reads the keys and opens the book.
    ///
    /// # Errors
    /// When a key cannot be read, or the book's file cannot be used.
    pub fn new(settings: OpenPlatformSettings) -> Result<Self, SimulatorError> {
        let signer = Signer::rsa(&settings.platform_private_key, "platform_private_key")?;
        let (pusher, push_task) = Pusher::new(Some(Arc::new(signer)))?;
        let verifier = Verifier::new(
            &settings.customer_public_keys,
            "customer_public_keys",
            &settings.customer_md5_keys,
        )?;
        let book = Arc::new(Book::open(settings.book.as_deref())?);
        let desk = Desk {
            settings,
            verifier,
            book,
            pusher,
            down: Arc::default(),
            numbers: AtomicU64::new(now_ms()),
            batches: Mutex::default(),
        };
        Ok(Self {
            desk: Arc::new(desk),
            push_task,
        })
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
        let pages = pages::router(Arc::clone(&self.desk.book), Arc::clone(&self.desk.down));
        let router = Router::new()
            .route("/v1/openapi/order/batch", post(batch))
            .route("/v1/openapi/order/info", post(info))
            .with_state(self.desk)
            .merge(pages);
        let (served, ()) = tokio::join!(
            serve(listener, router, shutdown.clone()),
            self.push_task.run(shutdown)
        );
        served
    }
}

fn answer(status: i32, message: &str, data: &Value) -> Response {
    let mut body = json!({ "status": status, "message": message, "data": data });
    if status != 0 {
        let unknown = matches!(status, 5 | 6 | 8 | 98 | 99);
        body["accepted"] = json!(if unknown { "unknown" } else { "no" });
    }
    axum::Json(body).into_response()
}

fn refused(status: i32, message: &str) -> Response {
    answer(status, message, &Value::Null)
}

impl Desk {
    fn check(&self, headers: &HeaderMap, body: &[u8]) -> Result<(), Box<Response>> {
        if self.down.load(Ordering::Relaxed) {
            return Err(Box::new(StatusCode::SERVICE_UNAVAILABLE.into_response()));
        }
        let signed = SignedHeaders::read(headers).map_err(|name| Box::new(refused(3, name)))?;
        if signed.distance_ms() > WINDOW_MS {
            return Err(Box::new(refused(5, "timestamp")));
        }
        if signed.business_id != self.settings.business_id || !self.verifier.accepts(&signed, body)
        {
            return Err(Box::new(refused(2, "signature")));
        }
        Ok(())
    }

    fn entry(&self, batch: &Batch, item: &BatchItem, behaviour: Behaviour) -> Entry {
        let (end, wait) = match behaviour {
            Behaviour::Fails => (End::Failed, Duration::ZERO),
            Behaviour::PushedFailure => (End::Failed, self.settings.push_after),
            Behaviour::Partial | Behaviour::NeverEnds => (End::Never, Duration::ZERO),
            Behaviour::QueryOnly => (End::Succeeded, QUERY_ONLY_AFTER),
            Behaviour::PushedLater | Behaviour::PushesThrice => {
                (End::Succeeded, self.settings.push_after)
            }
            _ => (End::Succeeded, Duration::ZERO),
        };
        let face = item
            .spec
            .as_ref()
            .map(|spec| spec.to_string().trim_matches('"').to_owned());
        Entry {
            reference: item.biz_code.clone(),
            number: format!("{:032x}", self.numbers.fetch_add(1, Ordering::Relaxed)),
            account: item.account.clone(),
            product: batch.product_code.clone(),
            face: face.unwrap_or_default(),
            end,
            ends_at: now_ms() + u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
            charged: u32::from(behaviour.charges()),
        }
    }

    fn order(entry: &Entry, end: Option<End>) -> Value {
        let status = match end {
            Some(End::Succeeded) => 2,
            Some(End::Failed) => 3,
            _ => 1,
        };
        let spec: Value = serde_json::from_str(&entry.face).unwrap_or(Value::Null);
        json!({
            "orderCode": entry.number, "bizCode": entry.reference, "batchBizCode": entry.reference,
            "productCode": entry.product, "account": entry.account, "spec": spec, "settlementPrice": spec,
            "status": status, "message": if status == 3 { json!("failed at the operator") } else { Value::Null },
            "voucher": if status == 2 { json!(entry.voucher()) } else { Value::Null },
            "finishTime": if status > 1 { json!(entry.ends_at) } else { Value::Null },
        })
    }

    fn push(&self, entry: &Entry, url: &str, at_least: u32) -> Push {
        Push {
            url: url.to_owned(),
            body: Self::order(entry, Some(entry.end)).to_string(),
            kind: Kind::Report(self.settings.business_id.clone()),
            at_least,
        }
    }

    /// The pushes and the pauses of one accepted order; `None`: its answer is lost.
    async fn carry_out(&self, entry: &Entry, behaviour: Behaviour, url: &str) -> Option<()> {
        let push = |at_least, delay| {
            if !url.is_empty() {
                self.pusher.push(self.push(entry, url, at_least), delay);
            }
        };
        match behaviour {
            Behaviour::TimeoutCharged => {
                tokio::time::sleep(FOR_EVER).await;
                return None;
            }
            Behaviour::Garbage | Behaviour::ErrorCharged | Behaviour::Truncated => return None,
            Behaviour::QueryOnly | Behaviour::NeverEnds | Behaviour::Partial => {}
            Behaviour::PushesFirst => {
                self.pusher.push_now(&self.push(entry, url, 1)).await;
            }
            Behaviour::Slow => {
                tokio::time::sleep(SLOW).await;
                push(1, Duration::ZERO);
            }
            Behaviour::AtOnce | Behaviour::Fails => push(1, Duration::ZERO),
            Behaviour::PushesThrice => push(3, self.settings.push_after),
            _ => push(1, self.settings.push_after),
        }
        Some(())
    }
}

async fn batch(State(desk): State<Arc<Desk>>, headers: HeaderMap, body: Bytes) -> Response {
    if let Err(refused) = desk.check(&headers, &body) {
        return *refused;
    }
    let Ok(batch) = serde_json::from_slice::<Batch>(&body) else {
        return refused(3, "body");
    };
    let content = String::from_utf8_lossy(&body).into_owned();
    if let Some((known, data)) = desk
        .batches
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .get(&batch.number)
    {
        return if *known == content {
            answer(0, "success", data)
        } else {
            refused(8, "batchBizCode")
        };
    }
    let mut data = vec![];
    let mut lost = None;
    for item in &batch.item_list {
        let behaviour =
            Behaviour::of_account(&item.account).unwrap_or(desk.settings.default_behaviour);
        match behaviour {
            Behaviour::TimeoutNotCharged => {
                tokio::time::sleep(FOR_EVER).await;
                return StatusCode::GATEWAY_TIMEOUT.into_response();
            }
            Behaviour::ErrorNotCharged => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            Behaviour::Rejects => {
                desk.book.note_rejected();
                return refused(11, "out of stock");
            }
            _ => {}
        }
        let entry = match desk.book.enter(desk.entry(&batch, item, behaviour)) {
            Ok(Ok(entry)) => entry,
            Ok(Err(_)) => return refused(8, "bizCode"),
            Err(error) => {
                tracing::error!(%error, "the book cannot be written");
                return StatusCode::INTERNAL_SERVER_ERROR.into_response();
            }
        };
        let price: Value = serde_json::from_str(&entry.face).unwrap_or(json!(0));
        data.push(json!({"orderCode": entry.number, "bizCode": entry.reference, "settlementPrice": price}));
        lost = Some((behaviour, entry));
    }
    let data = Value::Array(data);
    desk.batches
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .insert(batch.number.clone(), (content, data.clone()));
    // One item is what customers of this shape send; with more, the last decides how the answer fares.
    if let Some((behaviour, entry)) = lost {
        let url = batch.callback_url.as_deref().unwrap_or_default();
        if desk.carry_out(&entry, behaviour, url).await.is_none() {
            return match behaviour {
                Behaviour::Garbage => "<html>busy".into_response(),
                Behaviour::Truncated => "{\"status\":0,\"mess".into_response(),
                _ => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            };
        }
    }
    answer(0, "success", &data)
}

async fn info(State(desk): State<Arc<Desk>>, headers: HeaderMap, body: Bytes) -> Response {
    if let Err(refused) = desk.check(&headers, &body) {
        return *refused;
    }
    let Ok(asked) = serde_json::from_slice::<Info>(&body) else {
        return refused(3, "body");
    };
    match desk.book.get(&asked.biz_code) {
        Some(entry) => answer(0, "success", &Desk::order(&entry, entry.visible_end())),
        None => refused(7, "no such order"),
    }
}
