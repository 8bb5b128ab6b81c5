//! A supplier that takes connections and never answers, with more orders to ask after than it has room for: those of other suppliers on
//! the same lane do not stand behind them.

use simulator::Item;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::harness::{Scene, until};

/// Orders at the supplier that hangs: several claims full, many times the calls that it has room for.
const HANGING: usize = 12;
/// What one claim takes.
const CLAIM: &str = "4";

/// Takes every connection and says nothing. Returns its address.
async fn silence() -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let takes = tokio::spawn(async move {
        let mut held = vec![];
        while let Ok((connection, _)) = listener.accept().await {
            held.push(connection);
        }
    });
    (url, takes)
}

/// One lane with two products: one that only the hanging supplier has, one that only `harbor` has.
fn import(scene: &Scene, hanging_url: &str) {
    let product = |code: &str, supplier: &str| {
        format!(
            "[[product]]\ncode = \"{code}\"\nlane = \"shared\"\nface_value = \"10.00\"\n\
             [[price]]\nbusiness = \"shop\"\nproduct = \"{code}\"\nprice = \"9.80\"\n\
             [[route]]\nsupplier = \"{supplier}\"\nproduct = \"{code}\"\nsku = \"S10\"\ncost = \"9.70\"\n"
        )
    };
    let text = format!(
        "[[supplier]]\nid = \"silent\"\nadapter = \"form_md5\"\nbase_url = \"{hanging_url}\"\nresubmit = \"query\"\n\
         not_found_final_after = \"3s\"\nfirst_query_after = \"1s\"\nquery_every = \"1s\"\nquery_for = \"1h\"\ntimeout = \"2s\"\n\
         max_in_flight = 2\n[supplier.credentials]\nuserid = \"refill\"\napikey = \"silent-api-key\"\n{}{}",
        product("SILENT10", "silent"),
        product("WELL10", "harbor"),
    );
    scene.platform.import(&scene.outside, &text);
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_at_a_supplier_that_hangs_do_not_stand_before_others() {
    let mut scene = Scene::start_with(&[("REFILL__FULFILLMENT__CLAIM_SIZE", CLAIM)]).await;
    let (url, silence) = silence().await;
    import(&scene, &url);
    let hanging: Vec<Item> = (0..HANGING)
        .map(|n| Item::new(format!("silent-{n}"), format!("138{n:08}")))
        .collect();
    let known = async || {
        let answer = scene
            .merchant
            .client
            .batch("silent", "SILENT10", None, &hanging);
        (answer.await.unwrap().status == 0).then_some(())
    };
    until("the products", known, || scene.platform.log_tail()).await;
    let wait_for_answers = format!(
        "SELECT count(*) >= {HANGING} FROM attempts WHERE supplier_id = 'silent' AND state = 2"
    );
    let all_hang = async || {
        let asked = scene.ground.ask(&wait_for_answers).await;
        (asked == "t").then_some(())
    };
    until("calls without an answer", all_hang, || {
        scene.platform.log_tail()
    })
    .await;

    // Their ends come to light by a question only.
    let well: Vec<Item> = (0..3)
        .map(|n| Item::new(format!("well-{n}"), format!("199000004{n:02}")))
        .collect();
    scene.merchant.order_items("well", "WELL10", &well).await;
    scene.merchant.wait_for_all_reports(&scene.outside).await;
    let still = "SELECT count(*) FROM attempts WHERE supplier_id = 'silent' AND state IN (0, 1, 2)";
    assert_eq!(scene.ground.ask(still).await, HANGING.to_string());
    silence.abort();
    scene.end().await;
}
