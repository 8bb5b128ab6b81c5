//! What may never happen is refused by the database itself, whoever asks; and what is wrong nevertheless is found.

use std::collections::HashSet;

use serde_json::{Value, json};
use simulator::Item;

use crate::harness::{Scene, until};

/// A scene with a succeeded order `done-0`, a failed one `done-1`, and `open-0`, which waits for its supplier; its platform is stopped.
pub(crate) async fn settled_scene() -> Scene {
    let mut scene = Scene::start().await;
    let items = [
        Item::new("done-0", "13800000001"),
        Item::new("done-1", "19900000900"),
    ];
    scene.merchant.order_items("done", "MOBILE50", &items).await;
    scene.merchant.wait_for_all_reports(&scene.outside).await;
    let open = [Item::new("open-0", "19900001300")];
    let answer = scene.merchant.client.batch("open", "MOBILE50", None, &open);
    assert_eq!(answer.await.unwrap().status, 0);
    let accepted = "SELECT count(*) FROM attempts JOIN orders o USING (business_id, order_code) WHERE biz_code = 'open-0' AND attempts.state = 1";
    until(
        "the supplier's acceptance",
        async || (scene.ground.ask(accepted).await == "1").then_some(()),
        String::new,
    )
    .await;
    scene.platform.stop();
    scene
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_never_happen_is_refused() {
    let scene = settled_scene().await;
    let of = |number: &str| format!("(SELECT order_code FROM orders WHERE biz_code = '{number}')");
    let (done, failed, open) = (of("done-0"), of("done-1"), of("open-0"));
    let another = |order: &str, state: u8| {
        format!(
            "INSERT INTO attempts (business_id, order_code, attempt_no, supplier_id, reference, sku, cost, state, first_call_at, last_call_at,
                evidence_count, closed_at)
             SELECT business_id, order_code, 9, supplier_id, 'R9', sku, cost, {state}, now(), now(), 1, now() FROM attempts
             WHERE order_code = {order} ORDER BY attempt_no LIMIT 1"
        )
    };
    let posting = |order: &str, step: u8, kind: &str, prepaid: i32, held: i32| {
        format!(
            "INSERT INTO ledger (business_id, posting_ref, step, kind, prepaid_delta, held_delta, feed_no)
             VALUES ('shop', {order}, {step}, '{kind}', {prepaid}, {held},
                     CASE WHEN '{kind}' IN ('hold', 'settle', 'release') THEN 99 END)"
        )
    };
    let refused = [
        ("one_live_or_charged_attempt", another(&open, 0)),
        ("one_live_or_charged_attempt", another(&done, 3)),
        ("one_hold_and_one_final_posting", posting(&done, 1, "settle", -491_000, -491_000)),
        ("one_hold_and_one_final_posting", posting(&failed, 1, "settle", -491_000, -491_000)),
        ("one_hold_and_one_final_posting", posting(&open, 0, "hold", 0, 491_000)),
        ("posting_has_its_shape", posting(&open, 1, "settle", -1, -491_000)),
        ("posting_has_its_shape", posting(&open, 1, "release", 1, -491_000)),
        ("posting_has_its_shape", posting(&open, 2, "settle", -491_000, -491_000)),
        ("posting_has_its_shape", posting(&open, 1, "gift", 1, 0)),
        ("a final state never changes", format!("UPDATE orders SET state = 3 WHERE order_code = {done}")),
        ("a final state never changes", format!("UPDATE orders SET message = 'x' WHERE order_code = {failed}")),
        ("finished_when_final", format!("UPDATE orders SET state = 2 WHERE order_code = {open}")),
        ("only grow", format!("UPDATE orders SET state = 0 WHERE order_code = {open}")),
        ("only grow", format!("UPDATE orders SET epoch = epoch - 1 WHERE order_code = {open}")),
        ("are fixed", format!("UPDATE orders SET price = price - 1 WHERE order_code = {open}")),
        ("are fixed", format!("UPDATE orders SET account = '13900000000' WHERE order_code = {open}")),
        ("orders are kept", format!("DELETE FROM orders WHERE order_code = {open}")),
        ("orders are kept", "TRUNCATE orders".into()),
        ("order_number_once", "INSERT INTO order_numbers SELECT biz_code, business_id, gen_random_uuid() FROM order_numbers LIMIT 1".into()),
        ("batch_number_once", "INSERT INTO batches SELECT business_id, gen_random_uuid(), batch_biz_code, product_code, callback_url, content_digest,
             item_count, total, first_code, last_code, created_at, now() + interval '1 minute' FROM batches LIMIT 1".into()),
        ("too late", "INSERT INTO batches SELECT business_id, gen_random_uuid(), 'late', product_code, callback_url, content_digest,
             item_count, total, first_code, last_code, created_at, now() - interval '1 second' FROM batches LIMIT 1".into()),
        ("closed attempt stays closed", format!("UPDATE attempts SET state = 4, holds = false WHERE order_code = {done}")),
        ("closed attempt stays closed", format!("UPDATE attempts SET reference = 'other' WHERE order_code = {open}")),
        ("closed_with_evidence", format!("UPDATE attempts SET state = 3, closed_at = now(), evidence_count = 0 WHERE order_code = {open}")),
        ("holds_while_live_or_charged", format!("UPDATE attempts SET holds = false WHERE order_code = {open}")),
        ("changes_are_numbered", posting(&open, 1, "release", 0, -491_000).replace("THEN 99", "THEN NULL::bigint")),
        ("ledger_feed", posting(&open, 1, "release", 0, -491_000).replace("THEN 99", "THEN 1")),
        ("append only", "UPDATE ledger SET held_delta = 0".into()),
        ("append only", "DELETE FROM ledger".into()),
        ("append only", "TRUNCATE ledger".into()),
        ("append only", "UPDATE evidence SET detail = ''".into()),
        ("append only", "DELETE FROM evidence".into()),
        ("append only", "TRUNCATE evidence".into()),
        ("balance_within_credit_line", "UPDATE balances SET held = prepaid + credit_line + 1 WHERE business_id = 'shop'".into()),
        ("balances_held_check", "UPDATE balances SET held = -1 WHERE business_id = 'shop'".into()),
        ("stock_units_left_check", "UPDATE stock SET units_left = -1".into()),
        ("one_open_doubt", format!("INSERT INTO doubts (business_id, order_code, doubt_no, kind, reason) VALUES
             ('shop', {open}, 8, 'doubt', 'x'), ('shop', {open}, 9, 'doubt', 'x')")),
        ("tries_are_bounded", "UPDATE callbacks SET tries = 11".into()),
        ("due_while_open", "UPDATE callbacks SET due_at = now()".into()),
        ("callback_tries_pkey", "INSERT INTO callback_tries SELECT * FROM callback_tries LIMIT 1".into()),
        ("nonces_pkey", "INSERT INTO nonces SELECT * FROM nonces LIMIT 1".into()),
    ];
    for (rule, sql) in refused {
        let said = scene.ground.try_sql(&sql).await.expect_err(&sql);
        assert!(said.contains(rule), "{sql}: {said}");
    }
    scene.end().await;
}

/// The rules that `refill check` finds broken.
fn broken(scene: &Scene) -> Vec<String> {
    let output = scene.platform.tool(&["check", "--json"]);
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    let rules: Vec<String> = said["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|f| f["broken_by"] != 0)
        .map(|f| f["rule"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(output.status.code(), Some(i32::from(!rules.is_empty())));
    assert_eq!(said["holds"], json!(rules.is_empty()));
    rules
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_nevertheless_is_found() {
    let scene = settled_scene().await;
    assert_eq!(broken(&scene), Vec::<String>::new());
    let done = "order_code = (SELECT order_code FROM orders WHERE biz_code = 'done-0')";
    let posted = "posting_ref = (SELECT order_code FROM orders WHERE biz_code = 'done-0')";
    let open = "order_code = (SELECT order_code FROM orders WHERE biz_code = 'open-0')";
    // What breaks each rule, and what mends it.
    let wrong = [
        (
            "a balance is the sum of its ledger",
            "UPDATE balances SET prepaid = prepaid + 1 WHERE business_id = 'poor'".to_owned(),
            "UPDATE balances SET prepaid = prepaid - 1 WHERE business_id = 'poor'".to_owned(),
        ),
        (
            "what is held is the price of the open orders",
            "UPDATE balances SET held = held + 1 WHERE business_id = 'poor'".into(),
            "UPDATE balances SET held = held - 1 WHERE business_id = 'poor'".into(),
        ),
        (
            "every order has one hold of its price",
            format!("UPDATE ledger SET held_delta = held_delta + 1 WHERE step = 0 AND {posted}"),
            format!("UPDATE ledger SET held_delta = held_delta - 1 WHERE step = 0 AND {posted}"),
        ),
        (
            "a final order has the posting of its state, an open order has none",
            format!(
                "UPDATE ledger SET kind = 'release', prepaid_delta = 0 WHERE step = 1 AND {posted}"
            ),
            format!(
                "UPDATE ledger SET kind = 'settle', prepaid_delta = held_delta WHERE step = 1 AND {posted}"
            ),
        ),
        (
            "a posting belongs to an order or is a deposit",
            "INSERT INTO ledger (business_id, posting_ref, step, kind, prepaid_delta, held_delta, feed_no)
            VALUES ('poor', '00000000-0000-0000-0000-000000000001', 0, 'hold', 0, 0, 99)"
                .into(),
            "DELETE FROM ledger WHERE posting_ref = '00000000-0000-0000-0000-000000000001'".into(),
        ),
        (
            "a business's feed has no gap and ends where its balance says",
            format!("UPDATE ledger SET feed_no = feed_no + 1000 WHERE step = 1 AND {posted}"),
            format!("UPDATE ledger SET feed_no = feed_no - 1000 WHERE step = 1 AND {posted}"),
        ),
        (
            "a succeeded order has one charged attempt, another has none",
            format!("UPDATE attempts SET state = 4, holds = false WHERE {done}"),
            format!("UPDATE attempts SET state = 3, holds = true WHERE {done}"),
        ),
        (
            "a final order has no attempt that may still charge",
            format!("UPDATE attempts SET state = 1 WHERE {done}"),
            format!("UPDATE attempts SET state = 3 WHERE {done}"),
        ),
        (
            "a closed attempt has its evidence",
            format!("UPDATE attempts SET evidence_count = evidence_count + 1 WHERE {done}"),
            format!("UPDATE attempts SET evidence_count = evidence_count - 1 WHERE {done}"),
        ),
        (
            "an open order waits for something or for a person, a final one for nothing",
            format!("UPDATE timers SET business_id = 'poor' WHERE {open}"),
            format!("UPDATE timers SET business_id = 'shop' WHERE {open}"),
        ),
        (
            "a final order whose batch names an address has a report, an open order has none",
            format!("UPDATE callbacks SET business_id = 'poor' WHERE {done}"),
            format!("UPDATE callbacks SET business_id = 'shop' WHERE {done}"),
        ),
        (
            "a batch has its orders and their total",
            "UPDATE batches SET total = total + 1 WHERE batch_biz_code = 'done'".into(),
            "UPDATE batches SET total = total - 1 WHERE batch_biz_code = 'done'".into(),
        ),
        (
            "no balance is beyond its credit line",
            "ALTER TABLE balances DROP CONSTRAINT balance_within_credit_line;
             UPDATE balances SET prepaid = prepaid - 100000000 WHERE business_id = 'poor'"
                .into(),
            "UPDATE balances SET prepaid = prepaid + 100000000 WHERE business_id = 'poor';
             ALTER TABLE balances ADD CONSTRAINT balance_within_credit_line CHECK (prepaid - held + credit_line >= 0)"
                .into(),
        ),
        (
            "an adjustment belongs to a discrepancy that two persons closed",
            format!(
                "INSERT INTO ledger (business_id, posting_ref, step, kind, prepaid_delta, held_delta)
                 SELECT business_id, order_code, 2, 'adjust', 0, 0 FROM orders WHERE {done}"
            ),
            "DELETE FROM ledger WHERE kind = 'adjust'".into(),
        ),
        (
            "an attempt belongs to an order, and only a claimed order has any",
            format!("UPDATE attempts SET business_id = 'poor' WHERE {done}"),
            format!("UPDATE attempts SET business_id = 'shop' WHERE {done}"),
        ),
        (
            "a reference was given to one attempt",
            format!(
                "UPDATE attempts SET upstream_no = reference, reference = (SELECT reference FROM attempts WHERE {done}) WHERE {open}"
            ),
            format!("UPDATE attempts SET reference = upstream_no WHERE {open}"),
        ),
        (
            "a charged attempt was heard to succeed, one that is not charged was heard not to",
            format!("UPDATE evidence SET verdict = 8 WHERE verdict = 0 AND {done}"),
            format!("UPDATE evidence SET verdict = 0 WHERE verdict = 8 AND {done}"),
        ),
        (
            "evidence speaks of an attempt",
            format!("UPDATE evidence SET attempt_no = 9 WHERE {done}"),
            format!("UPDATE evidence SET attempt_no = 1 WHERE {done}"),
        ),
        (
            "no order stands still for ten minutes after its time has come",
            format!("UPDATE timers SET due_at = now() - interval '1 hour' WHERE {open}"),
            format!("UPDATE timers SET due_at = now() WHERE {open}"),
        ),
        (
            "no batch waits ten minutes to be announced",
            "INSERT INTO outbox SELECT business_id, batch_id, 'mobile', now(), now() - interval '1 hour' FROM batches
             WHERE batch_biz_code = 'done'"
                .into(),
            "DELETE FROM outbox".into(),
        ),
        (
            "a report that was delivered or parked has its tries, at most ten a round",
            format!("UPDATE callbacks SET tries = tries + 1 WHERE {done}"),
            format!("UPDATE callbacks SET tries = tries - 1 WHERE {done}"),
        ),
        (
            "a report that was delivered or parked has its tries, at most ten a round",
            format!("UPDATE callback_tries SET outcome = 'http_error' WHERE {done}"),
            format!("UPDATE callback_tries SET outcome = 'delivered' WHERE {done}"),
        ),
        (
            "no report waits ten minutes after its time has come, unless its endpoint is not well",
            format!("UPDATE callbacks SET state = 0, due_at = now() - interval '1 hour' WHERE {done}"),
            format!("UPDATE callbacks SET state = 2, due_at = NULL WHERE {done}"),
        ),
        (
            "an order belongs to a batch",
            format!("UPDATE orders SET batch_id = order_code WHERE {open}"),
            format!(
                "UPDATE orders SET batch_id = (SELECT batch_id FROM batches WHERE batch_biz_code = 'open') WHERE {open}"
            ),
        ),
        (
            "an order's number is its own for ever",
            "UPDATE order_numbers SET order_code = gen_random_uuid() WHERE biz_code = 'open-0'".into(),
            format!("UPDATE order_numbers SET {open} WHERE biz_code = 'open-0'"),
        ),
        (
            "a number that is used has its order",
            "INSERT INTO order_numbers VALUES ('nobody', 'shop', gen_random_uuid())".into(),
            "DELETE FROM order_numbers WHERE biz_code = 'nobody'".into(),
        ),
        (
            "no order lies outside the months that are kept",
            "INSERT INTO evidence SELECT business_id, '00000000-0000-0000-0000-000000000001', 1, 1, 0, 0, NULL, '' FROM orders LIMIT 1".into(),
            "DELETE FROM evidence_outside".into(),
        ),
        (
            "the next month is prepared",
            "DO $$ BEGIN EXECUTE 'ALTER TABLE evidence' || to_char(now() AT TIME ZONE 'UTC' + interval '1 month', '_YYYY_MM')
             || ' RENAME TO away'; END $$".into(),
            "DO $$ BEGIN EXECUTE 'ALTER TABLE away RENAME TO evidence' || to_char(now() AT TIME ZONE 'UTC' + interval '1 month', '_YYYY_MM');
             END $$".into(),
        ),
    ];
    let as_replica = async |sql: &str| {
        // With the triggers off, as no role of the platform may.
        scene
            .ground
            .ask(&format!("SET session_replication_role = replica; {sql}"))
            .await;
    };
    for (rule, wrong, right) in &wrong {
        as_replica(wrong).await;
        let found = broken(&scene);
        assert!(found.iter().any(|r| r == rule), "{wrong}: {found:?}");
        as_replica(right).await;
        assert_eq!(broken(&scene), Vec::<String>::new(), "{right}");
    }
    // Every rule has been seen to be able to fail.
    let output = scene.platform.tool(&["check", "--json"]);
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    let rules: HashSet<&str> = wrong.iter().map(|(rule, ..)| *rule).collect();
    assert_eq!(said["findings"].as_array().unwrap().len(), rules.len());

    // What is newer than a moment is looked at alone.
    let (_, spoil, mend) = &wrong[6];
    as_replica(spoil).await;
    let since = |when: &str| {
        let output = scene.platform.tool(&["check", "--since", when]);
        let text = String::from_utf8(output.stdout).unwrap();
        (output.status.success(), text)
    };
    let (holds, text) = since("1h");
    assert!(
        !holds && text.contains("BROKEN   a succeeded order has one"),
        "{text}"
    );
    assert!(text.contains("skipped  a balance is the sum"), "{text}");
    assert!(text.contains("Look at the order's story"), "{text}");
    assert!(since("2100-01-01T00:00:00Z").0);
    assert!(!since("yesterday").0);
    as_replica(mend).await;
    scene.end().await;
}
