//! Reading back: one's own, and only one's own.

use serde_json::{Value, json};
use simulator::MerchantClient;

use super::{batch, client, send};
use crate::harness::merchant::{BUSINESS, MERCHANT, decimal};
use crate::harness::{Scene, until};

async fn ask(client: &MerchantClient, what: &str, body: Value) -> simulator::Answered {
    client
        .post(&format!("/v1/openapi/{what}"), body.to_string().as_bytes())
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_read_by_either_number_and_only_by_its_business() {
    let mut scene = Scene::start().await;
    scene.merchant.order("read", 1).await;
    scene.merchant.wait_for_all_reports(&scene.outside).await;
    let shop = scene.merchant.client.clone();
    let order = scene.merchant.order_info("read-0").await;
    let code = order["orderCode"].as_str().unwrap();
    assert_eq!(code.len(), 32);
    let expected = json!({
        "orderCode": code, "bizCode": "read-0", "batchBizCode": "read", "productCode": "MOBILE50", "account": "13800000000",
        "spec": 50, "settlementPrice": serde_json::from_str::<Value>("49.1").unwrap(), "status": 2, "message": order["message"],
        "voucher": order["voucher"], "createTime": order["createTime"], "finishTime": order["finishTime"],
    });
    assert_eq!(order, expected);
    assert!(order["voucher"].is_string());
    assert!(order["createTime"].as_u64() <= order["finishTime"].as_u64());
    let by_code = ask(&shop, "order/info", json!({"orderCode": code})).await;
    assert_eq!(by_code.data, order);
    let both = json!({"orderCode": code, "bizCode": "read-0"});
    assert_eq!(ask(&shop, "order/info", both).await.data, order);
    let neighbour = client(&scene, "m2", "neighbour");
    for (who, body, status) in [
        (&shop, json!({"orderCode": code, "bizCode": "other"}), 7),
        (&shop, json!({"bizCode": "other"}), 7),
        (&shop, json!({"orderCode": "nocode"}), 7),
        (&shop, json!({}), 3),
        (&shop, json!({"bizCode": 7}), 3),
        (&neighbour, json!({"orderCode": code}), 7),
        (&neighbour, json!({"bizCode": "read-0"}), 7),
    ] {
        let answer = ask(who, "order/info", body.clone()).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.body);
        assert!(!answer.body.to_string().contains("13800000000"));
    }
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_read_in_pages_with_its_sums() {
    let mut scene = Scene::start().await;
    let shop = scene.merchant.client.clone();
    // Three succeed, one fails at both suppliers.
    let accounts = ["13800000001", "13800000002", "13800000003", "19900000900"];
    let answer = send(&shop, &batch("pages", &accounts)).await;
    assert_eq!(answer.status, 0, "{}", answer.body);
    for (n, account) in accounts.iter().enumerate() {
        let number = (format!("pages-{n}"), (*account).to_owned());
        scene.merchant.ordered.push(number);
    }
    scene.merchant.wait_for_all_reports(&scene.outside).await;
    let page = async |no: Value, size: Value| {
        let body = json!({"batchBizCode": "pages", "pageNo": no, "pageSize": size});
        ask(&shop, "order/batch/info", body).await
    };
    let first = page(json!(1), json!(3)).await.data;
    let second = page(json!(2), json!(3)).await.data;
    assert_eq!(page(json!(9), json!(3)).await.status, 0);
    assert_eq!(first["counts"], second["counts"]);
    let text = first.to_string();
    assert!(
        text.contains(r#""succeeded":3"#) && text.contains(r#""failed":1"#),
        "{text}"
    );
    let codes: Vec<_> = [&first, &second]
        .iter()
        .flat_map(|p| p["orderList"].as_array().unwrap())
        .map(|o| o["bizCode"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(codes, ["pages-0", "pages-1", "pages-2", "pages-3"]);
    for (no, size) in [
        (json!(0), json!(3)),
        (json!(1), json!(0)),
        (json!(1), json!(1_001)),
        (json!("x"), json!(1)),
    ] {
        assert_eq!(page(no, size).await.status, 3);
    }
    let other = client(&scene, "m2", "neighbour");
    let body = json!({"batchBizCode": "pages"});
    assert_eq!(ask(&other, "order/batch/info", body).await.status, 7);
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_balance_moves_with_the_orders() {
    let mut scene = Scene::start().await;
    let shop = scene.merchant.client.clone();
    let (before, _) = scene.merchant.balance().await;
    // One stays open for a while, one fails, one succeeds.
    for (n, account) in ["19900001300", "19900000900", "13800000001"]
        .iter()
        .enumerate()
    {
        let body = batch(&format!("money{n}"), &[account]);
        assert_eq!(send(&shop, &body).await.status, 0);
        if n > 0 {
            scene
                .merchant
                .ordered
                .push((format!("money{n}-0"), (*account).to_owned()));
        }
    }
    scene.merchant.wait_for_all_reports(&scene.outside).await;
    let answer = shop.balance().await.unwrap();
    let amount = decimal(&answer.data["amount"]);
    let held = decimal(&answer.data["held"]);
    let price = "49.10".parse().unwrap();
    assert_eq!(held, price, "{}", answer.body);
    // What is held is not available, what was paid is gone.
    assert!(
        before - amount == price || before - amount == price + price,
        "{}",
        answer.body
    );
    assert_eq!(
        (&answer.data["businessId"], &answer.data["merchantId"]),
        (&json!(BUSINESS), &json!(MERCHANT))
    );
    for (body, status) in [
        (json!({"merchantId": "m2", "businessId": BUSINESS}), 7),
        (json!({"merchantId": MERCHANT, "businessId": "poor"}), 3),
        (json!({"merchantId": MERCHANT}), 3),
    ] {
        assert_eq!(
            ask(&shop, "merchant/business/balance", body).await.status,
            status
        );
    }
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_business_sees_the_products_that_are_sold_to_it_and_changes_of_them_soon() {
    let scene = Scene::start().await;
    let shop = &scene.merchant.client;
    let list = async || {
        let answer = ask(shop, "order/product/list", json!({"merchantId": MERCHANT})).await;
        assert_eq!(answer.status, 0, "{}", answer.body);
        let mut codes: Vec<_> = answer
            .data
            .as_array()
            .unwrap()
            .iter()
            .map(|p| {
                (
                    p["productCode"].as_str().unwrap().to_owned(),
                    p["onSale"].as_bool().unwrap(),
                )
            })
            .collect();
        codes.sort();
        codes
    };
    let codes: Vec<_> = list().await;
    assert!(codes.contains(&("MOBILE50".into(), true)), "{codes:?}");
    assert!(!codes.iter().any(|(code, _)| code == "LAST2"), "{codes:?}");
    assert_eq!(
        ask(shop, "order/product/list", json!({"merchantId": "m2"}))
            .await
            .status,
        7
    );
    // Taken off sale by an import, the platform knows it without being started again.
    let change = "[[product]]\ncode = \"MOBILE50\"\nlane = \"mobile\"\nface_value = \"50.00\"\non_sale = false\n";
    scene.platform.import(&scene.outside, change);
    until(
        "the change",
        async || {
            list()
                .await
                .contains(&("MOBILE50".into(), false))
                .then_some(())
        },
        String::new,
    )
    .await;
    let answer = send(shop, &batch("late", &["13800000001"])).await;
    assert_eq!(answer.status, 11, "{}", answer.body);
    scene.end().await;
}
