//! The accept loop: a bounded number of connections, bounded waits on each, and an orderly end.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{Extensions, HeaderMap};
use domain::Catalogue;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use ipnet::IpNet;
use queue::PublisherHandle;
use store::Store;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::address;
use crate::admission::Admission;
use crate::announce::{Announcer, AnnouncerTask};
use crate::backlog::{Backlog, BacklogTask};
use crate::behind::{Behind, BehindTask};
use crate::front::{BackRooms, Front};
use crate::intake::{IntakeHandle, IntakeTask};
use crate::known::KnownTask;
use crate::meters;
use crate::nonces::{NonceHandle, NonceTask};
use crate::pushes::{PushHandle, PushTask};
use crate::router::router;
use crate::settings::{BadSetting, Settings};

/// The longest head of a request; the longest signature takes a sixth of it.
const HEAD_BYTES: usize = 16_384;
const MOST_HEADERS: usize = 100;
/// After the kernel refused to give us a connection (no file handles left).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The door of one process.
pub struct Ingress {
    front: Arc<Front>,
    known: KnownTask,
    backlog: BacklogTask,
    behind: BehindTask,
    intake: IntakeTask,
    nonces: NonceTask,
    pushes: PushTask,
    announcer: AnnouncerTask,
}

impl Ingress {
    /// Prepares everything. Nothing runs, listens or asks the database yet.
    pub fn new(
        settings: Settings,
        store: Store,
        catalogue: watch::Receiver<Arc<Catalogue>>,
        publisher: PublisherHandle,
    ) -> Result<Self, BadSetting> {
        settings.check()?;
        meters::begun(&settings);
        let (known_task, known) = KnownTask::new(catalogue);
        let backlog = Backlog::default();
        let backlog_task = BacklogTask {
            store: store.clone(),
            backlog: backlog.clone(),
            most: settings.max_backlog_batches,
        };
        let behind = Behind::default();
        let behind_task = BehindTask {
            store: store.clone(),
            known: known.clone(),
            publisher: publisher.clone(),
            behind: behind.clone(),
            most: settings.max_waiting(),
        };
        let (announcer, announcer_task) = Announcer::new(
            publisher.clone(),
            store.clone(),
            settings.max_announcing_batches,
            settings.shutdown_grace(),
        );
        let (intake, intake_task) = IntakeHandle::new(store.clone(), settings.max_in_flight);
        let (nonces, nonce_task) = NonceHandle::new(store.clone(), settings.max_in_flight);
        let (pushes, push_task) =
            PushHandle::new(store.clone(), known.clone(), settings.max_in_flight);
        let rooms = BackRooms {
            intake,
            nonces,
            pushes,
            announcer,
            admission: Admission::new(backlog, behind, settings.order_limit),
        };
        let front = Front::new(settings, store, publisher, known, rooms);
        Ok(Self {
            front: Arc::new(front),
            known: known_task,
            backlog: backlog_task,
            behind: behind_task,
            intake: intake_task,
            nonces: nonce_task,
            pushes: push_task,
            announcer: announcer_task,
        })
    }

    /// Serves until `shutdown`; then accepts nothing more, lets what is in flight end within the grace, and waits for the broker's
    /// confirms as long again. The publisher must outlive it.
    pub async fn run(self, listener: TcpListener, shutdown: CancellationToken) {
        let over = CancellationToken::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(self.known.run(over.clone()));
        tasks.spawn(self.backlog.run(over.clone()));
        tasks.spawn(self.behind.run(over.clone()));
        tasks.spawn(self.intake.run(over.clone()));
        tasks.spawn(self.nonces.run(over.clone()));
        tasks.spawn(self.pushes.run(over.clone()));
        tasks.spawn(self.announcer.run(over.clone()));
        let doorway = Doorway::new(&self.front);
        doorway.keep(listener, &shutdown).await;
        self.front.requests.close();
        let grace = self.front.settings.shutdown_grace();
        if tokio::time::timeout(grace, self.front.requests.wait())
            .await
            .is_err()
        {
            tracing::warn!("requests were still in flight at the end");
        }
        over.cancel();
        while let Some(ended) = tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a task of the ingress broke");
            }
        }
    }
}

/// The connections.
struct Doorway {
    router: Router,
    places: Arc<Semaphore>,
    most: usize,
    head_timeout: Duration,
    grace: Duration,
}

impl Doorway {
    fn new(front: &Arc<Front>) -> Self {
        let settings = &front.settings;
        Self {
            router: router(front),
            places: Arc::new(Semaphore::new(settings.max_connections)),
            most: settings.max_connections,
            head_timeout: Duration::from_millis(settings.head_timeout_ms),
            grace: settings.shutdown_grace(),
        }
    }

    /// Accepts until `shutdown`, then lets the connections end.
    async fn keep(self, listener: TcpListener, shutdown: &CancellationToken) {
        let graceful = GracefulShutdown::new();
        let mut connections = JoinSet::new();
        while let Some(accepted) = shutdown.run_until_cancelled(self.accept(&listener)).await {
            while connections.try_join_next().is_some() {}
            match accepted {
                Ok((stream, peer, place)) => {
                    connections.spawn(self.serve(stream, peer, place, graceful.watcher()));
                    meters::connections(self.most - self.places.available_permits());
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(listener);
        if tokio::time::timeout(self.grace, graceful.shutdown())
            .await
            .is_err()
        {
            let connections = connections.len();
            tracing::warn!(connections, "connections were cut at the end");
        }
        connections.shutdown().await;
    }

    /// The next connection, once there is a place for it.
    async fn accept(
        &self,
        listener: &TcpListener,
    ) -> std::io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
        let place = Arc::clone(&self.places).acquire_owned().await;
        let place = place.map_err(std::io::Error::other)?;
        let (stream, peer) = listener.accept().await?;
        Ok((stream, peer, place))
    }

    fn serve(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        place: OwnedSemaphorePermit,
        watcher: Watcher,
    ) -> impl Future<Output = ()> + Send + 'static {
        let router = self.router.clone();
        let service = hyper::service::service_fn(
            move |mut request: hyper::Request<hyper::body::Incoming>| {
                request.extensions_mut().insert(Peer(peer.ip()));
                let answering = router.clone().oneshot(request);
                async move { answering.await.map_err(|never: Infallible| never) }
            },
        );
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.head_timeout)
            .max_headers(MOST_HEADERS)
            .max_buf_size(HEAD_BYTES)
            .serve_connection(TokioIo::new(stream), service);
        async move {
            if let Err(error) = watcher.watch(connection).await {
                tracing::debug!(%error, "a connection broke");
            }
            drop(place);
        }
    }
}

/// Who holds the other end of the socket.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(IpAddr);

impl Peer {
    /// The caller's address; a request that came through no socket (in a test) comes from nowhere.
    pub(crate) fn caller(
        extensions: &Extensions,
        headers: &HeaderMap,
        trusted: &[IpNet],
    ) -> IpAddr {
        let nowhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let socket = extensions.get::<Self>().map_or(nowhere, |peer| peer.0);
        address::of_caller(socket, headers, trusted)
    }
}
