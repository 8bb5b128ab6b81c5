//! What runs all the time reads what is due and nothing else: a hundred thousand rows that wait make a look no dearer.
//!
//! Counted in pages, by the real binary: a plan may say "Index Scan" and read a whole index for one row, and an index may be asked for
//! rows that a filter then throws away; the pages tell both.

mod pages;

use std::collections::BTreeMap;

use crate::harness::outside::get;
use crate::harness::{Ground, Scene, until};

/// Rows of `timers` that one sweep changes.
const PUT_OFF_BY_A_SWEEP: i64 = 2;

/// The tables that grow; of orders and the like every part.
const LARGE: &str = "relname ~ '^(timers|outbox|nonces|callbacks|callback_tries|doubts|batches|ledger|order_numbers|resend_jobs|orders_.*|attempts_.*|evidence_.*)$'";

/// Rows that are not due yet, of every kind that somebody looks for, and orders that are long over; and hints that are overdue, as in a
/// queue that is deep, of which a sweep looks at a few.
const WAITING: &str = "
    INSERT INTO timers SELECT 'shop', (left(first_code_of((now() AT TIME ZONE 'UTC')::date + 1)::text, 24) || lpad(to_hex(n), 12, '0'))::uuid,
               'mobile', n % 3,
               now() + (CASE n % 3 WHEN 0 THEN -1 ELSE 1 END) * interval '1 day' + n * interval '1 ms' FROM generate_series(1, 100000) n;
    INSERT INTO outbox SELECT 'shop', gen_random_uuid(), 'mobile', now() + interval '1 day' + n * interval '1 ms'
        FROM generate_series(1, 100000) n;
    INSERT INTO nonces SELECT 'shop', n::text, now() + interval '1 day' + n * interval '1 ms' FROM generate_series(1, 100000) n;
    INSERT INTO callbacks (business_id, order_code, url, due_at, tries, round)
        SELECT 'shop', gen_random_uuid(), 'http://127.0.0.3:9/callback', now() + interval '1 day' + n * interval '1 ms',
               (n % 2)::smallint, (1 + n % 3)::smallint FROM generate_series(1, 100000) n;
    INSERT INTO callbacks (business_id, order_code, url, state)
        SELECT 'shop', gen_random_uuid(), 'http://127.0.0.3:9/callback', 2 + n % 2 FROM generate_series(1, 100000) n;
    INSERT INTO callback_tries (business_id, order_code, round, try_no, epoch, outcome)
        SELECT business_id, order_code, 1, 1, 1, 'timeout' FROM callbacks ON CONFLICT DO NOTHING;
    INSERT INTO orders (business_id, order_code, batch_id, biz_code, product_code, account, spec, price, counted, state, finished_at)
        SELECT 'shop', (left(first_code_of((now() AT TIME ZONE 'UTC')::date - n % 300)::text, 24) || lpad(to_hex(n), 12, '0'))::uuid,
               gen_random_uuid(), n::text, 'MOBILE50', '13800000000', 1, 1, false, 2, now() FROM generate_series(1, 100000) n;
    INSERT INTO attempts (business_id, order_code, attempt_no, supplier_id, reference, sku, cost, first_call_at, last_call_at)
        SELECT business_id, order_code, 1, 'swift', biz_code, 'sku', 1, now(), now() FROM orders ON CONFLICT DO NOTHING;
    INSERT INTO evidence (business_id, order_code, attempt_no, evidence_no, source, verdict, detail)
        SELECT business_id, order_code, 1, 1, 0, 0, '' FROM orders ON CONFLICT DO NOTHING;
    INSERT INTO order_numbers SELECT biz_code, business_id, order_code FROM orders ON CONFLICT DO NOTHING;
    INSERT INTO doubts (business_id, order_code, doubt_no, kind, reason, closed_at)
        SELECT business_id, order_code, 1, 'doubt', '', now() FROM orders;
    INSERT INTO ledger (business_id, posting_ref, step, kind, prepaid_delta, held_delta)
        SELECT business_id, order_code, 2, 'adjust', 0, 0 FROM orders;
    INSERT INTO batches SELECT business_id, batch_id, biz_code, product_code, NULL, '', 1, 1, order_code, order_code, now(), now() + interval '1 h'
        FROM orders ON CONFLICT DO NOTHING;";

