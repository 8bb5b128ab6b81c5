//! Suppliers at their worst: whatever they do, an order is charged at most once, fails only on their word, and what nobody can know waits
//! for a person.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};
use simulator::Item;

use crate::harness::{Scene, until};

/// What becomes of an order, by the two digits in its account that say what the supplier does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Succeeds,
    Fails,
    /// A person decides.
    Doubt,
}

const ENDS: [(&str, End); 17] = [
    ("00", End::Succeeds),
    ("01", End::Fails),
    ("02", End::Succeeds),
    ("03", End::Fails),
    ("04", End::Succeeds),
    ("05", End::Succeeds),
    ("06", End::Doubt),
    ("07", End::Succeeds),
    ("08", End::Succeeds),
    ("09", End::Fails),
    ("10", End::Succeeds),
    ("11", End::Doubt),
    ("12", End::Doubt),
    ("13", End::Doubt),
    ("15", End::Succeeds),
    ("16", End::Succeeds),
    ("17", End::Succeeds),
];

/// One line of `refill doubt list --json`.
fn doubts(scene: &Scene) -> BTreeMap<String, Value> {
    let output = scene.platform.tool(&["doubt", "list", "--json"]);
    assert!(output.status.success());
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .map(|doubt| (doubt["orderCode"].as_str().unwrap().to_owned(), doubt))
        .collect()
}

/// Orders every behaviour twice, waits for every end, and looks at all of it from all sides.
/// `proved`: in the end the supplier is believed that it never formed what it does not find.
async fn every_behaviour(product: &str, attach: Option<&str>, spec: Option<&str>, proved: bool) {
    let mut scene = Scene::start().await;
    let (before, _) = scene.merchant.balance().await;
    let items: Vec<(Item, End)> = ENDS
        .iter()
        .flat_map(|(code, end)| {
            [11, 12].map(|n| {
                let mut item = Item::new(format!("{code}-{n}"), format!("1990000{code}{n}"));
                item.attach = attach.map(str::to_owned);
                item.spec = spec.map(str::to_owned);
                let end = match *code {
                    "06" | "11" if proved => End::Fails,
                    _ => *end,
                };
                (item, end)
            })
        })
        .collect();
    let all: Vec<Item> = items.iter().map(|(item, _)| item.clone()).collect();
    scene.merchant.order_items("all", product, &all).await;
    let doubted = items.iter().filter(|(_, end)| *end == End::Doubt).count();
    scene.merchant.ordered.retain(|(code, _)| {
        items
            .iter()
            .any(|(i, end)| i.biz_code == *code && *end != End::Doubt)
    });
    scene.merchant.wait_for_all_reports(&scene.outside).await;
    let waiting = until(
        "the doubts",
        async || Some(doubts(&scene)).filter(|d| d.len() == doubted),
        || format!("{:?}", doubts(&scene)),
    )
    .await;

    let charges = scene.outside.charges().await;
    let states: HashMap<String, Value> = {
        let mut states = HashMap::new();
        for (item, _) in &items {
            let order = scene.merchant.order_info(&item.biz_code).await;
            states.insert(item.biz_code.clone(), order);
        }
        states
    };
    for (item, end) in &items {
        let charged = charges.get(&item.account).copied().unwrap_or_default();
        let order = &states[&item.biz_code];
        let (state, charges) = match end {
            End::Succeeds => (2, 1),
            End::Fails => (3, 0),
            // Nobody has told the merchant anything else yet.
            End::Doubt => (1, 0),
        };
        assert_eq!(
            (order["status"].as_i64(), charged),
            (Some(state), charges),
            "{}: {order}",
            item.biz_code
        );
        let report = scene.outside.received.get(&item.biz_code);
        assert_eq!(report.is_some(), *end != End::Doubt, "{}", item.biz_code);
        let in_doubt = waiting.contains_key(order["orderCode"].as_str().unwrap());
        assert_eq!(in_doubt, *end == End::Doubt, "{}", item.biz_code);
    }
    settle_all(&mut scene, &states, &waiting).await;
    let (amount, held) = scene.merchant.balance().await;
    assert_eq!(held, rust_decimal::Decimal::ZERO);
    let paid: rust_decimal::Decimal = states
        .values()
        .filter(|o| o["status"] == 2 || o["bizCode"].as_str().unwrap().starts_with("12"))
        .map(|o| crate::harness::merchant::decimal(&o["settlementPrice"]))
        .sum();
    assert_eq!(before - amount, paid);
    assert_eq!(scene.outside.received.summary().conflicts, 0);
    scene.end().await;
}

