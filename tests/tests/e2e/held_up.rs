//! Somebody's session keeps a lock on some accounts' balances, as a forgotten transaction does: only those accounts wait, ops are told who
//! keeps it, and when it ends everything goes on.

use futures::future::join_all;
use simulator::Item;
use tokio::task::JoinHandle;
use tokio_postgres::{Client, NoTls};

use crate::harness::merchant::{BUSINESS, MERCHANT};
use crate::harness::{Merchant, Scene, until};

/// What the forgotten session calls itself.
const FORGOTTEN: &str = "month-end-report";
/// Accounts whose balances it keeps: more than transactions of any kind run at the same time.
const KEPT: usize = 6;

/// What is topped up: its end comes only to light by a question; it is pushed; it fails, which is pushed and can be asked for.
const BY_QUESTION: &str = "199000004";
const BY_PUSH: &str = "199000002";
const FAILS: &str = "199000003";
/// Its supplier does not accept it.
const REFUSED: &str = "199000009";

/// Whoever looks at balances and does not end the transaction.
struct Forgotten {
    client: Client,
    connection: JoinHandle<()>,
}

impl Forgotten {
    async fn looks_at_kept(scene: &Scene) -> Self {
        let kept = "SELECT held FROM balances WHERE business_id LIKE 'kept-%' ORDER BY business_id FOR UPDATE";
        Self::looks_at(scene, kept).await
    }

    /// Keeps what this finds.
    async fn looks_at(scene: &Scene, what: &str) -> Self {
        let mut config: tokio_postgres::Config = scene.ground.database_url.parse().unwrap();
        config.application_name(FORGOTTEN);
        let (client, connection) = config.connect(NoTls).await.unwrap();
        let connection = tokio::spawn(async move { drop(connection.await) });
        client
            .batch_execute(&format!("BEGIN; {what}"))
            .await
            .unwrap();
        Self { client, connection }
    }

    async fn ends(self) {
        self.client.batch_execute("ROLLBACK").await.unwrap();
        drop(self.client);
        self.connection.await.unwrap();
    }
}

/// The accounts, and what the others may buy besides: a product of which there are two, which one of them orders.
fn import(scene: &Scene) {
    let account = |n: usize| {
        let id = format!("kept-{n}");
        let price = |product: &str, price: &str| {
            format!(
                "[[price]]\nbusiness = \"{id}\"\nproduct = \"{product}\"\nprice = \"{price}\"\n"
            )
        };
        format!(
            "[[business]]\nid = \"{id}\"\nmerchant = \"{MERCHANT}\"\nopening_deposit = \"1000.00\"\n\
             callback_url = \"{{{{merchant_url}}}}/callback\"\nrsa_public_keys = [\"\"\"{{{{merchant_public_key}}}}\"\"\"]\n{}{}{}",
            price("MOBILE50", "49.10"),
            price("DEAR", "9.80"),
            price("LAST2", "9.80")
        )
    };
    let mut text: String = (0..KEPT).map(account).collect();
    text.push_str("[[price]]\nbusiness = \"reader\"\nproduct = \"LAST2\"\nprice = \"9.80\"\n");
    scene.platform.import(&scene.outside, &text);
}

/// Another account of the same keys, which has its reports sent to the same endpoint.
fn merchant(scene: &Scene, business: &str) -> Merchant {
    Merchant {
        client: scene.merchant.client.of_business(business),
        ordered: vec![],
    }
}

fn item(number: &str, account: &str, n: usize) -> Item {
    Item::new(number, format!("{account}{n:02}"))
}

async fn logged(scene: &Scene, what: &str, holds: impl Fn(&str) -> bool) {
    let found = async || holds(&scene.platform.log()).then_some(());
    until(what, found, || scene.platform.log_tail()).await;
}

