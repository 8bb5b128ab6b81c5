//! What is promised about answers when the platform cannot do what it is asked.

use serde_json::json;

use super::{batch, client, says_accepted, send, stored};
use crate::harness::Scene;
use crate::harness::merchant::MERCHANT;

#[tokio::test(flavor = "multi_thread")]
async fn an_account_over_its_rate_is_told_when_to_come_back() {
    let scene = Scene::start().await;
    let hasty = client(&scene, MERCHANT, "hasty");
    let asked = (0..20).map(|_| async { hasty.balance().await.unwrap() });
    let answers = futures::future::join_all(asked).await;
    let shed: Vec<_> = answers.iter().filter(|a| a.http == 429).collect();
    assert!(!shed.is_empty() && shed.len() < 20, "{} of 20", shed.len());
    for answer in &shed {
        assert_eq!(answer.status, 1);
        says_accepted(answer);
    }
    // Others do not feel it.
    assert_eq!(scene.merchant.client.balance().await.unwrap().status, 0);
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_over_its_limit_of_orders_is_told_when_to_come_back_and_still_what_it_has() {
    let scene = Scene::start().await;
    let bulky = client(&scene, MERCHANT, "bulky");
    let of_so_many = |code: &str, orders: usize| {
        let mut body = batch(code, &vec!["13800000001"; orders]);
        body["businessId"] = json!("bulky");
        body
    };
    // Ten seconds' worth; whoever asks twice at once is told twice.
    let first = of_so_many("bulk0", 20);
    let (told, twin) = tokio::join!(send(&bulky, &first), send(&bulky, &first));
    assert_eq!((told.status, twin.status), (0, 0), "{}", twin.body);
    assert_eq!(told.data, twin.data);
    let before = stored(&scene).await;
    let shed = send(&bulky, &of_so_many("bulk1", 1)).await;
    assert_eq!((shed.http, shed.status), (429, 1), "{}", shed.body);
    says_accepted(&shed);
    let after = shed.retry_after.unwrap().as_secs();
    assert!((1..=10).contains(&after), "{after} s, of ten");
    let again = send(&bulky, &first).await;
    assert_eq!((again.status, &again.data), (0, &told.data));
    assert_eq!(stored(&scene).await, before);
    // Neither its questions nor others' orders feel it.
    assert_eq!(bulky.balance().await.unwrap().status, 0);
    let other = send(&scene.merchant.client, &batch("calm", &["13800000002"])).await;
    assert_eq!(other.status, 0, "{}", other.body);
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_without_a_limit_of_its_own_has_that_of_the_process() {
    let scene = Scene::start_with(&[("REFILL__INGRESS__ORDER_LIMIT", "1")]).await;
    let bulky = client(&scene, MERCHANT, "bulky");
    let mut waits = vec![];
    for (shop, business) in [(&scene.merchant.client, "shop"), (&bulky, "bulky")] {
        for code in ["full", "one-more"] {
            let mut body = batch(code, &vec!["13800000001"; 20]);
            body["businessId"] = json!(business);
            waits.push(send(shop, &body).await.retry_after.map(|w| w.as_secs()));
        }
    }
    // Twenty orders at one a second, and at the two that this account has.
    assert!(
        matches!(waits[..], [None, Some(11..=20), None, Some(1..=10)]),
        "{waits:?}"
    );
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_database_is_away_nothing_is_stored_and_the_answer_says_so() {
    let mut scene = Scene::on_own_servers().await;
    let kill = async {
        let mut servers = scene.ground.servers.lock().await;
        servers.postgres().unwrap().kill().await.unwrap();
    };
    kill.await;
    let shop = scene.merchant.client.clone();
    for n in 0..3 {
        let answer = send(&shop, &batch(&format!("away{n}"), &["13800000001"])).await;
        // Either it is certain that nothing was stored, or it is said that it is not.
        assert!(
            (answer.http, answer.status) == (503, 1) || answer.status == 98,
            "{}",
            answer.body
        );
        says_accepted(&answer);
    }
    let info = shop.order("away0-0").await.unwrap();
    assert_eq!((info.http, info.status), (503, 1), "{}", info.body);
    let start = async {
        let mut servers = scene.ground.servers.lock().await;
        servers.postgres().unwrap().start().await.unwrap();
    };
    start.await;
    scene.merchant.order("back", 3).await;
    scene.merchant.wait_for_all_reports(&scene.outside).await;
    let body = json!({"bizCode": "away0-0"}).to_string();
    let answer = shop
        .post("/v1/openapi/order/info", body.as_bytes())
        .await
        .unwrap();
    assert_eq!(answer.status, 7, "{}", answer.body);
    scene.end().await;
}
