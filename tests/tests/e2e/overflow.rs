//! More reports than their endpoints take at the same time: those that find no slot wait for one, and for nothing else.

use simulator::Item;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::harness::Scene;

/// So many reports to each endpoint, in batches that come by turns.
const EACH: [usize; 4] = [90, 10, 40, 70];
const BATCH: usize = 10;

#[tokio::test(flavor = "multi_thread")]
async fn reports_that_find_no_slot_wait_for_a_slot_and_not_for_their_time() {
    let few = ("REFILL__CALLBACK__MAX_IN_FLIGHT_PER_ENDPOINT", "3");
    let mut scene = Scene::start_with(&[few]).await;
    // Nobody looks after a hint that was lost before the test has long ended: what is delivered was found without that.
    let later = "CREATE FUNCTION much_later() RETURNS trigger LANGUAGE plpgsql AS
                 $$ BEGIN NEW.due_at := now() + interval '1 hour'; RETURN NEW; END $$;
                 CREATE TRIGGER much_later BEFORE INSERT ON callbacks FOR EACH ROW EXECUTE FUNCTION much_later()";
    scene.ground.try_sql(later).await.unwrap();
    let shutdown = CancellationToken::new();
    let mut endpoints = JoinSet::new();
    let mut urls = vec![];
    for _ in EACH {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        urls.push(format!("http://{at}/callback"));
        let run = scene.outside.receiver.clone();
        endpoints.spawn(run.run(listener, shutdown.clone()));
    }
    for round in 0..EACH.into_iter().max().unwrap() / BATCH {
        for (place, url) in urls.iter().enumerate() {
            if round * BATCH >= EACH[place] {
                continue;
            }
            let number = format!("to-{place}-{round}");
            let account = |n: usize| format!("13{place}{:08}", round * BATCH + n);
            let items = (0..BATCH).map(|n| Item::new(format!("{number}-{n}"), account(n)));
            let items: Vec<Item> = items.collect();
            let client = &scene.merchant.client;
            let sent = client.batch(&number, "MOBILE50", Some(url), &items).await;
            assert_eq!(sent.unwrap().status, 0);
            let ordered = items.into_iter().map(|item| (item.biz_code, item.account));
            scene.merchant.ordered.extend(ordered);
        }
    }
    scene.merchant.wait_for_all_reports(&scene.outside).await;
    shutdown.cancel();
    while let Some(ended) = endpoints.join_next().await {
        ended.unwrap().unwrap();
    }
    scene.end().await;
}
