//! Updates stay on their page, and what is dead there is cleared away in time.

use crate::harness::{Ground, Scene, until};
use crate::months::make_month;

/// The columns of both tables that change on an order's way, and how many updates 300 orders bring at least. (`holds` changes only
/// when an attempt is proven not to have charged.)
const CHANGING: [(&str, &str, i64); 2] = [
    ("orders", "state|epoch|message|voucher|finished_at", 600),
    (
        "attempts",
        "state|calls|last_call_at|upstream_no|last_verdict|evidence_count|closed_at",
        300,
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn no_index_holds_what_changes_and_updates_stay_on_their_page() {
    let mut scene = Scene::start().await;
    for batch in ["a", "b", "c"] {
        scene.merchant.order(batch, 100).await;
    }
    scene.merchant.wait_for_all_reports(&scene.outside).await;
    // What a process counted is there when it has ended.
    scene.platform.stop();
    for (parent, columns, least) in CHANGING {
        let sql = format!(
            "SELECT string_agg(pg_get_indexdef(indexrelid), ';') FROM pg_index JOIN pg_class c ON c.oid = indrelid
             WHERE relname ~ '^{parent}(_|$)' AND pg_get_indexdef(indexrelid) ~ '\\m({columns})\\M'"
        );
        assert_eq!(scene.ground.ask(&sql).await, "", "{parent}");
        let sql = format!(
            "SELECT sum(n_tup_upd) || ' ' || sum(n_tup_hot_upd) FROM pg_stat_user_tables WHERE relname ~ '^{parent}_'"
        );
        let (updates, hot) = until(
            "the counts of all sessions",
            async || {
                let counted = scene.ground.ask(&sql).await;
                let (updates, hot) = counted.split_once(' ')?;
                let (updates, hot): (i64, i64) = (updates.parse().unwrap(), hot.parse().unwrap());
                (updates >= least).then_some((updates, hot))
            },
            || parent.to_owned(),
        )
        .await;
        // Not all: a page whose rows are changed again before anybody could clear it is full. One such index, and it is none.
        assert!(hot * 2 >= updates, "{parent}: {hot} of {updates}");
    }
    scene.end().await;
}

/// The tables whose rows change or go in numbers, and those that only grow; `{month}` stands for the parts of every month.
const VACUUMED: [(&str, &[&str]); 16] = [
    (
        "orders_{month}",
        &[
            "fillfactor=45",
            "autovacuum_vacuum_scale_factor=0.02",
            "autovacuum_vacuum_insert_scale_factor=0.05",
        ],
    ),
    (
        "orders_outside",
        &["fillfactor=45", "autovacuum_vacuum_scale_factor=0.02"],
    ),
    (
        "attempts_{month}",
        &[
            "fillfactor=45",
            "autovacuum_vacuum_scale_factor=0.02",
            "autovacuum_vacuum_insert_scale_factor=0.05",
        ],
    ),
    (
        "evidence_{month}",
        &["autovacuum_vacuum_insert_scale_factor=0.05"],
    ),
    (
        "order_numbers",
        &["autovacuum_vacuum_insert_scale_factor=0.05"],
    ),
    ("batches", &["autovacuum_vacuum_insert_scale_factor=0.05"]),
    ("ledger", &["autovacuum_vacuum_insert_scale_factor=0.05"]),
    (
        "timers",
        &[
            "autovacuum_vacuum_scale_factor=0.01",
            "vacuum_truncate=false",
        ],
    ),
    (
        "outbox",
        &[
            "autovacuum_vacuum_scale_factor=0.01",
            "vacuum_truncate=false",
        ],
    ),
    (
        "nonces",
        &[
            "autovacuum_vacuum_scale_factor=0.02",
            "vacuum_truncate=false",
        ],
    ),
    (
        "callbacks",
        &["fillfactor=70", "autovacuum_vacuum_scale_factor=0.01"],
    ),
    (
        "callback_tries",
        &[
            "fillfactor=70",
            "autovacuum_vacuum_scale_factor=0.02",
            "vacuum_truncate=false",
        ],
    ),
    ("callback_tries_old", &["autosummarize=on"]),
    (
        "balances",
        &["fillfactor=50", "autovacuum_vacuum_scale_factor=0"],
    ),
    (
        "stock",
        &["fillfactor=50", "autovacuum_vacuum_scale_factor=0"],
    ),
    (
        "lane_marks",
        &["fillfactor=50", "autovacuum_vacuum_scale_factor=0"],
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_large_table_says_how_it_is_vacuumed() {
    let ground = Ground::shared().await;
    ground.migrate();
    make_month(&ground, -1).await;
    for (table, settings) in VACUUMED {
        let pattern = table.replace("{month}", "[0-9]{4}_[0-9]{2}");
        let sql = format!(
            "SELECT string_agg(relname || ' ' || coalesce(reloptions::text, ''), ';') FROM pg_class
            WHERE relname ~ '^{pattern}$' AND relkind IN ('r', 'i')"
        );
        let said = ground.ask(&sql).await;
        let found: Vec<&str> = said.split(';').collect();
        assert_eq!(
            found.len(),
            if table == pattern { 1 } else { 4 },
            "{table}: {said}"
        );
        for one in found {
            for setting in settings {
                assert!(one.contains(setting), "{one} lacks {setting}");
            }
            assert!(
                table == "callback_tries_old" || one.contains("autovacuum_vacuum_cost_limit=2000"),
                "{one}"
            );
        }
    }
    ground.clear().await;
}
