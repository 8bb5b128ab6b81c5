//! How a process ends: it says so first, finishes what it has, and when it is told twice it does not wait for anything.

use rust_decimal::Decimal;

use crate::harness::{Scene, until};

/// The status of a page of the admin server.
async fn status(scene: &Scene, page: &str) -> u16 {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = http
        .get(format!("{}/{page}", scene.platform.admin))
        .send()
        .await;
    answer.map_or(0, |answer| answer.status().as_u16())
}

async fn is_draining(scene: &Scene) {
    until(
        "readiness to be withdrawn",
        async || (status(scene, "readyz").await == 503).then_some(()),
        || scene.platform.log_tail(),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_not_ready_before_it_stops_answering() {
    // Long enough for the questions below; a minute would do as well.
    let mut scene = Scene::start_with(&[("REFILL__ADMIN__DRAIN_MS", "15000")]).await;
    assert_eq!(status(&scene, "readyz").await, 200);
    scene.platform.tell_to_stop();
    is_draining(&scene).await;
    assert_eq!(status(&scene, "livez").await, 200, "it is alive");
    // Who has not noticed yet is served as before.
    scene.merchant.order("late", 20).await;
    scene.merchant.balance().await;
    let ended = tokio::task::block_in_place(|| scene.platform.ended());
    assert!(ended.success(), "{ended}: {}", scene.platform.log_tail());
    tokio::task::block_in_place(|| scene.platform.go_on());
    scene.merchant.wait_for_all_reports(&scene.outside).await;
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn told_twice_it_ends_at_once() {
    // It would go on for an hour.
    let mut scene = Scene::start_with(&[("REFILL__ADMIN__DRAIN_MS", "3600000")]).await;
    scene.platform.tell_to_stop();
    is_draining(&scene).await;
    scene.platform.tell_to_stop();
    let ended = tokio::task::block_in_place(|| scene.platform.ended());
    assert_eq!(ended.code(), Some(1), "{}", scene.platform.log_tail());
    assert!(scene.platform.log().contains("told to stop once more"));
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_finished_in_time_is_left_to_the_leases_and_said() {
    let mut scene = Scene::start_with(&[("REFILL__ADMIN__STOP_WITHIN_MS", "0")]).await;
    scene.platform.tell_to_stop();
    let ended = tokio::task::block_in_place(|| scene.platform.ended());
    assert_eq!(ended.code(), Some(1), "{}", scene.platform.log_tail());
    assert!(scene.platform.log().contains("admin.stop_within_ms"));
    scene.platform.set("REFILL__ADMIN__STOP_WITHIN_MS", "40000");
    tokio::task::block_in_place(|| scene.platform.go_on());
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stopped_in_the_middle_it_ends_well_and_loses_nothing() {
    let mut scene = Scene::start().await;
    let (before, _) = scene.merchant.balance().await;
    for batch in 0..4 {
        scene.merchant.order(&format!("b{batch}"), 500).await;
    }
    for stop in 1..=3 {
        let reported = scene.outside.received.taken();
        until(
            "work in flight",
            async || (scene.outside.received.taken() > reported + 50).then_some(()),
            || format!("{:?}", scene.outside.received.summary()),
        )
        .await;
        assert!(
            scene.outside.received.taken() < 2_000,
            "all was over before stop {stop}"
        );
        // It must exit with 0.
        tokio::task::block_in_place(|| {
            scene.platform.stop();
            scene.platform.go_on();
        });
    }
    scene.merchant.wait_for_all_reports(&scene.outside).await;
    let price: Decimal = "49.10".parse().unwrap();
    scene
        .merchant
        .was_treated_right(&scene.outside, before, price)
        .await;
    scene.end().await;
}
