//! Publishing: one connection and one channel per process, owned by one task. Whoever publishes waits
//! for the broker's word on all of its messages at once.

mod load;
mod session;
mod silence;
mod window;

use domain::OrderKey;
use futures::FutureExt;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use traces::TraceParent;

use crate::connection::{Reconnects, while_away};
use crate::hint;
use crate::meters;
use crate::parked::Parked;
use crate::publisher::load::Load;
use crate::publisher::session::Session;
use crate::publisher::silence::Silence;
use crate::settings::Settings;
use crate::topology::QueueName;

/// How this connection is called in metrics and in the broker's list.
const PURPOSE: &str = "publish";

/// Why not every message is safely with the broker. Some of a set may be there all the same; publishing
/// the whole set again later does no harm.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The broker is away, or takes no messages for lack of memory or disk.
    #[error("the broker is not connected, or takes no messages now")]
    NotConnected,
    /// Too much is waiting for the publisher already (only from `try_publish`).
    #[error("the publisher's backlog is full")]
    Busy,
    /// The connection ended before the broker's word was in.
    #[error("the connection ended before the broker confirmed")]
    ConnectionLost,
    /// The broker did not confirm in time.
    #[error("the broker did not confirm in time")]
    TimedOut,
    /// The broker had no queue for it.
    #[error("the broker returned a message: no such queue")]
    Returned,
    /// The broker could not take it.
    #[error("the broker refused a message")]
    Nacked,
    /// The broker has a queue of this name with other properties, or denies it to us.
    #[error("the queue cannot be declared: {0}")]
    Undeclarable(String),
    /// No reader would accept the message.
    #[error("the id of a business has 1 to 64 printable ASCII characters")]
    BadKey,
    /// The publisher's task has ended.
    #[error("the publisher has been stopped")]
    Stopped,
}

type Reply = oneshot::Sender<Result<(), PublishError>>;

struct Request {
    queue: QueueName,
    load: Load,
    reply: Reply,
}

impl Request {
    fn refuse(self, error: PublishError) {
        // Nobody waits any more if the asker was cancelled.
        let _ = self.reply.send(Err(error));
    }
}

/// Makes the two ends of the publisher.
pub struct Publisher;

impl Publisher {
    /// The handle to publish with, and the task that someone must run.
    #[expect(clippy::new_ret_no_self, reason = "the publisher is its two ends")]
    pub fn new(settings: Settings) -> (PublisherHandle, PublisherTask) {
        let (requests, inbox) = mpsc::channel(settings.publish_backlog);
        let (state, connected) = watch::channel(false);
        let (reason, blocked) = watch::channel(None);
        let handle = PublisherHandle {
            requests,
            connected,
            blocked,
        };
        let task = PublisherTask {
            settings,
            inbox,
            state: State {
                connected: state,
                blocked: reason,
            },
        };
        (handle, task)
    }
}

/// Publishes. Cheap to clone.
#[derive(Clone, Debug)]
pub struct PublisherHandle {
    requests: mpsc::Sender<Request>,
    connected: watch::Receiver<bool>,
    blocked: watch::Receiver<Option<String>>,
}

impl PublisherHandle {
    /// Sends a hint for each of `keys` to `queue`, and returns when the broker has confirmed them all.
    /// Fails at once while the broker is away.
    pub async fn publish(
        &self,
        queue: &QueueName,
        keys: Vec<OrderKey>,
    ) -> Result<(), PublishError> {
        self.publish_traced(queue, keys, None).await
    }

    /// Like [`publish`](Self::publish), as part of `trace`.
    pub async fn publish_traced(
        &self,
        queue: &QueueName,
        keys: Vec<OrderKey>,
        trace: Option<TraceParent>,
    ) -> Result<(), PublishError> {
        let load = Load::Hints { keys, trace };
        let Some((request, answer)) = self.request(queue, load)? else {
            return Ok(());
        };
        self.requests
            .send(request)
            .await
            .map_err(|_| PublishError::Stopped)?;
        answer.await.unwrap_or(Err(PublishError::Stopped))
    }

