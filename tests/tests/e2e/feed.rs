//! What a merchant can catch up with: the feed of events, the report of a whole batch, and reports that are sent again.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};
use simulator::{Item, MerchantClient};

use crate::harness::merchant::MERCHANT;
use crate::harness::outside::MERCHANT_MD5_KEY;
use crate::harness::{Scene, until};

const WRITERS: usize = 4;
const BATCHES: usize = 8;
const ITEMS: usize = 8;

async fn events(client: &MerchantClient, body: Value) -> (Vec<Value>, String) {
    let answer = client
        .post("/v1/openapi/order/events", body.to_string().as_bytes())
        .await
        .unwrap();
    assert_eq!(answer.status, 0, "{}", answer.body);
    let events = answer.data["events"].as_array().unwrap().clone();
    (events, answer.data["cursor"].as_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_feed_skips_nothing_however_many_write_at_once() {
    let mut scene = Scene::start().await;
    let mut writers = tokio::task::JoinSet::new();
    for w in 0..WRITERS {
        let client = scene.merchant.client.clone();
        writers.spawn(async move {
            for b in 0..BATCHES {
                let items: Vec<Item> = (0..ITEMS)
                    .map(|i| {
                        let no = (w * BATCHES + b) * ITEMS + i;
                        Item::new(format!("f{w}-{b}-{i}"), format!("137{no:08}"))
                    })
                    .collect();
                let number = format!("f{w}-{b}");
                let sent = client.batch(&number, "MOBILE50", None, &items);
                assert_eq!(sent.await.unwrap().status, 0);
            }
        });
    }
    // Read while they write, a few at a time.
    let all = WRITERS * BATCHES * ITEMS * 2;
    let mut read: Vec<Value> = vec![];
    let mut cursor = None;
    let reader = scene.merchant.client.clone();
    while read.len() < all {
        let (mut events, next) = until(
            "another event",
            async || {
                let (events, next) = events(&reader, json!({"cursor": cursor, "limit": 7})).await;
                (!events.is_empty()).then_some((events, next))
            },
            || format!("{} of {all} were read", read.len()),
        )
        .await;
        read.append(&mut events);
        cursor = Some(next);
    }
    while let Some(written) = writers.join_next().await {
        written.unwrap();
    }
    assert_eq!(cursor, Some(all.to_string()));
    let (nothing, same) = events(&reader, json!({"cursor": cursor})).await;
    assert_eq!((nothing.len(), Some(same)), (0, cursor));
    // Each order was stored, then final, once, and ended as its row says.
    let mut told: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for event in &read {
        let code = event["orderCode"].as_str().unwrap().to_owned();
        told.entry(code)
            .or_default()
            .push(event["status"].as_i64().unwrap());
    }
    let told: Vec<String> = told
        .iter()
        .map(|(code, states)| format!("{code} {states:?}"))
        .collect();
    let table = "SELECT string_agg(replace(order_code::text, '-', '') || ' [0, ' || state || ']', '|' ORDER BY order_code) FROM orders";
    assert_eq!(told.join("|"), scene.ground.ask(table).await);
    // The same cursor gives the same events, though the orders have moved on since.
    let (first, _) = events(&reader, json!({"limit": 500})).await;
    assert_eq!(first, read[..500.min(all)]);
    for wrong in [
        json!({"cursor": "-1"}),
        json!({"cursor": "x"}),
        json!({"limit": 501}),
        json!({"limit": 0}),
    ] {
        let answer = reader
            .post("/v1/openapi/order/events", wrong.to_string().as_bytes())
            .await
            .unwrap();
        assert_eq!(answer.status, 3, "{wrong}: {}", answer.body);
    }
    // Nobody reads another's.
    let key = &scene.outside.merchant_key.private_pem;
    let other = MerchantClient::rsa(&scene.platform.openapi, "m2", "neighbour", key).unwrap();
    assert_eq!(events(&other, json!({})).await.0.len(), 0);
    let ordered: HashMap<String, String> = read
        .iter()
        .map(|e| {
            (
                e["bizCode"].as_str().unwrap().to_owned(),
                e["account"].as_str().unwrap().to_owned(),
            )
        })
        .collect();
    scene.merchant.ordered.extend(ordered);
    scene.merchant.wait_for_all_reports(&scene.outside).await;
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finished_batch_is_reported_and_sent_again_when_asked_for() {
    let scene = Scene::start().await;
    let old =
        MerchantClient::md5(&scene.platform.openapi, MERCHANT, "old", MERCHANT_MD5_KEY).unwrap();
    let items = ["13500000001", "13500000002", "19900000900"]
        .map(|account| Item::new(format!("o-{account}"), account));
    assert_eq!(
        old.batch("whole", "MOBILE50", None, &items)
            .await
            .unwrap()
            .status,
        0
    );
    let received = &scene.outside.received;
    let report = until(
        "the batch's report",
        async || received.batch("whole"),
        || format!("{:?}", received.summary()),
    )
    .await;
    assert_eq!(
        (
            &report["itemCount"],
            &report["succeeded"],
            &report["failed"],
            &report["cancelled"]
        ),
        (&json!(3), &json!(2), &json!(1), &json!(0)),
        "{report}"
    );
    assert_eq!(report["notSucceeded"][0]["bizCode"], "o-19900000900");
    assert_eq!(report["notSucceeded"][0]["status"], 3);
    let delivered = "SELECT count(*) FROM callbacks WHERE state = 2";
    until(
        "all reports taken",
        async || (scene.ground.ask(delivered).await == "4").then_some(()),
        || format!("{:?}", received.summary()),
    )
    .await;
    assert_eq!(received.summary().reports, 3);

    // By the merchant, who names a batch, an order, or nothing that is its own.
    let resend = async |body: Value| {
        let body = body.to_string();
        old.post("/v1/openapi/callback/resend", body.as_bytes())
            .await
            .unwrap()
    };
    let answer = resend(json!({"batchBizCode": "whole"})).await;
    assert_eq!((answer.status, &answer.data["resent"]), (0, &json!(4)));
    until(
        "the reports again",
        async || (received.summary().repeated == 3).then_some(()),
        || format!("{:?}", received.summary()),
    )
    .await;
    until(
        "all of them taken",
        async || (scene.ground.ask(delivered).await == "4").then_some(()),
        || format!("{:?}", received.summary()),
    )
    .await;
    let answer = resend(json!({"bizCode": "o-13500000001"})).await;
    assert_eq!((answer.status, &answer.data["resent"]), (0, &json!(1)));
    for (body, status) in [
        (json!({"bizCode": "nobody"}), 7),
        (json!({"orderCode": "nobody"}), 7),
        (json!({"batchBizCode": "nobody"}), 7),
        (json!({}), 3),
        (json!({"bizCode": "a", "batchBizCode": "b"}), 3),
    ] {
        assert_eq!(resend(body.clone()).await.status, status, "{body}");
    }
    let third_round = "SELECT count(*) FROM callbacks WHERE state = 2 AND round = 3";
    until(
        "the one of them taken",
        async || (scene.ground.ask(third_round).await == "1").then_some(()),
        || format!("{:?}", received.summary()),
    )
    .await;

    // By a person, as a job that can be stopped and goes on where it stopped.
    let tool = |args: &[&str]| {
        let said = scene.platform.tool(&[&["callback"], args].concat());
        let text = String::from_utf8_lossy(&said.stdout).into_owned();
        assert!(
            said.status.success(),
            "{args:?}: {text}{}",
            String::from_utf8_lossy(&said.stderr)
        );
        text
    };
    let begun = tool(&[
        "resend",
        "--business",
        "old",
        "--from",
        "2020-01-01T00:00:00Z",
        "--per-second",
        "1",
        "--json",
    ]);
    let job: Value = serde_json::from_str(&begun).unwrap();
    assert_eq!(job["reports"], 4);
    let id = job["job"].as_str().unwrap();
    tool(&["pause", id]);
    let states = || -> Value {
        serde_json::from_str(tool(&["jobs", "--json"]).lines().next().unwrap()).unwrap()
    };
    let paused = states();
    assert_eq!(paused["state"], "paused");
    assert!(paused["done"].as_i64().unwrap() < 4, "{paused}");
    tool(&["resume", id]);
    until(
        "the job's end",
        async || (states()["state"] == "done").then_some(()),
        || states().to_string(),
    )
    .await;
    assert_eq!(states()["done"], 4);
    let again = scene.platform.tool(&["callback", "cancel", id]);
    assert!(!again.status.success(), "what is done cannot be cancelled");
    until(
        "all taken once more",
        async || (scene.ground.ask(delivered).await == "4").then_some(()),
        || format!("{:?}", received.summary()),
    )
    .await;
    assert_eq!(received.summary().conflicts, 0);
    scene.end().await;
}
