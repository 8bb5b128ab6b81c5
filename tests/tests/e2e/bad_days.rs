//! Ten thousand orders while a server, or the platform itself, is killed in the middle.

use rust_decimal::Decimal;

use crate::harness::{Merchant, Outside, Scene, until};

const BATCHES: usize = 20;
const ITEMS: usize = 500;

fn price() -> Decimal {
    "49.10".parse().unwrap()
}

/// Waits until some reports are in, but by far not all.
async fn in_the_middle(outside: &Outside) {
    until(
        "the middle",
        async || (outside.received.taken() > 200).then_some(()),
        || format!("{:?}", outside.received.summary()),
    )
    .await;
}

/// Orders everything, meanwhile lets `bad_day` happen, and looks whether the merchant was treated right.
async fn survive(mut scene: Scene, bad_day: impl AsyncFnOnce(&mut Scene)) {
    let (before, _) = scene.merchant.balance().await;
    let mut ordering = Merchant::new(&scene.platform.openapi, &scene.outside);
    let orders = async {
        for batch in 0..BATCHES {
            ordering.order(&format!("b{batch}"), ITEMS).await;
        }
    };
    let day = async {
        in_the_middle(&scene.outside).await;
        bad_day(&mut scene).await;
    };
    tokio::join!(orders, day);
    scene.merchant = ordering;
    scene.merchant.wait_for_all_reports(&scene.outside).await;
    scene
        .merchant
        .was_treated_right(&scene.outside, before, price())
        .await;
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_broker_is_killed_in_the_middle() {
    survive(Scene::on_own_servers().await, async |scene| {
        let mut servers = scene.ground.servers.lock().await;
        servers.rabbitmq().unwrap().kill().await.unwrap();
        servers.rabbitmq().unwrap().start().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_is_killed_in_the_middle() {
    survive(Scene::on_own_servers().await, async |scene| {
        let mut servers = scene.ground.servers.lock().await;
        servers.postgres().unwrap().kill().await.unwrap();
        servers.postgres().unwrap().start().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_platform_is_killed_in_the_middle_three_times() {
    survive(Scene::start().await, async |scene| {
        for _ in 0..3 {
            let taken = scene.outside.received.taken();
            tokio::task::block_in_place(|| {
                scene.platform.kill();
                scene.platform.go_on();
            });
            let outside = &scene.outside;
            until(
                "progress after the kill",
                async || (outside.received.taken() > taken).then_some(()),
                || format!("{:?}", outside.received.summary()),
            )
            .await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_broker_is_away_while_batches_are_accepted() {
    let mut scene = Scene::on_own_servers().await;
    let (before, _) = scene.merchant.balance().await;
    scene.merchant.order("before", 10).await;
    let stopped = async {
        let mut servers = scene.ground.servers.lock().await;
        servers.rabbitmq().unwrap().kill().await.unwrap();
    };
    stopped.await;
    for batch in 0..5 {
        let code = format!("away{batch}");
        let items: Vec<_> = (0..100)
            .map(|n| simulator::Item::new(format!("{code}-{n}"), format!("139{batch:04}{n:04}")))
            .collect();
        let answer = scene
            .merchant
            .client
            .batch(&code, "MOBILE50", None, &items)
            .await
            .unwrap();
        assert_eq!(
            answer.status, 0,
            "accepted at the first try: {}",
            answer.body
        );
        let numbers = items
            .iter()
            .map(|i| (i.biz_code.clone(), i.account.clone()));
        scene.merchant.ordered.extend(numbers);
    }
    let started = async {
        let mut servers = scene.ground.servers.lock().await;
        servers.rabbitmq().unwrap().start().await.unwrap();
    };
    started.await;
    scene.merchant.wait_for_all_reports(&scene.outside).await;
    scene
        .merchant
        .was_treated_right(&scene.outside, before, price())
        .await;
    scene.end().await;
}
