//! Pushes: results that a supplier sends by itself, again and again until they are taken, or given up.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use reqwest::{Client, redirect};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::time::DelayQueue;

use crate::error::SimulatorError;
use crate::open_sign::Signer;

/// Pushes that may wait at the same time; more are dropped, the query finds their results.
const WAITING: usize = 100_000;
/// Pushes on their way at the same time.
const AT_ONCE: usize = 64;
const TRIES: u32 = 8;
const FIRST_DELAY: Duration = Duration::from_millis(200);
const TIMEOUT: Duration = Duration::from_secs(10);
/// A longer answer is not read, and takes nothing.
const MAX_ANSWER_BYTES: usize = 4 * 1024;

/// One result to be pushed.
#[derive(Clone, Debug)]
pub(crate) struct Push {
    pub(crate) url: String,
    pub(crate) body: String,
    pub(crate) kind: Kind,
    /// How often it is sent although it was taken.
    pub(crate) at_least: u32,
}

/// How a push is dressed.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// A form, signed in itself.
    Form,
    /// JSON, signed anew in the headers of each try, for this account.
    Report(String),
}

/// Takes pushes. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Pusher {
    waiting: mpsc::Sender<(Push, Duration)>,
    caller: Caller,
}

/// Delivers them.
pub(crate) struct PushTask {
    waiting: mpsc::Receiver<(Push, Duration)>,
    caller: Caller,
}

#[derive(Clone, Debug)]
struct Caller {
    client: Client,
    signer: Option<Arc<Signer>>,
}

impl Pusher {
    /// The two ends. `signer` signs reports.
    pub(crate) fn new(signer: Option<Arc<Signer>>) -> Result<(Self, PushTask), SimulatorError> {
        let client = Client::builder()
            .timeout(TIMEOUT)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .pool_max_idle_per_host(AT_ONCE)
            .build()?;
        let caller = Caller { client, signer };
        let (sender, waiting) = mpsc::channel(WAITING);
        let pusher = Self {
            waiting: sender,
            caller: caller.clone(),
        };
        Ok((pusher, PushTask { waiting, caller }))
    }

    /// Pushes after `delay`.
    pub(crate) fn push(&self, push: Push, delay: Duration) {
        if self.waiting.try_send((push, delay)).is_err() {
            tracing::warn!("too many pushes wait, one was dropped");
        }
    }

    /// Pushes now, once, and waits for the answer.
    pub(crate) async fn push_now(&self, push: &Push) -> bool {
        self.caller.call(push).await
    }
}

impl Caller {
    async fn call(&self, push: &Push) -> bool {
        let mut request = self.client.post(&push.url).body(push.body.clone());
        match (&push.kind, &self.signer) {
            (Kind::Report(business), Some(signer)) => {
                request = request.header("content-type", "application/json");
                let headers = signer.sign(business, push.body.as_bytes());
                for (name, value) in headers.pairs() {
                    request = request.header(name, value);
                }
            }
            _ => request = request.header("content-type", "application/x-www-form-urlencoded"),
        }
        let Ok(mut response) = request.send().await else {
            return false;
        };
        let mut answer = vec![];
        while let Ok(Some(chunk)) = response.chunk().await {
            answer.extend_from_slice(&chunk);
            if answer.len() > MAX_ANSWER_BYTES {
                return false;
            }
        }
        response.status().is_success() && answer.trim_ascii().eq_ignore_ascii_case(b"success")
    }
}

impl PushTask {
    /// Delivers until `shutdown`; what has not been delivered then is left to the query.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        let mut timers: DelayQueue<(Push, u32)> = DelayQueue::new();
        let mut calls: JoinSet<Option<(Push, u32)>> = JoinSet::new();
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                new = self.waiting.recv(), if timers.len() < WAITING => match new {
                    Some((push, delay)) => { timers.insert((push, 1), delay); }
                    None => return,
                },
                Some(due) = timers.next(), if calls.len() < AT_ONCE => {
                    let (push, try_no) = due.into_inner();
                    let caller = self.caller.clone();
                    calls.spawn(async move {
                        let taken = caller.call(&push).await;
                        (!taken && try_no < TRIES || try_no < push.at_least).then_some((push, try_no + 1))
                    });
                }
                Some(ended) = calls.join_next() => if let Ok(Some((push, try_no))) = ended {
                    let delay = FIRST_DELAY * 2_u32.pow(try_no.saturating_sub(2).min(8));
                    timers.insert((push, try_no), delay);
                },
            }
        }
    }
}
