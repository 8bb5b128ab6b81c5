//! Every page of the console is as quick with a million orders as with a few: with five times the rows each statement reads as many pages.
//!
//! Counted statement by statement, as the server tells it. What counts up to ten thousand reads no further, so there are that many at first.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::harness::console::Person;
use crate::harness::plans::explain_all;
use crate::harness::{Fleet, Ground, Outside};

/// As many as anything is counted to.
const FEW: i64 = 10_000;
const MANY: i64 = 5 * FEW;

/// Rows of all that pages list, of the odd and even orders from `from` to `to`: the odd ones are at a supplier and their reports were given
/// up, the even ones are in a call and their reports are tried again. A neighbour has a few of everything, from the beginning.
fn rows(from: i64, to: i64) -> String {
    const CODE: &str = "(left(first_code_of((now() AT TIME ZONE 'UTC')::date)::text, 24) || lpad(to_hex(n), 12, '0'))::uuid";
    let orders = format!("generate_series({} + 1, {}) n", 2 * from, 2 * to);
    let others = format!("generate_series({from} + 1, {to}) n");
    let whose = "CASE WHEN n <= 6 THEN 'neighbour' ELSE 'shop' END";
    format!(
        "INSERT INTO orders (business_id, order_code, batch_id, biz_code, product_code, account, spec, price, counted, state, epoch)
             SELECT {whose}, {CODE}, {CODE}, 'n' || n, 'MOBILE50', '13800000000', 1, 1, false, 1, 1 FROM {orders};
         INSERT INTO batches SELECT {whose}, {CODE}, 'b' || n, 'MOBILE50', NULL, '', 1, 1, {CODE}, {CODE}, now(), now() + interval '1 h' FROM {orders};
         INSERT INTO order_numbers SELECT 'n' || n, {whose}, {CODE} FROM {orders};
         INSERT INTO timers SELECT {whose}, {CODE}, 'mobile', 1 + n % 2, now() + interval '1 day' + n * interval '1 ms' FROM {orders};
         INSERT INTO timers SELECT {whose}, gen_random_uuid(), 'mobile', 0, now() FROM {others};
         INSERT INTO attempts (business_id, order_code, attempt_no, supplier_id, reference, sku, cost, state, first_call_at, last_call_at)
             SELECT {whose}, {CODE}, 1, 'swift', 'r' || n, 'sku', 1, n % 2, now(), now() FROM {orders};
         INSERT INTO evidence (business_id, order_code, attempt_no, evidence_no, source, verdict, detail)
             SELECT {whose}, {CODE}, 1, 1, 0, 0, '' FROM {orders};
         INSERT INTO ledger (business_id, posting_ref, step, kind, prepaid_delta, held_delta)
             SELECT {whose}, {CODE}, 2, 'adjust', 0, 0 FROM {orders};
         INSERT INTO doubts (business_id, order_code, doubt_no, kind, reason, opened_at, closed_at)
             SELECT {whose}, {CODE}, 1, CASE WHEN n % 4 < 2 THEN 'doubt' ELSE 'discrepancy' END, '', now() - interval '1 d' + n * interval '1 ms',
                    CASE WHEN n % 2 = 0 THEN now() END FROM {orders};
         INSERT INTO callbacks (business_id, order_code, url, state, tries, due_at)
             SELECT {whose}, {CODE}, 'http://127.0.0.3:9/callback', CASE WHEN n % 2 = 1 THEN 3 ELSE 0 END, 1,
                    CASE WHEN n % 2 = 0 THEN now() + interval '1 day' END FROM {orders};
         INSERT INTO callback_tries (business_id, order_code, round, try_no, epoch, outcome)
             SELECT {whose}, {CODE}, 1, 1, 0, 'timeout' FROM {orders};
         INSERT INTO outbox SELECT {whose}, gen_random_uuid(), 'mobile', now() + interval '1 day' FROM {others};
         INSERT INTO audit (operator, role, action, object, parameters, outcome, detail)
             SELECT CASE WHEN n <= 6 THEN 'li' ELSE 'wang' END, 'admin', 'lane.pause', 'lane ' || n, '{{}}', 'done', '' FROM {others};
         INSERT INTO resend_jobs (job_id, business_id, low, high, only_parked, per_second, state, total, after, asked_by)
             SELECT gen_random_uuid(), {whose}, gen_random_uuid(), gen_random_uuid(), true, 1, 3, 1, gen_random_uuid(), 'wang' FROM {others};"
    )
}