/// What was read of one table until now.
#[derive(Clone, Copy, Debug, Default)]
struct Read {
    seq_scans: i64,
    index_scans: i64,
    pages: i64,
    /// Rows that were changed: each leaves a dead entry in the index.
    changed: i64,
    /// And such entries that were there in the end.
    dead: i64,
}

async fn read(ground: &Ground) -> BTreeMap<String, Read> {
    let sql = format!(
        "SELECT string_agg(relname || ' ' || seq_scan || ' ' || coalesce(idx_scan, 0) || ' '
             || heap_blks_hit + heap_blks_read + coalesce(idx_blks_hit + idx_blks_read, 0) || ' ' || n_tup_upd, ';')
         FROM pg_stat_user_tables JOIN pg_statio_user_tables USING (relid, relname) WHERE {LARGE}"
    );
    let lines = ground.ask(&sql).await;
    lines
        .split(';')
        .map(|line| {
            let (table, counts) = line.split_once(' ').unwrap();
            let counts: Vec<i64> = counts.split(' ').map(|n| n.parse().unwrap()).collect();
            let read = Read {
                seq_scans: counts[0],
                index_scans: counts[1],
                pages: counts[2],
                changed: counts[3],
                dead: counts[3],
            };
            (table.to_owned(), read)
        })
        .collect()
}

/// What was read of each table while the sweepers and the loops looked for work very often.
async fn fifty_looks(ground: &Ground) -> BTreeMap<String, Read> {
    // A look for due reports is made by whoever runs at all; it is counted by its own table.
    let before = read(ground).await;
    let looked = |now: &BTreeMap<String, Read>| {
        ["timers", "callbacks", "nonces", "outbox"]
            .iter()
            .all(|table| {
                let done = |read: &Read| read.index_scans + read.seq_scans;
                done(&now[*table]) >= done(&before[*table]) + 50
            })
    };
    let after = until(
        "fifty looks at each table",
        async || Some(read(ground).await).filter(looked),
        String::new,
    )
    .await;
    after
        .into_iter()
        .map(|(table, now)| {
            let was = before.get(&table).copied().unwrap_or_default();
            let read = Read {
                seq_scans: now.seq_scans - was.seq_scans,
                index_scans: now.index_scans - was.index_scans,
                pages: now.pages - was.pages,
                changed: now.changed - was.changed,
                dead: now.dead,
            };
            (table, read)
        })
        .collect()
}

