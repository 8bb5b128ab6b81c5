//! Publishing over one connection, from its welcome to its end.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{BoxStream, FuturesUnordered};
use futures::{FutureExt, StreamExt};
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeleteOptions};
use lapin::types::ShortString;
use lapin::{Channel, Confirmation, Event};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::connection::{Link, LinkError, answered};
use crate::meters::PublishMeters;
use crate::publisher::load::Message;
use crate::publisher::silence::Silence;
use crate::publisher::window::{SetId, Verdict, Window};
use crate::publisher::{PURPOSE, PublishError, Reply, Request, State};
use crate::settings::Settings;
use crate::topology::{self, QueueName};

/// How often overdue sets and the connection are looked at.
const TICK: Duration = Duration::from_millis(500);

/// How often it is told again that the broker takes nothing.
const TELL_EVERY: Duration = Duration::from_mins(1);

/// The broker asks for patience.
struct Blocked {
    reason: String,
    told: Instant,
}

/// One message's way to its confirm.
type Confirming = BoxFuture<'static, (SetId, lapin::Result<Confirmation>)>;

pub(super) struct Session<'a> {
    settings: &'a Settings,
    state: &'a State,
    link: Link,
    channel: Arc<Channel>,
    events: BoxStream<'static, Event>,
    window: Window<Reply>,
    confirming: FuturesUnordered<Confirming>,
    /// The set that is not wholly sent yet.
    sending: Option<SetId>,
    /// The queues that are known to exist, and their meters.
    declared: HashMap<QueueName, PublishMeters>,
    /// Why the broker takes nothing.
    blocked: Option<Blocked>,
}

impl<'a> Session<'a> {
    /// Connects and opens a channel with confirms.
    pub(super) async fn open(settings: &'a Settings, state: &'a State) -> Result<Self, LinkError> {
        let within = settings.answer_timeout;
        let link = Link::open(settings, PURPOSE).await?;
        let events = link.connection().events_listener().boxed();
        let channel = link.channel(within).await?;
        let select = channel.confirm_select(ConfirmSelectOptions::default());
        answered(within, "ask for confirms", select).await?;
        Ok(Self {
            settings,
            state,
            link,
            channel: Arc::new(channel),
            events,
            window: Window::new(),
            confirming: FuturesUnordered::new(),
            sending: None,
            declared: HashMap::new(),
            blocked: None,
        })
    }

    /// Publishes what comes through `inbox`. Ends well at shutdown only; whoever still waits when it
    /// ends badly is told that the connection was lost.
    pub(super) async fn run(
        mut self,
        inbox: &mut mpsc::Receiver<Request>,
        silence: &mut Silence,
        shutdown: &CancellationToken,
    ) -> Result<(), LinkError> {
        self.tell_state();
        let end = self.serve(inbox, silence, shutdown).await;
        for reply in self.window.abandon() {
            let _ = reply.send(Err(PublishError::ConnectionLost));
        }
        if end.is_ok() {
            self.link.close().await;
        }
        end
    }

    async fn serve(
        &mut self,
        inbox: &mut mpsc::Receiver<Request>,
        silence: &mut Silence,
        shutdown: &CancellationToken,
    ) -> Result<(), LinkError> {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut stop_by = None;
        loop {
            self.send_more();
            let stopping = stop_by.is_some();
            if stopping && self.window.is_empty() && inbox.is_empty() {
                return Ok(());
            }
            tokio::select! {
                biased;
                () = shutdown.cancelled(), if !stopping => {
                    inbox.close();
                    stop_by = Some(Instant::now() + self.settings.answer_timeout);
                }
                Some(event) = self.events.next() => self.notice(event)?,
                Some(confirmed) = self.confirming.next(), if !self.confirming.is_empty() => {
                    self.take_confirms(confirmed, silence)?;
                }
                _ = tick.tick() => {
                    self.check(silence)?;
                    if stop_by.is_some_and(|by| Instant::now() >= by) {
                        return Ok(());
                    }
                }
                Some(request) = inbox.recv(), if self.sending.is_none() && self.has_room() => {
                    self.begin(request, silence).await?;
                }
            }
        }
    }

    fn has_room(&self) -> bool {
        self.confirming.len() < self.settings.publish_window
    }

    /// Begins a set. Its queue is declared before the connection's first message to it.
    async fn begin(&mut self, request: Request, silence: &mut Silence) -> Result<(), LinkError> {
        if self.blocked.is_some() {
            request.refuse(PublishError::NotConnected);
            return Ok(());
        }
        if let Entry::Vacant(unknown) = self.declared.entry(request.queue.clone()) {
            let anew = silence.is_over(&request.queue);
            let declared = match declare(&self.link, self.settings, &request.queue, anew).await {
                Ok(declared) => declared,
                Err(error) => {
                    request.refuse(PublishError::ConnectionLost);
                    return Err(error);
                }
            };
            match declared {
                Ok(()) => drop(unknown.insert(PublishMeters::of(&request.queue))),
                Err(error) => {
                    tracing::error!(queue = %request.queue, %error, "cannot declare a queue");
                    request.refuse(PublishError::Undeclarable(error.to_string()));
                    return Ok(());
                }
            }
        }
        let Request { queue, load, reply } = request;
        self.sending = Some(self.window.open(queue, load, reply, Instant::now()));
        Ok(())
    }

    /// Hands messages to the client until the window is full or the set is sent.
    fn send_more(&mut self) {
        while let Some(set) = self.sending
            && self.has_room()
        {
            let Some((queue, message)) = self.window.next_message(set) else {
                self.sending = None;
                break;
            };
            if let Some(meters) = self.declared.get(&queue) {
                meters.published.increment(1);
            }
            let channel = Arc::clone(&self.channel);
            self.confirming
                .push(publish(channel, queue, set, message).boxed());
        }
    }

