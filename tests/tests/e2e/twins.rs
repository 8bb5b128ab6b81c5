//! A hint may come more than once, and to several workers at once: each report is still claimed by one of them, and tried once.

use lapin::BasicProperties;
use lapin::options::BasicGetOptions;

use crate::broker::Broker;
use crate::harness::{Fleet, Ground, Merchant, Outside, until};

const REPORTS: &str = "refill.callbacks";
/// More than there are places for at one endpoint, in all workers.
const ORDERS: usize = 200;
const WORKERS: usize = 3;

#[tokio::test(flavor = "multi_thread")]
async fn a_report_whose_hint_comes_to_several_workers_at_once_is_tried_once() {
    let ground = Ground::own().await;
    let outside = Outside::start().await;
    let mut fleet = Fleet::prepare(&ground).await;
    fleet.furnish(&outside);
    // It declares the queue, and is gone before there are hints.
    fleet.start("callback", &[]).await;
    fleet.stop("callback");
    fleet.start("ingress", &[]).await;
    fleet.start("fulfillment", &[]).await;
    let mut merchant = Merchant::new(&fleet.openapi, &outside);
    merchant.order("twins", ORDERS).await;
    let url = {
        let servers = ground.servers.lock().await;
        servers.amqp_url().to_owned()
    };
    let broker = Broker::at(&url).await;
    let mut hints = vec![];
    while hints.len() < ORDERS {
        let taken = BasicGetOptions { no_ack: true };
        let hint = until(
            "a hint",
            async || {
                let get = broker.channel.basic_get(REPORTS.into(), taken);
                get.await.unwrap()
            },
            || fleet.log("fulfillment"),
        )
        .await;
        hints.push(hint.delivery.data);
    }
    for _ in 0..WORKERS {
        fleet.start("callback", &[]).await;
    }
    // One after the other, so that the broker gives each of the workers one of them.
    let mut sent = vec![];
    for hint in hints.iter().flat_map(|hint| [hint; WORKERS]) {
        let properties = BasicProperties::default();
        sent.push(broker.put(REPORTS, properties, hint).await);
    }
    for confirm in sent {
        confirm.await.unwrap();
    }
    merchant.wait_for_all_reports(&outside).await;
    let tried = "SELECT count(*) || ' of ' || count(DISTINCT order_code) FROM callback_tries";
    assert_eq!(ground.ask(tried).await, format!("{ORDERS} of {ORDERS}"));
    broker.leave().await;
}
