//! Status reports: tried on schedule with the same body, given up after the last try, sent again when asked for, never to a closed address.

use simulator::{Item, MerchantClient};

use crate::harness::merchant::MERCHANT;
use crate::harness::outside::MERCHANT_MD5_KEY;
use crate::harness::{Scene, until};

/// Orders one top-up whose report goes to `path` of the merchant.
async fn order_to(scene: &mut Scene, number: &str, url: &str) {
    let items = [Item::new(
        number,
        format!("138{:08}", scene.merchant.ordered.len() + 1),
    )];
    let answer = scene
        .merchant
        .client
        .batch(number, "MOBILE50", Some(url), &items)
        .await
        .unwrap();
    assert_eq!(answer.status, 0, "{}", answer.body);
    scene
        .merchant
        .ordered
        .push((number.into(), items[0].account.clone()));
}

/// Lets the next try come now instead of after the schedule's wait.
async fn make_due(scene: &Scene) {
    scene
        .ground
        .ask("UPDATE callbacks SET due_at = now() WHERE state = 0")
        .await;
}

/// Waits until `sql` answers `expected`, letting the waits of the schedule pass.
async fn hurry_until(scene: &Scene, sql: &str, expected: &str) {
    let seen = std::cell::RefCell::new(String::new());
    until(
        expected,
        async || {
            make_due(scene).await;
            *seen.borrow_mut() = scene.ground.ask(sql).await;
            (*seen.borrow() == expected).then_some(())
        },
        || format!("{sql}: {}", seen.borrow()),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merchant_who_fails_three_times_is_told_a_fourth_time_in_the_same_words() {
    let mut scene = Scene::start().await;
    let url = format!("http://{}/fail-3/callback", scene.outside.merchant);
    order_to(&mut scene, "r", &url).await;
    let tries = "SELECT string_agg(try_no || ' ' || outcome, ', ' ORDER BY try_no) FROM callback_tries WHERE outcome IS NOT NULL";
    hurry_until(
        &scene,
        tries,
        "1 http_error, 2 http_error, 3 http_error, 4 delivered",
    )
    .await;
    // Between two tries the schedule's waits were written, 15 s after the first.
    let received = scene.outside.received.summary();
    assert_eq!((received.reports, received.taken), (4, 1));
    assert_eq!(
        (received.conflicts, received.bad_signatures),
        (0, 0),
        "{received:?}"
    );
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wait_after_a_failure_is_the_contracts() {
    let mut scene = Scene::start().await;
    let url = format!("http://{}/no/callback", scene.outside.merchant);
    order_to(&mut scene, "r", &url).await;
    for (tries, least, most) in [(1, 15, 16), (2, 30, 33), (3, 180, 198)] {
        let wait = "SELECT extract(epoch FROM c.due_at - (t.started_at + t.duration_ms * interval '1 ms')) FROM callbacks c
             JOIN callback_tries t USING (business_id, order_code) WHERE c.state = 0 AND t.outcome IS NOT NULL AND t.try_no = c.tries AND c.tries = ";
        let waits = until(
            "the try's end",
            async || {
                Some(scene.ground.ask(&format!("{wait}{tries}")).await).filter(|w| !w.is_empty())
            },
            String::new,
        )
        .await;
        let waits: f64 = waits.parse().unwrap();
        let bounds = f64::from(least) * 0.85..=f64::from(most) * 1.15;
        assert!(bounds.contains(&waits), "try {tries} waits {waits}");
        make_due(&scene).await;
    }
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_is_parked_after_ten_tries_and_sent_again_when_asked_for() {
    let mut scene = Scene::start().await;
    let url = format!("http://{}/no/callback", scene.outside.merchant);
    order_to(&mut scene, "r", &url).await;
    let parked = "SELECT state || ' after ' || tries FROM callbacks";
    hurry_until(&scene, parked, "3 after 10").await;
    let tries = scene.outside.received.summary().reports;
    assert_eq!(tries, 10);
    let health = scene.merchant.client.balance().await.unwrap().data["callbackHealth"].clone();
    assert!(health.to_string().contains('1'), "{health}");
    let listed = scene.platform.tool(&["callback", "parked", "--json"]);
    let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(
        (&listed["business"], &listed["outcome"]),
        (&"shop".into(), &"not_success".into())
    );
    // Nothing happens by itself any more; asked for, another round begins, with a wrong name it does not.
    let resend = |args: &[&str]| {
        let mut all = vec!["callback", "resend", "--business", "shop"];
        all.extend(args);
        scene.platform.tool(&all)
    };
    assert!(!resend(&[]).status.success(), "it must be said which");
    let said = resend(&["--biz-code", "nobody"]);
    assert!(!said.status.success(), "{said:?}");
    let said = resend(&["--parked", "--dry-run", "--json"]);
    assert_eq!(String::from_utf8_lossy(&said.stdout), "{\"reports\":1}\n");
    let said = resend(&["--parked"]);
    assert!(
        String::from_utf8_lossy(&said.stdout).starts_with("1 "),
        "{said:?}"
    );
    until(
        "another round",
        async || (scene.outside.received.summary().reports > 10).then_some(()),
        || format!("{:?}", scene.outside.received.summary()),
    )
    .await;
    let rounds = "SELECT string_agg(DISTINCT round::text, ',') FROM callback_tries";
    assert_eq!(scene.ground.ask(rounds).await, "1,2");
    assert_eq!(scene.outside.received.summary().conflicts, 0);
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_success_is_tried_again_whatever_it_looks_like() {
    let mut scene = Scene::start().await;
    let at = scene.outside.merchant;
    let manners = [
        ("no", "not_success"),
        ("big", "not_success"),
        ("redirect", "redirected"),
        ("hang", "timed_out"),
    ];
    for (path, _) in manners {
        order_to(&mut scene, path, &format!("http://{at}/{path}/callback")).await;
    }
    let first = "SELECT string_agg(o.biz_code || ' ' || t.outcome, ', ' ORDER BY o.biz_code) FROM callback_tries t
         JOIN orders o USING (business_id, order_code) WHERE t.try_no = 1 AND t.outcome IS NOT NULL";
    let mut expected: Vec<String> = manners
        .iter()
        .map(|(path, outcome)| format!("{path} {outcome}"))
        .collect();
    expected.sort();
    let expected = expected.join(", ");
    let seen = std::cell::RefCell::new(String::new());
    until(
        "all first tries",
        async || {
            *seen.borrow_mut() = scene.ground.ask(first).await;
            (seen.borrow().split(", ").count() == manners.len()).then_some(())
        },
        || seen.borrow().clone(),
    )
    .await;
    assert_eq!(*seen.borrow(), expected);
    assert_eq!(scene.outside.received.summary().taken, 0);
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_report_goes_to_an_address_of_our_own_network() {
    let mut scene = Scene::start().await;
    // 127.0.0.0/8 is open in this catalogue; the rest of what is ours is not, whichever way it is written.
    let closed = [
        "http://10.0.0.1/",
        "http://192.168.1.1:8080/",
        "http://172.16.0.1/",
        "http://169.254.169.254/latest/meta-data",
        "http://[::1]/",
        "http://[::ffff:10.0.0.1]/",
        "http://[fd00::1]/",
        "http://[fe80::1]/",
        "http://[64:ff9b::10.0.0.1]/",
        "http://0.0.0.0/",
        "http://100.64.0.1/",
        "http://224.0.0.1/",
        "http://0x0a000001/",
        "http://167772161/",
    ];
    for (n, url) in closed.iter().enumerate() {
        let items = [Item::new(format!("c{n}"), format!("1370000{n:04}"))];
        let answer = scene
            .merchant
            .client
            .batch(&format!("c{n}"), "MOBILE50", Some(url), &items)
            .await
            .unwrap();
        // Refused at the door, or stored and not dialled.
        match answer.status {
            0 => scene
                .merchant
                .ordered
                .push((format!("c{n}"), items[0].account.clone())),
            3 => assert!(
                answer.message.contains("callbackUrl"),
                "{url}: {}",
                answer.body
            ),
            other => panic!("{url}: {other}"),
        }
    }
    let stored = scene.merchant.ordered.len().to_string();
    let tried = "SELECT count(*) FROM callback_tries WHERE try_no = 1 AND outcome IS NOT NULL";
    until(
        "all first tries",
        async || (scene.ground.ask(tried).await == stored).then_some(()),
        || stored.clone(),
    )
    .await;
    let outcomes = scene.ground.ask("SELECT coalesce(string_agg(DISTINCT outcome, ','), '') FROM callback_tries WHERE try_no = 1").await;
    assert!(stored == "0" || outcomes == "closed_address", "{outcomes}");
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tries_are_kept_as_long_as_the_settings_say() {
    let mut scene = Scene::start().await;
    scene.merchant.order("young", 2).await;
    scene.merchant.order("old", 3).await;
    scene.merchant.wait_for_all_reports(&scene.outside).await;
    scene.platform.stop();
    let of_old = "order_code IN (SELECT order_code FROM orders WHERE biz_code LIKE 'old-%')";
    for (table, at) in [
        ("callback_tries", "started_at"),
        ("callbacks", "created_at"),
    ] {
        let sql = format!("UPDATE {table} SET {at} = now() - interval '8 days' WHERE {of_old}");
        scene.ground.ask(&sql).await;
    }
    scene.platform.set("REFILL__CALLBACK__KEEP_TRIES_DAYS", "7");
    tokio::task::block_in_place(|| scene.platform.go_on());
    let kept = "SELECT count(*) FROM callback_tries";
    until(
        "the old tries are forgotten",
        async || (scene.ground.ask(kept).await == "2").then_some(()),
        || kept.to_owned(),
    )
    .await;
    scene.end().await;
}

/// As when a month has been detached and somebody asks for its reports once more.
#[tokio::test(flavor = "multi_thread")]
async fn reports_of_orders_that_have_been_taken_away_are_parked_and_in_nobodys_way() {
    let mut scene = Scene::start().await;
    let old = MerchantClient::md5(&scene.platform.openapi, MERCHANT, "old", MERCHANT_MD5_KEY);
    let old = old.unwrap();
    for batch in ["gone", "kept"] {
        let items = [0, 1].map(|n| Item::new(format!("{batch}-{n}"), format!("1380000000{n}")));
        let answer = old.batch(batch, "MOBILE50", None, &items).await.unwrap();
        assert_eq!(answer.status, 0, "{}", answer.body);
    }
    // Each order's, and its batch's.
    let all = "SELECT count(*) FROM callbacks WHERE state = 2";
    let delivered = async || (scene.ground.ask(all).await == "6").then_some(());
    until("all reports", delivered, String::new).await;
    let month = scene
        .ground
        .ask("SELECT tableoid::regclass::text FROM orders LIMIT 1")
        .await;
    for sql in [
        format!("ALTER TABLE {month} DISABLE TRIGGER USER"),
        "DELETE FROM orders WHERE biz_code LIKE 'gone-%'".into(),
    ] {
        scene.ground.ask(&sql).await;
    }
    scene
        .ground
        .ask("UPDATE callbacks SET state = 0, tries = 0, round = 2, due_at = now()")
        .await;
    let all = "SELECT string_agg(state || ' of ' || n, ', ' ORDER BY state)
               FROM (SELECT state, count(*) AS n FROM callbacks GROUP BY state) AS by_state";
    let over = async || (scene.ground.ask(all).await == "2 of 3, 3 of 3").then_some(());
    until("every report's end", over, || scene.platform.log_tail()).await;
    scene.platform.kill();
}
