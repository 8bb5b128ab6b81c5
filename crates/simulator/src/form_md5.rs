//! A supplier that takes forms signed with MD5: submit, then a push, and a query as the back-up.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::book::{Book, End, Entered, Entry, Page};
use crate::clock::now_ms;
use crate::error::SimulatorError;
use crate::form_sign::{Fields, form_is_signed, form_sign, read_form, write_form};
use crate::magic::Behaviour;
use crate::pages;
use crate::push::{Kind, Push, PushTask, Pusher};
use crate::server::serve;
use crate::strength::Strength;

/// Longer than any customer waits.
const FOR_EVER: Duration = Duration::from_secs(40);
const SLOW: Duration = Duration::from_secs(2);
const QUERY_ONLY_AFTER: Duration = Duration::from_secs(1);

/// A supplier of the form shape.
#[derive(Clone, Debug)]
pub struct FormMd5Settings {
    /// The customer's account here.
    pub user_id: String,
    /// What both sides sign with.
    pub api_key: String,
    /// What happens to accounts that are not magic.
    pub default_behaviour: Behaviour,
    /// How long a later push waits.
    pub push_after: Duration,
    /// Where the book is kept; none: in memory.
    pub book: Option<PathBuf>,
}

/// A running supplier.
pub struct FormMd5Supplier {
    desk: Arc<Desk>,
    push_task: PushTask,
}

pub(crate) struct Desk {
    settings: FormMd5Settings,
    pub(crate) book: Arc<Book>,
    pusher: Pusher,
    strength: Arc<Strength>,
}

impl FormMd5Supplier {
    /// Opens the book.
    ///
    /// # Errors
    /// When the book's file cannot be used.
    pub fn new(settings: FormMd5Settings) -> Result<Self, SimulatorError> {
        let (pusher, push_task) = Pusher::new(None)?;
        let book = Arc::new(Book::open(settings.book.as_deref())?);
        let desk = Desk {
            settings,
            book,
            pusher,
            strength: Arc::default(),
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
        let pages = pages::router(Arc::clone(&self.desk.book), Arc::clone(&self.desk.strength));
        let router = Router::new()
            .route("/yrapi.php/index/recharge", post(recharge))
            .route("/yrapi.php/index/check", post(check))
            .with_state(self.desk)
            .merge(pages);
        let (served, ()) = tokio::join!(
            serve(listener, router, shutdown.clone()),
            self.push_task.run(shutdown)
        );
        served
    }
}

fn said(errno: i32, errmsg: &str, data: &Value) -> Response {
    axum::Json(json!({ "errno": errno, "errmsg": errmsg, "data": data })).into_response()
}

impl Desk {
    /// The form's fields, if it comes from the customer.
    fn read(&self, body: &[u8]) -> Result<Fields, Box<Response>> {
        if self.strength.is_down() {
            return Err(Box::new(StatusCode::SERVICE_UNAVAILABLE.into_response()));
        }
        let fields =
            read_form(body).ok_or_else(|| Box::new(said(1000, "bad form", &Value::Null)))?;
        if fields.get("userid") != Some(&self.settings.user_id) {
            return Err(Box::new(said(1001, "unknown userid", &Value::Null)));
        }
        if !form_is_signed(&fields, &self.settings.api_key) {
            return Err(Box::new(said(1002, "wrong sign", &Value::Null)));
        }
        Ok(fields)
    }

    fn entry(&self, fields: &Fields, behaviour: Behaviour) -> Entry {
        let field = |name: &str| fields.get(name).cloned().unwrap_or_default();
        let (end, wait) = match behaviour {
            Behaviour::Fails => (End::Failed, Duration::ZERO),
            Behaviour::PushedFailure => (End::Failed, self.settings.push_after),
            Behaviour::Partial => (End::Partial, Duration::ZERO),
            Behaviour::NeverEnds => (End::Never, Duration::ZERO),
            Behaviour::QueryOnly => (End::Succeeded, QUERY_ONLY_AFTER),
            Behaviour::PushedLater | Behaviour::PushesThrice => {
                (End::Succeeded, self.settings.push_after)
            }
            _ => (End::Succeeded, Duration::ZERO),
        };
        Entry {
            reference: field("out_trade_num"),
            number: format!("F{}", Uuid::now_v7().simple()),
            batch: String::new(),
            account: field("mobile"),
            product: field("product_id"),
            face: field("amount"),
            end,
            ends_at: now_ms() + u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
            charged: u32::from(behaviour.charges()),
        }
    }

