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
    /// `limit` is for one call in all, `at_once` how many may be on the way to one endpoint: as many connections are kept for the next ones.
    /// `name_servers` are asked for names, the system's if there are none.
    pub(crate) fn new(
        catalogue: watch::Receiver<Arc<Catalogue>>,
        limit: Duration,
        at_once: usize,
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
            .pool_max_idle_per_host(at_once)
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

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use domain::UnixMs;
    use futures::future::join_all;
    use openapi::SignType;
    use simulator::{Misbehaviour, NameServer};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio_util::sync::CancellationToken;

    use super::*;

    /// To one endpoint.
    const AT_ONCE: usize = 8;

    /// A client whose catalogue makes `open` an exception to the network rule.
    async fn client(names: &NameServer, open: &str) -> (Post, CancellationToken) {
        let stop = CancellationToken::new();
        let (at, serving) = names.bind(stop.clone()).await.unwrap();
        tokio::spawn(serving);
        let mut catalogue = Catalogue::default();
        catalogue.platform.callback_allow = vec![open.parse().unwrap()];
        let (_, catalogue) = watch::channel(Arc::new(catalogue));
        let post = Post::new(catalogue, Duration::from_secs(3), AT_ONCE, &[at]).unwrap();
        (post, stop)
    }

    async fn sent(post: &Post, url: &str) -> Answer {
        let headers = AuthHeaders {
            business: domain::BusinessId::new("b"),
            nonce: "n".into(),
            timestamp: UnixMs(1),
            sign_type: Some(SignType::Md5),
            sign: "s".into(),
        };
        post.send(Url::parse(url).unwrap(), &headers, b"{}".to_vec())
            .await
    }

    async fn endpoint(kind: Misbehaviour, stop: &CancellationToken) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        tokio::spawn(kind.run(listener, stop.clone()));
        at
    }

    /// Answers whatever is asked with a success, and counts the connections.
    async fn count_connections(listener: TcpListener, count: Arc<AtomicUsize>) {
        while let Ok((mut stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(async move {
                let mut heard = vec![];
                while stream.read_buf(&mut heard).await.is_ok_and(|read| read > 0) {
                    if !heard.ends_with(b"{}") {
                        continue;
                    }
                    heard.clear();
                    let told = b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\nsuccess";
                    stream.write_all(told).await.unwrap();
                }
            });
        }
    }

    #[tokio::test]
    async fn reports_to_one_endpoint_take_their_predecessors_connection() {
        let (post, stop) = client(&NameServer::default(), "127.0.0.1/32").await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let connections = Arc::new(AtomicUsize::new(0));
        let endpoint = tokio::spawn(count_connections(listener, Arc::clone(&connections)));
        for _ in 0..AT_ONCE {
            let together = (0..AT_ONCE).map(|_| sent(&post, &url));
            for answer in join_all(together).await {
                assert!(
                    matches!(answer, Answer::Heard { status: 200, .. }),
                    "{answer:?}"
                );
            }
        }
        let connections = connections.load(Ordering::Relaxed);
        assert!(connections <= AT_ONCE, "{connections}");
        endpoint.abort();
        stop.cancel();
    }

    #[tokio::test]
    async fn a_name_that_changes_between_two_look_ups_leads_nowhere_inside() {
        let names = NameServer::default();
        // Only 127.0.0.1 is open here: it stands for the merchant's own, 127.0.0.2 and 10.0.0.1 for what is ours.
        let (post, stop) = client(&names, "127.0.0.1/32").await;
        let port = endpoint(Misbehaviour::WrongText, &stop).await.port();
        let ours = TcpListener::bind(("127.0.0.2", port)).await.unwrap();
        let url = format!("http://rebind.example:{port}/");
        for inside in [Ipv4Addr::new(127, 0, 0, 2), Ipv4Addr::new(10, 0, 0, 1)] {
            names.set("rebind.example", &[Ipv4Addr::LOCALHOST, inside]);
            // What was judged is what is connected to: one look-up for each connection.
            let before = names.asked("rebind.example");
            assert!(matches!(
                sent(&post, &url).await,
                Answer::Heard { status: 200, .. }
            ));
            assert_eq!(names.asked("rebind.example"), before + 1);
            let answer = sent(&post, &url).await;
            assert!(matches!(answer, Answer::Closed(_)), "{inside}: {answer:?}");
        }
        let nobody = tokio::time::timeout(Duration::from_millis(50), ours.accept()).await;
        assert!(nobody.is_err(), "somebody was connected to what is ours");
        stop.cancel();
    }

    #[tokio::test]
    async fn every_misbehaviour_ends_in_time_and_says_whose_fault_it_is() {
        let names = NameServer::default();
        let (post, stop) = client(&names, "127.0.0.0/8").await;
        for kind in Misbehaviour::ALL {
            let at = endpoint(kind, &stop).await;
            let answer = sent(&post, &kind.url(at)).await;
            let ok = match kind {
                Misbehaviour::Refuse | Misbehaviour::Reset => {
                    matches!(answer, Answer::Broken(Fault::Network, _))
                }
                Misbehaviour::Hang | Misbehaviour::Drip => answer == Answer::TimedOut,
                Misbehaviour::Huge => matches!(
                    &answer,
                    Answer::Heard { whole: false, body, .. } if body.len() <= MAX_ANSWER_BYTES
                ),
                Misbehaviour::Redirect => matches!(answer, Answer::Heard { status: 302, .. }),
                Misbehaviour::Error => matches!(answer, Answer::Heard { status: 500, .. }),
                Misbehaviour::WrongText => matches!(answer, Answer::Heard { status: 200, .. }),
                Misbehaviour::NoTls => matches!(answer, Answer::Broken(Fault::Tls, _)),
                Misbehaviour::NoName => matches!(answer, Answer::Broken(Fault::Name, _)),
            };
            assert!(ok, "{kind:?}: {answer:?}");
        }
        stop.cancel();
    }

    #[tokio::test]
    async fn addresses_inside_are_not_dialled_however_they_are_written() {
        let names = NameServer::default();
        let (post, stop) = client(&names, "192.0.2.1/32").await;
        let port = endpoint(Misbehaviour::WrongText, &stop).await.port();
        for host in [
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0177.0.0.1",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "[::127.0.0.1]",
            "[64:ff9b::7f00:1]",
            "[2002:7f00:1::]",
            "localhost",
            "0.0.0.0",
            "[::]",
        ] {
            let answer = sent(&post, &format!("http://{host}:{port}/")).await;
            assert!(matches!(answer, Answer::Closed(_)), "{host}: {answer:?}");
        }
        stop.cancel();
    }
}