    /// Like [`publish`](Self::publish), but does not wait for a place in the backlog: whether there is
    /// one is known when this returns, and the future it gives waits for the broker.
    pub fn try_publish(
        &self,
        queue: &QueueName,
        keys: Vec<OrderKey>,
        trace: Option<TraceParent>,
    ) -> Result<impl Future<Output = Result<(), PublishError>> + Send + 'static, PublishError> {
        let load = Load::Hints { keys, trace };
        let answer = match self.request(queue, load)? {
            None => None,
            Some((request, answer)) => {
                self.requests.try_send(request).map_err(|e| match e {
                    mpsc::error::TrySendError::Full(_) => PublishError::Busy,
                    mpsc::error::TrySendError::Closed(_) => PublishError::Stopped,
                })?;
                Some(answer)
            }
        };
        Ok(async move {
            match answer {
                None => Ok(()),
                Some(answer) => answer.await.unwrap_or(Err(PublishError::Stopped)),
            }
        })
    }

    /// Whether the broker takes messages now.
    pub fn is_connected(&self) -> bool {
        *self.connected.borrow()
    }

    /// Follows [`is_connected`](Self::is_connected).
    pub fn connected(&self) -> watch::Receiver<bool> {
        self.connected.clone()
    }

    /// Why the broker, which is there, takes no messages, in its own words (`low on disk`); nothing while it takes them, or is away.
    pub fn blocked(&self) -> watch::Receiver<Option<String>> {
        self.blocked.clone()
    }

    /// Puts a message aside that could not be decoded.
    pub(crate) async fn park(&self, parked: Parked) -> Result<(), PublishError> {
        let load = Load::Parked(Box::new(parked));
        let Some((request, answer)) = self.request(&QueueName::parked(), load)? else {
            return Ok(());
        };
        self.requests
            .send(request)
            .await
            .map_err(|_| PublishError::Stopped)?;
        answer.await.unwrap_or(Err(PublishError::Stopped))
    }

    /// The request and where its answer comes; nothing for an empty load.
    #[expect(
        clippy::type_complexity,
        reason = "a pair, made and taken apart in this file"
    )]
    fn request(
        &self,
        queue: &QueueName,
        load: Load,
    ) -> Result<Option<(Request, oneshot::Receiver<Result<(), PublishError>>)>, PublishError> {
        if let Load::Hints { keys, .. } = &load
            && !keys.iter().all(hint::is_writable)
        {
            return Err(PublishError::BadKey);
        }
        if load.len() == 0 {
            return Ok(None);
        }
        if !self.is_connected() {
            return Err(PublishError::NotConnected);
        }
        let (reply, answer) = oneshot::channel();
        let request = Request {
            queue: queue.clone(),
            load,
            reply,
        };
        Ok(Some((request, answer)))
    }
}

/// Owns the connection that publishes.
pub struct PublisherTask {
    settings: Settings,
    inbox: mpsc::Receiver<Request>,
    state: State,
}

/// How the connection stands, for whoever follows it.
struct State {
    connected: watch::Sender<bool>,
    blocked: watch::Sender<Option<String>>,
}

impl State {
    /// It stands; the broker takes messages, or says why it does not.
    fn stands(&self, blocked: Option<&str>) {
        self.tell(blocked.is_none(), blocked);
    }

    fn ended(&self) {
        self.tell(false, None);
    }

    fn tell(&self, takes: bool, blocked: Option<&str>) {
        self.connected.send_replace(takes);
        // Whoever follows it is woken by news only.
        self.blocked.send_if_modified(|known| {
            let is_news = known.as_deref() != blocked;
            *known = blocked.map(str::to_owned);
            is_news
        });
        meters::connected(PURPOSE, takes);
    }
}

impl PublisherTask {
    /// Publishes until `shutdown`, then waits for what is unconfirmed, for at most the answer time-out.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let mut reconnects = Reconnects::new(&self.settings, PURPOSE, "publish to");
        let mut silence = Silence::default();
        while !shutdown.is_cancelled() {
            let opening = Session::open(&self.settings, &self.state);
            let Some(opened) = Self::refuse_during(&mut self.inbox, opening, &shutdown).await
            else {
                break;
            };
            let begun = tokio::time::Instant::now();
            let end = match opened {
                Ok(session) => {
                    tracing::info!("connected to the broker to publish");
                    let end = session.run(&mut self.inbox, &mut silence, &shutdown).await;
                    self.state.ended();
                    end
                }
                Err(error) => Err(error),
            };
            let Err(error) = end else { break };
            let pause = reconnects.pause_after(begun, &error);
            if Self::refuse_during(&mut self.inbox, pause, &shutdown)
                .await
                .is_none()
            {
                break;
            }
        }
        self.inbox.close();
        while let Some(Some(request)) = self.inbox.recv().now_or_never() {
            request.refuse(PublishError::Stopped);
        }
    }

    /// Waits for `work`, and meanwhile tells every asker that the broker is away. `None` at shutdown.
    async fn refuse_during<T>(
        inbox: &mut mpsc::Receiver<Request>,
        work: impl Future<Output = T>,
        shutdown: &CancellationToken,
    ) -> Option<T> {
        let refuse = |request: Request| request.refuse(PublishError::NotConnected);
        while_away(work, inbox, refuse, shutdown).await
    }
}