/// The pages, and of those that list much also a later one; and what is found by its number, which leads to its page.
async fn places(ground: &Ground) -> (Vec<String>, Vec<&'static str>) {
    let of = async |number: &str| {
        let code = format!(
            "SELECT replace(order_code::text, '-', '') FROM orders WHERE biz_code = '{number}'"
        );
        ground.ask(&code).await
    };
    let (early, late) = (of("n7").await, of("n9000").await);
    let opened = "SELECT (extract(epoch FROM opened_at) * 1000000)::bigint FROM doubts JOIN orders USING (order_code) WHERE biz_code = 'n9000'";
    let opened = ground.ask(opened).await;
    let pages = [
        "/".to_owned(),
        "/orders?q=13800000000".to_owned(),
        "/orders?q=nothing".to_owned(),
        format!("/orders/{early}"),
        "/batches/shop?number=b7".to_owned(),
        "/businesses".to_owned(),
        "/businesses/shop".to_owned(),
        format!("/businesses/shop?before={late}.2"),
        "/businesses/neighbour".to_owned(),
        "/callbacks".to_owned(),
        format!("/callbacks?after={late}:shop"),
        "/callbacks?business=shop".to_owned(),
        "/callbacks?business=neighbour".to_owned(),
        "/doubts".to_owned(),
        "/discrepancies".to_owned(),
        format!("/doubts?after={opened}-{late}"),
        "/audit".to_owned(),
        "/audit?before=5000".to_owned(),
        "/audit?by=wang".to_owned(),
        "/audit?by=li".to_owned(),
        "/audit?object=lane+7".to_owned(),
        "/lanes".to_owned(),
        "/lanes/mobile/calling".to_owned(),
        "/lanes/mobile/asked".to_owned(),
        "/suppliers".to_owned(),
        "/products".to_owned(),
        "/endpoints".to_owned(),
        "/operators".to_owned(),
    ];
    let found = vec!["/orders?q=n7", "/orders?q=b8"];
    (pages.into(), found)
}

async fn log(ground: &Ground) -> Vec<u8> {
    let log = {
        let mut servers = ground.servers.lock().await;
        servers.postgres().unwrap().log().to_owned()
    };
    std::fs::read(log).unwrap()
}

/// The most pages that each statement read while these were opened.
async fn read_for(
    ground: &Ground,
    wang: &Person,
    pages: &[String],
    found: &[&str],
) -> BTreeMap<String, i64> {
    let before = log(ground).await.len();
    for page in pages {
        wang.page(page).await;
    }
    for one in found {
        assert!(wang.sent_on(one).await.starts_with("/orders/"), "{one}");
    }
    let text = String::from_utf8_lossy(&log(ground).await[before..]).into_owned();
    let mut read = BTreeMap::new();
    for part in text.split("plan:\n").skip(1) {
        let mut values = serde_json::Deserializer::from_str(part).into_iter::<Value>();
        let Some(Ok(said)) = values.next() else {
            continue;
        };
        let statement = said["Query Text"].as_str().unwrap().to_owned();
        let pages = ["Shared Hit Blocks", "Shared Read Blocks"]
            .map(|blocks| said["Plan"][blocks].as_i64().unwrap());
        let most = read.entry(statement).or_insert(0);
        *most = pages.iter().sum::<i64>().max(*most);
    }
    read
}

/// Statements that read much more than before.
fn dearer(before: &BTreeMap<String, i64>, after: &BTreeMap<String, i64>) -> Vec<String> {
    let both = after
        .iter()
        .filter_map(|(statement, now)| Some((statement, before.get(statement)?, now)));
    both.filter(|(_, was, now)| **now > **was * 2 + 100)
        .map(|(statement, was, now)| format!("{was} pages, then {now}: {statement}"))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_the_console_reads_as_much_whatever_there_is() {
    let ground = Ground::own().await;
    let outside = Outside::start().await;
    let mut fleet = Fleet::prepare(&ground).await;
    fleet.furnish(&outside);
    explain_all(&ground).await;
    for setting in [
        "log_analyze = 'on'",
        "log_buffers = 'on'",
        "log_timing = 'off'",
    ] {
        let sql = format!(
            "LOAD 'auto_explain'; ALTER DATABASE \"{}\" SET auto_explain.{setting}",
            ground.name
        );
        ground.ask(&sql).await;
    }
    let quiet = [("REFILL__ADMIN__LOOK_EVERY_MS", "3600000")];
    fleet.start("console", &quiet).await;
    let wang = fleet.wang("admin").await;

    // As autovacuum would, some day: without, the server may take an operator for one who did most of what there is.
    ground.ask(&rows(0, FEW)).await;
    ground.ask("ANALYZE").await;
    let (pages, found) = places(&ground).await;
    let before = read_for(&ground, &wang, &pages, &found).await;
    ground.ask(&rows(FEW, MANY)).await;
    ground.ask("ANALYZE").await;
    let after = read_for(&ground, &wang, &pages, &found).await;
    let both = after.keys().filter(|one| before.contains_key(*one)).count();
    assert!(both > 30, "only {both} statements were compared");
    let dear = dearer(&before, &after);
    assert!(dear.is_empty(), "{}", dear.join("\n\n"));

    // Without their indexes two of them read everything, and that is seen.
    ground
        .ask("DROP INDEX orders_account; DROP INDEX audit_of_operator")
        .await;
    let after = read_for(&ground, &wang, &pages, &found).await;
    let dear = dearer(&before, &after);
    let about = |part: &str| dear.iter().any(|statement| statement.contains(part));
    assert!(
        dear.len() == 2
            && about("FROM orders WHERE account")
            && about("WHERE (operator, audit_no)"),
        "{}",
        dear.join("\n\n")
    );
    fleet.stop("console");
}
