//! Merchants' endpoints that are down, slow or hostile: theirs alone is the trouble.

use std::net::SocketAddr;

use simulator::{Item, Misbehaviour, NameServer};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::harness::{Outside, Scene, until};

const GOOD: usize = 180;
const EACH: usize = 6;
const CALL_TIMEOUT_MS: &str = "2000";

/// 200 endpoints, of which 20 misbehave.
struct Street {
    good: Vec<String>,
    bad: Vec<(Misbehaviour, SocketAddr)>,
    shutdown: CancellationToken,
    /// Aborted with it.
    tasks: JoinSet<()>,
}

impl Street {
    async fn open(outside: &Outside) -> Self {
        let shutdown = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let mut good = vec![];
        for _ in 0..GOOD {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            good.push(format!(
                "http://{}/callback",
                listener.local_addr().unwrap()
            ));
            let run = outside.receiver.clone().run(listener, shutdown.clone());
            tasks.spawn(async { run.await.unwrap() });
        }
        let mut bad = vec![];
        for kind in Misbehaviour::ALL.into_iter().chain(Misbehaviour::ALL) {
            // One that nobody listens on must stay so.
            let at = servers::free_address().unwrap();
            bad.push((kind, at));
            let listener = TcpListener::bind(at).await.unwrap();
            tasks.spawn(kind.run(listener, shutdown.clone()));
        }
        Self {
            good,
            bad,
            shutdown,
            tasks,
        }
    }

    /// Somebody takes reports there from now on.
    async fn heal(&mut self, at: SocketAddr, outside: &Outside) {
        let listener = TcpListener::bind(at).await.unwrap();
        let run = outside
            .receiver
            .clone()
            .run(listener, self.shutdown.clone());
        self.tasks.spawn(async { run.await.unwrap() });
    }
}

