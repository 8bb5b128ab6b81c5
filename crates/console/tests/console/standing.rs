//! An order that waits says for whom, and is counted with those that wait for the same.

use std::time::Duration;

use console::actions::{self, Actor, Gate};
use domain::{Lane, Verdict};
use store::vitals::LaneVitals;

use crate::support::{Ground, NO_BROKER, Pages};

async fn lane(ground: &Ground) -> LaneVitals {
    let vitals = ground.store.vitals().await.unwrap();
    vitals.lanes.into_iter().next().unwrap()
}

#[tokio::test]
async fn an_order_that_was_never_sent_waits_for_a_supplier_and_is_at_none() {
    let ground = Ground::new().await;
    let code = ground.order_of("third", Verdict::NotSent).await;
    let console = ground.open().await;
    let mut viewer = console.signed_in("viewer").await;
    let path = format!("/orders/{code}");
    let (_, page) = viewer.read(&path).await;
    let why = "No supplier has it: the last call, to s1, was never sent. It waits until";
    assert!(page.contains(why), "{page}");
    let (_, asked) = viewer.read("/lanes/mobile/asked").await;
    assert!(!asked.contains(&code.to_string()), "{asked}");
    viewer.cookie = format!("{}; lang=zh", viewer.cookie);
    let (_, page) = viewer.read(&path).await;
    let why = "没有供应商持有该订单：最近一次对 s1 的调用未发出。最迟等到";
    assert!(page.contains(why), "{page}");
    console.close().await;

    // It has waited since it was stored: nobody had it meanwhile.
    let old = format!(
        "UPDATE orders SET created_at = now() - interval '1 hour' WHERE order_code = '{code}'"
    );
    ground.sql(&old).await.unwrap();
    let waits = lane(&ground).await;
    assert_eq!((waits.waiting.count, waits.asked.count), (1, 0));
    assert!(waits.waiting.oldest >= Duration::from_hours(1), "{waits:?}");
    // What a supplier had waits for another one since it let it go.
    let failed = format!("UPDATE attempts SET last_verdict = 1 WHERE order_code = '{code}'");
    ground.sql(&failed).await.unwrap();
    let waits = lane(&ground).await;
    assert_eq!((waits.waiting.count, waits.asked.count), (1, 0));
    assert!(waits.waiting.oldest < Duration::from_hours(1), "{waits:?}");

    let pause = Gate::Lane(Lane::new("mobile"));
    let root = Actor::command("test");
    actions::pause(&ground.store, &root, &pause, "", &ground.catalogue)
        .await
        .unwrap();
    let catalogue = ground.store.catalogue().await.unwrap();
    let console = Pages::open(ground.store.clone(), catalogue, NO_BROKER).await;
    let (_, page) = console.signed_in("viewer").await.read(&path).await;
    let why = "No supplier has it: the lane mobile is paused by a person; the last call";
    assert!(page.contains(why), "{page}");
    console.close().await;
    ground.end().await;
}

#[tokio::test]
async fn an_order_that_a_supplier_has_or_may_have_is_at_a_supplier() {
    let ground = Ground::new().await;
    let taken = ground.order_of("taken", Verdict::Accepted).await;
    let reason = "timed out".to_owned();
    let unknown = ground.order_of("lost", Verdict::Unknown { reason }).await;
    let console = ground.open().await;
    let viewer = console.signed_in("viewer").await;
    let (_, asked) = viewer.read("/lanes/mobile/asked").await;
    for (code, why) in [
        (taken, "The supplier has not said the end yet."),
        (unknown, "Nobody knows whether the supplier has it."),
    ] {
        let (_, page) = viewer.read(&format!("/orders/{code}")).await;
        assert!(page.contains(why), "{page}");
        assert!(asked.contains(&code.to_string()), "{asked}");
    }
    let waits = lane(&ground).await;
    assert_eq!((waits.waiting.count, waits.asked.count), (0, 2));
    console.close().await;
    ground.end().await;
}

#[tokio::test]
async fn a_supplier_whose_calls_bring_nothing_usable_is_an_alarm_though_it_has_not_tripped() {
    let ground = Ground::new().await;
    for number in ["1", "2"] {
        ground.order_of(number, Verdict::NotSent).await;
    }
    let alarm = "Calls bring no usable answer, at the supplier <b>s1</b>";
    let console = ground.open().await;
    let (_, page) = console.signed_in("viewer").await.read("/").await;
    assert!(!page.contains(alarm), "{page}");
    console.close().await;
    let reason = "timed out".to_owned();
    ground.order_of("3", Verdict::Unknown { reason }).await;
    // One that asks anew: what became of the newest attempts is kept for a while.
    let console = ground.open().await;
    let mut viewer = console.signed_in("viewer").await;
    let (_, page) = viewer.read("/").await;
    let link = format!("<a href=\"/suppliers#supplier-s1\">{alarm}: 60 %</a>");
    assert!(page.contains(&link), "{page}");
    viewer.cookie = format!("{}; lang=zh", viewer.cookie);
    let (_, page) = viewer.read("/").await;
    let link = "<a href=\"/suppliers#supplier-s1\">调用未得到可用答复，供应商 <b>s1</b>: 60 %</a>";
    assert!(page.contains(link), "{page}");
    console.close().await;
    ground.end().await;
}

#[tokio::test]
async fn what_becomes_of_a_suppliers_calls_is_seen_though_another_has_many_more() {
    let ground = Ground::new().await;
    let attempts = |supplier: &str, from: u32, to: u32| {
        format!(
            "INSERT INTO attempts (business_id, order_code, attempt_no, supplier_id, reference, sku, cost, state, first_call_at, last_call_at)
             SELECT business_id, (lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint - 10000 + n), 12, '0') || '70008000000000000000')::uuid,
                    1, '{supplier}', 'r' || n, 'sku', 1, 1, now(), now()
             FROM (SELECT business_id FROM businesses LIMIT 1) b, generate_series({from}, {to}) n"
        )
    };
    // A code a millisecond, within the last ten seconds.
    for rows in [attempts("small", 1, 30), attempts("large", 31, 330)] {
        ground.sql(&rows).await.unwrap();
    }
    let outcomes = ground.store.supplier_outcomes().await.unwrap();
    let seen: Vec<_> = outcomes
        .iter()
        .map(|of| (of.supplier.as_str(), of.open))
        .collect();
    assert_eq!(seen, [("large", 300), ("s1", 1), ("small", 30)]);
    ground.end().await;
}
