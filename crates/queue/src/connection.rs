//! One connection to the broker that ends when it is told to.
//!
//! `lapin` gives each connection a thread that waits for its socket. Against a broker that has stopped
//! answering (paused, blocked, half gone) neither dropping the connection nor giving up on the
//! handshake ends that thread. So a second handle to the socket is kept, and dropping a [`Link`] shuts
//! the socket down.

use std::io;
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::{AsyncRead, AsyncWrite};
use lapin::tcp::RustlsConnector;
use lapin::types::{LongString, ShortString};
use lapin::{AsyncTcpStream, Channel, Connection, ConnectionProperties};
use retry::Backoff;
use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::meters;
use crate::settings::Settings;

/// For a goodbye that the broker may be too busy to answer.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Why a connection ended, or never was.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    #[error("the broker did not answer in time: {0}")]
    TimedOut(&'static str),
    #[error("{doing}: {source}")]
    Amqp {
        doing: &'static str,
        source: lapin::Error,
    },
    #[error("the broker ended it: {0}")]
    Ended(&'static str),
}

/// Waits for the broker's answer to what we are `doing`, but not for long.
pub(crate) async fn answered<T>(
    within: Duration,
    doing: &'static str,
    answer: impl Future<Output = lapin::Result<T>>,
) -> Result<T, LinkError> {
    match timeout(within, answer).await {
        Ok(answer) => answer.map_err(|source| LinkError::Amqp { doing, source }),
        Err(_) => Err(LinkError::TimedOut(doing)),
    }
}

/// The pauses between one connection and the next.
pub(crate) struct Reconnects {
    backoff: Backoff,
    longest: Duration,
    purpose: &'static str,
    doing: &'static str,
}

impl Reconnects {
    /// Before the first connection for this `purpose`; `doing`: what the broker is there for, as the log says it.
    pub(crate) fn new(settings: &Settings, purpose: &'static str, doing: &'static str) -> Self {
        meters::begun(purpose);
        Self {
            backoff: settings.backoff(),
            longest: settings.reconnect_max,
            purpose,
            doing,
        }
    }

    /// The pause after a connection that was begun at `begun`, longer each time; unless it stood for so long that what ended it is a
    /// new fault, and not the old one again.
    pub(crate) fn pause_after(&mut self, begun: Instant, error: &LinkError) -> Sleep {
        if begun.elapsed() >= self.longest {
            self.backoff.reset();
        }
        let delay = self.backoff.next_delay();
        tracing::warn!(%error, delay_ms = delay.as_millis(), "lost the broker to {}", self.doing);
        meters::reconnecting(self.purpose);
        sleep(delay)
    }
}

/// Waits for `work` while there is no connection, and hands what comes through `inbox` to `meanwhile`. `None` at shutdown.
pub(crate) async fn while_away<T, M>(
    work: impl Future<Output = T>,
    inbox: &mut mpsc::Receiver<M>,
    mut meanwhile: impl FnMut(M),
    shutdown: &CancellationToken,
) -> Option<T> {
    tokio::pin!(work);
    loop {
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return None,
            done = &mut work => return Some(done),
            Some(message) = inbox.recv() => meanwhile(message),
        }
    }
}

/// The socket's second handle.
enum Socket {
    Connecting,
    Open(TcpStream),
    Cut,
}

struct Cutter(Arc<Mutex<Socket>>);

impl Cutter {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(Socket::Connecting)))
    }
}

/// Keeps `socket` for the cutter, unless the connection has been given up meanwhile.
fn keep(slot: &Mutex<Socket>, socket: TcpStream) -> io::Result<()> {
    let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
    if matches!(*slot, Socket::Cut) {
        return Err(io::ErrorKind::ConnectionAborted.into());
    }
    *slot = Socket::Open(socket);
    Ok(())
}

impl Drop for Cutter {
    fn drop(&mut self) {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Socket::Open(socket) = std::mem::replace(&mut *slot, Socket::Cut) {
            // Fails when the connection has ended already, which is what is wanted.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}

/// The same stream by TLS, if it is `host` who is there.
async fn encrypted<S>(
    stream: AsyncTcpStream<S>,
    host: &str,
    ca_file: Option<&Path>,
) -> io::Result<AsyncTcpStream<S>>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let where_it_is_set = |error: io::Error| {
        let why = format!("{error} (amqp.ca_file names who vouches for the broker)");
        io::Error::new(error.kind(), why)
    };
    let tls = RustlsConnector::from(trust::tls(ca_file).map_err(io::Error::other)?);
    stream
        .into_rustls(&tls, host)
        .await
        .map_err(where_it_is_set)
}

/// One connection. Dropping it cuts the socket: what was not confirmed is unknown, what was not acked
/// goes back to its queue.
pub(crate) struct Link {
    connection: Connection,
    _cutter: Cutter,
}

impl Link {
    /// Connects as `<role> <purpose>`, within the connect time-out.
    pub(crate) async fn open(settings: &Settings, purpose: &str) -> Result<Self, LinkError> {
        const DOING: &str = "connect";
        let cutter = Cutter::new();
        let name = LongString::from(format!("refill {} {purpose}", settings.role));
        let connecting = Connection::connector(
            settings.uri.clone(),
            lapin::runtime::default_runtime().map_err(|source| LinkError::Amqp {
                doing: DOING,
                source,
            })?,
            {
                let slot = Arc::clone(&cutter.0);
                let within = settings.connect_timeout;
                let ca_file = settings.ca_file.clone();
                async move |uri, runtime| {
                    let address = (uri.authority.host.clone(), uri.authority.port);
                    let addresses = runtime.to_socket_addrs(address);
                    let stream = timeout(within, AsyncTcpStream::connect(&runtime, addresses))
                        .await
                        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
                    if let AsyncTcpStream::Plain(plain) = &stream {
                        let handle = plain.get_ref().as_fd().try_clone_to_owned()?;
                        keep(&slot, TcpStream::from(handle))?;
                    }
                    match uri.scheme {
                        lapin::uri::AMQPScheme::AMQP => Ok(stream),
                        lapin::uri::AMQPScheme::AMQPS => {
                            Ok(encrypted(stream, &uri.authority.host, ca_file.as_deref()).await?)
                        }
                    }
                }
            },
            ConnectionProperties::default().with_connection_name(name),
        );
        let connection = answered(settings.connect_timeout, DOING, connecting).await?;
        Ok(Self {
            connection,
            _cutter: cutter,
        })
    }

    /// The connection.
    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Opens a channel.
    pub(crate) async fn channel(&self, within: Duration) -> Result<Channel, LinkError> {
        answered(within, "open a channel", self.connection.create_channel()).await
    }

    /// Takes leave of the broker, then cuts the socket in any case.
    pub(crate) async fn close(self) {
        let goodbye = self.connection.close(200, ShortString::from("bye"));
        let _ = answered(CLOSE_TIMEOUT, "close the connection", goodbye).await;
    }
}