impl Drop for Street {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// A batch of some orders with reports to that address.
async fn order_to(scene: &mut Scene, number: &str, url: &str) {
    let already = scene.merchant.ordered.len();
    let items: Vec<Item> = (0..EACH)
        .map(|i| Item::new(format!("{number}-{i}"), format!("139{:08}", already + i)))
        .collect();
    let sent = scene
        .merchant
        .client
        .batch(number, "MOBILE50", Some(url), &items);
    let answer = sent.await.unwrap();
    assert_eq!(answer.status, 0, "{url}: {}", answer.body);
    let ordered = items.into_iter().map(|item| (item.biz_code, item.account));
    scene.merchant.ordered.extend(ordered);
}

/// Waits until the first row of the question is that.
async fn until_it_is(scene: &Scene, sql: &str, expected: &str) {
    let seen = std::cell::RefCell::new(String::new());
    until(
        expected,
        async || {
            *seen.borrow_mut() = scene.ground.ask(sql).await;
            (*seen.borrow() == expected).then_some(())
        },
        || format!("{sql}: {}", seen.borrow()),
    )
    .await;
}

/// Waits until the worker has read that so many endpoints are not well.
async fn until_known(scene: &Scene, not_well: usize) {
    let page = format!("{}/metrics", scene.platform.admin);
    let line = format!("refill_endpoints_not_well {not_well}\n");
    until(
        "the worker knows how endpoints are",
        async || {
            let metrics = crate::harness::outside::get(&page).await;
            metrics.contains(&line).then_some(())
        },
        || line.clone(),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_dead_endpoints_take_their_host_with_them_and_one_that_answers_brings_it_back() {
    let mut scene = Scene::start().await;
    let stop = CancellationToken::new();
    let ports: Vec<u16> = (0..4)
        .map(|_| servers::free_address().unwrap().port())
        .collect();
    let url = |n: usize| format!("http://127.0.0.2:{}/callback", ports[n]);
    // Nobody listens on the first three; the fourth is well, and nobody has called it yet.
    let take = async |n: usize| {
        let listener = TcpListener::bind(("127.0.0.2", ports[n])).await.unwrap();
        tokio::spawn(scene_receiver(&scene).run(listener, stop.clone()));
    };
    take(3).await;
    for n in 0..3 {
        order_to(&mut scene, &format!("dead{n}"), &url(n)).await;
    }
    let aside = "SELECT string_agg(endpoint, ' ' ORDER BY endpoint) FROM endpoints WHERE state = 1";
    let named = |n: usize| format!("http://127.0.0.2:{}", ports[n]);
    let mut expected = ["//127.0.0.2".to_owned(), named(0), named(1), named(2)];
    expected.sort();
    until_it_is(&scene, aside, &expected.join(" ")).await;
    until_known(&scene, 4).await;
    // Its other endpoints wait too.
    order_to(&mut scene, "well", &url(3)).await;
    let overdue = format!(
        "SELECT count(*) FROM callbacks WHERE endpoint = '{}' AND tries = 0 AND due_at < now()",
        named(3)
    );
    until_it_is(&scene, &overdue, &EACH.to_string()).await;
    // One of the dead answers a probe: its reports go, the host's others too.
    let take = async |n: usize| {
        let listener = TcpListener::bind(("127.0.0.2", ports[n])).await.unwrap();
        tokio::spawn(scene_receiver(&scene).run(listener, stop.clone()));
    };
    for n in 0..3 {
        take(n).await;
    }
    scene
        .ground
        .ask("UPDATE callbacks SET due_at = now() WHERE state = 0")
        .await;
    let resumed = scene.platform.tool(&["endpoint", "resume", "//127.0.0.2"]);
    assert!(
        resumed.status.success(),
        "{}",
        String::from_utf8_lossy(&resumed.stderr)
    );
    for n in 0..3 {
        let resumed = scene.platform.tool(&["endpoint", "resume", &named(n)]);
        assert!(
            resumed.status.success(),
            "{}",
            String::from_utf8_lossy(&resumed.stderr)
        );
    }
    scene.merchant.wait_for_all_reports(&scene.outside).await;
    until_it_is(&scene, "SELECT count(*) FROM endpoints", "0").await;
    // Paused by hand, nothing goes there, not even a probe; resumed, one goes first.
    let paused = scene.platform.tool(&[
        "endpoint",
        "pause",
        &named(0),
        "--reason",
        "they move",
        "--as",
        "ann",
    ]);
    assert!(
        paused.status.success(),
        "{}",
        String::from_utf8_lossy(&paused.stderr)
    );
    let listed = scene.platform.tool(&["endpoint", "list"]);
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(listed.contains("paused by ann: they move"), "{listed}");
    until_known(&scene, 1).await;
    order_to(&mut scene, "paused", &url(0)).await;
    let waits = "SELECT count(*) FROM callbacks WHERE state = 0 AND tries = 0 AND due_at < now()";
    until_it_is(&scene, waits, &EACH.to_string()).await;
    let resumed = scene.platform.tool(&["endpoint", "resume", &named(0)]);
    assert!(
        resumed.status.success(),
        "{}",
        String::from_utf8_lossy(&resumed.stderr)
    );
    scene.merchant.wait_for_all_reports(&scene.outside).await;
    stop.cancel();
    scene.end().await;
}

fn scene_receiver(scene: &Scene) -> simulator::MerchantReceiver {
    scene.outside.receiver.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn when_nobody_can_be_reached_it_is_our_fault_and_costs_nobody_a_try() {
    let mut scene = Scene::start().await;
    let stop = CancellationToken::new();
    // Each on a host of its own.
    let dead: Vec<SocketAddr> = (1..=10)
        .map(|n| SocketAddr::from(([127, 0, 1, n], servers::free_address().unwrap().port())))
        .collect();
    for (n, at) in dead.iter().enumerate() {
        order_to(
            &mut scene,
            &format!("e{n}"),
            &format!("http://{at}/callback"),
        )
        .await;
    }
    let frozen = async || {
        let metrics =
            crate::harness::outside::get(&format!("{}/metrics", scene.platform.admin)).await;
        metrics.contains("refill_callback_egress_frozen 1")
    };
    until(
        "our way out is taken for broken",
        async || frozen().await.then_some(()),
        String::new,
    )
    .await;
    let free = "SELECT count(*) > 0 FROM callback_tries WHERE NOT charged AND fault = 'ours'";
    until_it_is(&scene, free, "t").await;
    // However long it lasts.
    let charged = "SELECT sum(tries) FROM callbacks";
    let before: i64 = scene.ground.ask(charged).await.parse().unwrap();
    for _ in 0..5 {
        scene
            .ground
            .ask("UPDATE callbacks SET due_at = now() WHERE state = 0")
            .await;
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
    let after: i64 = scene.ground.ask(charged).await.parse().unwrap();
    assert!(after <= before + 1, "{before} tries charged, then {after}");
    assert!(frozen().await);
    // It ends by itself.
    for at in &dead {
        let listener = TcpListener::bind(at).await.unwrap();
        tokio::spawn(scene_receiver(&scene).run(listener, stop.clone()));
    }
    let told = scene.merchant.ordered.len().to_string();
    let delivered = "SELECT count(*) FROM callbacks WHERE state = 2";
    until(
        "all reports",
        async || {
            scene
                .ground
                .ask("UPDATE callbacks SET due_at = now() WHERE state = 0")
                .await;
            (scene.ground.ask(delivered).await == told).then_some(())
        },
        || told.clone(),
    )
    .await;
    assert!(!frozen().await);
    stop.cancel();
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_bad_endpoints_of_two_hundred_disturb_nobody_but_themselves() {
    let names = NameServer::default();
    let shutdown = CancellationToken::new();
    let (name_server, serving) = names.bind(shutdown.clone()).await.unwrap();
    let serving = tokio::spawn(serving);
    let mut scene = Scene::start_with(&[
        ("REFILL__CALLBACK__NAME_SERVERS", &name_server.to_string()),
        ("REFILL__CALLBACK__CALL_TIMEOUT_MS", CALL_TIMEOUT_MS),
    ])
    .await;
    let mut street = Street::open(&scene.outside).await;
    let bad: Vec<String> = street.bad.iter().map(|(kind, at)| kind.url(*at)).collect();
    for (n, url) in street.good.iter().chain(&bad).enumerate() {
        let items: Vec<Item> = (0..EACH)
            .map(|i| Item::new(format!("o{n}-{i}"), format!("139{:08}", n * EACH + i)))
            .collect();
        let batch = format!("b{n}");
        let answer = scene
            .merchant
            .client
            .batch(&batch, "MOBILE50", Some(url), &items);
        let answer = answer.await.unwrap();
        assert_eq!(answer.status, 0, "{url}: {}", answer.body);
        let ordered = items.into_iter().map(|item| (item.biz_code, item.account));
        scene.merchant.ordered.extend(ordered);
    }
    let ask = |sql: &'static str| scene.ground.ask(sql);

    // All who are well are told, and at the first try.
    let told = (GOOD * EACH).to_string();
    let delivered = "SELECT count(*) FROM callbacks WHERE state = 2";
    until(
        "all good endpoints' reports",
        async || (ask(delivered).await == told).then_some(()),
        || told.clone(),
    )
    .await;
    let repeated = "SELECT count(*) FROM callbacks WHERE state = 2 AND tries > 1";
    assert_eq!(ask(repeated).await, "0");

    // Who cannot be reached is set aside; who only answers wrongly is not.
    let set_aside = "SELECT coalesce(string_agg(endpoint, ' ' ORDER BY endpoint), '') FROM endpoints WHERE state = 1";
    let mut expected: Vec<String> = street
        .bad
        .iter()
        .filter(|(kind, _)| kind.is_unreachable())
        .map(|(kind, at)| kind.url(*at).trim_end_matches("/callback").to_owned())
        .collect();
    expected.sort();
    let expected = expected.join(" ");
    let seen = std::cell::RefCell::new(String::new());
    until(
        "twelve endpoints set aside",
        async || {
            *seen.borrow_mut() = ask(set_aside).await;
            (*seen.borrow() == expected).then_some(())
        },
        || format!("expected {expected}, seen {}", seen.borrow()),
    )
    .await;
    // The merchant is told once what was heard of his own reports there is recorded, a moment later.
    until(
        "the merchant told of all twelve",
        async || {
            let balance = scene.merchant.client.balance().await.unwrap();
            let named = &balance.data["callbackHealth"]["setAside"];
            let named: Vec<String> = serde_json::from_value(named.clone()).unwrap();
            *seen.borrow_mut() = named.join(" ");
            (*seen.borrow() == expected).then_some(())
        },
        || format!("expected {expected}, seen {}", seen.borrow()),
    )
    .await;
    let listed = scene.platform.tool(&["endpoint", "list", "--json"]);
    assert_eq!(String::from_utf8_lossy(&listed.stdout).lines().count(), 12);

    let overview = scene.platform.console_page("/").await;
    assert_eq!(overview.matches("set aside</span>").count(), 12);

    // Each try says whose fault it was.
    let faults = "SELECT string_agg(DISTINCT fault || ' ' || outcome, ', ' ORDER BY fault || ' ' || outcome) FROM callback_tries
                  WHERE outcome <> 'delivered'";
    assert_eq!(
        ask(faults).await,
        "name broken, network broken, network timed_out, theirs http_error, theirs not_success, theirs redirected, tls broken"
    );
    let near_miss = "SELECT count(*) > 0 FROM callback_tries WHERE detail LIKE '%not JSON%'";
    assert_eq!(ask(near_miss).await, "t");

    // One of them is well again: a probe finds out, and the others follow at once, not when their next try would be.
    let (_, at) = *street
        .bad
        .iter()
        .find(|(kind, _)| *kind == Misbehaviour::Refuse)
        .unwrap();
    street.heal(at, &scene.outside).await;
    let waits =
        format!("SELECT count(*) FROM callbacks WHERE state = 0 AND endpoint = 'http://{at}'");
    assert_eq!(scene.ground.ask(&waits).await, EACH.to_string());
    let one_is_due = format!(
        "UPDATE callbacks SET due_at = CASE WHEN order_code = (SELECT order_code FROM callbacks
             WHERE endpoint = 'http://{at}' AND tries > 0 ORDER BY order_code LIMIT 1) THEN now() ELSE now() + interval '3 hours' END
         WHERE state = 0 AND endpoint = 'http://{at}' AND tries > 0"
    );
    scene.ground.ask(&one_is_due).await;
    let resumed = scene
        .platform
        .tool(&["endpoint", "resume", &format!("http://{at}")]);
    assert!(
        resumed.status.success(),
        "{}",
        String::from_utf8_lossy(&resumed.stderr)
    );
    let told = ((GOOD + 1) * EACH).to_string();
    until(
        "the healed endpoint's reports",
        async || (ask(delivered).await == told).then_some(()),
        || told.clone(),
    )
    .await;
    let unwell = format!("SELECT count(*) FROM endpoints WHERE endpoint = 'http://{at}'");
    until(
        "the healed endpoint is well",
        async || (scene.ground.ask(&unwell).await == "0").then_some(()),
        || unwell.clone(),
    )
    .await;

    // What has waited for days for an endpoint that is not well is parked, tried or not.
    let (kind, at) = street.bad[1];
    assert_eq!(kind, Misbehaviour::Hang);
    order_to(&mut scene, "late", &kind.url(at)).await;
    let all_there = format!("SELECT count(*) FROM callbacks WHERE endpoint = 'http://{at}'");
    until_it_is(&scene, &all_there, &(2 * EACH).to_string()).await;
    scene.platform.stop();
    let days_ago = format!(
        "UPDATE endpoints SET set_aside_at = now() - interval '4 days', probe_at = now() + interval '1 hour' WHERE endpoint = 'http://{at}';
         UPDATE callbacks SET due_at = now() - interval '4 days' WHERE endpoint = 'http://{at}' AND state = 0"
    );
    scene.ground.ask(&days_ago).await;
    tokio::task::block_in_place(|| scene.platform.go_on());
    let parked =
        format!("SELECT count(*) FROM callbacks WHERE endpoint = 'http://{at}' AND state = 3");
    until_it_is(&scene, &parked, &(2 * EACH).to_string()).await;

    // Nothing is lost, nothing is tried more often than it may be.
    let lost = "SELECT count(*) FROM orders o WHERE NOT EXISTS (SELECT FROM callbacks c WHERE c.order_code = o.order_code
                AND c.tries <= 10)";
    assert_eq!(scene.ground.ask(lost).await, "0");
    let sums = scene.outside.received.summary();
    assert_eq!((sums.bad_signatures, sums.conflicts), (0, 0));
    let waiting = "SELECT count(*) FROM callbacks WHERE state < 2";
    assert_eq!(scene.ground.ask(waiting).await, (18 * EACH).to_string());
    drop(street);
    shutdown.cancel();
    serving.await.unwrap();
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_nothing_waits_for_is_not_set_aside_for_ever() {
    let mut scene = Scene::start().await;
    let order = |what: &str, at: &str| {
        let told = scene.platform.tool(&["endpoint", what, at, "--as", "wang"]);
        let said = String::from_utf8_lossy(&told.stderr).into_owned();
        assert!(told.status.success(), "{said}");
    };
    for at in ["nobody.example", "//nobody.example"] {
        order("pause", at);
        order("resume", at);
    }
    order("pause", "paused.example");
    let known =
        "SELECT string_agg(endpoint || ' ' || state, ', ' ORDER BY endpoint) FROM endpoints";
    let all = "//nobody.example 1, https://nobody.example 1, https://paused.example 3";
    assert_eq!(scene.ground.ask(known).await, all);
    scene.platform.stop();
    let long_due = "UPDATE endpoints SET probe_at = now() - interval '11 min'";
    scene.ground.ask(long_due).await;
    tokio::task::block_in_place(|| scene.platform.go_on());
    // The endpoint goes, with it the host at the next clearing, and what a person has paused stays.
    until_it_is(
        &scene,
        known,
        "//nobody.example 1, https://paused.example 3",
    )
    .await;
    scene.end().await;
}
