//! The way that the database takes to a row does not depend on what it happens to know of its tables.

use serde_json::Value;

use crate::harness::plans::{explain_all, nodes, plans};
use crate::harness::{Ground, Scene, outside, until};

/// As the platform's sessions plan.
const SESSION: &str =
    "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET enable_hashjoin = off;
    SET enable_mergejoin = off; SET join_collapse_limit = 1;";

/// What finds rows by the platform's own keys, and the key that each table is to be found by.
const LOOKUPS: [(&str, &str); 6] = [
    (
        "orders o USING (business_id, order_code)",
        "orders_pkey_{month}",
    ),
    (
        "attempts o USING (business_id, order_code)",
        "attempts_pkey_{month}",
    ),
    ("timers o USING (business_id, order_code)", "timers_pkey"),
    (
        "callbacks o USING (business_id, order_code)",
        "callbacks_pkey",
    ),
    (
        "batches o ON o.business_id = k.business_id AND o.batch_id = k.order_code",
        "batches_pkey",
    ),
    (
        "ledger o ON o.business_id = k.business_id AND o.posting_ref = k.order_code",
        "one_hold_and_one_final_posting",
    ),
];

/// The indexes of a plan that were asked at all.
fn indexes_that_ran(plan: &Value, ran: &mut Vec<String>) {
    match plan {
        Value::Array(nodes) => nodes.iter().for_each(|node| indexes_that_ran(node, ran)),
        Value::Object(node) => {
            if let Some(index) = node.get("Index Name").and_then(Value::as_str)
                && node["Actual Loops"] != 0
            {
                ran.push(index.to_owned());
            }
            node.values().for_each(|part| indexes_that_ran(part, ran));
        }
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_found_by_their_whole_key_on_a_database_that_is_still_empty() {
    let ground = Ground::shared().await;
    ground.migrate();
    let month = "SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY_MM')";
    let month = ground.ask(month).await;
    for (joined, key) in LOOKUPS {
        let key = key.replace("{month}", &month);
        let plan = format!(
            "{SESSION} PREPARE looked (text[], uuid[]) AS SELECT o.* FROM unnest($1, $2) AS k (business_id, order_code) JOIN {joined};
             EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE looked ('{{shop}}', ARRAY[first_code_of((now() AT TIME ZONE 'UTC')::date)])"
        );
        let plan = ground.ask(&plan).await;
        assert!(
            plan.contains(&format!("\"Index Name\": \"{key}\"")),
            "{joined}: {plan}"
        );
        assert!(!plan.contains("\"Filter\""), "{joined}: {plan}");
        // Of a table that is kept by month, one month is asked: all others are in the plan and never run.
        let plan: Value = serde_json::from_str(&plan).unwrap();
        let mut ran = vec![];
        indexes_that_ran(&plan, &mut ran);
        assert_eq!(ran, [key], "{joined}: {plan}");
    }
    ground.clear().await;
}

/// What the server knows after a quiet moment in which it looked at its tables: nothing waits, so one row at most is expected to.
const QUIET_MOMENT: &str = "
    ALTER TABLE timers SET (autovacuum_enabled = off); ALTER TABLE outbox SET (autovacuum_enabled = off);
    ALTER TABLE callbacks SET (autovacuum_enabled = off);
    INSERT INTO timers SELECT 'other', gen_random_uuid(), 'mobile', 0, now() FROM generate_series(1, 20000);
    INSERT INTO outbox SELECT 'other', gen_random_uuid(), 'mobile', now() FROM generate_series(1, 20000);
    INSERT INTO callbacks (business_id, order_code, url, state)
        SELECT 'other', gen_random_uuid(), 'http://127.0.0.3:9/callback', 2 FROM generate_series(1, 20000);
    DELETE FROM timers; DELETE FROM outbox; ANALYZE timers, outbox, callbacks";

/// Whether a plan reads more of a table that holds what waits than the rows it is about; `within`: the node above.
fn reads_all(plan: &Value, within: &str) -> bool {
    let node = plan["Node Type"].as_str().unwrap_or_default();
    let waits = |table: &Value| {
        table
            .as_str()
            .is_some_and(|table| ["timers", "outbox", "callbacks"].contains(&table))
    };
    let scans = waits(&plan["Relation Name"]) && node != "ModifyTable" && node != "Tid Scan";
    let by_key = plan["Index Cond"].is_string() || within == "Limit";
    let filter = plan["Filter"].as_str().unwrap_or_default();
    let by_half = filter.contains("order_code") || filter.contains("batch_id");
    let here = scans && (node == "Bitmap Heap Scan" || within == "Sort" || !by_key || by_half);
    let inner = plan["Plans"].as_array().into_iter().flatten();
    here || inner.into_iter().any(|inner| reads_all(inner, node))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_found_by_its_key_though_the_statistics_say_that_nothing_waits() {
    let ground = Ground::own().await;
    ground.migrate();
    ground.ask(QUIET_MOMENT).await;
    explain_all(&ground).await;
    let mut scene = Scene::on(ground, &[]).await;
    scene.merchant.order("many", 60).await;
    scene.merchant.wait_for_all_reports(&scene.outside).await;
    let seen = until(
        "the plans",
        async || Some(plans(&scene.ground).await).filter(|plans| plans.len() > 30),
        String::new,
    )
    .await;
    let about = |plan: &Value| {
        let mut all = vec![];
        nodes(plan, &mut all);
        all.iter().any(|node| node["Relation Name"] == "timers")
    };
    assert!(seen.values().filter(|plan| about(plan)).count() > 5);
    let wrong: Vec<&str> = seen
        .iter()
        .filter(|(_, plan)| reads_all(plan, ""))
        .map(|(query, _)| query.as_str())
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_with_a_hundred_thousand_dead_rows_costs_a_look_what_one_with_one_row_costs() {
    const DEAD: &str = "http://127.0.0.3:9";
    // The metrics count up to ten thousand of each kind, seldom.
    let scene = Scene::start_with(&[("REFILL__ADMIN__LOOK_EVERY_MS", "3600000")]).await;
    let paused = scene.platform.tool(&["endpoint", "pause", DEAD]);
    assert!(
        paused.status.success(),
        "{}",
        String::from_utf8_lossy(&paused.stderr)
    );
    let metrics = format!("{}/metrics", scene.platform.admin);
    until(
        "the worker knows of the pause",
        async || {
            let metrics = outside::get(&metrics).await;
            metrics
                .contains("refill_endpoints_not_well 1")
                .then_some(())
        },
        String::new,
    )
    .await;
    let dead = format!(
        "INSERT INTO callbacks (business_id, order_code, url, due_at)
         SELECT 'shop', gen_random_uuid(), '{DEAD}/callback', now() - n * interval '1 second' FROM generate_series(1, 100000) n"
    );
    scene.ground.ask(&dead).await;
    let read = async || -> (i64, i64) {
        let sql = "SELECT idx_scan || ' ' || idx_tup_read FROM pg_stat_user_indexes WHERE indexrelname = 'callbacks_first'";
        let text = scene.ground.ask(sql).await;
        let (scans, rows) = text.split_once(' ').unwrap();
        (scans.parse().unwrap(), rows.parse().unwrap())
    };
    let twenty_looks = async || {
        let before = read().await;
        until(
            "twenty looks",
            async || {
                let now = read().await;
                (now.0 >= before.0 + 20).then_some((now.0 - before.0, now.1 - before.1))
            },
            || format!("{before:?}"),
        )
        .await
    };
    // The first ones may have met rows that were not committed yet.
    twenty_looks().await;
    let (scans, rows) = twenty_looks().await;
    assert!(rows <= scans * 3, "{scans} looks read {rows} rows");
    // Nothing of this belongs to an order, so there is nothing to check.
    let mut platform = scene.platform;
    platform.kill();
    scene.ground.clear().await;
}