    /// Takes every confirm that has arrived, then answers the sets that are complete.
    fn take_confirms(
        &mut self,
        first: (SetId, lapin::Result<Confirmation>),
        silence: &mut Silence,
    ) -> Result<(), LinkError> {
        let now = Instant::now();
        let mut next = Some(first);
        while let Some((set, confirmation)) = next {
            let confirmation = confirmation.map_err(|source| LinkError::Amqp {
                doing: "publish",
                source,
            })?;
            let verdict = self.verdict(confirmation);
            self.window.confirm(set, &verdict, now);
            next = self.confirming.next().now_or_never().flatten();
        }
        self.answer_finished(now, silence);
        Ok(())
    }

    /// Reads a confirm. After a return the queue is declared again before anything more is sent to it.
    fn verdict(&mut self, confirmation: Confirmation) -> Verdict {
        let acked = confirmation.is_ack();
        let returned = confirmation.take_message().map(|message| {
            let queue = message.routing_key.as_str();
            tracing::warn!(queue, reason = %message.reply_text, "the broker returned a message");
            self.declared.retain(|known, meters| {
                let missing = known.as_str() == queue;
                if missing {
                    meters.returned.increment(1);
                }
                !missing
            });
            let id = message.properties.message_id().as_ref();
            id.map_or_else(String::new, |id| id.as_str().to_owned())
        });
        Verdict { acked, returned }
    }

    fn answer_finished(&mut self, now: Instant, silence: &mut Silence) {
        for set in self.window.finished(now) {
            if set.confirmed > 0 {
                silence.ended(&set.queue);
            }
            if let Some(meters) = self.declared.get(&set.queue) {
                meters.confirmed.increment(set.confirmed as u64);
                if set.outcome.is_ok() {
                    meters.set_confirmed(set.took);
                }
            }
            if let Some(reply) = set.reply {
                let _ = reply.send(set.outcome);
            }
        }
    }

    /// A blocked connection is kept: the broker asks for patience and says when it is over. Making new
    /// ones would only add to its load.
    fn notice(&mut self, event: Event) -> Result<(), LinkError> {
        match event {
            Event::ConnectionBlocked(reason) => {
                tracing::warn!(reason, "the broker takes no messages");
                self.blocked = Some(Blocked {
                    reason: reason.clone(),
                    told: Instant::now(),
                });
                self.tell_state();
            }
            Event::ConnectionUnblocked => {
                tracing::info!("the broker takes messages again");
                self.blocked = None;
                self.tell_state();
            }
            Event::Error(source) => {
                let doing = "keep the connection";
                return Err(LinkError::Amqp { doing, source });
            }
            _ => {}
        }
        Ok(())
    }

    /// Ends the session when the broker has been silent for too long without asking for patience.
    fn check(&mut self, silence: &mut Silence) -> Result<(), LinkError> {
        if !self.link.connection().status().connected() || !self.channel.status().connected() {
            return Err(LinkError::Ended("the channel is closed"));
        }
        let now = Instant::now();
        if let Some(blocked) = &mut self.blocked
            && now - blocked.told >= TELL_EVERY
        {
            blocked.told = now;
            let reason = blocked.reason.as_str();
            tracing::warn!(reason, "the broker still takes no messages");
        }
        let overdue = self.window.overdue(now, self.settings.answer_timeout);
        let mut silent = HashSet::new();
        for (queue, reply) in overdue {
            silent.insert(queue);
            let _ = reply.send(Err(PublishError::TimedOut));
        }
        self.answer_finished(now, silence);
        if !silent.is_empty() && self.blocked.is_none() {
            for queue in silent {
                silence.broken_off(queue);
            }
            return Err(LinkError::TimedOut("confirm"));
        }
        Ok(())
    }

    fn tell_state(&self) {
        let blocked = self.blocked.as_ref();
        self.state
            .stands(blocked.map(|blocked| blocked.reason.as_str()));
    }
}

async fn publish(
    channel: Arc<Channel>,
    queue: QueueName,
    set: SetId,
    message: Message,
) -> (SetId, lapin::Result<Confirmation>) {
    let options = BasicPublishOptions {
        mandatory: true,
        ..BasicPublishOptions::default()
    };
    let default_exchange = ShortString::default();
    let handed_over = channel
        .basic_publish(
            default_exchange,
            queue.short(),
            options,
            &message.body,
            message.properties,
        )
        .await;
    let confirmation = match handed_over {
        Ok(confirm) => confirm.await,
        Err(error) => Err(error),
    };
    (set, confirmation)
}

/// Declares `queue` over a channel of its own: a declaration that fails closes its channel, and one
/// misconfigured queue must not stop the others. The inner error is that queue's, the outer one the
/// connection's. `anew`: what there is of it is thrown away first.
async fn declare(
    link: &Link,
    settings: &Settings,
    queue: &QueueName,
    anew: bool,
) -> Result<Result<(), lapin::Error>, LinkError> {
    let within = settings.answer_timeout;
    let channel = link.channel(within).await?;
    if anew {
        tracing::error!(%queue, "the broker never confirms for this queue: it is made anew");
        let deleting = channel.queue_delete(queue.short(), QueueDeleteOptions::default());
        answered(within, "delete a queue", deleting).await?;
    }
    let declaring = topology::declare(&channel, queue);
    match answered(within, "declare a queue", declaring).await {
        Ok(()) => {
            let bye = channel.close(200, ShortString::from("declared"));
            answered(within, "close a channel", bye).await.map(Ok)
        }
        Err(LinkError::Amqp { source, .. }) if source.is_amqp_soft_error() => Ok(Err(source)),
        Err(error) => Err(error),
    }
}
