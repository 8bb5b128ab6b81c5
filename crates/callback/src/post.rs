//! One call to a merchant: bounded in time, in bytes, and in where it may lead.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use domain::catalogue::Catalogue;
use openapi::AuthHeaders;
use openapi::network_rule::{Closed, judge_url};
use reqwest::{Client, Response, redirect};
use tokio::sync::watch;
use url::Url;

use crate::judge::{Answer, Fault, MAX_ANSWER_BYTES};
use crate::names::{OpenAddresses, Unresolved};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Shorter than most servers keep an idle connection.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);
/// Idle connections kept to one merchant.
const IDLE_PER_HOST: usize = 32;

/// Why there is no HTTP client.
#[derive(Debug, thiserror::Error)]
pub enum NoClient {
    /// Its TLS cannot be set up.
    #[error(transparent)]
    Http(#[from] reqwest::Error),
    /// Its resolver cannot be made.
    #[error("callback.name_servers: {0}")]
    Names(String),
}

impl From<Unresolved> for NoClient {
    fn from(error: Unresolved) -> Self {
        Self::Names(error.to_string())
    }
}

/// The connections to all merchants.
#[derive(Clone, Debug)]
pub(crate) struct Post {
    client: Client,
    catalogue: watch::Receiver<Arc<Catalogue>>,
}

impl Post {
    /// `limit` is for one call in all; `name_servers` are asked for names, the system's if there are none.
    pub(crate) fn new(
        catalogue: watch::Receiver<Arc<Catalogue>>,
        limit: Duration,
        name_servers: &[SocketAddr],
    ) -> Result<Self, NoClient> {
        let names = OpenAddresses::new(name_servers, catalogue.clone())?;
        let client = Client::builder()
            // Many merchants' servers are old: what OpenSSL still takes for safe, rustls does not know any more.
            .tls_backend_native()
            .user_agent(concat!("refill/", env!("CARGO_PKG_VERSION")))
            .dns_resolver(Arc::new(names))
            .redirect(redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .retry(reqwest::retry::never())
            .connect_timeout(CONNECT_TIMEOUT.min(limit))
            .timeout(limit)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(IDLE_PER_HOST)
            .build()?;
        Ok(Self { client, catalogue })
    }

    /// Sends a signed report and reads the answer.
    pub(crate) async fn send(&self, url: Url, headers: &AuthHeaders, body: Vec<u8>) -> Answer {
        let catalogue = Arc::clone(&self.catalogue.borrow());
        if let Err(closed) = judge_url(&url, &catalogue.platform.callback_allow) {
            return Answer::Closed(closed.to_string());
        }
        let mut request = self
            .client
            .post(url)
            .header("Content-Type", "application/json; charset=utf-8")
            .body(body);
        for (name, value) in headers.pairs() {
            request = request.header(name, value);
        }
        match request.send().await {
            Ok(response) => read(response).await,
            Err(error) => failed(&error),
        }
    }
}

async fn read(mut response: Response) -> Answer {
    let status = response.status().as_u16();
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) => {
                let room = MAX_ANSWER_BYTES - body.len();
                if chunk.len() > room {
                    body.extend_from_slice(chunk.get(..room).unwrap_or_default());
                    return Answer::Heard {
                        status,
                        body,
                        whole: false,
                    };
                }
                body.extend_from_slice(&chunk);
            }
            Ok(None) => {
                return Answer::Heard {
                    status,
                    body,
                    whole: true,
                };
            }
            Err(error) => return failed(&error),
        }
    }
}

fn failed(error: &reqwest::Error) -> Answer {
    let mut source = error.source();
    let mut deepest = String::new();
    let mut fault = Fault::Network;
    while let Some(cause) = source {
        if let Some(closed) = cause.downcast_ref::<Closed>() {
            return Answer::Closed(closed.to_string());
        }
        if cause.is::<Unresolved>() {
            fault = Fault::Name;
        } else if cause.is::<native_tls::Error>() {
            fault = Fault::Tls;
        }
        deepest = cause.to_string();
        source = cause.source();
    }
    if fault == Fault::Network && error.is_timeout() {
        return Answer::TimedOut;
    }
    // The error's own text would repeat the URL, which may carry a merchant's secret in its query.
    Answer::Broken(fault, deepest)
}
