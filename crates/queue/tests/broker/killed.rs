//! A broker that is killed, and one that was killed while its queues were made.

use std::collections::HashSet;
use std::time::Duration;

use queue::{PublishError, PublisherHandle, QueueName};

use crate::process::{PATIENCE, Process, broker, folder, keys, lane, next, until, within};

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
