//! Everything that the fleet does in a day.

use serde_json::Value;
use simulator::{Item, MerchantClient};

use crate::harness::merchant::{BUSINESS, MERCHANT};
use crate::harness::outside::MERCHANT_MD5_KEY;
use crate::harness::program::Program;
use crate::harness::{Fleet, Ground, Merchant, Outside, until};

async fn asked(merchant: &Merchant, path: &str, body: Value) -> Value {
    let answer = merchant
        .client
        .post(path, body.to_string().as_bytes())
        .await
        .unwrap();
    assert_eq!(answer.status, 0, "{path}: {}", answer.body);
    answer.data
}

/// Everything that the fleet does in a day, and people with it.
pub(super) async fn a_day(
    fleet: &Fleet,
    ground: &Ground,
    outside: &Outside,
    merchant: &mut Merchant,
) {
    // A supplier that is down trips, and comes back.
    outside.swift_is_down(true).await;
    let lost: Vec<Item> = (0..30)
        .map(|n| Item::new(format!("lost-{n}"), format!("1390000{n:04}")))
        .collect();
    merchant.order_items("lost", "MOBILE50", &lost).await;
    let tripped = "SELECT count(*) FROM breakers";
    until(
        "the trip",
        async || (ground.ask(tripped).await == "1").then_some(()),
        String::new,
    )
    .await;
    outside.swift_is_down(false).await;
    let mut probes = 0;
    while ground.ask(tripped).await == "1" {
        assert!(probes < 240, "it is never probed");
        merchant.order(&format!("probe{probes}"), 1).await;
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        probes += 1;
    }

    // A success, a failure, what is asked after, what the next supplier gets, what nobody can tell.
    let magic = [
        "13800000001",
        "19900000100",
        "19900000401",
        "19900000901",
        "19900001201",
    ];
    let items: Vec<Item> = (0..)
        .zip(magic)
        .map(|(n, account)| Item::new(format!("each-{n}"), account))
        .collect();
    merchant.order_items("each", "MOBILE50", &items).await;
    let in_doubt = merchant.ordered.pop().unwrap();
    merchant.order("many", 50).await;
    merchant.wait_for_all_reports(outside).await;
    assert_eq!(
        merchant
            .client
            .batch("many", "MOBILE50", None, &items)
            .await
            .unwrap()
            .status,
        8
    );

    // Counted stock goes, and comes back when the order fails; an old account signs with MD5 and wants a report of the batch.
    let key = &outside.merchant_key.private_pem;
    let neighbour = MerchantClient::rsa(&fleet.openapi, "m2", "neighbour", key).unwrap();
    let failing = [Item::new("last-0", "19900000102")];
    assert_eq!(
        neighbour
            .batch("last", "LAST2", None, &failing)
            .await
            .unwrap()
            .status,
        0
    );
    let left = "SELECT units_left FROM stock WHERE product_code = 'LAST2'";
    until(
        "the stock",
        async || (ground.ask(left).await == "2").then_some(()),
        String::new,
    )
    .await;

    let old = MerchantClient::md5(&fleet.openapi, MERCHANT, "old", MERCHANT_MD5_KEY).unwrap();
    let items = [Item::new("old-0", "13900002000")];
    assert_eq!(
        old.batch("old", "MOBILE50", None, &items)
            .await
            .unwrap()
            .status,
        0
    );
    let told = "SELECT count(*) FROM callbacks WHERE business_id = 'old' AND state = 2";
    until(
        "the report of the batch",
        async || (ground.ask(told).await == "2").then_some(()),
        String::new,
    )
    .await;

    // People: a lane is shut, an order taken back, the lane opened; the same with a supplier and an endpoint.
    let by = ["--reason", "tried", "--as", "wang"];
    let said = |args: &[&str]| fleet.done("console", &[args, &by].concat());
    said(&["lane", "pause", "mobile"]);
    said(&["supplier", "pause", "swift", "--lane", "mobile"]);
    let taken_up = async || {
        let version = ground.ask("SELECT catalogue_version FROM platform").await;
        let known = format!("version={version}");
        until(
            "the pause in force",
            async || fleet.log("fulfillment").contains(&known).then_some(()),
            || known.clone(),
        )
        .await;
    };
    taken_up().await;
    merchant.order("regretted", 1).await;
    fleet.done(
        "console",
        &[
            "order",
            "cancel",
            "--business",
            "shop",
            "--batch",
            "regretted",
            "--as",
            "wang",
        ],
    );
    fleet.done(
        "console",
        &["supplier", "resume", "swift", "--lane", "mobile"],
    );
    fleet.done("console", &["lane", "resume", "mobile"]);
    let endpoint = format!("http://{}", outside.merchant);
    said(&["endpoint", "pause", &endpoint]);
    fleet.done("console", &["endpoint", "resume", &endpoint]);
    merchant.wait_for_all_reports(outside).await;

    // A merchant's endpoint that nobody listens on is set aside, and later is well.
    let nobody = servers::free_address().unwrap();
    let url = format!("http://{nobody}/callback");
    let items: Vec<Item> = (0..10)
        .map(|n| Item::new(format!("dead-{n}"), format!("1390001{n:04}")))
        .collect();
    assert_eq!(
        merchant
            .client
            .batch("dead", "MOBILE50", Some(&url), &items)
            .await
            .unwrap()
            .status,
        0
    );
    let aside =
        format!("SELECT count(*) FROM endpoints WHERE endpoint = 'http://{nobody}' AND state = 1");
    until(
        "the endpoint set aside",
        async || (ground.ask(&aside).await == "1").then_some(()),
        String::new,
    )
    .await;
    let listener = tokio::net::TcpListener::bind(nobody).await.unwrap();
    let healed = tokio_util::sync::CancellationToken::new();
    let receiving = tokio::spawn(outside.receiver.clone().run(listener, healed.clone()));
    fleet.done(
        "console",
        &["endpoint", "resume", &format!("http://{nobody}")],
    );
    merchant.ordered.extend(
        items
            .iter()
            .map(|i| (i.biz_code.clone(), i.account.clone())),
    );
    merchant.wait_for_all_reports(outside).await;
    healed.cancel();
    receiving.await.unwrap().unwrap();

    // Two persons end the doubt, and the reports are sent again: on a person's word, and on the merchant's.
    until(
        "the doubt",
        async || {
            (ground
                .ask("SELECT count(*) FROM doubts WHERE closed_at IS NULL")
                .await
                == "1")
                .then_some(())
        },
        String::new,
    )
    .await;
    let order = merchant.order_info(&in_doubt.0).await["orderCode"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        fleet
            .done("console", &["doubt", "list", "--json"])
            .contains(&order)
    );
    for (word, who) in [("propose", "wang"), ("confirm", "li")] {
        fleet.done(
            "console",
            &[
                "doubt",
                word,
                &order,
                "charged",
                "--evidence",
                "their book",
                "--as",
                who,
            ],
        );
    }
    merchant.ordered.push(in_doubt);
    merchant.wait_for_all_reports(outside).await;
    let job = fleet.done(
        "console",
        &[
            "callback",
            "resend",
            "--business",
            "shop",
            "--batch",
            "many",
            "--per-second",
            "1",
            "--json",
            "--as",
            "wang",
        ],
    );
    let job: Value = serde_json::from_str(&job).unwrap();
    let job = job["jobId"]
        .as_str()
        .or(job["job"].as_str())
        .unwrap_or_else(|| panic!("{job}"));
    for word in ["pause", "resume", "cancel"] {
        fleet.done("console", &["callback", word, job]);
    }
    asked(
        merchant,
        "/v1/openapi/callback/resend",
        serde_json::json!({"batchBizCode": "each"}),
    )
    .await;
    let done = "SELECT count(*) FROM resend_jobs WHERE state = 3";
    until(
        "the reports again",
        async || (ground.ask(done).await == "1").then_some(()),
        String::new,
    )
    .await;

    // What merchants read, and what people look at.
    let wang = fleet.wang("admin").await;
    for page in [
        "/",
        "/orders?q=no-such-number",
        "/doubts",
        "/businesses",
        "/products",
        "/suppliers",
        "/lanes",
        "/lanes/mobile/calling",
        "/lanes/mobile/asked",
        "/parked",
        "/callbacks",
        "/endpoints",
        "/discrepancies",
        "/audit",
        "/operators",
        "/signature",
        &format!("/batches/{BUSINESS}?number=each"),
        &format!("/businesses/{BUSINESS}"),
        &format!("/orders/{order}"),
    ] {
        wang.page(page).await;
    }
    let add = [
        "operator", "token", "add", "wang", "--label", "day", "--json",
    ];
    let token: Value = serde_json::from_str(&fleet.done("console", &add)).unwrap();
    let program = Program::new(&fleet.console, token["token"].as_str().unwrap());
    program.told("/overview").await;
    program.told(&format!("/orders/{order}")).await;
    fleet.done("console", &["operator", "token", "revoke", "1"]);
    fleet.done("console", &["operator", "token", "list"]);
    assert_eq!(program.status("/overview").await, 401);
    fleet.done("console", &["operator", "disable", "wang", "--as", "root"]);
    merchant.balance().await;
    asked(
        merchant,
        "/v1/openapi/order/batch/info",
        serde_json::json!({"batchBizCode": "each"}),
    )
    .await;
    asked(merchant, "/v1/openapi/order/events", serde_json::json!({})).await;
    asked(
        merchant,
        "/v1/openapi/order/product/list",
        serde_json::json!({"merchantId": MERCHANT, "businessId": BUSINESS}),
    )
    .await;
    for user in ["console", "readonly"] {
        fleet.done(user, &["check"]);
        fleet.done(user, &["supplier", "list"]);
        fleet.done(user, &["callback", "parked"]);
        fleet.done(user, &["endpoint", "list"]);
    }
    fleet.done("catalog", &["keys", "seal"]);
    assert_eq!(
        ground
            .ask("SELECT count(*) FROM platform_keys WHERE private_key NOT LIKE 'sealed:%'")
            .await,
        "0"
    );
}
