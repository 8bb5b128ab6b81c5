//! Looking at queues without working on them: how many messages wait, who consumes, and what lies in `refill.parked`; and what a person
//! decides about that. One connection, owned by one task, which answers one question after the other.

mod parked;
mod session;

use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::connection::{Link, LinkError, Reconnects, while_away};
use crate::lookout::session::{look, settle, take_a_look};
use crate::meters;
use crate::settings::Settings;
use crate::topology::QueueName;

pub use crate::lookout::parked::{Fate, ParkedMessage, ParkedSight, Settled};

/// How this connection is called in metrics and in the broker's list.
const PURPOSE: &str = "look";
/// Questions that may wait for the task; more are told that it is busy.
const QUESTIONS: usize = 16;
/// How often the connection is looked at while nobody asks.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A queue as the broker tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueSight {
    /// Which.
    pub queue: QueueName,
    /// Messages that wait, those handed out not counted; 0 for a queue that nobody has declared yet.
    pub ready: u32,
    /// Who takes its messages now: one for each process.
    pub consumers: u32,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unseen {
    /// No connection, or it ended over this question.
    #[error("the broker is away")]
    Away,
    /// More is asked than can be answered.
    #[error("too much is asked of the broker at once")]
    Busy,
    /// The broker says no.
    #[error("the broker refuses: {0}")]
    Refused(String),
}

/// There is no connection, and there was none in time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the broker is away: {0}")]
pub struct Away(String);

type Reply<T> = oneshot::Sender<Result<T, Unseen>>;

enum Question {
    Queues(Vec<QueueName>, Reply<Vec<QueueSight>>),
    Parked(usize, Reply<ParkedSight>),
    Settle(Vec<String>, Fate, Reply<Settled>),
}

impl Question {
    fn refuse(self, why: Unseen) {
        // Nobody waits any more if the asker was cancelled.
        match self {
            Self::Queues(_, reply) => drop(reply.send(Err(why))),
            Self::Parked(_, reply) => drop(reply.send(Err(why))),
            Self::Settle(_, _, reply) => drop(reply.send(Err(why))),
        }
    }
}

/// Makes the two ends of the lookout.
pub struct Lookout;

impl Lookout {
    /// The handle to ask with, and the task that someone must run.
    #[expect(clippy::new_ret_no_self, reason = "the lookout is its two ends")]
    pub fn new(settings: Settings) -> (LookoutHandle, LookoutTask) {
        let (questions, inbox) = mpsc::channel(QUESTIONS);
        let not_yet = Away("it has not answered yet".to_owned());
        let (absence, absent) = watch::channel(Some(not_yet));
        let handle = LookoutHandle { questions, absent };
        let task = LookoutTask {
            settings,
            inbox,
            absence,
        };
        (handle, task)
    }
}

/// Asks. Cheap to clone. While the broker is away every answer is [`Unseen::Away`], and comes at once.
#[derive(Clone, Debug)]
pub struct LookoutHandle {
    questions: mpsc::Sender<Question>,
    absent: watch::Receiver<Option<Away>>,
}

impl LookoutHandle {
    /// Waits for a connection, but no longer than `within`; then tells why there is none.
    pub async fn arrived(&self, within: Duration) -> Result<(), Away> {
        let mut absent = self.absent.clone();
        let _ = tokio::time::timeout(within, absent.wait_for(Option::is_none)).await;
        absent.borrow().clone().map_or(Ok(()), Err)
    }

    /// How these queues stand, in their order.
    pub async fn queues(&self, queues: Vec<QueueName>) -> Result<Vec<QueueSight>, Unseen> {
        self.ask(|reply| Question::Queues(queues, reply)).await
    }

    /// The first messages of `refill.parked`, `most` of them, 1,000 at the very most. They stay where they are.
    pub async fn parked(&self, most: usize) -> Result<ParkedSight, Unseen> {
        self.ask(|reply| Question::Parked(most, reply)).await
    }

