//! Something of every kind that a page may have to show.

use lapin::BasicProperties;
use simulator::Item;

use crate::broker::Broker;
use crate::harness::{Scene, until};
use crate::markup::push_failure;
use crate::people::order_fuel;

/// Orders of each kind: ended well, ended badly, in doubt, contradicted, with a report that nobody takes, and one that waits at a paused
/// lane; a job that sends again, and a message that nobody can read.
pub(crate) async fn furnish(scene: &mut Scene) {
    // The fleet has heard of it by the time the last order comes.
    let why = "the supplier's maintenance";
    let pause = ["lane", "pause", "wallet", "--reason", why];
    assert!(scene.platform.tool(&pause).status.success());
    scene.merchant.order("ten", 10).await;
    let fails = [Item::new("fails", "19900000911")];
    scene
        .merchant
        .order_items("fails", "MOBILE50", &fails)
        .await;
    order_fuel(scene, "both", "13800000077").await;
    let url = format!("http://{}/no/callback", scene.outside.merchant);
    let untold = [Item::new("untold", "13900000001")];
    let client = &scene.merchant.client;
    let answer = client.batch("untold", "MOBILE50", Some(&url), &untold);
    assert_eq!(answer.await.unwrap().status, 0);
    scene.merchant.wait_for_all_reports(&scene.outside).await;
    let sql = "SELECT reference FROM attempts JOIN orders USING (business_id, order_code) WHERE biz_code = 'both'";
    let reference = scene.ground.ask(sql).await;
    push_failure(scene, &reference, "13800000077").await;
    order_fuel(scene, "doubt", "19900001311").await;
    counts(scene, "doubts", 2).await;

    let resend = ["callback", "resend", "--business", "shop", "--batch", "ten"];
    assert!(scene.platform.tool(&resend).status.success());
    let pause = ["supplier", "pause", "harbor", "--lane", "mobile"];
    assert!(scene.platform.tool(&pause).status.success());
    let mut waits = Item::new("waits", "13900000002");
    waits.spec = Some("12.50".into());
    scene
        .merchant
        .order_items("waits", "WALLET", &[waits])
        .await;
    say_nonsense(&scene.ground.amqp_url).await;
}

async fn counts(scene: &Scene, table: &str, count: u32) {
    let sql = format!("SELECT count(*) FROM {table}");
    until(
        table,
        async || (scene.ground.ask(&sql).await == count.to_string()).then_some(()),
        String::new,
    )
    .await;
}

/// A message in a lane's queue that no worker can read.
async fn say_nonsense(url: &str) {
    let broker = Broker::at(url).await;
    let (queue, body) = ("refill.orders.mobile", b"order 01a2 <please>");
    let put = broker.put(queue, BasicProperties::default(), body).await;
    put.await.unwrap();
    broker.leave().await;
}
