//! What a batch comes to: stored whole, once, at exact prices, within the balance; or not at all.

use futures::future::join_all;
use rust_decimal::Decimal;
use serde_json::json;

use super::{batch, client, says_accepted, send, stored};
use crate::harness::Scene;
use crate::harness::merchant::{MERCHANT, decimal};

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_with_one_wrong_item_stores_nothing_and_names_all_problems() {
    let scene = Scene::start().await;
    let shop = &scene.merchant.client;
    let before = stored(&scene).await;
    let mut wrong = batch("wrong", &["13800000001", "23800000002", "", "13800000004"]);
    wrong["itemList"][3]["spec"] = json!("51");
    wrong["itemList"][0]["accountAttachValues"] = json!("kept and not sent on");
    let answer = send(shop, &wrong).await;
    assert_eq!(answer.status, 3, "{}", answer.body);
    says_accepted(&answer);
    let named = |at: usize| (answer.data[at]["index"].as_u64(), &answer.data[at]["field"]);
    // An item that is not well formed is told before the product's rules are asked.
    assert_eq!(named(0), (Some(2), &json!("account")), "{}", answer.data);
    wrong["itemList"][2]["account"] = json!("13800000003");
    let answer = send(shop, &wrong).await;
    let named: Vec<_> = answer
        .data
        .as_array()
        .unwrap()
        .iter()
        .map(|p| (p["index"].clone(), p["field"].clone(), p["bizCode"].clone()))
        .collect();
    let expected = [
        (json!(1), json!("account"), json!("wrong-1")),
        (json!(3), json!("spec"), json!("wrong-3")),
    ];
    assert_eq!(named, expected);
    assert!(answer.message.contains('2'), "{}", answer.message);
    assert_eq!(stored(&scene).await, before);
    // Of very many a hundred are listed, and all are counted.
    let accounts = vec!["no number"; 150];
    let answer = send(shop, &batch("many", &accounts)).await;
    assert_eq!(answer.data.as_array().unwrap().len(), 100);
    assert!(answer.message.contains("150"), "{}", answer.message);
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_sent_again_is_answered_alike_and_a_number_is_never_free_again() {
    let mut scene = Scene::start().await;
    let shop = scene.merchant.client.clone();
    let body = batch("again", &["13800000001", "13800000002"]);
    let first = send(&shop, &body).await;
    assert_eq!(first.status, 0, "{}", first.body);
    let held = stored(&scene).await;
    assert_eq!(send(&shop, &body).await.body, first.body);
    assert_eq!(stored(&scene).await, held);
    // Other content under the same number, in each part of what counts as content.
    let mut others = vec![body.clone(); 5];
    others[0]["itemList"][1]["account"] = json!("13800000003");
    others[1]["itemList"][1]["bizCode"] = json!("again-other");
    others[2]["itemList"].as_array_mut().unwrap().pop();
    others[3]["itemList"].as_array_mut().unwrap().reverse();
    others[4]["callbackUrl"] = json!("https://elsewhere.example/");
    for other in others {
        let answer = send(&shop, &other).await;
        assert_eq!(answer.status, 8, "{other} {}", answer.body);
        says_accepted(&answer);
    }
    // A number that another batch has used, and one that comes twice.
    let mut used = batch("used", &["13800000004", "13800000005"]);
    used["itemList"][1]["bizCode"] = json!("again-0");
    let answer = send(&shop, &used).await;
    assert_eq!((answer.status, &answer.data[0]["index"]), (8, &json!(1)));
    used["itemList"][1]["bizCode"] = json!("used-0");
    assert_eq!(send(&shop, &used).await.status, 8);
    assert_eq!(stored(&scene).await, held);
    // When all is over, the answer is still the same.
    for n in 0..2 {
        let number = (format!("again-{n}"), format!("1380000000{}", n + 1));
        scene.merchant.ordered.push(number);
    }
    scene.merchant.wait_for_all_reports(&scene.outside).await;
    assert_eq!(send(&shop, &body).await.body, first.body);
    // An empty batch is nothing.
    let answer = send(&shop, &batch("empty", &[])).await;
    assert_eq!((answer.status, &answer.data), (0, &json!([])));
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn identical_requests_at_the_same_instant_are_one_batch() {
    let scene = Scene::start().await;
    let shop = &scene.merchant.client;
    let body = batch("instant", &["13800000001", "13800000002", "13800000003"]);
    let answers = join_all((0..30).map(|_| send(shop, &body))).await;
    for answer in &answers {
        assert_eq!(answer.status, 0, "{}", answer.body);
        assert_eq!(answer.body, answers[0].body);
    }
    let sql =
        "SELECT concat_ws(' ', (SELECT count(*) FROM batches), (SELECT count(*) FROM orders))";
    assert_eq!(scene.ground.ask(sql).await, "1 3");
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn money_is_held_up_to_the_credit_line_and_not_a_cent_further() {
    let scene = Scene::start().await;
    let poor = client(&scene, MERCHANT, "poor");
    // 100.00 and a credit line of 50.00 cover three times 49.10.
    let bodies: Vec<_> = (0..12)
        .map(|n| {
            // Orders that stay open keep their money held while all twelve are asked.
            let account = format!("1990000{:04}", 1300 + n);
            let mut body = batch(&format!("poor{n}"), &[&account]);
            body["businessId"] = json!("poor");
            body
        })
        .collect();
    let answers = join_all(bodies.iter().map(|body| send(&poor, body))).await;
    let of = |status: i64| answers.iter().filter(|a| a.status == status).count();
    assert_eq!((of(0), of(9)), (3, 9), "{answers:?}");
    let balance = poor.balance().await.unwrap().data;
    assert_eq!(
        decimal(&balance["held"]),
        "147.30".parse::<Decimal>().unwrap()
    );
    assert_eq!(
        decimal(&balance["creditLine"]),
        "50".parse::<Decimal>().unwrap()
    );
    for answer in answers.iter().filter(|a| a.status == 9) {
        says_accepted(answer);
    }
    // What was refused may be sent again under its own number, when there is money.
    scene
        .ground
        .ask("UPDATE balances SET credit_line = credit_line + 1000000 WHERE business_id = 'poor'")
        .await;
    let again = bodies
        .iter()
        .zip(&answers)
        .find(|(_, a)| a.status == 9)
        .unwrap();
    assert_eq!(send(&poor, again.0).await.status, 0);
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn prices_are_exact() {
    let scene = Scene::start().await;
    let shop = &scene.merchant.client;
    // 0.985 of the face value, rounded half up to four decimals; the number's own text counts, never a float.
    for (n, spec, price) in [
        (0, "1", "0.985"),
        (1, "1.50", "1.4775"),
        (2, "\"199.5\"", "196.5075"),
        (3, "2e1", "19.7"),
        (4, "150.00", "147.75"),
    ] {
        let body = format!(
            r#"{{"merchantId":"{MERCHANT}","businessId":"shop","batchBizCode":"w{n}","productCode":"WALLET","itemList":[{{"bizCode":"w{n}","account":"a","spec":{spec}}}]}}"#
        );
        let answer = shop.post(super::BATCH, body.as_bytes()).await.unwrap();
        assert_eq!(answer.status, 0, "{spec}: {}", answer.body);
        assert_eq!(
            answer.data[0]["settlementPrice"].to_string(),
            price,
            "{spec}"
        );
    }
    for spec in [
        "0",
        "-1",
        "0.99",
        "200.01",
        "1.25",
        "1.501",
        "1e400",
        "\"1,5\"",
        "\"NaN\"",
        "true",
        "[1]",
        "1.50000000000000000000000000000000000001",
    ] {
        let body = format!(
            r#"{{"merchantId":"{MERCHANT}","businessId":"shop","batchBizCode":"x","productCode":"WALLET","itemList":[{{"bizCode":"x","account":"a","spec":{spec}}}]}}"#
        );
        let answer = shop.post(super::BATCH, body.as_bytes()).await.unwrap();
        assert_eq!(answer.status, 3, "{spec}: {}", answer.body);
        assert_eq!(answer.data[0]["field"], "spec", "{spec}: {}", answer.body);
    }
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_delivered_is_not_stored() {
    let scene = Scene::start().await;
    let neighbour = client(&scene, "m2", "neighbour");
    let mut body = batch("n", &["a", "b", "c"]);
    body["merchantId"] = json!("m2");
    body["businessId"] = json!("neighbour");
    let mut ask = async |product: &str, items: usize| {
        body["productCode"] = json!(product);
        body["batchBizCode"] = json!(format!("{product}-{items}"));
        let all = batch(&format!("{product}-{items}"), &["a", "b", "c"]);
        body["itemList"] = json!(all["itemList"].as_array().unwrap()[..items]);
        send(&neighbour, &body).await.status
    };
    assert_eq!(ask("UNKNOWN", 1).await, 7);
    assert_eq!(ask("MOBILE50", 1).await, 7, "not sold to this business");
    assert_eq!(ask("NOBODY", 1).await, 11, "no supplier");
    assert_eq!(ask("RETIRED", 1).await, 11, "off sale");
    assert_eq!(ask("LAST2", 3).await, 11, "more than there are");
    assert_eq!(ask("LAST2", 2).await, 0);
    assert_eq!(ask("LAST2", 1).await, 11, "none is left");
    assert_eq!(ask("LAST2", 2).await, 0, "answered as before");
    // Another's account, another's merchant.
    for (field, value, status) in [
        ("merchantId", "m1", 7),
        ("merchantId", "m9", 7),
        ("businessId", "shop", 3),
    ] {
        let mut other = batch("other", &["a"]);
        other["merchantId"] = json!("m2");
        other["businessId"] = json!("neighbour");
        other["productCode"] = json!("LAST2");
        other[field] = json!(value);
        assert_eq!(send(&neighbour, &other).await.status, status, "{field}");
    }
    scene.end().await;
}
