//! What publisher and consumer promise each other while the broker is there.

use std::collections::HashSet;

use lapin::options::{QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::{FieldTable, ShortString};
use queue::{PublishError, QueueName};
use servers::Servers;
use traces::TraceParent;

use crate::process::{Process, keys, lane, next, stranger, until, within};

pub(crate) async fn confirmed_messages_arrive_with_their_trace_and_are_gone_once_acknowledged(
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

pub(crate) async fn what_is_dropped_or_handed_back_comes_again(servers: &Servers) {
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

pub(crate) async fn no_more_is_handed_out_than_the_prefetch(servers: &Servers) {
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

pub(crate) async fn many_processes_may_declare_the_same_queues_at_once(servers: &Servers) {
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

pub(crate) async fn a_queue_of_other_properties_and_a_lost_queue_are_errors_of_their_own(
    servers: &Servers,
) {
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
    // Nor does the consumer lose what it has.
    let mut deliveries = process.take(&good, 10).await;
    let _refused = process.take(&classic, 10).await;
    until("the publisher to go on", async || {
        process.publisher.publish(&good, keys(1)).await.is_ok()
    })
    .await;
    let delivery = next(&mut deliveries).await;
    assert!(!delivery.redelivered(), "on the first connection");
    delivery.ack();
    process.publisher.publish(&good, keys(1)).await.unwrap();
    let delivery = next(&mut deliveries).await;
    assert!(!delivery.redelivered(), "which still stands");
    delivery.ack();
    drop(deliveries);
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

pub(crate) async fn a_stop_waits_for_what_was_handed_out_and_not_for_ever(servers: &Servers) {
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
