//! Many at a time: what comes together is stored together and answered as if it had come alone, and whoever floods waits for himself.

use futures::future::join_all;
use simulator::{Answered, Item, MerchantClient};

use crate::harness::merchant::decimal;
use crate::harness::{Scene, until};

/// Another business of the same merchant's keys.
fn client(scene: &Scene, merchant: &str, business: &str) -> MerchantClient {
    let key = &scene.outside.merchant_key.private_pem;
    MerchantClient::rsa(&scene.platform.openapi, merchant, business, key).unwrap()
}

fn items(batch: &str, count: usize) -> Vec<Item> {
    let item = |n| Item::new(format!("{batch}-{n}"), format!("138{n:08}"));
    (0..count).map(item).collect()
}

/// So many orders that take a supplier two seconds each.
fn slow_items(batch: &str, count: usize) -> Vec<Item> {
    let item = |n| Item::new(format!("{batch}-{n}"), format!("199000010{:02}", n % 100));
    (0..count).map(item).collect()
}

async fn metric(scene: &Scene, name: &str) -> f64 {
    let url = format!("{}/metrics", scene.platform.admin);
    let text = reqwest::get(url).await.unwrap().text().await.unwrap();
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.unwrap_or("0").parse().unwrap()
}

fn statuses(answers: &[Answered]) -> Vec<i64> {
    let mut statuses: Vec<i64> = answers.iter().map(|a| a.status).collect();
    statuses.sort_unstable();
    statuses
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_that_come_together_are_each_answered_as_if_they_had_come_alone() {
    let mut scene = Scene::start().await;
    scene.merchant.order("before", 1).await;
    let shop = &scene.merchant.client;
    let (poor, neighbour) = (
        client(&scene, "m1", "poor"),
        client(&scene, "m2", "neighbour"),
    );
    for round in 0..5 {
        let name = |what: &str, n: usize| format!("r{round}-{what}-{n}");
        let place =
            async |client: &MerchantClient, batch: String, product: &str, items: Vec<Item>| {
                client.batch(&batch, product, None, &items).await.unwrap()
            };
        let good = (0..20).map(|n| {
            place(
                shop,
                name("good", n),
                "MOBILE50",
                items(&name("good", n), 3),
            )
        });
        let same = (0..4).map(|_| {
            place(
                shop,
                name("same", 0),
                "MOBILE50",
                items(&name("same", 0), 2),
            )
        });
        let other = (0..2).map(|n| {
            place(
                shop,
                name("other", 0),
                "MOBILE50",
                items(&name("other", n), 1),
            )
        });
        let number = (0..2).map(|n| place(shop, name("number", n), "MOBILE50", items("before", 1)));
        let shared = (0..3).map(|n| {
            place(
                shop,
                name("shared", n),
                "MOBILE50",
                items(&name("shared", 0), 4),
            )
        });
        // 100 yuan and a credit of 50, two orders of 49.10 each.
        let broke = (0..3).map(|n| {
            place(
                &poor,
                name("poor", n),
                "MOBILE50",
                items(&name("poor", n), 2),
            )
        });
        // A stock of two.
        let last = (0..3).map(|n| {
            place(
                &neighbour,
                name("last", n),
                "LAST2",
                items(&name("last", n), 1),
            )
        });
        let (good, same, other, number, shared, broke, last) = futures::join!(
            join_all(good),
            join_all(same),
            join_all(other),
            join_all(number),
            join_all(shared),
            join_all(broke),
            join_all(last)
        );
        assert_eq!(statuses(&good), [0; 20]);
        assert_eq!(statuses(&same), [0; 4]);
        assert!(
            same.iter().all(|a| a.data == same[0].data),
            "the same orders"
        );
        assert_eq!(statuses(&other), [0, 8], "two contents under one number");
        assert_eq!(statuses(&number), [8, 8]);
        assert_eq!(
            statuses(&shared),
            [0, 8, 8],
            "all share their order numbers"
        );
        let first = round == 0;
        assert_eq!(statuses(&broke), if first { [0, 9, 9] } else { [9; 3] });
        assert_eq!(statuses(&last), if first { [0, 0, 11] } else { [11; 3] });
        for batch in 0..20 {
            for n in 0..3 {
                let number = format!("{}-{n}", name("good", batch));
                scene.merchant.ordered.push((number, String::new()));
            }
        }
        let taken = [(name("same", 0), 2), (name("shared", 0), 4)];
        for (batch, count) in taken {
            for n in 0..count {
                scene
                    .merchant
                    .ordered
                    .push((format!("{batch}-{n}"), String::new()));
            }
        }
    }
    let sets = metric(&scene, "refill_ingress_batches_together_count").await;
    let batches = metric(&scene, "refill_ingress_batches_together_sum").await;
    assert!(
        batches > sets,
        "{batches} batches in {sets} sets: none came together"
    );
    scene.merchant.wait_for_all_reports(&scene.outside).await;
    until(
        "all of the others to end as well",
        async || {
            let poor = poor.balance().await.unwrap().data;
            let neighbour = neighbour.balance().await.unwrap().data;
            let held = decimal(&poor["held"]) + decimal(&neighbour["held"]);
            held.is_zero().then_some(())
        },
        String::new,
    )
    .await;
    scene.end().await;
}

/// Of `flood`, how many have not been claimed yet.
const STORED: &str = "SELECT count(*) FROM orders WHERE biz_code LIKE 'flood-%' AND state = 0";

#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_behind_a_flood_does_not_wait_for_it() {
    pass_a_flood(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_when_there_is_room_for_one_order_at_a_time() {
    pass_a_flood(&[("REFILL__FULFILLMENT__CLAIM_SIZE", "1")]).await;
}

async fn pass_a_flood(settings: &[(&str, &str)]) {
    let mut scene = Scene::start_with(settings).await;
    let neighbour = client(&scene, "m2", "neighbour");
    // Six at the same time, two seconds each: half a minute of work.
    let flood = slow_items("flood", 90);
    scene.merchant.order_items("flood", "NARROW", &flood).await;
    let calm = Item::new("calm-0", "13800000001");
    let answer = neighbour.batch("calm", "NARROW", None, &[calm]).await;
    assert_eq!(answer.unwrap().status, 0);
    // Nor does what the flood's own sender orders now.
    let fresh = Item::new("fresh-0", "13800000002");
    scene
        .merchant
        .order_items("fresh", "NARROW", &[fresh])
        .await;
    let waiting = until(
        "those that came last",
        async || {
            let calm = neighbour.order("calm-0").await.unwrap();
            let fresh = scene.merchant.order_info("fresh-0").await;
            let waiting: usize = scene.ground.ask(STORED).await.parse().unwrap();
            (calm.data["status"] == 2 && fresh["status"] == 2).then_some(waiting)
        },
        String::new,
    )
    .await;
    assert!(
        waiting > 45,
        "of 90 before them {waiting} had not had their turn"
    );
    scene.merchant.wait_for_all_reports(&scene.outside).await;
    scene.end().await;
}

/// An order of one item, by this number.
fn one(number: &str) -> [Item; 1] {
    [Item::new(number, "13800000001")]
}

/// Orders more and more until it is refused because too much waits; the number that was.
async fn refused_at_last(client: &MerchantClient, product: &str) -> String {
    let mut tries = 0;
    until(
        "a refusal",
        async || {
            tries += 1;
            let number = format!("more-{tries}");
            let order = one(&number);
            let answer = client.batch(&number, product, None, &order).await.unwrap();
            if answer.status == 0 {
                return None;
            }
            let said = (answer.http, answer.status, &answer.body["accepted"]);
            assert_eq!(said, (503, 1, &"no".into()), "{}", answer.body);
            assert!(answer.retry_after.is_some(), "when to come back");
            Some(number)
        },
        String::new,
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_that_come_together_are_each_answered_as_if_they_had_come_alone() {
    let mut scene = Scene::start().await;
    let shop = scene.merchant.client.clone();
    let stored = items("stored", 3);
    scene
        .merchant
        .order_items("stored", "MOBILE50", &stored)
        .await;
    let off_sale = "[[product]]\ncode = \"MOBILE50\"\nlane = \"mobile\"\nface_value = \"50.00\"\non_sale = false\n";
    scene.platform.import(&scene.outside, off_sale);
    let place = async |batch: String, items: &[Item]| {
        let answer = shop.batch(&batch, "MOBILE50", None, items);
        answer.await.unwrap()
    };
    let mut tries = 0..;
    until(
        "the import",
        async || {
            let name = format!("try-{}", tries.next()?);
            (place(name.clone(), &items(&name, 1)).await.status == 11).then_some(())
        },
        String::new,
    )
    .await;

    let (few, path) = (items("few", 1), "/v1/openapi/order/batch");
    let body = shop.batch_body("twice", "MOBILE50", None, &few);
    let headers = shop.sign(&body);
    let (fresh, same, other, twice) = futures::join!(
        join_all((0..20).map(|n| place(format!("fresh-{n}"), &few))),
        join_all((0..3).map(|_| place("stored".into(), &stored))),
        join_all((0..2).map(|_| place("stored".into(), &few))),
        join_all((0..3).map(async |_| shop.post_signed(path, &headers, &body).await.unwrap())),
    );
    assert_eq!(statuses(&fresh), [11; 20]);
    assert_eq!(statuses(&same), [0; 3], "stored before, told again");
    assert!(same.iter().all(|a| a.data == same[0].data));
    assert_eq!(statuses(&other), [8; 2], "another content");
    assert_eq!(statuses(&twice), [6, 6, 11], "one nonce");
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whose_orders_wait_too_long_is_refused_more_of_them_and_nobody_else_is() {
    let settings = [("REFILL__INGRESS__MAX_WAITING_MS", "1000")];
    let mut scene = Scene::start_with(&settings).await;
    let neighbour = client(&scene, "m2", "neighbour");
    let shop = scene.merchant.client.clone();
    let flood = slow_items("flood", 60);
    scene.merchant.order_items("flood", "NARROW", &flood).await;
    let number = refused_at_last(&shop, "NARROW").await;
    assert_eq!(
        shop.order(&number).await.unwrap().status,
        7,
        "it was not stored"
    );
    let again = shop.batch("flood", "NARROW", None, &flood).await.unwrap();
    assert_eq!(again.status, 0, "what was stored is told again");
    let elsewhere = shop
        .batch("m", "MOBILE50", None, &one("m-0"))
        .await
        .unwrap();
    assert_eq!(elsewhere.status, 0, "in another lane");
    let other = neighbour
        .batch("calm", "NARROW", None, &one("calm-0"))
        .await;
    assert_eq!(other.unwrap().status, 0, "another business");
    scene.merchant.wait_for_all_reports(&scene.outside).await;
    scene
        .merchant
        .order_items("late", "NARROW", &one("late-0"))
        .await;
    scene.merchant.wait_for_all_reports(&scene.outside).await;
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whose_reports_wait_too_long_is_refused_more_orders_and_nobody_else_is() {
    // Four first tries at the same time, half a second each: ten seconds of work.
    let settings = [
        ("REFILL__INGRESS__MAX_WAITING_MS", "1000"),
        ("REFILL__CALLBACK__MAX_IN_FLIGHT", "8"),
    ];
    let mut scene = Scene::start_with(&settings).await;
    let neighbour = client(&scene, "m2", "neighbour");
    let shop = scene.merchant.client.clone();
    let unhurried = format!("http://{}/unhurried/callback", scene.outside.merchant);
    let flood = items("flood", 80);
    let answer = shop.batch("flood", "MOBILE50", Some(&unhurried), &flood);
    assert_eq!(answer.await.unwrap().status, 0);
    for item in &flood {
        let ordered = (item.biz_code.clone(), item.account.clone());
        scene.merchant.ordered.push(ordered);
    }
    refused_at_last(&shop, "MOBILE50").await;
    let other = neighbour
        .batch("calm", "NARROW", None, &one("calm-0"))
        .await
        .unwrap();
    assert_eq!(other.status, 0, "another business: {}", other.body);
    scene.merchant.wait_for_all_reports(&scene.outside).await;
    scene
        .merchant
        .order_items("late", "MOBILE50", &one("late-0"))
        .await;
    scene.merchant.wait_for_all_reports(&scene.outside).await;
    scene.end().await;
}
