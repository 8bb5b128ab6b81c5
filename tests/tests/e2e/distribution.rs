//! Every table of the order's way could be distributed by business: each unique key begins with it or holds it, and each statement that
//! the platform runs finds its rows by it. Checked by the plans of the statements that were really run.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use simulator::Item;

use crate::harness::plans::{explain_all, nodes, plans};
use crate::harness::{Ground, Scene, until};

/// What would be distributed; everything else is small and would be on every node.
const DISTRIBUTED: [&str; 13] = [
    "nonces",
    "batches",
    "orders",
    "order_numbers",
    "timers",
    "attempts",
    "evidence",
    "ledger",
    "outbox",
    "doubts",
    "callbacks",
    "callback_tries",
    "balances",
];

/// The table that a relation is, or is a part of.
fn table_of(relation: &str) -> &str {
    let part = |table: &&&str| {
        let rest = relation.strip_prefix(**table);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("_2") || rest == "_outside")
    };
    DISTRIBUTED.iter().find(part).copied().unwrap_or_default()
}

/// What asks every node of a cluster for its part, by what it says: looks for work that is due, and a supplier's push, which knows the
/// order's code and not whose it is.
const LOOKS: [&str; 8] = [
    "FROM timers",
    "FROM outbox",
    "FROM nonces",
    "FROM callbacks",
    "FROM callback_tries",
    "FROM balances",
    "FROM doubts",
    "USING (supplier_id, reference, order_code)",
];

/// The tables that would be distributed and that a plan reads without saying of which business, and all that it reads.
fn read(plan: &Value) -> (BTreeSet<&str>, BTreeSet<&str>) {
    let mut all = vec![];
    nodes(plan, &mut all);
    let (mut without, mut with) = (BTreeSet::new(), BTreeSet::new());
    for node in all {
        let Some(relation) = node["Relation Name"]
            .as_str()
            .filter(|name| !table_of(name).is_empty())
        else {
            continue;
        };
        // A row that was found is written, or was locked: it needs no finding.
        if node["Node Type"] == "ModifyTable" || node["Node Type"] == "Tid Scan" {
            continue;
        }
        let said = ["Index Cond", "Recheck Cond", "Filter"]
            .iter()
            .filter_map(|key| node[*key].as_str())
            .any(|cond| cond.contains("business_id = ") || cond.contains("business_id > "));
        if said {
            with.insert(relation);
        } else {
            without.insert(relation);
        }
    }
    (without, with)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_statement_finds_its_rows_by_business_or_is_a_look_for_work() {
    let ground = Ground::own().await;
    ground.migrate();
    explain_all(&ground).await;
    let mut scene = Scene::on(ground, &[]).await;
    // One of each: a success, failures and the next supplier, what is asked after, what no one answers.
    let items: Vec<Item> = [
        "13800000001",
        "19900000100",
        "19900000401",
        "19900000901",
        "19900001101",
    ]
    .iter()
    .enumerate()
    .map(|(n, account)| Item::new(format!("each-{n}"), *account))
    .collect();
    scene.merchant.order_items("each", "MOBILE50", &items).await;
    scene.merchant.order("many", 30).await;
    scene
        .merchant
        .ordered
        .retain(|(_, account)| account != "19900001101");
    scene.merchant.wait_for_all_reports(&scene.outside).await;
    let client = &scene.merchant.client;
    assert_eq!(
        client
            .batch("many", "MOBILE50", None, &items)
            .await
            .unwrap()
            .status,
        8
    );
    scene.merchant.order_info("many-1").await;
    scene.merchant.balance().await;
    // And whatever else a merchant may ask for.
    for (path, body) in [
        ("order/batch/info", json!({"batchBizCode": "many"})),
        ("order/events", json!({"after": 0})),
        ("callback/resend", json!({"bizCode": "many-1"})),
        ("callback/resend", json!({"batchBizCode": "many"})),
    ] {
        let (path, body) = (format!("/v1/openapi/{path}"), body.to_string());
        let answer = client.post(&path, body.as_bytes()).await.unwrap();
        assert_eq!(answer.status, 0, "{path}: {}", answer.body);
    }
    scene.merchant.wait_for_all_reports(&scene.outside).await;
    let seen = until(
        "the plans",
        async || Some(plans(&scene.ground).await).filter(|plans| plans.len() > 30),
        String::new,
    )
    .await;
    let mut wrong = vec![];
    let mut by_business = 0;
    for (query, plan) in &seen {
        let (without, with) = read(plan);
        if without.is_empty() {
            by_business += usize::from(!with.is_empty());
            continue;
        }
        let is_look = LOOKS.iter().any(|look| query.contains(look));
        let tables: BTreeSet<&str> = without.iter().map(|part| table_of(part)).collect();
        if !is_look || tables.len() > 1 {
            wrong.push(format!("{without:?} in: {query}"));
        }
    }
    assert!(
        by_business > 15,
        "only {by_business} statements name a business"
    );
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        seen.len(),
        wrong.join("\n\n")
    );
    scene.platform.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_unique_key_holds_the_business() {
    let ground = Ground::shared().await;
    ground.migrate();
    let tables = DISTRIBUTED.map(|t| format!("'{t}'")).join(",");
    let without = |tables: &str| {
        format!(
            "SELECT string_agg(c.relname || '.' || i.indexrelid::regclass, ', ') FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
             WHERE i.indisunique AND c.relname IN ({tables}) AND NOT EXISTS (
                 SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'business_id' AND a.attnum = ANY (i.indkey::int2[]))"
        )
    };
    assert_eq!(ground.ask(&without(&tables)).await, "");
    // It would be seen.
    assert_ne!(ground.ask(&without("'suppliers'")).await, "");
    ground.clear().await;
}
