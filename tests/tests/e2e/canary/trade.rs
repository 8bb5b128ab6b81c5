//! What is ordered while the canary listens.

use simulator::{Item, MerchantClient};

use super::{FUEL_CARD, HOLDER, OTHER_CARD, PHONE};
use crate::harness::Scene;
use crate::harness::merchant::{BUSINESS, MERCHANT};
use crate::harness::outside::MERCHANT_MD5_KEY;

/// Orders of every kind, and requests that are refused.
pub(super) async fn trade(scene: &mut Scene, run: &str) {
    // Numbers that no measure shows by chance, as 0.13800000000000001 shows one with eight zeros.
    let plain = (0..10).map(|n| Item::new(format!("{run}-plain-{n}"), format!("1384716295{n}")));
    let plain: Vec<Item> = plain.collect();
    let batch = format!("{run}-plain");
    scene.merchant.order_items(&batch, "MOBILE50", &plain).await;
    // Failed, found by query, not accepted, not answered, charged in part, pushed three times.
    let accounts = [
        "19900000100",
        "19900000401",
        "19900000900",
        "19900000500",
        "19900001200",
        "19900001500",
    ];
    let items = accounts.iter().enumerate();
    let items: Vec<Item> = items
        .map(|(n, account)| Item::new(format!("{run}-magic-{n}"), *account))
        .collect();
    scene
        .merchant
        .order_items(&format!("{run}-magic"), "MOBILE50", &items)
        .await;
    let card = if run == "text" { FUEL_CARD } else { OTHER_CARD };
    let mut fuel = Item::new(format!("{run}-fuel"), card);
    fuel.attach = Some(format!(r#"{{"holder":"{HOLDER}","phone":"{PHONE}"}}"#));
    scene
        .merchant
        .order_items(&format!("{run}-fuel"), "FUEL100", &[fuel])
        .await;
    let client = &scene.merchant.client;
    let signed = client.sign(b"{}");
    let wrong = client
        .post_signed("/v1/openapi/order/info", &signed, b"{ }")
        .await
        .unwrap();
    assert_eq!(wrong.status, 2);
    // Bodies that cannot be taken, with an account in them.
    for body in [
        format!(
            r#"{{"merchantId":"{MERCHANT}","itemList":[{{"account":"{PHONE}","account":"{PHONE}"}}]}}"#
        ),
        format!(r#"{{"merchantId":"{MERCHANT}","businessId":"{BUSINESS}","account":"{PHONE}","#),
        format!(r#"{{"bizCode":"{HOLDER}","account":"{PHONE}"}}"#),
    ] {
        for path in ["order/batch", "order/info"] {
            let path = format!("/v1/openapi/{path}");
            assert_ne!(
                client.post(&path, body.as_bytes()).await.unwrap().status,
                0,
                "{body}"
            );
        }
    }
    let bad = [Item::new(format!("{run}-bad"), format!("{PHONE}0"))];
    let refused = client
        .batch(&format!("{run}-bad"), "MOBILE50", None, &bad)
        .await
        .unwrap();
    assert_ne!(refused.status, 0);
    let old =
        MerchantClient::md5(&scene.platform.openapi, MERCHANT, "old", MERCHANT_MD5_KEY).unwrap();
    let items = [Item::new(format!("{run}-old"), "13700417283")];
    let taken = old
        .batch(&format!("{run}-old"), "MOBILE50", None, &items)
        .await
        .unwrap();
    assert_eq!(taken.status, 0, "{}", taken.body);
    scene
        .merchant
        .ordered
        .extend(items.map(|i| (i.biz_code, i.account)));
}
