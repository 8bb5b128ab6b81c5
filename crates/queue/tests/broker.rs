//! Against a real broker: what publisher and consumer promise each other, and what they do when it is killed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    reason = "a test stops at the first surprise"
)]

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use domain::{BusinessId, Lane, OrderCode, OrderKey};
use lapin::options::{
    BasicGetOptions, BasicPublishOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::{FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use queue::{
    Consumer, ConsumerHandle, Delivery, Fate, Lookout, LookoutHandle, ParkedMessage, ParkedSight,
    PublishError, Publisher, PublisherHandle, QueueName, QueueSight, Settings, Unseen,
};
use servers::Servers;
use tokio::sync::mpsc::Receiver;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use traces::TraceParent;

/// A test that waits so long has failed.
const PATIENCE: Duration = Duration::from_mins(1);

async fn within<T>(what: &str, work: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(PATIENCE, work).await;
    done.unwrap_or_else(|_| panic!("waited for {what}"))
}

async fn until(what: &str, mut look: impl AsyncFnMut() -> bool) {
    within(what, async {
        while !look().await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
}

async fn broker(folder: &Path) -> Servers {
    let mut settings = servers::Settings::under(folder);
    settings.fsync = false;
    Servers::start(settings).await.unwrap()
}

fn folder() -> tempfile::TempDir {
    let mut builder = tempfile::Builder::new();
    builder.prefix("refill-queue-").tempdir_in("/tmp").unwrap()
}

fn keys(n: usize) -> Vec<OrderKey> {
    let key = |n| OrderKey {
        business: BusinessId::new("b-1"),
        order: format!("{n:032x}").parse::<OrderCode>().unwrap(),
    };
    (1..=n).map(key).collect()
}

fn lane(name: &str) -> QueueName {
    QueueName::orders(&Lane::new(name)).unwrap()
}

/// Publisher and consumer of one process.
struct Process {
    publisher: PublisherHandle,
    consumer: ConsumerHandle,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Process {
    async fn start(url: &str) -> Self {
        Self::start_with(url, Duration::from_secs(15)).await
    }

    async fn start_with(url: &str, answer_timeout: Duration) -> Self {
        let mut settings = Settings::new(url, "test").unwrap();
        settings.reconnect_max = Duration::from_secs(1);
        settings.answer_timeout = answer_timeout;
        settings.settle_grace = Duration::from_secs(2);
        let stop = CancellationToken::new();
        let (publisher, publishing) = Publisher::new(settings.clone());
        let (consumer, consuming) = Consumer::new(settings, publisher.clone());
        let mut tasks = JoinSet::new();
        tasks.spawn(publishing.run(stop.clone()));
        tasks.spawn(consuming.run(stop.clone()));
        let mut connected = publisher.connected();
        within("a connection", connected.wait_for(|c| *c))
            .await
            .unwrap();
        Self {
            publisher,
            consumer,
            stop,
            tasks,
        }
    }

    async fn take(&self, queue: &QueueName, prefetch: u16) -> Receiver<Delivery> {
        self.consumer
            .subscribe(queue.clone(), prefetch)
            .await
            .unwrap()
    }

    /// Messages that wait in the queue; those handed out are not counted.
    async fn waits(&self, queue: &QueueName, n: u32) {
        until(&format!("{n} messages in {queue}"), async || {
            self.consumer.depth(queue).await == Ok(n)
        })
        .await;
    }

    async fn end(mut self) {
        self.stop.cancel();
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        within("the end of both tasks", ended).await;
    }
}

/// The broker as somebody else sees it.
async fn stranger(url: &str) -> (Connection, Channel) {
    let connection = Connection::connect(url, ConnectionProperties::default())
        .await
        .unwrap();
    let channel = connection.create_channel().await.unwrap();
    (connection, channel)
}

async fn next(deliveries: &mut Receiver<Delivery>) -> Delivery {
    within("a delivery", deliveries.recv())
        .await
        .expect("the subscription stands")
}

#[tokio::test(flavor = "multi_thread")]
async fn publisher_and_consumer_keep_their_promises() {
    let folder = folder();
    let servers = broker(folder.path()).await;
    confirmed_messages_arrive_with_their_trace_and_are_gone_once_acknowledged(&servers).await;
    what_is_dropped_or_handed_back_comes_again(&servers).await;
    no_more_is_handed_out_than_the_prefetch(&servers).await;
    what_cannot_be_read_is_put_aside_and_stops_nothing(&servers).await;
    many_processes_may_declare_the_same_queues_at_once(&servers).await;
    a_queue_of_other_properties_and_a_lost_queue_are_errors_of_their_own(&servers).await;
    a_stop_waits_for_what_was_handed_out_and_not_for_ever(&servers).await;
    what_was_put_aside_is_looked_at_and_sent_back_or_dropped(&servers).await;
    servers.stop().await;
}

async fn confirmed_messages_arrive_with_their_trace_and_are_gone_once_acknowledged(
    servers: &Servers,
) {
    let url = servers.create_vhost("arrive").await.unwrap();
    let process = Process::start(&url).await;
    let queue = lane("mobile");
    let trace =
        TraceParent::parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01").unwrap();
    let sent = keys(1_200);
    let sending = process
        .publisher
        .publish_traced(&queue, sent.clone(), Some(trace));
    within("the confirms", sending).await.unwrap();
    process.waits(&queue, 1_200).await;
    let mut deliveries = process.take(&queue, 100).await;
    let mut came = HashSet::new();
    while came.len() < sent.len() {
        let delivery = next(&mut deliveries).await;
        assert_eq!(delivery.trace(), Some(trace));
        assert!(!delivery.redelivered());
        assert!(
            came.insert(delivery.key().clone()),
            "once each while all is well"
        );
        delivery.ack();
    }
    assert_eq!(came, sent.into_iter().collect());
    process.waits(&queue, 0).await;
    process.end().await;
    let process = Process::start(&url).await;
    process.waits(&queue, 0).await;
    process.end().await;
}

async fn what_is_dropped_or_handed_back_comes_again(servers: &Servers) {
    let url = servers.create_vhost("again").await.unwrap();
    let process = Process::start(&url).await;
    let queue = QueueName::callbacks();
    process.publisher.publish(&queue, keys(2)).await.unwrap();
    let mut deliveries = process.take(&queue, 10).await;
    drop(next(&mut deliveries).await);
    next(&mut deliveries).await.requeue();
    for _ in 0..2 {
        let delivery = next(&mut deliveries).await;
        assert!(delivery.redelivered());
        delivery.ack();
    }
    process.end().await;
}

async fn no_more_is_handed_out_than_the_prefetch(servers: &Servers) {
    let url = servers.create_vhost("prefetch").await.unwrap();
    let process = Process::start(&url).await;
    let queue = lane("mobile");
    process.publisher.publish(&queue, keys(50)).await.unwrap();
    let mut deliveries = process.take(&queue, 7).await;
    let mut held = vec![];
    for _ in 0..7 {
        held.push(next(&mut deliveries).await);
    }
    process.waits(&queue, 43).await;
    assert!(deliveries.try_recv().is_err(), "an eighth was handed out");
    held.pop().unwrap().ack();
    held.push(next(&mut deliveries).await);
    process.waits(&queue, 42).await;
    drop(deliveries);
    drop(held);
    process.waits(&queue, 49).await;
    process.end().await;
}

async fn what_cannot_be_read_is_put_aside_and_stops_nothing(servers: &Servers) {
    let url = servers.create_vhost("parked").await.unwrap();
    let process = Process::start(&url).await;
    let queue = lane("mobile");
    process.publisher.publish(&queue, keys(1)).await.unwrap();
    let (connection, channel) = stranger(&url).await;
    let long = vec![b'a'; 1_000_000];
    let newer = br#"{"v":9,"b":"x","o":"y"}"#;
    for rubbish in [&b""[..], b"\xff", newer, &long] {
        let name = ShortString::from(queue.as_str());
        let options = BasicPublishOptions::default();
        let properties = BasicProperties::default();
        let sending = channel.basic_publish("".into(), name, options, rubbish, properties);
        sending.await.unwrap().await.unwrap();
    }
    process.publisher.publish(&queue, keys(1)).await.unwrap();
    let mut deliveries = process.take(&queue, 1).await;
    for _ in 0..2 {
        next(&mut deliveries).await.ack();
    }
    process.waits(&QueueName::parked(), 4).await;
    process.waits(&queue, 0).await;
    let mut reasons = vec![];
    for _ in 0..4 {
        let get = channel.basic_get("refill.parked".into(), BasicGetOptions::default());
        let message = get.await.unwrap().unwrap();
        let headers = message.properties.headers().clone().unwrap();
        let reason = headers.inner().get("refill-reason").unwrap();
        reasons.push(reason.as_long_string().unwrap().to_string());
        assert!(message.data.len() <= 4 * 1024, "a parked body is cut");
    }
    reasons.sort();
    assert_eq!(
        reasons,
        ["not_json", "not_json", "too_big", "unknown_version"]
    );
    drop(connection);
    process.end().await;
}

async fn what_was_put_aside_is_looked_at_and_sent_back_or_dropped(servers: &Servers) {
    let url = servers.create_vhost("looked").await.unwrap();
    let process = Process::start(&url).await;
    let (mobile, gone) = (lane("mobile"), lane("gone"));
    let seen = |queue: &QueueName, ready, consumers| QueueSight {
        queue: queue.clone(),
        ready,
        consumers,
    };
    let mut look = Look::start(&url);
    let both = vec![mobile.clone(), QueueName::parked()];
    until("the lookout's connection", async || {
        let sights = look.handle.queues(both.clone()).await;
        sights == Ok(vec![seen(&mobile, 0, 0), seen(&QueueName::parked(), 0, 0)])
    })
    .await;
    assert_eq!(look.handle.parked(50).await, Ok(ParkedSight::default()));

    // Two that this build cannot read, one whose queue is gone, and one that nobody of ours has parked.
    let (connection, channel) = stranger(&url).await;
    let mut deliveries = process.take(&mobile, 5).await;
    let mut others = process.take(&gone, 5).await;
    let publish = async |queue: &str, body: &[u8]| {
        let options = BasicPublishOptions::default();
        let properties = BasicProperties::default();
        let sending = channel.basic_publish("".into(), queue.into(), options, body, properties);
        sending.await.unwrap().await.unwrap();
    };
    until("the publisher's connection", async || {
        process.publisher.is_connected()
    })
    .await;
    let newer = br#"{"v":9,"b":"x","o":"y"}"#;
    for queue in [&mobile, &gone] {
        // A queue that has just been made may refuse what comes before it has its leader.
        until("the queue's leader", async || {
            process.publisher.publish(queue, keys(1)).await.is_ok()
        })
        .await;
    }
    next(&mut deliveries).await.ack();
    next(&mut others).await.ack();
    publish(mobile.as_str(), newer).await;
    publish(mobile.as_str(), &[b'a'; 9_000]).await;
    publish(gone.as_str(), newer).await;
    process.waits(&QueueName::parked(), 3).await;
    publish("refill.parked", b"<script>").await;
    process.waits(&QueueName::parked(), 4).await;
    drop((deliveries, others));
    until("nobody takes from the queue", async || {
        look.handle.queues(vec![mobile.clone()]).await == Ok(vec![seen(&mobile, 0, 0)])
    })
    .await;
    let name = ShortString::from(gone.as_str());
    let deleted = channel.queue_delete(name, QueueDeleteOptions::default());
    deleted.await.unwrap();

    // Looking takes nothing away, however often; a quorum queue alone would drop them after 20 times.
    for _ in 0..25 {
        let sight = look.handle.parked(50).await.unwrap();
        assert_eq!((sight.messages.len(), sight.more), (4, 0));
    }
    let first = look.handle.parked(1).await.unwrap();
    assert_eq!((first.messages.len(), first.more), (1, 3));
    let sight = look.handle.parked(50).await.unwrap();
    let id = |wanted: &dyn Fn(&ParkedMessage) -> bool| {
        let found = sight.messages.iter().find(|message| wanted(message));
        found.unwrap().id.clone()
    };
    let readable = id(&|m| m.origin == mobile.as_str() && m.bytes < 100);
    let cut = id(&|m| m.bytes == 9_000);
    let homeless = id(&|m| m.origin == gone.as_str());
    let foreign = id(&|m| m.body == b"<script>");

    let all = vec![readable, cut.clone(), homeless.clone(), foreign.clone()];
    let settled = look.handle.settle(all, Fate::Requeued).await.unwrap();
    assert_eq!(settled.settled, 1, "{settled:?}");
    let mut stayed: Vec<_> = settled.stayed.into_iter().map(|(id, _)| id).collect();
    stayed.sort();
    let mut expected = vec![cut.clone(), homeless.clone(), foreign.clone()];
    expected.sort();
    assert_eq!(stayed, expected);
    let state = vec![seen(&mobile, 1, 0), seen(&QueueName::parked(), 3, 0)];
    assert_eq!(look.handle.queues(both.clone()).await, Ok(state));
    let get = channel.basic_get(mobile.as_str().into(), BasicGetOptions::default());
    assert_eq!(get.await.unwrap().unwrap().data, newer);

    let some = vec![cut, foreign, "parked/unheard-of".into()];
    let settled = look.handle.settle(some, Fate::Dropped).await.unwrap();
    assert_eq!((settled.settled, settled.stayed), (2, vec![]));
    let left = look.handle.parked(50).await.unwrap().messages;
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].id, homeless);
    drop(connection);
    look.end().await;
    process.end().await;
}

/// A lookout and its task.
struct Look {
    handle: LookoutHandle,
    stop: CancellationToken,
    task: JoinSet<()>,
}

impl Look {
    fn start(url: &str) -> Self {
        let mut settings = Settings::new(url, "test").unwrap();
        settings.reconnect_max = Duration::from_secs(1);
        let (handle, task) = Lookout::new(settings);
        let stop = CancellationToken::new();
        let mut running = JoinSet::new();
        running.spawn(task.run(stop.clone()));
        Self {
            handle,
            stop,
            task: running,
        }
    }

    async fn end(&mut self) {
        self.stop.cancel();
        within("the lookout's end", self.task.join_next()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lookout_without_a_broker_says_so_and_ends_when_told() {
    let mut look = Look::start("amqp://127.0.0.1:1/%2f");
    let asked = within("an answer", look.handle.parked(50)).await;
    assert_eq!(asked, Err(Unseen::Away));
    look.end().await;
    let asked = within("an answer", look.handle.queues(vec![])).await;
    assert_eq!(asked, Err(Unseen::Away));
}

async fn many_processes_may_declare_the_same_queues_at_once(servers: &Servers) {
    let url = servers.create_vhost("declare").await.unwrap();
    let mut fleet = vec![];
    for _ in 0..6 {
        fleet.push(Process::start(&url).await);
    }
    let queue = lane("mobile");
    // A broker that is still making a queue may refuse what comes meanwhile; it never says yes to what it does not keep.
    let publishing = fleet.iter().map(async |process| {
        let mut refused = 0;
        while let Err(error) = process.publisher.publish(&queue, keys(5)).await {
            assert_eq!(error, PublishError::Nacked);
            refused += 1;
            assert!(refused < 100, "it goes on refusing");
        }
    });
    within("the confirms", futures::future::join_all(publishing)).await;
    until("30 messages or more", async || {
        fleet[0].consumer.depth(&queue).await.is_ok_and(|n| n >= 30)
    })
    .await;
    for process in fleet {
        process.end().await;
    }
}

async fn a_queue_of_other_properties_and_a_lost_queue_are_errors_of_their_own(servers: &Servers) {
    let url = servers.create_vhost("wrong").await.unwrap();
    let (connection, channel) = stranger(&url).await;
    let classic = lane("classic");
    let name = ShortString::from(classic.as_str());
    let options = QueueDeclareOptions {
        durable: true,
        ..QueueDeclareOptions::default()
    };
    channel
        .queue_declare(name, options, FieldTable::default())
        .await
        .unwrap();
    let process = Process::start(&url).await;
    let refused = within("an answer", process.publisher.publish(&classic, keys(1))).await;
    assert!(
        matches!(refused, Err(PublishError::Undeclarable(_))),
        "{refused:?}"
    );
    let good = lane("mobile");
    until("the publisher to go on", async || {
        process.publisher.publish(&good, keys(1)).await.is_ok()
    })
    .await;
    let name = ShortString::from(good.as_str());
    channel
        .queue_delete(name, QueueDeleteOptions::default())
        .await
        .unwrap();
    let returned = within("an answer", process.publisher.publish(&good, keys(3))).await;
    assert_eq!(
        returned,
        Err(PublishError::Returned),
        "it says that the set went nowhere"
    );
    let again = process.publisher.publish(&good, keys(3));
    within("the queue's second declaration", again)
        .await
        .unwrap();
    drop(connection);
    process.end().await;
}

async fn a_stop_waits_for_what_was_handed_out_and_not_for_ever(servers: &Servers) {
    let url = servers.create_vhost("stop").await.unwrap();
    let process = Process::start(&url).await;
    let queue = lane("mobile");
    process.publisher.publish(&queue, keys(2)).await.unwrap();
    let mut deliveries = process.take(&queue, 10).await;
    let acknowledged = next(&mut deliveries).await;
    let kept = next(&mut deliveries).await;
    process.stop.cancel();
    acknowledged.ack();
    process.end().await;
    let process = Process::start(&url).await;
    let mut deliveries = process.take(&queue, 10).await;
    let again = next(&mut deliveries).await;
    assert_eq!(again.key(), kept.key(), "what nobody spoke for comes again");
    again.ack();
    process.waits(&queue, 0).await;
    process.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_broker_loses_nothing_that_it_confirmed_and_both_come_back_by_themselves() {
    let folder = folder();
    let mut servers = broker(folder.path()).await;
    let url = servers.create_vhost("killed").await.unwrap();
    let process = Process::start(&url).await;
    let (queue, sets) = (lane("mobile"), lane("sets"));
    for new in [&queue, &sets] {
        process.publisher.publish(new, keys(1)).await.unwrap();
    }
    // Stopped in order once, because a broker that is killed right after it has made a queue may forget half of it.
    servers.rabbitmq().unwrap().stop().await.unwrap();
    until("the publisher to notice", async || {
        !process.publisher.is_connected()
    })
    .await;
    servers.rabbitmq().unwrap().start().await.unwrap();
    let mut connected = process.publisher.connected();
    within("a connection", connected.wait_for(|c| *c))
        .await
        .unwrap();
    let held = keys(3);
    process
        .publisher
        .publish(&queue, held.clone())
        .await
        .unwrap();
    let mut deliveries = process.take(&queue, 3).await;
    let stale = next(&mut deliveries).await;

    // Sets of ten while the broker dies: each is confirmed, or its publisher hears that it is not.
    let publishing = tokio::spawn(sets_until_back(process.publisher.clone(), sets.clone()));
    until("the first sets", async || {
        process.consumer.depth(&sets).await.is_ok_and(|n| n >= 10)
    })
    .await;
    servers.rabbitmq().unwrap().kill().await.unwrap();
    until("the publisher to notice", async || {
        !process.publisher.is_connected()
    })
    .await;
    let refused = process.publisher.publish(&queue, keys(1)).await;
    assert_eq!(refused, Err(PublishError::NotConnected));
    assert!(process.consumer.depth(&queue).await.is_err());
    // Said to a connection that is gone, it changes nothing.
    stale.ack();
    servers.rabbitmq().unwrap().start().await.unwrap();
    let confirmed = within("the publisher's next connection", publishing)
        .await
        .unwrap();

    let mut came = HashSet::new();
    within("the three that were confirmed first", async {
        while came.len() < held.len() {
            let delivery = deliveries
                .recv()
                .await
                .expect("the subscription outlives its connection");
            came.insert(delivery.key().clone());
            delivery.ack();
        }
    })
    .await;
    assert_eq!(came, held.into_iter().collect());
    until("the consumer's next connection", async || {
        process.consumer.depth(&sets).await.is_ok()
    })
    .await;
    let waiting = process.consumer.depth(&sets).await.unwrap();
    assert!(
        waiting >= confirmed * 10,
        "{waiting} of {} are there",
        confirmed * 10
    );
    process.end().await;
    servers.stop().await;
}

/// Publishes sets of ten until one is confirmed after others were not; returns how many were.
async fn sets_until_back(publisher: PublisherHandle, queue: QueueName) -> u32 {
    let (mut confirmed, mut refused) = (0, 0);
    loop {
        match publisher.publish(&queue, keys(10)).await {
            Ok(()) if refused > 0 => return confirmed + 1,
            Ok(()) => confirmed += 1,
            Err(
                PublishError::NotConnected | PublishError::ConnectionLost | PublishError::TimedOut,
            ) => refused += 1,
            Err(other) => panic!("{other}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Killed right after the declarations, the broker comes back with queues that are there and never confirm. At least this broker does;
/// one that does not has nothing to show here.
#[tokio::test(flavor = "multi_thread")]
async fn a_queue_whose_making_was_cut_short_is_made_anew() {
    let folder = folder();
    let mut servers = broker(folder.path()).await;
    let url = servers.create_vhost("halfmade").await.unwrap();
    let process = Process::start_with(&url, Duration::from_secs(5)).await;
    let queues: Vec<_> = (0..4).map(|n| lane(&format!("half-{n}"))).collect();
    for queue in &queues {
        process.publisher.publish(queue, keys(1)).await.unwrap();
    }
    servers.rabbitmq().unwrap().kill().await.unwrap();
    servers.rabbitmq().unwrap().start().await.unwrap();
    for queue in &queues {
        let confirmed = async {
            while process.publisher.publish(queue, keys(1)).await.is_err() {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        tokio::time::timeout(PATIENCE * 3, confirmed)
            .await
            .unwrap_or_else(|_| panic!("{queue} is never confirmed"));
        let mut deliveries = process.take(queue, 1).await;
        next(&mut deliveries).await.ack();
    }
    process.end().await;
    servers.stop().await;
}
