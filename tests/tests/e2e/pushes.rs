//! What a supplier pushes is believed only when it is signed and speaks of the order that the supplier was given; and it is answered only
//! when it is kept.

use md5::{Digest, Md5};
use reqwest::{Client, StatusCode};
use serde_json::json;
use simulator::Item;

use crate::harness::outside::{SWIFT_KEY, http};
use crate::harness::{Scene, until};

/// A push in the shape of forms.
#[derive(Clone)]
struct Form(Vec<(&'static str, String)>);

impl Form {
    /// What an honest supplier says of an order that succeeded.
    fn success(reference: &str, account: &str) -> Self {
        Self(
            [
                ("userid", "refill"),
                ("order_number", "F1"),
                ("out_trade_num", reference),
                ("otime", "1764000000"),
                ("state", "1"),
                ("mobile", account),
                ("remark", ""),
                ("charge_amount", "100.00"),
                ("voucher", "V1"),
            ]
            .map(|(name, value)| (name, value.to_owned()))
            .into(),
        )
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        for field in &mut self.0 {
            if field.0 == name {
                value.clone_into(&mut field.1);
            }
        }
        self
    }

    fn signed(mut self, key: &str) -> Self {
        self.0.sort();
        let text: Vec<String> = self.0.iter().map(|(n, v)| format!("{n}={v}&")).collect();
        let text = format!("{}apikey={key}", text.concat());
        self.0.push(("sign", hex::encode_upper(Md5::digest(text))));
        self
    }

    async fn push(&self, scene: &Scene, supplier: &str) -> (StatusCode, String) {
        self.push_by(&http(), scene, supplier).await
    }

    async fn push_by(&self, http: &Client, scene: &Scene, supplier: &str) -> (StatusCode, String) {
        let url = format!("{}/v1/supplier/{supplier}/push", scene.platform.openapi);
        let answer = http.post(url).form(&self.0).send().await.unwrap();
        (answer.status(), answer.text().await.unwrap())
    }
}

/// An order of `FUEL100` that stays in progress at the supplier, and our reference there.
async fn in_progress(scene: &mut Scene, number: &str) -> String {
    let mut item = Item::new(number, "19900001311");
    item.attach = Some(r#"{"holder":"Wang","phone":"13800138000"}"#.into());
    let items = [item];
    let answer = scene.merchant.client.batch(number, "FUEL100", None, &items);
    assert_eq!(answer.await.unwrap().status, 0);
    let sql = format!(
        "SELECT a.reference FROM attempts a JOIN orders o USING (business_id, order_code) WHERE o.biz_code = '{number}' AND a.state = 1"
    );
    until(
        "the supplier's acceptance",
        async || Some(scene.ground.ask(&sql).await).filter(|r| !r.is_empty()),
        String::new,
    )
    .await
}

const ACCOUNT: &str = "19900001311";

#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_is_not_the_suppliers_word_changes_nothing() {
    let mut scene = Scene::start().await;
    let reference = in_progress(&mut scene, "p").await;
    let success = Form::success(&reference, ACCOUNT);
    let evidence = async || {
        scene
            .ground
            .ask("SELECT count(*) FROM evidence WHERE source = 2")
            .await
    };
    let forged = [
        (401, "swift", success.clone().signed("guessed")),
        (
            401,
            "swift",
            success.clone().with("userid", "other").signed(SWIFT_KEY),
        ),
        (400, "swift", success.clone()),
        (400, "swift", Form(vec![]).signed(SWIFT_KEY)),
        (404, "nobody", success.clone().signed(SWIFT_KEY)),
        (
            404,
            "swift",
            success
                .clone()
                .with("out_trade_num", "R00000000000000000000000000")
                .signed(SWIFT_KEY),
        ),
        // Signed by one supplier, sent in the name of the other.
        (400, "harbor", success.clone().signed(SWIFT_KEY)),
        (
            413,
            "swift",
            success
                .clone()
                .with("remark", &"x".repeat(100_000))
                .signed(SWIFT_KEY),
        ),
    ];
    for (at, (status, supplier, form)) in forged.iter().enumerate() {
        let (http, said) = form.push(&scene, supplier).await;
        assert_eq!(http.as_u16(), *status, "{at}: {said}");
        assert_eq!(said, "", "a stranger hears nothing");
    }
    assert_eq!(evidence().await, "0");
    assert_eq!(scene.merchant.order_info("p").await["status"], 1);
    // Signed, but about another account: kept as evidence, and a person looks at it; no success.
    let (http, said) = success
        .clone()
        .with("mobile", "13900000000")
        .signed(SWIFT_KEY)
        .push(&scene, "swift")
        .await;
    assert_eq!((http, said.as_str()), (StatusCode::OK, "success"));
    assert_eq!(evidence().await, "1");
    assert_eq!(scene.merchant.order_info("p").await["status"], 1);
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_suppliers_word_counts_once_and_a_second_one_is_for_a_person() {
    let mut scene = Scene::start().await;
    let reference = in_progress(&mut scene, "p").await;
    let (before, _) = scene.merchant.balance().await;
    let success = Form::success(&reference, ACCOUNT).signed(SWIFT_KEY);
    let all = futures::future::join_all((0..20).map(|_| success.push(&scene, "swift"))).await;
    assert!(
        all.iter()
            .all(|(http, said)| *http == StatusCode::OK && said == "success"),
        "{all:?}"
    );
    scene.merchant.ordered.push(("p".into(), ACCOUNT.into()));
    scene.merchant.wait_for_all_reports(&scene.outside).await;
    let order = scene.merchant.order_info("p").await;
    assert_eq!(
        (&order["status"], &order["voucher"]),
        (&json!(2), &json!("V1"))
    );
    // What was held has been paid, once.
    let (after, held) = scene.merchant.balance().await;
    assert_eq!(
        (before - after, held),
        (rust_decimal::Decimal::ZERO, rust_decimal::Decimal::ZERO)
    );
    // Then the supplier says the opposite: nothing moves, a person is told.
    let failure = Form::success(&reference, ACCOUNT)
        .with("state", "2")
        .with("voucher", "")
        .with("charge_amount", "")
        .signed(SWIFT_KEY);
    assert_eq!(failure.push(&scene, "swift").await.0, StatusCode::OK);
    assert_eq!(scene.merchant.order_info("p").await, order);
    let listed = scene.platform.tool(&["doubt", "list"]);
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(
        listed.contains("discrepancy") && listed.contains(order["orderCode"].as_str().unwrap()),
        "{listed}"
    );
    // Two persons find that the merchant should not have paid: the state stays, the money comes back by an entry of its own.
    let code = order["orderCode"].as_str().unwrap();
    let say = |step: &str, who: &str| {
        let word = [
            "doubt",
            step,
            code,
            "not-charged",
            "--evidence",
            "their credit note 7",
            "--as",
            who,
        ];
        scene.platform.tool(&word).status.success()
    };
    assert!(say("propose", "wang"));
    assert!(!say("confirm", "wang"));
    assert!(say("confirm", "li"));
    assert!(!say("confirm", "li"), "once is enough");
    assert_eq!(scene.merchant.order_info("p").await, order);
    let (adjusted, _) = scene.merchant.balance().await;
    let price = crate::harness::merchant::decimal(&order["settlementPrice"]);
    assert_eq!(adjusted - after, price);
    let entry =
        "SELECT step || ' ' || prepaid_delta || ' ' || note FROM ledger WHERE kind = 'adjust'";
    assert_eq!(
        scene.ground.ask(entry).await,
        "2 992000 discrepancy 1: their credit note 7 (wang), confirmed: their credit note 7 (li)"
    );
    assert_eq!(scene.outside.received.summary().conflicts, 0);
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_is_answered_only_when_it_is_kept() {
    let mut scene = Scene::on_own_servers().await;
    let reference = in_progress(&mut scene, "p").await;
    let success = Form::success(&reference, ACCOUNT).signed(SWIFT_KEY);
    let kill = async {
        let mut servers = scene.ground.servers.lock().await;
        servers.postgres().unwrap().kill().await.unwrap();
    };
    kill.await;
    let (http, said) = success.push(&scene, "swift").await;
    assert_eq!((http, said.as_str()), (StatusCode::SERVICE_UNAVAILABLE, ""));
    let start = async {
        let mut servers = scene.ground.servers.lock().await;
        servers.postgres().unwrap().start().await.unwrap();
    };
    start.await;
    until(
        "a place for the push",
        async || (success.push(&scene, "swift").await.1 == "success").then_some(()),
        String::new,
    )
    .await;
    scene.merchant.ordered.push(("p".into(), ACCOUNT.into()));
    scene.merchant.wait_for_all_reports(&scene.outside).await;
    assert_eq!(scene.merchant.order_info("p").await["status"], 2);
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pushes_for_one_account_that_come_together_do_not_stand_in_each_others_way() {
    let mut scene = Scene::start().await;
    let extra = r#"{"holder":"Wang","phone":"13800138000"}"#;
    let item = |n| Item {
        attach: Some(extra.into()),
        ..Item::new(format!("p{n}"), ACCOUNT)
    };
    let items: Vec<Item> = (0..200).map(item).collect();
    scene.merchant.order_items("p", "FUEL100", &items).await;
    let accepted =
        "SELECT string_agg(reference, ' ') FROM attempts WHERE state = 1 HAVING count(*) = 200";
    let references = until(
        "the supplier's acceptance",
        async || Some(scene.ground.ask(accepted).await).filter(|all| !all.is_empty()),
        || scene.platform.log_tail(),
    )
    .await;
    // One for all: making two hundred takes longer than the door waits for the head of a request.
    let http = http();
    let pushes = references.split(' ').map(async |reference| {
        let success = Form::success(reference, ACCOUNT).signed(SWIFT_KEY);
        let (status, _) = success.push_by(&http, &scene, "swift").await;
        if status != StatusCode::OK {
            // As suppliers do; a look of the platform's own may have held the order.
            until(
                "a place for the push",
                async || (success.push(&scene, "swift").await.1 == "success").then_some(()),
                || scene.platform.log_tail(),
            )
            .await;
        }
        status
    });
    let first = futures::future::join_all(pushes).await;
    let refused = first.iter().filter(|status| **status != StatusCode::OK);
    let refused = refused.count();
    assert!(refused < 20, "{refused} of 200 stood in each other's way");
    scene.merchant.wait_for_all_reports(&scene.outside).await;
    scene.end().await;
}
