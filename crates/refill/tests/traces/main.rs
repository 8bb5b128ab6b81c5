//! An order's way as one trace: told to a collector by the roles as processes of their own, over the broker and the database. And what is
//! told of a collector that is away.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    dead_code,
    reason = "a test stops at the first surprise; the harness serves other tests too"
)]

mod collector;
#[path = "../../../../tests/tests/e2e/harness/mod.rs"]
mod harness;

use std::collections::{BTreeMap, BTreeSet};

use collector::{Collector, Told};
use harness::merchant::{BUSINESS, MERCHANT};
use harness::outside::{HARBOR_KEY, SWIFT_KEY};
use harness::{Fleet, Ground, Merchant, Outside, Scene, until};
use simulator::{Item, MerchantClient};
use tokio::net::TcpListener;

/// A stranger's.
const STRANGER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// The roles that an order passes.
const ROLES: [&str; 3] = ["ingress", "fulfillment", "callback"];

/// What a role is told about the collector.
fn settings(url: &str) -> [(&'static str, &str); 2] {
    [
        ("REFILL__TRACES__ENDPOINT", url),
        ("REFILL__TRACES__RATIO", "1"),
    ]
}

/// The spans of one trace, whole: one of them is the first, and each other one follows one of them.
fn whole_trace(spans: &[Told]) -> &Told {
    let traces: BTreeSet<&str> = spans.iter().map(|s| s.trace.as_str()).collect();
    assert_eq!(traces.len(), 1, "{spans:#?}");
    let ids: BTreeSet<&str> = spans.iter().map(|s| s.id.as_str()).collect();
    assert_eq!(ids.len(), spans.len(), "told twice: {spans:#?}");
    let (first, others): (Vec<_>, Vec<_>) = spans.iter().partition(|s| s.parent.is_empty());
    assert_eq!(first.len(), 1, "{spans:#?}");
    for span in others {
        assert!(ids.contains(span.parent.as_str()), "{span:#?}");
        assert!(span.begun <= span.ended && first[0].begun <= span.begun);
    }
    first[0]
}

/// The steps of each order, as `role: name`, in no order.
fn steps(spans: &[Told]) -> BTreeMap<&str, BTreeSet<String>> {
    let mut steps: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for span in spans.iter().filter(|s| !s.note("order").is_empty()) {
        let step = format!("{}: {}", span.role, span.name);
        steps.entry(span.note("order")).or_default().insert(step);
    }
    steps
}

/// Signs a batch and sends it with a stranger's trace.
async fn order_as_a_stranger(openapi: &str, outside: &Outside, batch: &str, items: &[Item]) {
    let key = &outside.merchant_key.private_pem;
    let client = MerchantClient::rsa(openapi, MERCHANT, BUSINESS, key).unwrap();
    let body = client.batch_body(batch, "MOBILE50", None, items);
    let mut request = reqwest::Client::builder()
        .no_proxy()
        .build()
        .unwrap()
        .post(format!("{openapi}/v1/openapi/order/batch"))
        .header("content-type", "application/json")
        .header("traceparent", STRANGER);
    for (name, value) in client.sign(&body).pairs() {
        request = request.header(name, value);
    }
    let answer = request.body(body).send().await.unwrap();
    let answer = answer.text().await.unwrap();
    assert!(answer.contains(r#""status":0"#), "{answer}");
}

/// A fleet of which no role runs yet, and what it stands on.
async fn prepared() -> (Ground, Outside, Collector, Fleet) {
    let (ground, outside, collector) = (
        Ground::own().await,
        Outside::start().await,
        Collector::start().await,
    );
    let fleet = Fleet::prepare(&ground).await;
    fleet.furnish(&outside);
    (ground, outside, collector, fleet)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orders_way_is_one_trace_from_the_request_to_the_delivered_report() {
    let (_ground, outside, collector, mut fleet) = prepared().await;
    for role in ROLES {
        fleet.start(role, &settings(&collector.url)).await;
    }
    let mut merchant = Merchant::new(&fleet.openapi, &outside);
    let accounts = ["13812345671", "13812345672", "13812345673"];
    let items: Vec<Item> = (0..)
        .zip(accounts)
        .map(|(n, a)| Item::new(format!("o{n}"), a))
        .collect();
    order_as_a_stranger(&fleet.openapi, &outside, "b1", &items).await;
    merchant.ordered = items
        .iter()
        .map(|i| (i.biz_code.clone(), i.account.clone()))
        .collect();
    merchant.wait_for_all_reports(&outside).await;
    for role in ROLES {
        fleet.stop(role);
    }

    let spans = collector.spans();
    let first = whole_trace(&spans);
    assert_eq!(
        (first.role.as_str(), first.name.as_str()),
        ("ingress", "batch")
    );
    assert_eq!(
        (
            first.note("outcome"),
            first.note("lane"),
            first.note("orders")
        ),
        ("stored", "mobile", "3")
    );
    let named = |name: &str| spans.iter().filter(|s| s.name == name).collect::<Vec<_>>();
    let [announced] = named("announce")[..] else {
        panic!("{spans:#?}");
    };
    assert_eq!(announced.note("batch"), first.note("batch"));
    assert_eq!(announced.note("outcome"), "confirmed");
    let steps = steps(&spans);
    assert_eq!(steps.len(), 3, "{steps:#?}");
    for steps in steps.values() {
        for step in [
            "fulfillment: claim",
            "fulfillment: submit",
            "fulfillment: record",
            "ingress: push",
            "callback: report",
        ] {
            assert!(steps.contains(step), "{step} is missing: {steps:#?}");
        }
    }
    for call in named("submit") {
        assert_eq!(
            (
                call.note("supplier"),
                call.note("attempt"),
                call.note("lane")
            ),
            ("swift", "1", "mobile")
        );
        assert_eq!(call.note("outcome"), "accepted");
    }
    assert!(
        named("report")
            .iter()
            .all(|s| s.note("outcome") == "delivered")
    );

    // The sampling of strangers is theirs.
    assert!(spans.iter().all(|s| !s.text.contains(&STRANGER[3..35])));
    let secrets = [
        SWIFT_KEY,
        HARBOR_KEY,
        BUSINESS,
        &outside.merchant.to_string(),
    ];
    for span in &spans {
        for secret in accounts.iter().copied().chain(secrets) {
            assert!(
                !span.text.contains(secret),
                "{secret} leaves with {span:#?}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_is_announced_late_and_an_order_that_is_looked_at_again_go_on_with_their_trace()
 {
    let (ground, outside, collector, mut fleet) = prepared().await;
    let mut cut_off = settings(&collector.url).to_vec();
    cut_off.push(("AMQP_URL", "amqp://nobody:nothing@127.0.0.1:1/%2f"));
    fleet.begin("ingress", &cut_off).await;
    let mut merchant = Merchant::new(&fleet.openapi, &outside);
    // Charged later and never pushed: only a look finds it out.
    merchant
        .order_items("late", "MOBILE50", &[Item::new("late-0", "19900000400")])
        .await;
    fleet.stop("ingress");
    let context = ground.ask("SELECT traceparent FROM outbox").await;
    let spans = collector.spans();
    let first = whole_trace(&spans);
    assert_eq!(context, format!("00-{}-{}-01", first.trace, first.id));
    for role in ["fulfillment", "callback"] {
        fleet.start(role, &settings(&collector.url)).await;
    }
    merchant.wait_for_all_reports(&outside).await;
    for role in ["fulfillment", "callback"] {
        fleet.stop(role);
    }

    let spans = collector.spans();
    assert_eq!(whole_trace(&spans).name, "batch");
    let names: BTreeSet<&str> = spans.iter().map(|s| s.name.as_str()).collect();
    let expected = [
        "announce",
        "announce again",
        "batch",
        "claim",
        "query",
        "record",
        "report",
        "submit",
    ];
    assert_eq!(names, BTreeSet::from(expected));
    let announced: Vec<_> = spans.iter().filter(|s| s.name == "announce").collect();
    assert_eq!(announced[0].note("outcome"), "not_confirmed");
    let looks: Vec<_> = spans.iter().filter(|s| s.name == "query").collect();
    assert!(
        looks.iter().any(|s| s.note("outcome") == "succeeded"),
        "{looks:#?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_kept_leaves_something_behind() {
    let collector = Collector::start().await;
    let settings = [
        ("REFILL__TRACES__ENDPOINT", collector.url.as_str()),
        ("REFILL__TRACES__RATIO", "0"),
        ("REFILL__INGRESS__FOLLOW_TRACES", "true"),
    ];
    let mut scene = Scene::start_with(&settings).await;
    scene.merchant.order("b", 20).await;
    scene.merchant.wait_for_all_reports(&scene.outside).await;
    for table in ["timers", "callbacks"] {
        let kept = format!("SELECT count(*) FROM {table} WHERE traceparent IS NOT NULL");
        assert_eq!(scene.ground.ask(&kept).await, "0", "{table}");
    }
    // Of the house, so its word is taken.
    let item = Item::new("house-0", "13812345679");
    let (openapi, outside) = (&scene.platform.openapi, &scene.outside);
    order_as_a_stranger(openapi, outside, "house", std::slice::from_ref(&item)).await;
    scene.merchant.ordered.push((item.biz_code, item.account));
    scene.merchant.wait_for_all_reports(&scene.outside).await;
    scene.end().await;
    let spans = collector.spans();
    let traces: BTreeSet<&str> = spans.iter().map(|s| s.trace.as_str()).collect();
    assert_eq!(traces, BTreeSet::from([&STRANGER[3..35]]));
    let first = spans.iter().find(|s| s.name == "batch").unwrap();
    assert_eq!(first.parent, STRANGER[36..52]);
    assert!(spans.iter().any(|s| s.name == "report"));
}

/// Orders flow, a stop is in order and in time, and the log says it once.
async fn orders_flow_without(collector: &str) {
    let mut scene = Scene::start_with(&settings(collector)).await;
    for batch in 0..10 {
        scene.merchant.order(&format!("b{batch}"), 10).await;
    }
    scene.merchant.wait_for_all_reports(&scene.outside).await;
    // Long enough for the collector to be missed more than once.
    until(
        "the complaint",
        async || {
            scene
                .platform
                .log()
                .contains("the collector does not take spans")
                .then_some(())
        },
        || scene.platform.log_tail(),
    )
    .await;
    scene.merchant.order("more", 10).await;
    scene.merchant.wait_for_all_reports(&scene.outside).await;
    // It ends with 0: within `admin.stop_within_ms`.
    scene.platform.stop();
    let log = scene.platform.log();
    let lines: Vec<&str> = log
        .lines()
        .filter(|line| {
            ["collector", "span", "opentelemetry", "otlp"]
                .iter()
                .any(|word| line.to_lowercase().contains(word))
        })
        .collect();
    let [told, away] = lines[..] else {
        panic!("{lines:#?}");
    };
    assert!(told.contains("INFO") && away.contains("WARN"), "{lines:#?}");
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_away_is_one_line_in_the_log() {
    let nobody = format!("http://{}", servers::free_address().unwrap());
    orders_flow_without(&nobody).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_never_answers_holds_nothing_up() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let mut held = tokio::task::JoinSet::new();
    held.spawn(async move {
        let mut connections = vec![];
        while let Ok(connection) = silent.accept().await {
            connections.push(connection);
        }
    });
    orders_flow_without(&url).await;
}
