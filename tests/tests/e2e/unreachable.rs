//! A supplier at whose address nobody listens: it is spared after a few calls, its orders wait as long as their product says, and go out
//! when it is back.

use simulator::Item;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

use crate::harness::outside::HARBOR_KEY;
use crate::harness::{Scene, until};

/// Orders that were given up.
const LOST: &str = "SELECT count(*) FROM orders WHERE state = 3";

/// `harbor`, as it would be reached at `address`, with a product of its own.
fn import(scene: &Scene, address: &str) {
    let text = format!(
        "[[supplier]]\nid = \"away\"\nadapter = \"openapi\"\nbase_url = \"http://{address}\"\nresubmit = \"idempotent\"\n\
         resubmit_for = \"75s\"\nfirst_query_after = \"1s\"\nquery_every = \"1s\"\nquery_for = \"15s\"\ntimeout = \"2s\"\nmax_in_flight = 8\n\
         [supplier.credentials]\nbusiness_id = \"refill\"\nmerchant_id = \"refill\"\nmd5_key = \"{HARBOR_KEY}\"\n\
         platform_public_key = \"\"\"{}\"\"\"\n\
         [[product]]\ncode = \"AWAY10\"\nlane = \"away\"\nface_value = \"10.00\"\n\
         [[price]]\nbusiness = \"shop\"\nproduct = \"AWAY10\"\nprice = \"9.80\"\n\
         [[route]]\nsupplier = \"away\"\nproduct = \"AWAY10\"\nsku = \"A10\"\ncost = \"9.70\"\n",
        scene.outside.harbor_key.public_pem
    );
    scene.platform.import(&scene.outside, &text);
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_wait_for_a_supplier_that_cannot_be_reached() {
    let mut scene = Scene::start().await;
    let address = servers::free_address().unwrap();
    import(&scene, &address.to_string());
    let items: Vec<Item> = (0..2)
        .map(|n| Item::new(format!("away-{n}"), format!("1990000{:02}{n:02}", 4)))
        .collect();
    let known = async || {
        let answer = scene.merchant.client.batch("away", "AWAY10", None, &items);
        (answer.await.unwrap().status == 0).then_some(())
    };
    until("the product", known, || scene.platform.log_tail()).await;
    scene.merchant.order_items("away", "AWAY10", &items).await;
    let spared = async || {
        let log = scene.platform.log();
        log.contains("the supplier fails: no new orders for a while")
            .then_some(())
    };
    until("the breaker", spared, || scene.platform.log_tail()).await;
    assert_eq!(scene.ground.ask(LOST).await, "0");

    let listener = TcpListener::bind(address).await.unwrap();
    let harbor = scene.outside.harbor;
    let back = tokio::spawn(async move {
        while let Ok((mut from, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut to = TcpStream::connect(harbor).await.unwrap();
                let _ = copy_bidirectional(&mut from, &mut to).await;
            });
        }
    });
    scene.merchant.wait_for_all_reports(&scene.outside).await;
    for item in &items {
        let order = scene.merchant.order_info(&item.biz_code).await;
        assert_eq!(order["status"], 2, "{order}");
    }
    scene.end().await;
    back.abort();
}
