//! What cannot be read is put aside, looked at, and sent back or dropped.

use std::time::Duration;

use lapin::BasicProperties;
use lapin::options::{BasicGetOptions, BasicPublishOptions, QueueDeleteOptions};
use lapin::types::ShortString;
use queue::{
    Fate, Lookout, LookoutHandle, ParkedMessage, ParkedSight, QueueName, QueueSight, Settings,
    Unseen,
};
use servers::Servers;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::process::{Process, keys, lane, next, stranger, until, within};

pub(crate) async fn what_cannot_be_read_is_put_aside_and_stops_nothing(servers: &Servers) {
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

pub(crate) async fn what_was_put_aside_is_looked_at_and_sent_back_or_dropped(servers: &Servers) {
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
    // A quorum queue tells its last state, in which those that were looked at may still be held.
    until(
        "the three that stayed are back in their queue",
        async || look.handle.queues(both.clone()).await == Ok(state.clone()),
    )
    .await;
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
