//! Orders are kept by month: old ones are found, their numbers are never free again, and the next months are there in time.

use serde_json::json;
use uuid::Uuid;

use crate::harness::{Ground, Scene, platform};
use simulator::Item;

/// The first day of the month that is so many months from now, as SQL.
fn month(away: i32) -> String {
    format!("(date_trunc('month', now() AT TIME ZONE 'UTC') + {away} * interval '1 month')::date")
}

/// Makes the parts of a month, as they would be there had Refill run then.
pub(crate) async fn make_month(ground: &Ground, away: i32) {
    for parent in ["orders", "attempts", "evidence"] {
        let sql = format!("SELECT make_month('{parent}', {})", month(away));
        ground.ask(&sql).await;
    }
}

/// The code of an order that was placed a day into that month.
async fn code(ground: &Ground, away: i32, n: u128) -> Uuid {
    let first = ground
        .ask(&format!("SELECT first_code_of({} + 1)", month(away)))
        .await;
    let first: Uuid = first.parse().unwrap();
    Uuid::from_u128(first.as_u128() | (0x7000_8000 << 48) | n)
}

/// Everything of the delivered order `of`, once more, as an order `number` of another time.
async fn once_more(ground: &Ground, of: &str, number: &str, code: Uuid) {
    let like = format!("(SELECT order_code FROM order_numbers WHERE biz_code = '{of}')");
    let sql = format!(
        "INSERT INTO order_numbers VALUES ('{number}', 'shop', '{code}');
         INSERT INTO orders SELECT business_id, '{code}', '{code}', '{number}', product_code, account, attach, spec, price, counted,
             state, epoch, message, voucher, created_at, finished_at FROM orders WHERE order_code = {like};
         INSERT INTO batches SELECT business_id, '{code}', '{number}-batch', product_code, callback_url, content_digest, 1,
             (SELECT price FROM orders WHERE order_code = '{code}'), '{code}', '{code}', created_at, now() + interval '1 minute'
             FROM batches WHERE batch_id = (SELECT batch_id FROM orders WHERE order_code = {like});
         INSERT INTO attempts SELECT business_id, '{code}', attempt_no, supplier_id, '{number}', sku, cost, state, holds, calls,
             first_call_at, last_call_at, upstream_no, last_verdict, evidence_count, closed_at FROM attempts WHERE order_code = {like};
         INSERT INTO evidence SELECT business_id, '{code}', attempt_no, evidence_no, source, verdict, upstream_no, detail, actor, at
             FROM evidence WHERE order_code = {like};
         INSERT INTO ledger SELECT business_id, '{code}', step, kind, prepaid_delta, held_delta, note, at,
             (SELECT feed_no FROM balances WHERE business_id = 'shop') + step + 1 FROM ledger WHERE posting_ref = {like};
         UPDATE balances SET feed_no = feed_no + 2, prepaid = prepaid + (SELECT sum(prepaid_delta) FROM ledger WHERE posting_ref = '{code}')
             WHERE business_id = 'shop';
         INSERT INTO callbacks (business_id, order_code, url, state, tries, created_at, delivered_at)
             SELECT business_id, '{code}', url, state, 0, now() - interval '2 days', delivered_at FROM callbacks WHERE order_code = {like}"
    );
    ground.ask(&sql).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_of_an_old_month_is_found_and_never_free_again() {
    let mut scene = Scene::start().await;
    scene.merchant.order("now", 3).await;
    scene.merchant.wait_for_all_reports(&scene.outside).await;
    let ground = &scene.ground;
    for away in [-14, -3] {
        make_month(ground, away).await;
    }
    let old = code(ground, -14, 1).await;
    let newer = code(ground, -3, 1).await;
    once_more(ground, "now-0", "then-14", old).await;
    once_more(ground, "now-1", "then-3", newer).await;
    let part = format!(
        "SELECT o.tableoid::regclass::text = 'orders' || to_char({}, '_YYYY_MM') FROM orders o WHERE biz_code = 'then-14'",
        month(-14)
    );
    assert_eq!(ground.ask(&part).await, "t");

    for (number, code) in [("then-14", old), ("then-3", newer)] {
        let by_number = scene.merchant.order_info(number).await;
        assert_eq!(by_number["orderCode"], code.simple().to_string());
        let body = json!({ "orderCode": code.simple().to_string() }).to_string();
        let client = &scene.merchant.client;
        let by_code = client
            .post("/v1/openapi/order/info", body.as_bytes())
            .await
            .unwrap();
        assert_eq!(by_code.data, by_number, "{}", by_code.body);
        // Among new ones, so that the whole batch has to be taken back.
        let items = [
            Item::new(format!("new-beside-{number}"), "13800000091"),
            Item::new(number, "13800000092"),
        ];
        let batch = format!("again-{number}");
        let answer = client.batch(&batch, "MOBILE50", None, &items).await;
        let answer = answer.unwrap();
        assert_eq!(answer.status, 8, "{}", answer.body);
        assert!(answer.body.to_string().contains(number), "{}", answer.body);
    }
    let left = ground
        .ask("SELECT count(*) FROM order_numbers WHERE biz_code LIKE 'new-%'")
        .await;
    assert_eq!(left, "0", "a refused batch uses no number up");
    let found = scene.platform.tool(&["check"]);
    let found = String::from_utf8(found.stdout).unwrap();
    assert!(
        found.contains("a number that is used has its order"),
        "{found}"
    );
    scene.end().await;
}

/// The parts of `orders`, in the order of their names.
async fn parts(ground: &Ground) -> Vec<String> {
    let sql = "SELECT string_agg(inhrelid::regclass::text, ' ' ORDER BY 1) FROM (
               SELECT inhrelid FROM pg_inherits WHERE inhparent = 'orders'::regclass ORDER BY inhrelid::regclass::text) i";
    let parts = ground.ask(sql).await;
    parts.split(' ').map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn months_are_prepared_and_what_lies_outside_is_kept_and_told() {
    let mut scene = Scene::start().await;
    scene.merchant.order("now", 1).await;
    scene.merchant.wait_for_all_reports(&scene.outside).await;
    scene.platform.stop();
    let ground = &scene.ground;
    let name = async |away: i32| {
        ground
            .ask(&format!(
                "SELECT to_char({}, '\"orders\"_YYYY_MM')",
                month(away)
            ))
            .await
    };
    let kept = [name(0).await, name(1).await, name(2).await];
    assert_eq!(parts(ground).await[..3], kept);

    // They are gone, and come again: by the tool, and by the workers when they start.
    let gone = async |away: i32| {
        for parent in ["orders", "attempts", "evidence"] {
            let of = name(away).await.replace("orders", parent);
            ground.ask(&format!("DROP TABLE {of}")).await;
        }
    };
    gone(2).await;
    gone(1).await;
    let broken = || {
        let output = scene.platform.tool(&["check"]);
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(broken().contains("BROKEN   the next month is prepared"));
    let migrated = scene.platform.tool(&["migrate"]);
    let said = String::from_utf8(migrated.stdout).unwrap();
    assert_eq!(said.matches("made ").count(), 6, "{said}");
    assert_eq!(parts(ground).await[..3], kept);
    gone(2).await;
    scene.platform.go_on();
    crate::harness::until(
        "the worker prepares what is missing",
        async || {
            scene
                .platform
                .log()
                .contains("months prepared")
                .then_some(())
        },
        || scene.platform.log_tail(),
    )
    .await;
    assert_eq!(parts(ground).await[..3], kept);
    scene.platform.stop();

    // A code of a year for which nothing is prepared, as a wrong clock makes it.
    once_more(ground, "now-0", "early", code(ground, -200, 1).await).await;
    let place = "SELECT tableoid::regclass FROM orders WHERE biz_code = 'early'";
    assert_eq!(ground.ask(place).await, "orders_outside");
    let said = String::from_utf8(scene.platform.tool(&["check"]).stdout).unwrap();
    assert!(
        said.contains("BROKEN   no order lies outside the months"),
        "{said}"
    );
    // Moved as migrations/README.md says, it is in its month.
    let moved = std::fs::read_to_string(platform::root().join("migrations/README.md")).unwrap();
    let (_, moved) = moved.split_once("```sql\n").unwrap();
    let (moved, _) = moved.split_once("```").unwrap();
    let day = ground.ask(&format!("SELECT {}", month(-200))).await;
    ground.ask(&moved.replace("2026-11-01", &day)).await;
    assert_eq!(ground.ask(place).await, name(-200).await);
    scene.end().await;
}

/// What stood there before months were kept.
const BEFORE: &str = "INSERT INTO merchants VALUES ('m', 'm');
    INSERT INTO orders (business_id, order_code, batch_id, biz_code, product_code, account, spec, price, counted, state, finished_at)
    SELECT 'b', (left(md5(n::text), 0) || lpad(to_hex((extract(epoch FROM now() - n * interval '20 days') * 1000)::bigint), 12, '0')
           || '7000' || '8000' || lpad(n::text, 12, '0'))::uuid, gen_random_uuid(), 'n' || n, 'p', 'a', 1, 1, false, 2, now()
    FROM generate_series(0, 9) n;
    INSERT INTO attempts (business_id, order_code, attempt_no, supplier_id, reference, sku, cost, first_call_at, last_call_at)
    SELECT business_id, order_code, 1, 's', biz_code, 'k', 1, now(), now() FROM orders";

#[tokio::test(flavor = "multi_thread")]
async fn what_was_stored_before_months_were_kept_stays_where_it_is() {
    let ground = Ground::shared().await;
    let folder = platform::root().join("migrations");
    let file = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    for name in [
        "V1__platform.sql",
        "V2__orders.sql",
        "V3__doubt_desk.sql",
        "V4__routing.sql",
        "V5__endpoints.sql",
        "V6__feed.sql",
        "V7__keys.sql",
        "V8__lookups.sql",
    ] {
        ground.ask(&file(name)).await;
    }
    ground.ask(BEFORE).await;
    let node = "SELECT string_agg(pg_relation_filenode(oid)::text, ' ' ORDER BY relname) FROM pg_class WHERE relkind = 'r' AND relname ~ '^(orders|attempts|evidence)";
    let before = ground.ask(&format!("{node}$'")).await;
    ground.ask(&file("V9__months.sql")).await;
    let present = ground
        .ask("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY_MM')")
        .await;
    let after = ground.ask(&format!("{node}_{present}'")).await;
    assert_eq!(before, after, "nothing is copied");
    for count in [
        format!("SELECT count(*) FROM orders_{present}"),
        "SELECT count(*) FROM order_numbers JOIN orders USING (business_id, order_code, biz_code)"
            .into(),
        "SELECT count(*) FROM orders JOIN attempts USING (business_id, order_code)".into(),
    ] {
        assert_eq!(ground.ask(&count).await, "10", "{count}");
    }
    for (rule, sql) in [
        (
            "a final state never changes",
            format!("UPDATE orders_{present} SET state = 3"),
        ),
        ("orders are kept", format!("DELETE FROM orders_{present}")),
        ("orders are kept", format!("TRUNCATE orders_{present}")),
        ("orders are kept", "TRUNCATE orders_outside".into()),
        ("append only", format!("TRUNCATE evidence_{present}")),
        (
            "closed attempt stays closed",
            format!("UPDATE attempts_{present} SET reference = 'x'"),
        ),
    ] {
        let said = ground.try_sql(&sql).await.expect_err(&sql);
        assert!(said.contains(rule), "{sql}: {said}");
    }
    ground.clear().await;
}