    /// Decides about parked messages by their ids. What is to go back to its queue leaves `refill.parked` only when the broker has
    /// confirmed it there; whatever fails on the way, it is in one of the two, or in both. Goes on if the asker does not wait for it.
    pub async fn settle(&self, ids: Vec<String>, fate: Fate) -> Result<Settled, Unseen> {
        self.ask(|reply| Question::Settle(ids, fate, reply)).await
    }

    async fn ask<T>(&self, question: impl FnOnce(Reply<T>) -> Question) -> Result<T, Unseen> {
        let (reply, answer) = oneshot::channel();
        let sent = self.questions.try_send(question(reply));
        sent.map_err(|why| match why {
            mpsc::error::TrySendError::Full(_) => Unseen::Busy,
            mpsc::error::TrySendError::Closed(_) => Unseen::Away,
        })?;
        answer.await.unwrap_or(Err(Unseen::Away))
    }
}

/// Owns the connection that looks.
pub struct LookoutTask {
    settings: Settings,
    inbox: mpsc::Receiver<Question>,
    /// Why there is no connection, as long as there is none.
    absence: watch::Sender<Option<Away>>,
}

impl LookoutTask {
    /// Answers until `shutdown`; what is being answered then is finished within the answer time-out.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let mut reconnects = Reconnects::new(&self.settings, PURPOSE, "look at");
        // Closed: nobody can ask any more.
        while !shutdown.is_cancelled() && !self.inbox.is_closed() {
            let begun = tokio::time::Instant::now();
            let end = self.session(&shutdown).await;
            meters::connected(PURPOSE, false);
            let Err(error) = end else { break };
            self.absence.send_replace(Some(Away(error.to_string())));
            let pause = reconnects.pause_after(begun, &error);
            if self.refuse_during(pause, &shutdown).await.is_none() {
                break;
            }
        }
    }

    /// One connection, from its welcome to its end. Ends well at shutdown only.
    async fn session(&mut self, shutdown: &CancellationToken) -> Result<(), LinkError> {
        let settings = self.settings.clone();
        let opening = async move { Link::open(&settings, PURPOSE).await };
        let Some(link) = self.refuse_during(opening, shutdown).await else {
            return Ok(());
        };
        let link = link?;
        tracing::info!("connected to the broker to look at queues");
        meters::connected(PURPOSE, true);
        self.absence.send_replace(None);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                question = self.inbox.recv() => match question {
                    Some(question) => answer(&link, self.settings.answer_timeout, question).await?,
                    // Nobody can ask any more.
                    None => break,
                },
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            if !link.connection().status().connected() {
                return Err(LinkError::Ended("the connection is closed"));
            }
        }
        link.close().await;
        Ok(())
    }

    /// Waits for `work` while there is no connection, and tells whoever asks so. `None` at shutdown.
    async fn refuse_during<T>(
        &mut self,
        work: impl Future<Output = T>,
        shutdown: &CancellationToken,
    ) -> Option<T> {
        let refuse = |question: Question| question.refuse(Unseen::Away);
        while_away(work, &mut self.inbox, refuse, shutdown).await
    }
}

/// Answers one question; an error ends the connection.
async fn answer(link: &Link, within: Duration, question: Question) -> Result<(), LinkError> {
    match question {
        Question::Queues(queues, reply) => told(reply, look(link, within, queues).await),
        Question::Parked(most, reply) => told(reply, take_a_look(link, within, most).await),
        Question::Settle(ids, fate, reply) => told(reply, settle(link, within, &ids, fate).await),
    }
}

/// Hands an answer on. What the broker has against a question ends only that question's channel.
fn told<T>(reply: Reply<T>, answer: Result<T, LinkError>) -> Result<(), LinkError> {
    let (answer, end) = match answer {
        Ok(answer) => (Ok(answer), Ok(())),
        Err(LinkError::Amqp { source, .. }) if source.is_amqp_soft_error() => {
            (Err(Unseen::Refused(source.to_string())), Ok(()))
        }
        Err(error) => (Err(Unseen::Away), Err(error)),
    };
    // Nobody waits any more if the asker was cancelled.
    let _ = reply.send(answer);
    end
}
