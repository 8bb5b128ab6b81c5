//! A supplier that is itself a platform: it speaks the merchants' contract, so that Refill can stand upstream of Refill.

mod batch;
mod info;
mod nonces;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::book::Book;
use crate::error::SimulatorError;
use crate::magic::Behaviour;
use crate::open_sign::{SignedHeaders, Signer, Verifier};
use crate::pages;
use crate::push::{PushTask, Pusher};
use crate::server::serve;
use crate::strength::Strength;
use nonces::Nonces;

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
    nonces: Nonces,
    book: Arc<Book>,
    pusher: Pusher,
    strength: Arc<Strength>,
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
            nonces: Nonces::default(),
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
            .route("/v1/openapi/order/batch", post(batch::answer))
            .route("/v1/openapi/order/info", post(info::answer))
            .with_state(self.desk)
            .merge(pages);
        let (served, ()) = tokio::join!(
            serve(listener, router, shutdown.clone()),
            self.push_task.run(shutdown)
        );
        served
    }
}

fn answered(status: i32, message: &str, data: &Value) -> Response {
    let mut body = json!({ "status": status, "message": message, "data": data });
    if status != 0 {
        let unknown = matches!(status, 5 | 6 | 8 | 98 | 99);
        body["accepted"] = json!(if unknown { "unknown" } else { "no" });
    }
    axum::Json(body).into_response()
}

fn refused(status: i32, message: &str) -> Response {
    answered(status, message, &Value::Null)
}

impl Desk {
    /// The contract's checks, in its order, as far as the body.
    fn check(&self, headers: &HeaderMap, body: &[u8]) -> Result<(), Box<Response>> {
        if self.strength.is_down() {
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
        if !self.nonces.take(&signed.nonce) {
            return Err(Box::new(refused(6, "nonce")));
        }
        Ok(())
    }
}
