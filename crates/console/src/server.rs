//! The accept loop: a bounded number of connections, bounded waits on each, and an orderly end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Extension;
use domain::Catalogue;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use ipnet::IpNet;
use queue::LookoutHandle;
use store::Store;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::api;
use crate::desk::Desk;
use crate::door::Peer;
use crate::pages::router;
use crate::pulse;

/// Connections at once; more wait in the kernel.
const MOST_CONNECTIONS: usize = 96;
/// How long a connection may take to send a request's head, or stay silent between two.
const HEAD_WITHIN: Duration = Duration::from_secs(10);
/// The longest head of a request.
const HEAD_BYTES: usize = 16_384;
/// How long requests in flight have at the end.
const GRACE: Duration = Duration::from_secs(5);
/// After the kernel refused to give us a connection (no file handles left).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long somebody stays signed in, by whose word they come from elsewhere, how often the pulse is felt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Without asking for a page, in minutes.
    pub idle_minutes: u16,
    /// In all, in hours.
    pub session_hours: u16,
    /// Networks of proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// How often it asks the database how it goes, for the charts.
    pub look_every: Duration,
}

/// The pages for ops, and the same for programs, at one address.
pub struct Console {
    listener: TcpListener,
    router: Router,
    desk: Arc<Desk>,
    places: Arc<Semaphore>,
}

impl Console {
    /// Listens at `at`; nobody is answered before `run`. What is seen of the broker comes by `lookout`, and is only waited for where
    /// somebody asks for parked messages.
    pub async fn bind(
        at: SocketAddr,
        settings: Settings,
        store: Store,
        catalogue: watch::Receiver<Arc<Catalogue>>,
        lookout: LookoutHandle,
    ) -> std::io::Result<Self> {
        let desk = Arc::new(Desk::new(settings, store, catalogue, lookout));
        Ok(Self {
            listener: TcpListener::bind(at).await?,
            router: router(Arc::clone(&desk)).nest_service("/api", api::router(Arc::clone(&desk))),
            desk,
            places: Arc::new(Semaphore::new(MOST_CONNECTIONS)),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `shutdown`, then lets what is in flight end within 5 s.
    pub async fn run(self, shutdown: CancellationToken) {
        let graceful = GracefulShutdown::new();
        let mut connections = JoinSet::new();
        let desk = Arc::clone(&self.desk);
        let mut looking = JoinSet::new();
        looking
            .spawn(async move { pulse::feel(&desk.store, desk.look_every, &desk.stopping).await });
        let desk = Arc::clone(&self.desk);
        looking.spawn(async move { desk.queues.run(&desk.catalogue, &desk.stopping).await });
        while let Some(accepted) = shutdown.run_until_cancelled(self.accept()).await {
            while connections.try_join_next().is_some() {}
            match accepted {
                Ok((stream, peer, place)) => {
                    let connection = graceful.watch(self.serve(stream, peer));
                    connections.spawn(async move {
                        if let Err(error) = connection.await {
                            tracing::debug!(%error, "a connection broke");
                        }
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(self.listener);
        self.desk.stopping.cancel();
        while looking.join_next().await.is_some() {}
        if tokio::time::timeout(GRACE, graceful.shutdown())
            .await
            .is_err()
        {
            tracing::warn!(
                connections = connections.len(),
                "connections were cut at the end"
            );
        }
        connections.shutdown().await;
    }

    /// The next connection, once there is a place for it.
    async fn accept(&self) -> std::io::Result<(TcpStream, Peer, OwnedSemaphorePermit)> {
        let place = Arc::clone(&self.places).acquire_owned().await;
        let place = place.map_err(std::io::Error::other)?;
        let (stream, from) = self.listener.accept().await?;
        Ok((stream, Peer(from.ip()), place))
    }

    fn serve(
        &self,
        stream: TcpStream,
        peer: Peer,
    ) -> http1::Connection<TokioIo<TcpStream>, TowerToHyperService<Router>> {
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_WITHIN)
            .max_buf_size(HEAD_BYTES)
            .serve_connection(
                TokioIo::new(stream),
                TowerToHyperService::new(self.router.clone().layer(Extension(peer))),
            )
    }
}
