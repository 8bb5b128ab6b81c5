//! The way that the database takes to a row does not depend on what it happens to know of its tables.

use crate::harness::Ground;

/// As the platform's sessions plan.
const SESSION: &str =
    "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET enable_hashjoin = off;
    SET enable_mergejoin = off; SET join_collapse_limit = 1;";

/// What finds rows by the platform's own keys, and the key that each table is to be found by.
const LOOKUPS: [(&str, &str); 6] = [
    ("orders o USING (business_id, order_code)", "orders_pkey"),
    (
        "attempts o USING (business_id, order_code)",
        "attempts_pkey",
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

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_found_by_their_whole_key_on_a_database_that_is_still_empty() {
    let ground = Ground::shared().await;
    let migrated = std::process::Command::new(crate::harness::platform::binary())
        .arg("migrate")
        .env("DATABASE_URL", &ground.database_url)
        .output()
        .unwrap();
    assert!(
        migrated.status.success(),
        "{}",
        String::from_utf8_lossy(&migrated.stderr)
    );
    for (joined, key) in LOOKUPS {
        let plan = format!(
            "{SESSION} PREPARE looked (text[], uuid[]) AS SELECT o.* FROM unnest($1, $2) AS k (business_id, order_code) JOIN {joined};
             EXPLAIN (FORMAT JSON) EXECUTE looked ('{{}}', '{{}}')"
        );
        let plan = ground.ask(&plan).await;
        assert!(
            plan.contains(&format!("\"Index Name\": \"{key}\"")),
            "{joined}: {plan}"
        );
        assert!(!plan.contains("\"Filter\""), "{joined}: {plan}");
    }
    ground.clear().await;
}