/// Whether all of them are named in lines with these words.
fn all_named(log: &str, words: &str) -> bool {
    (0..KEPT).all(|n| {
        let name = format!("kept-{n}");
        log.lines()
            .any(|line| line.contains(words) && line.contains(&name))
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn only_accounts_whose_balance_somebody_keeps_locked_wait() {
    let scene = Scene::start_with(&[("REFILL__ADMIN__LOOK_EVERY_MS", "1000")]).await;
    import(&scene);
    let mut kept: Vec<Merchant> = (0..KEPT)
        .map(|n| merchant(&scene, &format!("kept-{n}")))
        .collect();
    let known = async || (kept[0].client.balance().await.unwrap().status == 0).then_some(());
    until("the accounts", known, || scene.platform.log_tail()).await;
    let orders = kept.iter_mut().enumerate().map(async |(n, merchant)| {
        let ends = [BY_QUESTION, BY_PUSH].map(|way| item(&format!("{way}-{n}"), way, n));
        merchant
            .order_items(&format!("kept-{n}"), "MOBILE50", &ends)
            .await;
    });
    join_all(orders).await;
    // Of a product that is counted; its release returns a unit.
    kept[1]
        .order_items("last", "LAST2", &[item("last", FAILS, 1)])
        .await;
    // No supplier is cheap enough: it is a claim that ends it.
    kept[0]
        .order_items("dear", "DEAR", &[item("dear", BY_PUSH, 1)])
        .await;
    let forgotten = Forgotten::looks_at_kept(&scene).await;
    let open = "SELECT string_agg(biz_code, ' ') FROM orders WHERE business_id LIKE 'kept-%' AND state < 2";
    let open = scene.ground.ask(open).await;
    for number in ["dear", "last"] {
        assert!(open.contains(number), "{number} had ended before the lock");
    }

    let mut reader = merchant(&scene, "reader");
    let kept_go_on = join_all(kept.iter().map(async |merchant| {
        for n in 0.. {
            let items = [Item::new(format!("more-{n}"), format!("139{n:08}"))];
            let batch = format!("more-{n}");
            let answer = merchant.client.batch(&batch, "MOBILE50", None, &items);
            let answer = answer.await.unwrap();
            assert_eq!(
                (answer.status, &answer.body["accepted"]),
                (1, &"no".into()),
                "{}",
                answer.body
            );
        }
    }));
    let reader_is_served = async {
        logged(&scene, "ends that wait", |log| {
            all_named(log, "is heard of its orders waits")
        })
        .await;
        logged(&scene, "batches refused", |log| {
            all_named(log, "its batches are refused")
        })
        .await;
        for n in 0..20 {
            let ends = [BY_QUESTION, BY_PUSH].map(|way| item(&format!("reader-{way}-{n}"), way, n));
            let batch = format!("reader-{n}");
            let answer = reader.client.batch(&batch, "MOBILE50", None, &ends);
            assert_eq!(
                answer.await.unwrap().status,
                0,
                "who is not locked is not refused"
            );
            reader
                .ordered
                .extend(ends.map(|end| (end.biz_code, end.account)));
        }
        reader
            .order_items("reader-last", "LAST2", &[item("reader-last", BY_PUSH, 1)])
            .await;
        reader.wait_for_all_reports(&scene.outside).await;
        let alarm = async || {
            scene
                .platform
                .console_page("/")
                .await
                .contains(FORGOTTEN)
                .then_some(())
        };
        until("the alarm", alarm, || scene.platform.log_tail()).await;
    };
    tokio::select! {
        _ = kept_go_on => {}
        () = reader_is_served => {}
    }
    for number in open.split(' ') {
        assert!(
            scene.outside.received.get(number).is_none(),
            "{number} ended: the lock was not kept"
        );
    }

    forgotten.ends().await;
    for merchant in &kept {
        merchant.wait_for_all_reports(&scene.outside).await;
    }
    logged(&scene, "nothing waits any more", |log| {
        all_named(log, "is recorded, its rows are free")
    })
    .await;
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_that_somebody_keeps_locked_stops_nobody_elses_record() {
    let mut scene = Scene::start().await;
    // Its merchant takes half a second.
    let unhurried = format!("http://{}/unhurried/callback", scene.outside.merchant);
    let items = [Item::new("locked", "13800000001")];
    let client = scene.merchant.client.clone();
    let batch = client.batch("locked", "MOBILE50", Some(&unhurried), &items);
    assert_eq!(batch.await.unwrap().status, 0);
    let on_its_way = "SELECT count(*) FROM callbacks WHERE state = 1";
    let sent = async || (scene.ground.ask(on_its_way).await == "1").then_some(());
    until("a report on its way", sent, String::new).await;
    let forgotten = Forgotten::looks_at(&scene, "SELECT 1 FROM callbacks FOR UPDATE").await;
    let locked = "SELECT state FROM callbacks";
    assert_eq!(scene.ground.ask(locked).await, "1", "not yet recorded");
    let waits = "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
    let waits = async || (scene.ground.ask(waits).await == "t").then_some(());
    until("its record waits for the lock", waits, String::new).await;

    scene.merchant.order("others", 20).await;
    scene.merchant.wait_for_all_reports(&scene.outside).await;
    let recorded = "SELECT count(*) FROM callbacks WHERE state = 2";
    let all = async || (scene.ground.ask(recorded).await == "20").then_some(());
    until("the others' records", all, || scene.platform.log_tail()).await;

    forgotten.ends().await;
    let all = async || {
        // The lease ends now.
        scene
            .ground
            .ask("UPDATE callbacks SET due_at = now() WHERE state = 1")
            .await;
        (scene.ground.ask(recorded).await == "21").then_some(())
    };
    until("its record", all, || scene.platform.log_tail()).await;
    scene
        .merchant
        .ordered
        .push(("locked".into(), "13800000001".into()));
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_whose_refusal_cannot_be_recorded_is_not_sent_again() {
    let scene = Scene::start().await;
    let lane = |does: &str| {
        let done = scene.platform.tool(&["lane", does, "wallet", "--as", "li"]);
        assert!(done.status.success(), "{done:?}");
    };
    lane("pause");
    let mut refused = [item("refused", REFUSED, 1)];
    refused[0].spec = Some("10.00".into());
    let mut merchant = merchant(&scene, BUSINESS);
    merchant.order_items("refused", "WALLET", &refused).await;
    let mine = format!("SELECT held FROM balances WHERE business_id = '{BUSINESS}' FOR UPDATE");
    let forgotten = Forgotten::looks_at(&scene, &mine).await;
    lane("resume");
    logged(&scene, "an end that waits", |log| {
        log.contains("is heard of its orders waits")
    })
    .await;
    // Three times its claim is about to end.
    for _ in 0..3 {
        let ends = "WITH soon AS (UPDATE timers SET due_at = now() + interval '30 s' WHERE kind = 1 RETURNING 1) SELECT count(*) FROM soon";
        assert_eq!(scene.ground.ask(ends).await, "1");
        let kept =
            "SELECT count(*) FROM timers WHERE kind = 1 AND due_at > now() + interval '45 s'";
        let is_kept = async || (scene.ground.ask(kept).await == "1").then_some(());
        until("its claim in force", is_kept, || scene.platform.log_tail()).await;
    }
    forgotten.ends().await;
    merchant.wait_for_all_reports(&scene.outside).await;
    let calls = "SELECT string_agg(calls || ' ' || state, ',') FROM attempts";
    assert_eq!(scene.ground.ask(calls).await, "1 4");
    scene.end().await;
}