/// Two persons decide: what was partly charged counts as charged, the rest as not.
async fn settle_all(
    scene: &mut Scene,
    states: &HashMap<String, Value>,
    waiting: &BTreeMap<String, Value>,
) {
    for (number, order) in states {
        let code = order["orderCode"].as_str().unwrap();
        let word = if number.starts_with("12") {
            "charged"
        } else {
            "not-charged"
        };
        let say = |step: &str, word: &str, who: &str| {
            let evidence = "the supplier's statement of today";
            let said = scene.platform.tool(&[
                "doubt",
                step,
                code,
                word,
                "--evidence",
                evidence,
                "--as",
                who,
            ]);
            let text = String::from_utf8_lossy(&said.stderr).into_owned();
            (said.status.success(), text)
        };
        if waiting.contains_key(code) {
            let (done, text) = say("confirm", word, "li");
            assert!(!done && text.contains("nobody has proposed"), "{text}");
            assert!(say("propose", word, "wang").0);
            let (done, text) = say("confirm", word, "wang");
            assert!(!done && text.contains("another person"), "{text}");
            let other = if word == "charged" {
                "not-charged"
            } else {
                "charged"
            };
            let (done, text) = say("confirm", other, "li");
            assert!(!done && text.contains("the opposite"), "{text}");
            assert_eq!(doubts(scene)[code]["proposed"]["by"], "wang");
            let (done, text) = say("settle", word, "zhao");
            assert!(!done && text.contains("doubt.operators"), "{text}");
            assert!(say("confirm", word, "li").0);
            let account = order["account"].as_str().unwrap().to_owned();
            scene.merchant.ordered.push((number.clone(), account));
            // Once is enough.
            assert!(!say("confirm", word, "li").0);
        } else {
            let (done, text) = say("propose", word, "wang");
            assert!(!done && text.contains("not in doubt"), "{text}");
        }
    }
    assert!(doubts(scene).is_empty());
    scene.merchant.wait_for_all_reports(&scene.outside).await;
    for (number, order) in states {
        let now = scene.merchant.order_info(number).await;
        let expected = match &number[..2] {
            "12" => json!(2),
            "06" | "11" | "13" => json!(3),
            _ => order["status"].clone(),
        };
        assert_eq!(now["status"], expected, "{now}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_supplier_of_forms_does_its_worst() {
    let attach = r#"{"holder":"Wang","phone":"13800138000"}"#;
    every_behaviour("FUEL100", Some(attach), None, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_supplier_like_us_does_its_worst() {
    every_behaviour("WALLET", None, Some("20"), false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_suppliers_do_their_worst() {
    every_behaviour("MOBILE50", None, None, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_supplier_is_tried_only_when_the_first_has_said_no() {
    let mut scene = Scene::start().await;
    // Its account is refused by the first supplier alone, which is down for a moment; the second one takes it.
    scene.outside.swift_is_down(true).await;
    let items = [Item::new("stuck-0", "13800000001")];
    let answer = scene
        .merchant
        .client
        .batch("stuck", "MOBILE50", None, &items);
    assert_eq!(answer.await.unwrap().status, 0);
    // An HTTP 503 proves nothing: the order stays with the first supplier, however ready the second one is.
    until(
        "the first query",
        async || {
            // Claimed, answered, claimed again for the query, answered: each is an epoch of its own.
            let epoch = scene.ground.ask("SELECT epoch FROM orders").await;
            (epoch.parse::<u32>().unwrap() >= 4).then_some(())
        },
        String::new,
    )
    .await;
    assert_eq!(scene.outside.sums(scene.outside.harbor).await.orders, 0);
    assert_eq!(scene.merchant.order_info("stuck-0").await["status"], 1);
    let waiting = until(
        "the doubt",
        async || doubts(&scene).into_values().next(),
        String::new,
    )
    .await;
    assert_eq!(waiting["amount"], "49.1");
    assert!(waiting["nextCheckAt"].is_i64(), "{waiting}");
    assert_eq!(scene.outside.sums(scene.outside.harbor).await.orders, 0);
    // Back again, the supplier says by itself that it never had the order. That is proof by now, and no person is needed.
    scene.outside.swift_is_down(false).await;
    scene
        .merchant
        .ordered
        .push(("stuck-0".into(), "13800000001".into()));
    scene.merchant.wait_for_all_reports(&scene.outside).await;
    assert_eq!(scene.merchant.order_info("stuck-0").await["status"], 2);
    assert!(doubts(&scene).is_empty());
    assert_eq!(scene.outside.sums(scene.outside.swift).await.orders, 0);
    assert_eq!(scene.outside.sums(scene.outside.harbor).await.orders, 1);

    // A refusal is a word: the second supplier is asked at once, and gets it.
    let (swift_before, harbor_before) = (
        scene.outside.sums(scene.outside.swift).await,
        scene.outside.sums(scene.outside.harbor).await,
    );
    scene
        .merchant
        .order_items("both", "MOBILE50", &[Item::new("both-0", "19900000900")])
        .await;
    scene.merchant.wait_for_all_reports(&scene.outside).await;
    let (swift_after, harbor_after) = (
        scene.outside.sums(scene.outside.swift).await,
        scene.outside.sums(scene.outside.harbor).await,
    );
    assert_eq!(swift_after.rejected, swift_before.rejected + 1);
    assert_eq!(harbor_after.rejected, harbor_before.rejected + 1);
    scene.end().await;
}
