//! One HTTP call to a supplier: what is certain about it when it is over.

use std::error::Error as _;
use std::time::Duration;

use domain::Verdict;
use domain::card::SupplierCard;
use reqwest::{Client, RequestBuilder, Response, redirect};

use crate::call::Heard;
use crate::words;

/// The most bytes of an answer, or of a push, that are read.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// For the connection alone, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Shorter than most servers keep an idle connection: a call on one that is just being closed ends in doubt.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

/// The connections to one supplier.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    client: Client,
}

/// An answer with a status of 2xx and a whole body.
#[derive(Debug)]
pub(crate) struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The body, bounded.
    pub body: Vec<u8>,
}

impl Reply {
    /// The body is not what it should be.
    pub(crate) fn unreadable(&self) -> Heard {
        let reason = format!("the answer cannot be read: {}", words::excerpt(&self.body));
        Heard::nothing(Some(self.status), reason)
    }
}

/// There is no answer to read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NoReply {
    /// No connection was made, so not one byte of the request was sent.
    NotSent(String),
    /// The request may have arrived.
    Lost(Option<u16>, String),
}

impl NoReply {
    /// What it means for a submit.
    pub(crate) fn of_submit(self) -> Heard {
        match self {
            Self::NotSent(detail) => Heard {
                verdict: Verdict::NotSent,
                upstream_no: None,
                http_status: None,
                detail,
            },
            Self::Lost(status, reason) => Heard::nothing(status, reason),
        }
    }

    /// What it means for a query: nothing.
    pub(crate) fn of_query(self) -> Heard {
        match self {
            Self::NotSent(reason) => Heard::nothing(None, reason),
            Self::Lost(status, reason) => Heard::nothing(status, reason),
        }
    }
}

impl Line {
    /// A line by the card: its time-out, and as many idle connections as calls in flight.
    pub(crate) fn new(card: &SupplierCard) -> Result<Self, reqwest::Error> {
        let client = Client::builder()
            .tls_backend_rustls()
            .user_agent(concat!("refill/", env!("CARGO_PKG_VERSION")))
            .no_proxy()
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(card.timeout.min(SupplierCard::MAX_TIMEOUT))
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(usize::try_from(card.max_in_flight).unwrap_or(usize::MAX))
            .build()?;
        Ok(Self { client })
    }

    /// A request to be filled in.
    pub(crate) fn post(&self, url: &str) -> RequestBuilder {
        self.client.post(url)
    }

    /// Makes the call.
    pub(crate) async fn call(&self, request: RequestBuilder) -> Result<Reply, NoReply> {
        let response = request.send().await.map_err(no_reply)?;
        let status = response.status();
        let body = read_body(response).await?;
        if status.is_success() {
            return Ok(Reply {
                status: status.as_u16(),
                body,
            });
        }
        let reason = format!("HTTP {}, {}", status.as_u16(), words::excerpt(&body));
        Err(NoReply::Lost(Some(status.as_u16()), reason))
    }
}

async fn read_body(mut response: Response) -> Result<Vec<u8>, NoReply> {
    let status = Some(response.status().as_u16());
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(None) => return Ok(body),
            Ok(Some(chunk)) if body.len() + chunk.len() > MAX_BODY_BYTES => {
                let reason = format!("the answer is longer than {MAX_BODY_BYTES} bytes");
                return Err(NoReply::Lost(status, reason));
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Err(error) => {
                let reason = format!("the answer broke off: {}", told(&error));
                return Err(NoReply::Lost(status, reason));
            }
        }
    }
}

/// Only an error of the connect phase proves that nothing was sent.
fn no_reply(error: reqwest::Error) -> NoReply {
    let error = error.without_url();
    if error.is_connect() || error.is_builder() {
        NoReply::NotSent(format!("no connection: {}", told(&error)))
    } else if error.is_timeout() {
        NoReply::Lost(None, "no answer in time".into())
    } else {
        NoReply::Lost(None, format!("the connection broke: {}", told(&error)))
    }
}

/// The error and what it comes from, innermost last.
fn told(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    words::detail(&text)
}
