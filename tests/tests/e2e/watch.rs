//! What tells ops how it goes: `/metrics` of a running system, the alerts and dashboards that ask for it, and the runbook.

mod pages;
mod promtool;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use regex::Regex;

use crate::harness::outside::get;
use crate::harness::platform::root;
use crate::harness::{Scene, until};

/// Labels that may be there; none of them can take more values than the catalogue, the contract or an enum has.
const LABELS: [&str; 20] = [
    "commit", "http", "kind", "lane", "le", "line", "of", "outcome", "path", "pool", "purpose",
    "queue", "reason", "role", "state", "status", "supplier", "verdict", "version", "what",
];

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// All metrics that some room describes, each with its kind.
fn described() -> BTreeMap<String, String> {
    let describing =
        Regex::new(r#"describe_(counter|gauge|histogram)!\(\s*"([a-z0-9_]+)""#).unwrap();
    let mut files = vec![];
    sources(&root().join("crates"), &mut files);
    let mut found = BTreeMap::new();
    for file in files {
        for one in describing.captures_iter(&read(&file)) {
            let twice = found.insert(one[2].to_owned(), one[1].to_owned());
            assert_eq!(twice, None, "{} is described twice", &one[2]);
        }
    }
    assert!(found.len() > 50, "only {} metrics", found.len());
    found
}

/// What `/metrics` shows: the kind of each metric that has a sample and a description.
fn shown(exposition: &str) -> BTreeMap<String, String> {
    let mut helped = BTreeSet::new();
    let mut kinds = BTreeMap::new();
    for line in exposition.lines() {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        match words[..] {
            ["#", "HELP", name, text] => {
                assert!(text.len() > 10, "{line}");
                helped.insert(name.to_owned());
            }
            ["#", "TYPE", name, kind] => {
                kinds.insert(name.to_owned(), kind.to_owned());
            }
            _ => {}
        }
    }
    let undescribed: Vec<_> = kinds
        .keys()
        .filter(|name| !helped.contains(*name))
        .collect();
    assert!(
        undescribed.is_empty(),
        "without a description: {undescribed:?}"
    );
    kinds
}

/// The value of the only sample that begins like this.
fn sample(exposition: &str, begins: &str) -> Option<f64> {
    exposition
        .lines()
        .find(|line| line.starts_with(begins))
        .and_then(|line| line.rsplit_once(' ')?.1.parse().ok())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_described_metric_is_shown_and_no_other() {
    let mut scene = Scene::start_with(&[("REFILL__ADMIN__LOOK_EVERY_MS", "1000")]).await;
    scene.merchant.order("seen", 20).await;
    scene.merchant.wait_for_all_reports(&scene.outside).await;
    let nowhere = format!("{}/v1/nowhere", scene.platform.openapi);
    assert!(get(&nowhere).await.contains("no such path"));
    let url = format!("{}/metrics", scene.platform.admin);
    let all = described();
    let missing = RefCell::new(Vec::<String>::new());
    let exposition = until(
        "all metrics",
        async || {
            let exposition = get(&url).await;
            let seen = shown(&exposition);
            *missing.borrow_mut() = all
                .keys()
                .filter(|name| !seen.contains_key(*name))
                .cloned()
                .collect();
            let counted = sample(&exposition, "refill_report_lag_seconds_count") == Some(20.0);
            (counted && missing.borrow().is_empty()).then_some(exposition)
        },
        || format!("{missing:?}", missing = missing.borrow()),
    )
    .await;
    assert_eq!(shown(&exposition), all);
    promtool::finds_nothing_wrong_with(&exposition);

    let label = Regex::new(r#"[{,]([a-z_]+)="([^"]*)""#).unwrap();
    for found in label.captures_iter(&exposition) {
        assert!(LABELS.contains(&&found[1]), "{}", &found[0]);
        assert_ne!(&found[2], "shop", "a merchant's account in a label");
        assert!(
            found[2].len() < 32 && !found[2].contains("://"),
            "{}",
            &found[0]
        );
    }
    for (begins, value) in [
        ("refill_ready", 1.0),
        ("refill_build_info{", 1.0),
        ("refill_ledger_difference_yuan", 0.0),
        ("refill_ledger_businesses_skipped", 0.0),
        ("refill_doubts_money_yuan{kind=\"doubt\"}", 0.0),
        ("refill_orders_finished_total{state=\"succeeded\"}", 20.0),
        ("refill_ingress_accepted_seconds_count", 1.0),
        (
            "refill_ingress_refused_total{path=\"none\",reason=\"no_such_path\"}",
            1.0,
        ),
        (
            "refill_ingress_refused_total{path=\"order/batch\",reason=\"overloaded\"}",
            0.0,
        ),
        ("refill_hint_late_seconds_count{lane=\"mobile\"}", 20.0),
        ("refill_supplier_calls_in_flight{supplier=\"swift\"}", 0.0),
    ] {
        assert_eq!(sample(&exposition, begins), Some(value), "{begins}");
    }
    let version = |of| {
        sample(
            &exposition,
            &format!("refill_schema_version{{of=\"{of}\"}}"),
        )
    };
    assert!(version("binary").is_some_and(|v| v > 0.0));
    assert_eq!(version("binary"), version("database"));
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_told_with_its_age_and_its_money() {
    let mut scene = Scene::start_with(&[("REFILL__ADMIN__LOOK_EVERY_MS", "1000")]).await;
    let again = |scene: &mut Scene| {
        scene.platform.stop();
        tokio::task::block_in_place(|| scene.platform.go_on());
    };
    // No supplier may have them, and money that no order accounts for.
    let pause = scene
        .platform
        .tool(&["lane", "pause", "mobile", "--reason", "a test"]);
    assert!(
        pause.status.success(),
        "{}",
        String::from_utf8_lossy(&pause.stderr)
    );
    again(&mut scene);
    scene.merchant.order("waits", 3).await;
    // One of them had a call that was never sent, as if its supplier had refused the connection: no supplier has it either.
    let not_sent = "WITH one AS (UPDATE orders SET state = 1 WHERE order_code = (SELECT min(order_code::text)::uuid FROM orders) RETURNING *)
                    INSERT INTO attempts (business_id, order_code, attempt_no, supplier_id, reference, sku, cost, state, holds, first_call_at,
                                          last_call_at, last_verdict, evidence_count, closed_at)
                    SELECT business_id, order_code, 1, 'swift', 'never sent', '', 1, 4, false, now(), now(), 7, 1, now() FROM one";
    scene.ground.ask(not_sent).await;
    let doubt = "INSERT INTO doubts (business_id, order_code, doubt_no, kind, reason, opened_at)
                 SELECT business_id, order_code, 1, 'discrepancy', 'a test', now() - interval '1 hour' FROM orders LIMIT 2";
    scene.ground.ask(doubt).await;
    // A claim that no worker takes up, because there is no such order.
    let lost = "INSERT INTO lane_marks (lane, newest_code) VALUES ('nobodys', gen_random_uuid());
                INSERT INTO timers SELECT 'shop', gen_random_uuid(), 'nobodys', 1, now() - n * interval '1 hour' FROM generate_series(-2, 2) n";
    scene.ground.ask(lost).await;
    scene
        .ground
        .ask("UPDATE balances SET held = held + 12345 WHERE business_id = 'shop'")
        .await;
    again(&mut scene);
    let url = format!("{}/metrics", scene.platform.admin);
    let told = |exposition: &str, begins: &str| sample(exposition, begins).unwrap_or_default();
    let exposition = until(
        "what waits",
        async || {
            let now = get(&url).await;
            let all = told(
                &now,
                "refill_orders_open{lane=\"mobile\",state=\"waiting\"}",
            ) >= 3.0
                && told(&now, "refill_ledger_checked_timestamp_seconds") > 0.0;
            all.then_some(now)
        },
        String::new,
    )
    .await;
    for (begins, value) in [
        ("refill_lane_paused{lane=\"mobile\"}", 1.0),
        ("refill_orders_open{lane=\"mobile\",state=\"asked\"}", 0.0),
        ("refill_doubts_open{kind=\"discrepancy\"}", 2.0),
        ("refill_doubts_money_yuan{kind=\"discrepancy\"}", 98.2),
        ("refill_ledger_difference_yuan", 1.2345),
    ] {
        assert!(
            (told(&exposition, begins) - value).abs() < 1e-9,
            "{begins}: {exposition}"
        );
    }
    for (begins, least) in [
        (
            "refill_doubts_oldest_age_seconds{kind=\"discrepancy\"}",
            3_600.0,
        ),
        ("refill_claims_overdue_seconds{lane=\"nobodys\"}", 7_200.0),
    ] {
        let so = told(&exposition, begins);
        assert!(so >= least && so < least + 600.0, "{begins}: {so}");
    }
    let overdue = "refill_claims_overdue_seconds{lane=\"mobile\"}";
    assert_eq!(sample(&exposition, overdue), Some(0.0));
    let age = "refill_orders_open_oldest_age_seconds{lane=\"mobile\",state=\"waiting\"}";
    assert!(told(&exposition, age) > 0.0);
    // It is broken on purpose, so there is nothing to check.
    scene.platform.kill();
    scene.ground.clear().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_without_its_broker_is_not_ready_and_a_door_is() {
    let scene = Scene::start().await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    for (role, ready) in [
        ("fulfillment", 503),
        ("callback", 503),
        ("ingress", 200),
        ("console", 200),
    ] {
        let free = || servers::free_address().unwrap().to_string();
        let (admin, listen) = (free(), free());
        let mut command = scene.platform.command();
        command.args([role, "--admin", &admin]);
        if ready == 200 {
            command.args(["--listen", &listen]);
        }
        let mut process = command
            .env("AMQP_URL", "amqp://127.0.0.1:1/%2f")
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let url = format!("http://{admin}/readyz");
        let answer = until(
            "an answer",
            async || http.get(&url).send().await.ok(),
            || role.to_owned(),
        )
        .await;
        let (status, text) = (answer.status().as_u16(), answer.text().await.unwrap());
        process.kill().unwrap();
        process.wait().unwrap();
        assert_eq!(status, ready, "{role}: {text}");
        assert!(
            text.contains("database ok") && text.contains("broker away"),
            "{role}: {text}"
        );
    }
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_that_is_behind_is_told_and_one_that_is_ahead_is_no_fault() {
    let scene = Scene::start().await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let readyz = async || {
        let answer = http
            .get(format!("{}/readyz", scene.platform.admin))
            .send()
            .await
            .unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let ahead = "INSERT INTO refinery_schema_history SELECT version + 1, name, applied_on, checksum FROM refinery_schema_history
                 ORDER BY version DESC LIMIT 1";
    scene.ground.ask(ahead).await;
    assert_eq!(readyz().await.0, 200);
    let behind = "DELETE FROM refinery_schema_history WHERE version >= (SELECT max(version) - 1 FROM refinery_schema_history)";
    scene.ground.ask(behind).await;
    let (status, text) = readyz().await;
    assert!(status == 503 && text.contains("needed"), "{status} {text}");
    let mut platform = scene.platform;
    platform.kill();
    scene.ground.clear().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scrape_does_not_wait_for_a_database_that_is_away() {
    let mut scene = Scene::on_own_servers().await;
    let admin = scene.platform.admin.clone();
    let url = format!("{admin}/metrics");
    let observed = "refill_vitals_observed_timestamp_seconds";
    let before = until(
        "the first look",
        async || sample(&get(&url).await, observed),
        String::new,
    )
    .await;
    let killed = async {
        let mut servers = scene.ground.servers.lock().await;
        servers.postgres().unwrap().kill().await.unwrap();
    };
    killed.await;
    until(
        "the news that it is not ready",
        async || (sample(&get(&url).await, "refill_ready") == Some(0.0)).then_some(()),
        String::new,
    )
    .await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let status = async |page| {
        let answer = http.get(format!("{admin}/{page}")).send().await.unwrap();
        answer.status().as_u16()
    };
    assert_eq!((status("livez").await, status("readyz").await), (200, 503));
    assert_eq!(status("metrics").await, 200);
    let at = sample(&get(&url).await, observed).unwrap();
    let started = async {
        let mut servers = scene.ground.servers.lock().await;
        servers.postgres().unwrap().start().await.unwrap();
    };
    started.await;
    until(
        "a later look",
        async || sample(&get(&url).await, observed).filter(|now| *now > at && *now > before),
        String::new,
    )
    .await;
    until(
        "readiness",
        async || (status("readyz").await == 200).then_some(()),
        String::new,
    )
    .await;
    scene.platform.stop();
}
