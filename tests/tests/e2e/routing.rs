//! Where orders go: by priority, never dearer than allowed, around what is paused or fails, and never more at once than a supplier takes.

use std::process::Stdio;
use std::time::Duration;

use rust_decimal::Decimal;
use serde_json::Value;
use simulator::Item;

use crate::harness::process::{ended, tell_to_stop};
use crate::harness::{Fleet, Ground, Merchant, Outside, Scene, until};

/// What `refill supplier list --json` says.
fn suppliers(scene: &Scene) -> Value {
    let said = scene.platform.tool(&["supplier", "list", "--json"]);
    serde_json::from_slice(&said.stdout).unwrap()
}

async fn orders_at(scene: &Scene) -> (u64, u64) {
    let swift = scene.outside.sums(scene.outside.swift).await.orders;
    let harbor = scene.outside.sums(scene.outside.harbor).await.orders;
    (swift, harbor)
}

/// Waits until the running fleet has the catalogue as it is in the database.
async fn taken_up(scene: &Scene) {
    let version = scene
        .ground
        .ask("SELECT catalogue_version FROM platform")
        .await;
    let line = format!("version={version} ");
    until(
        "the new gates",
        async || scene.platform.log().contains(&line).then_some(()),
        || line.clone(),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_paused_gets_no_new_orders_until_it_is_resumed() {
    let mut scene = Scene::start().await;
    let (before, _) = scene.merchant.balance().await;
    let run = |args: &[&str]| scene.platform.tool(args).status.success();
    assert!(run(&[
        "supplier",
        "pause",
        "swift",
        "--reason",
        "maintenance",
        "--as",
        "wang"
    ]));
    let listed = suppliers(&scene);
    assert_eq!(listed["pauses"][0]["supplier"], "swift");
    assert_eq!(listed["pauses"][0]["by"], "wang");
    taken_up(&scene).await;
    scene.merchant.order("a", 20).await;
    scene.merchant.wait_for_all_reports(&scene.outside).await;
    assert_eq!(orders_at(&scene).await, (0, 20));

    let run = |args: &[&str]| scene.platform.tool(args).status.success();
    assert!(run(&["lane", "pause", "mobile"]));
    assert!(run(&["supplier", "resume", "swift"]));
    taken_up(&scene).await;
    // Nobody may take them: they wait, and are not looked at over and over again.
    scene.merchant.order("b", 20).await;
    let looked_at = "SELECT count(*) FILTER (WHERE t.kind = 2) FROM orders o LEFT JOIN timers t USING (business_id, order_code)
                     WHERE biz_code LIKE 'b-%'";
    until(
        "the orders to wait",
        async || (scene.ground.ask(looked_at).await == "20").then_some(()),
        String::new,
    )
    .await;
    assert_eq!(orders_at(&scene).await, (0, 20));
    assert_eq!(
        scene
            .ground
            .ask("SELECT max(state) || '|' || max(epoch) FROM orders WHERE biz_code LIKE 'b-%'")
            .await,
        "0|0"
    );
    let run = |args: &[&str]| scene.platform.tool(args).status.success();
    assert!(run(&["lane", "resume", "mobile"]));
    scene.merchant.wait_for_all_reports(&scene.outside).await;
    assert_eq!(orders_at(&scene).await, (20, 20), "by priority again");
    for nonsense in [
        vec!["supplier", "pause", "nobody"],
        vec!["supplier", "resume", "swift"],
        vec!["lane", "pause", "nowhere"],
        vec!["supplier", "pause", "swift", "--lane", "nowhere"],
    ] {
        assert!(
            !scene.platform.tool(&nonsense).status.success(),
            "{nonsense:?}"
        );
    }
    let price = Decimal::new(4910, 2);
    scene
        .merchant
        .was_treated_right(&scene.outside, before, price)
        .await;
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_supplier_that_fails_is_spared_until_a_probe_succeeds() {
    let mut scene = Scene::start().await;
    let (before, _) = scene.merchant.balance().await;
    scene.outside.swift_is_down(true).await;
    let items: Vec<Item> = (0..30)
        .map(|n| Item::new(format!("lost-{n}"), format!("1390000{n:04}")))
        .collect();
    let answer = scene
        .merchant
        .client
        .batch("lost", "MOBILE50", None, &items);
    assert_eq!(answer.await.unwrap().status, 0);
    let tripped = until(
        "the trip",
        async || {
            Some(suppliers(&scene)["suppliers"][2]["tripped"].clone()).filter(Value::is_object)
        },
        || suppliers(&scene).to_string(),
    )
    .await;
    assert_eq!(tripped["trips"], 1);
    taken_up(&scene).await;
    // New orders go around it; what it may have is not given to anybody else.
    scene.merchant.order("around", 20).await;
    scene.merchant.wait_for_all_reports(&scene.outside).await;
    assert_eq!(orders_at(&scene).await, (0, 20));
    scene.outside.swift_is_down(false).await;
    // One of the next orders is the probe, and then it is as before.
    let mut n = 0;
    while suppliers(&scene)["suppliers"][2]["tripped"].is_object() {
        assert!(n < 120, "it is never probed");
        scene.merchant.order(&format!("probe{n}"), 1).await;
        scene.merchant.wait_for_all_reports(&scene.outside).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        n += 1;
    }
    assert_eq!(orders_at(&scene).await.0, 1, "one probe was enough");
    taken_up(&scene).await;
    let (swift, _) = orders_at(&scene).await;
    scene.merchant.order("after", 10).await;
    scene.merchant.wait_for_all_reports(&scene.outside).await;
    assert!(orders_at(&scene).await.0 >= swift + 10);
    // The first thirty: proved not to be there, each was given to the second supplier, once.
    let numbers = items
        .iter()
        .map(|i| (i.biz_code.clone(), i.account.clone()));
    scene.merchant.ordered.extend(numbers);
    scene.merchant.wait_for_all_reports(&scene.outside).await;
    let price = Decimal::new(4910, 2);
    scene
        .merchant
        .was_treated_right(&scene.outside, before, price)
        .await;
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_bought_for_more_than_the_merchant_pays_unless_that_is_allowed() {
    let mut scene = Scene::start().await;
    let dear = |n: u32| [Item::new(format!("dear-{n}"), format!("1360000{n:04}"))];
    scene.merchant.order_items("dear0", "DEAR", &dear(0)).await;
    scene.merchant.wait_for_all_reports(&scene.outside).await;
    let order = scene.merchant.order_info("dear-0").await;
    assert_eq!(order["status"], 3, "{order}");
    assert_eq!(scene.merchant.balance().await.1, Decimal::ZERO);
    assert_eq!(scene.ground.ask("SELECT count(*) FROM attempts").await, "0");
    let allowed = "[[route]]\nsupplier = \"swift\"\nproduct = \"DEAR\"\nsku = \"1099\"\ncost = \"9.81\"\nmay_cost_more = true\n";
    scene.platform.import(&scene.outside, allowed);
    taken_up(&scene).await;
    scene.merchant.order_items("dear1", "DEAR", &dear(1)).await;
    scene.merchant.wait_for_all_reports(&scene.outside).await;
    assert_eq!(scene.merchant.order_info("dear-1").await["status"], 2);
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_together_call_a_supplier_no_more_than_it_takes() {
    let mut scene = Scene::start().await;
    let mut second = scene
        .platform
        .command()
        .args(["fulfillment", "--admin", "127.0.0.1:0"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let both = "workers=2";
    until(
        "both workers to share",
        async || scene.platform.log().contains(both).then_some(()),
        || scene.platform.log_tail(),
    )
    .await;
    // Each call takes two seconds.
    let items: Vec<Item> = (0..40)
        .map(|n| Item::new(format!("n-{n}"), format!("199000010{n:02}")))
        .collect();
    scene.merchant.order_items("n", "NARROW", &items).await;
    scene.merchant.wait_for_all_reports(&scene.outside).await;
    let sums = scene.outside.sums(scene.outside.swift).await;
    assert_eq!((sums.charged, sums.charged_more_than_once), (40, 0));
    assert!((4..=6).contains(&sums.most_at_once), "{sums:?}");
    tell_to_stop(&second);
    let status = tokio::task::block_in_place(|| ended(&mut second, || scene.platform.log_tail()));
    assert!(status.success());
    let alone = "workers=1";
    until(
        "the first to have it all again",
        async || {
            let log = scene.platform.log();
            log.rfind(alone).filter(|at| Some(*at) > log.rfind(both))
        },
        || scene.platform.log_tail(),
    )
    .await;
    scene.end().await;
}

/// Some of the workers have no part of what it takes, and the broker gives them hints all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_supplier_that_takes_less_than_one_call_of_each_worker_gets_every_order() {
    let ground = Ground::own().await;
    let outside = Outside::start().await;
    let mut fleet = Fleet::prepare(&ground).await;
    fleet.furnish(&outside);
    let file = fleet.write_catalogue(&outside);
    let narrow = std::fs::read_to_string(&file).unwrap();
    let narrower = narrow.replace("max_in_flight = 6", "max_in_flight = 1");
    std::fs::write(&file, narrower).unwrap();
    fleet.done("catalog", &["catalog", "import", &file]);
    for role in [
        "ingress",
        "callback",
        "fulfillment",
        "fulfillment",
        "fulfillment",
    ] {
        fleet.start(role, &[]).await;
    }
    let know = || fleet.log("fulfillment").matches("workers=3").count() == 3;
    until(
        "each worker's share",
        async || know().then_some(()),
        || fleet.log("fulfillment"),
    )
    .await;
    let mut merchant = Merchant::new(&fleet.openapi, &outside);
    let item = |n| Item::new(format!("narrow-{n}"), format!("138000000{n:02}"));
    let items: Vec<_> = (0..12).map(item).collect();
    merchant.order_items("narrow", "NARROW", &items).await;
    merchant.wait_for_all_reports(&outside).await;
    let log = fleet.log("fulfillment");
    assert!(!log.contains("lost hints"), "nobody kept a hint: {log}");
}