    fn push_of(&self, entry: &Entry, url: String, at_least: u32) -> Push {
        let state = match entry.end {
            End::Succeeded => "1",
            End::Failed => "2",
            End::Partial => "3",
            End::Never => "0",
        };
        let (voucher, amount) = if entry.charged > 0 {
            (entry.voucher(), entry.face.clone())
        } else {
            (String::new(), String::new())
        };
        let mut fields = Fields::from(
            [
                ("userid", self.settings.user_id.clone()),
                ("order_number", entry.number.clone()),
                ("out_trade_num", entry.reference.clone()),
                ("otime", (now_ms() / 1_000).to_string()),
                ("state", state.into()),
                ("mobile", entry.account.clone()),
                ("remark", String::new()),
                ("charge_amount", amount),
                ("voucher", voucher),
            ]
            .map(|(name, value)| (name.to_owned(), value)),
        );
        let sign = form_sign(&fields, &self.settings.api_key);
        fields.insert("sign".into(), sign);
        Push {
            url,
            body: write_form(&fields),
            kind: Kind::Form,
            at_least,
        }
    }
}

async fn recharge(State(desk): State<Arc<Desk>>, body: Bytes) -> Response {
    let _present = desk.book.come_in();
    let turn = desk.strength.turn().await;
    let fields = match desk.read(&body) {
        Ok(fields) => fields,
        Err(refused) => return *refused,
    };
    if turn.is_err() {
        return StatusCode::TOO_MANY_REQUESTS.into_response();
    }
    for name in ["out_trade_num", "product_id", "mobile", "notify_url"] {
        if fields.get(name).is_none_or(String::is_empty) {
            return said(1004, &format!("{name} is missing"), &Value::Null);
        }
    }
    let account = fields.get("mobile").map(String::as_str).unwrap_or_default();
    let behaviour = Behaviour::of_account(account).unwrap_or(desk.settings.default_behaviour);
    match behaviour {
        Behaviour::TimeoutNotCharged => {
            tokio::time::sleep(FOR_EVER).await;
            return StatusCode::GATEWAY_TIMEOUT.into_response();
        }
        Behaviour::ErrorNotCharged => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Behaviour::Rejects => {
            desk.book.note_rejected();
            return said(1003, "this number cannot be topped up", &Value::Null);
        }
        _ => {}
    }
    let entry = desk.entry(&fields, behaviour);
    let page = Page {
        batch: None,
        entries: vec![entry.clone()],
    };
    match desk.book.enter(page) {
        Ok(Entered::New) => {}
        Ok(Entered::Again(_) | Entered::Used(_)) => {
            return said(1005, "duplicate out_trade_num", &Value::Null);
        }
        Err(error) => {
            tracing::error!(%error, "the book cannot be written");
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
    }
    let notify = fields.get("notify_url").cloned().unwrap_or_default();
    answer(&desk, &entry, behaviour, notify).await
}

/// The order stands in the book; what its customer hears of it.
async fn answer(desk: &Desk, entry: &Entry, behaviour: Behaviour, notify: String) -> Response {
    let accepted = json!({
        "order_number": entry.number, "out_trade_num": entry.reference, "mobile": entry.account, "product_id": entry.product,
    });
    let accepted = || said(0, "ok", &accepted);
    let push_after = desk.settings.push_after;
    match behaviour {
        Behaviour::TimeoutCharged => {
            tokio::time::sleep(FOR_EVER).await;
            StatusCode::GATEWAY_TIMEOUT.into_response()
        }
        Behaviour::Garbage => "<html>busy".into_response(),
        Behaviour::ErrorCharged => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Behaviour::Truncated => {
            "{\"errno\":0,\"errmsg\":\"ok\",\"data\":{\"order_nu".into_response()
        }
        Behaviour::QueryOnly | Behaviour::NeverEnds => accepted(),
        Behaviour::PushesFirst => {
            desk.pusher.push_now(&desk.push_of(entry, notify, 1)).await;
            accepted()
        }
        Behaviour::Slow => {
            tokio::time::sleep(SLOW).await;
            desk.pusher
                .push(desk.push_of(entry, notify, 1), Duration::ZERO);
            accepted()
        }
        Behaviour::AtOnce | Behaviour::Fails | Behaviour::Partial => {
            desk.pusher
                .push(desk.push_of(entry, notify, 1), Duration::ZERO);
            accepted()
        }
        Behaviour::PushesThrice => {
            desk.pusher.push(desk.push_of(entry, notify, 3), push_after);
            accepted()
        }
        _ => {
            desk.pusher.push(desk.push_of(entry, notify, 1), push_after);
            accepted()
        }
    }
}

async fn check(State(desk): State<Arc<Desk>>, body: Bytes) -> Response {
    desk.strength.note_query();
    let fields = match desk.read(&body) {
        Ok(fields) => fields,
        Err(refused) => return *refused,
    };
    let numbers = fields
        .get("out_trade_nums")
        .map(String::as_str)
        .unwrap_or_default();
    let found: Vec<Value> = numbers
        .split(',')
        .take(20)
        .filter_map(|number| desk.book.get(number))
        .map(|entry| {
            let status = match entry.visible_end() {
                Some(End::Succeeded) => 4,
                Some(End::Failed) => 5,
                _ => 3,
            };
            json!({
                "out_trade_num": entry.reference, "order_number": entry.number, "status": status, "mobile": entry.account,
                "voucher": if status == 4 { entry.voucher() } else { String::new() }, "remark": "",
            })
        })
        .collect();
    said(0, "ok", &Value::Array(found))
}
