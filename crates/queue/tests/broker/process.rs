//! What every test here starts: a broker, and the publisher and consumer of one process.

use std::path::Path;
use std::time::Duration;

use domain::{BusinessId, Lane, OrderCode, OrderKey};
use lapin::{Channel, Connection, ConnectionProperties};
use queue::{Consumer, ConsumerHandle, Delivery, Publisher, PublisherHandle, QueueName, Settings};
use servers::Servers;
use tokio::sync::mpsc::Receiver;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// A test that waits so long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) async fn within<T>(what: &str, work: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(PATIENCE, work).await;
    done.unwrap_or_else(|_| panic!("waited for {what}"))
}

pub(crate) async fn until(what: &str, mut look: impl AsyncFnMut() -> bool) {
    within(what, async {
        while !look().await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
}

pub(crate) async fn broker(folder: &Path) -> Servers {
    let mut settings = servers::Settings::under(folder);
    settings.fsync = false;
    Servers::start(settings).await.unwrap()
}

pub(crate) fn folder() -> tempfile::TempDir {
    let mut builder = tempfile::Builder::new();
    builder.prefix("refill-queue-").tempdir_in("/tmp").unwrap()
}

pub(crate) fn keys(n: usize) -> Vec<OrderKey> {
    let key = |n| OrderKey {
        business: BusinessId::new("b-1"),
        order: format!("{n:032x}").parse::<OrderCode>().unwrap(),
    };
    (1..=n).map(key).collect()
}

pub(crate) fn lane(name: &str) -> QueueName {
    QueueName::orders(&Lane::new(name)).unwrap()
}

/// Publisher and consumer of one process.
pub(crate) struct Process {
    pub(crate) publisher: PublisherHandle,
    pub(crate) consumer: ConsumerHandle,
    pub(crate) stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Process {
    pub(crate) async fn start(url: &str) -> Self {
        Self::start_with(url, Duration::from_secs(15)).await
    }

    pub(crate) async fn start_with(url: &str, answer_timeout: Duration) -> Self {
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

    pub(crate) async fn take(&self, queue: &QueueName, prefetch: u16) -> Receiver<Delivery> {
        self.consumer
            .subscribe(queue.clone(), prefetch)
            .await
            .unwrap()
    }

    /// Messages that wait in the queue; those handed out are not counted.
    pub(crate) async fn waits(&self, queue: &QueueName, n: u32) {
        until(&format!("{n} messages in {queue}"), async || {
            self.consumer.depth(queue).await == Ok(n)
        })
        .await;
    }

    pub(crate) async fn end(mut self) {
        self.stop.cancel();
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        within("the end of both tasks", ended).await;
    }
}

/// The broker as somebody else sees it.
pub(crate) async fn stranger(url: &str) -> (Connection, Channel) {
    let connection = Connection::connect(url, ConnectionProperties::default())
        .await
        .unwrap();
    let channel = connection.create_channel().await.unwrap();
    (connection, channel)
}

pub(crate) async fn next(deliveries: &mut Receiver<Delivery>) -> Delivery {
    within("a delivery", deliveries.recv())
        .await
        .expect("the subscription stands")
}
