//! Orders are taken back while workers claim them: each is either cancelled and never charged, or charged once and not cancelled.

use std::collections::HashMap;

use rust_decimal::Decimal;

use crate::harness::{Scene, until};

const ORDERS: usize = 1_000;
const TRIES: usize = 8;

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_cancelled_while_workers_claim_it() {
    let mut scene = Scene::start().await;
    let (before, _) = scene.merchant.balance().await;
    let mut seen = HashMap::new();
    for n in 0..TRIES {
        let batch = format!("c{n}");
        scene.merchant.order(&batch, ORDERS).await;
        if n % 2 == 1 {
            let begun = format!(
                "SELECT count(*) > 20 FROM orders WHERE state > 0 AND biz_code LIKE '{batch}-%'"
            );
            until(
                "the first claims",
                async || (scene.ground.ask(&begun).await == "t").then_some(()),
                String::new,
            )
            .await;
        }
        let cancel = [
            "order",
            "cancel",
            "--business",
            "shop",
            "--batch",
            &batch,
            "--as",
            "wang",
        ];
        let said = scene.platform.tool(&cancel);
        let counted =
            format!("SELECT count(*) FROM orders WHERE state = 4 AND biz_code LIKE '{batch}-%'");
        let cancelled = scene.ground.ask(&counted).await;
        let words = String::from_utf8(said.stdout).unwrap();
        assert!(
            words.starts_with(&format!("{cancelled} of {ORDERS} orders")),
            "{words}"
        );
        let all = cancelled == ORDERS.to_string();
        assert_eq!(said.status.code(), Some(i32::from(!all)), "{words}");
        scene.merchant.wait_for_all_reports(&scene.outside).await;
        for (code, _) in &scene.merchant.ordered {
            let status = scene.outside.received.get(code).unwrap().status;
            *seen.entry(status).or_insert(0_usize) += 1;
        }
        if seen.contains_key(&2) && seen.contains_key(&4) {
            break;
        }
    }
    assert!(
        seen.contains_key(&2) && seen.contains_key(&4),
        "the race was never close: {seen:?}"
    );

    let charges = scene.outside.charges().await;
    let mut paid = 0;
    for (code, account) in &scene.merchant.ordered {
        let status = scene.outside.received.get(code).unwrap().status;
        let charged = charges.get(account).copied().unwrap_or_default();
        assert!(
            matches!((status, charged), (2, 1) | (4, 0)),
            "{code} was reported as {status} and charged {charged} times"
        );
        paid += usize::from(status == 2);
    }
    let (after, held) = scene.merchant.balance().await;
    assert_eq!(held, Decimal::ZERO);
    assert_eq!(before - after, Decimal::new(4910, 2) * Decimal::from(paid));
    let notes = scene
        .ground
        .ask("SELECT DISTINCT note FROM ledger WHERE kind = 'release'")
        .await;
    assert_eq!(notes, "cancelled by wang");
    assert_eq!(scene.outside.received.summary().conflicts, 0);

    // What has ended, or never was, is not cancelled, and nothing else is touched.
    let (code, _) = &scene.merchant.ordered[0];
    let order = scene.merchant.order_info(code).await;
    let again = scene
        .platform
        .tool(&["order", "cancel", order["orderCode"].as_str().unwrap()]);
    assert_eq!(again.status.code(), Some(1));
    for unknown in [
        vec!["order", "cancel", "00000000000000000000000000000000"],
        vec!["order", "cancel", "--business", "shop", "--batch", "none"],
        vec!["order", "cancel", "--business", "shop"],
        vec!["order", "cancel"],
    ] {
        assert!(!scene.platform.tool(&unknown).status.success());
    }
    scene.end().await;
}