/// Tables of which a look reads more than the way down an index to one row and the row itself; a hundred pages for sessions that plan anew.
/// Besides, a sweep passes the entries of all rows that were put off before it, unless the server may mark them: it may not while a transaction
/// is open anywhere that began before, as other tests' are.
/// What is read without a scan is no look: the server summarizes ranges of `callback_tries` when it likes.
fn too_dear(reads: &BTreeMap<String, Read>) -> Vec<String> {
    reads
        .iter()
        .filter(|(_, read)| {
            let sweeps = read.changed / PUT_OFF_BY_A_SWEEP;
            let passed = sweeps * read.dead;
            read.seq_scans > 0
                || read.index_scans > 0 && read.pages > read.index_scans * 8 + 100 + passed
        })
        .map(|(table, read)| format!("{table}: {read:?}"))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_for_work_costs_the_same_whatever_waits() {
    let mut scene = Scene::start_with(&[
        ("REFILL__FULFILLMENT__SWEEP_EVERY_MS", "50"),
        (
            "REFILL__FULFILLMENT__SWEEP_SIZE",
            &PUT_OFF_BY_A_SWEEP.to_string(),
        ),
        ("REFILL__FULFILLMENT__DUE_EVERY_MS", "50"),
        ("REFILL__CALLBACK__POLL_EVERY_MS", "50"),
        // Ingress counts the outbox up to this number.
        ("REFILL__INGRESS__MAX_BACKLOG_BATCHES", "3"),
        // The metrics count up to ten thousand of each kind, seldom.
        ("REFILL__ADMIN__LOOK_EVERY_MS", "3600000"),
    ])
    .await;
    // A lane that has moved, so that the sweeper asks how far.
    scene.merchant.order("moved", 20).await;
    scene.merchant.wait_for_all_reports(&scene.outside).await;
    let ground = &scene.ground;
    for away in 1..=12 {
        for parent in ["orders", "attempts", "evidence"] {
            let month = format!(
                "(date_trunc('month', now() AT TIME ZONE 'UTC') - {away} * interval '1 month')::date"
            );
            ground
                .ask(&format!("SELECT make_month('{parent}', {month})"))
                .await;
        }
    }
    // Nobody else reads them meanwhile; and what was planned while they were empty stays planned so, which is the worst there is.
    let quiet = format!(
        "SELECT string_agg(format('ALTER TABLE %I SET (autovacuum_enabled = false)', relname), ';') FROM pg_stat_user_tables WHERE {LARGE}"
    );
    let quiet = ground.ask(&quiet).await;
    ground.ask(&quiet).await;
    fifty_looks(ground).await;
    ground.ask(WAITING).await;
    // As autovacuum does when a range of pages is full: old tries are looked for once a minute by these summaries.
    ground
        .ask("SELECT brin_summarize_new_values('callback_tries_old')")
        .await;
    // The first ones met rows that were not committed yet.
    fifty_looks(ground).await;
    let reads = fifty_looks(ground).await;
    assert_eq!(too_dear(&reads), Vec::<String>::new());

    // Without its index a look reads them all, and that is seen.
    ground.ask("DROP INDEX timers_looks").await;
    let reads = fifty_looks(ground).await;
    let dear = too_dear(&reads);
    assert!(
        dear.len() == 1 && dear[0].starts_with("timers:"),
        "{dear:?}"
    );
    // What lies there belongs to no order, so there is nothing to check.
    scene.platform.kill();
    scene.ground.clear().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_metrics_count_what_waits_up_to_ten_thousand_and_read_no_further() {
    let scene = Scene::start_with(&[("REFILL__ADMIN__LOOK_EVERY_MS", "1000")]).await;
    let ground = &scene.ground;
    ground.ask(WAITING).await;
    let url = format!("{}/metrics", scene.platform.admin);
    // Each look is told by the moment at which it was made.
    let look = async |after: &str| {
        until(
            "another look",
            async || {
                let exposition = get(&url).await;
                let looked = exposition
                    .lines()
                    .find(|line| line.starts_with("refill_vitals_observed_timestamp_seconds "))?
                    .to_owned();
                (looked != after).then_some((looked, exposition))
            },
            String::new,
        )
        .await
    };
    let (mut looked, mut exposition) = look("").await;
    let counted = [
        "refill_orders_open{lane=\"mobile\",state=\"stored\"} 10000",
        "refill_orders_open{lane=\"mobile\",state=\"calling\"} 10000",
        "refill_outbox_batches 10000",
        "refill_reports_waiting{line=\"retry\"} 10000",
        "refill_reports_parked 10000",
    ];
    while !counted.iter().all(|line| exposition.contains(line)) {
        (looked, exposition) = look(&looked).await;
    }
    let before = read(ground).await;
    let mut looks = 0;
    let after = loop {
        (looked, _) = look(&looked).await;
        looks += 1;
        if looks >= 3 {
            break read(ground).await;
        }
    };
    for (table, now) in after {
        let was = before.get(&table).copied().unwrap_or_default();
        let pages = now.pages - was.pages;
        assert_eq!(now.seq_scans, was.seq_scans, "{table}");
        // Three pages for each of ten thousand rows that are looked up by their key; of a hundred thousand it would be ten times as many.
        // One more look may have begun before, and one may be for the console's charts.
        assert!(
            pages < (looks + 2) * 40_000,
            "{table}: {pages} pages in {looks} looks"
        );
    }
    let mut platform = scene.platform;
    platform.kill();
    scene.ground.clear().await;
}
