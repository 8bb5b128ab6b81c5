//! Ten thousand orders, and nothing goes wrong.

use rust_decimal::Decimal;

use crate::harness::Scene;

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_orders_are_each_charged_once_and_each_reported() {
    let mut scene = Scene::start().await;
    let (before, _) = scene.merchant.balance().await;
    for batch in 0..20 {
        scene.merchant.order(&format!("b{batch}"), 500).await;
    }
    scene.merchant.wait_for_all_reports(&scene.outside).await;
    let price: Decimal = "49.10".parse().unwrap();
    scene
        .merchant
        .was_treated_right(&scene.outside, before, price)
        .await;
    scene.end().await;
}
