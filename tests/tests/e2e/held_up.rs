//! Somebody's session keeps a lock on one account's balance, as a forgotten transaction does: only that account waits, ops are told who
//! keeps it, and when it ends everything goes on.

use simulator::{Item, MerchantClient};
use tokio::task::JoinHandle;
use tokio_postgres::{Client, NoTls};

use crate::harness::merchant::MERCHANT;
use crate::harness::{Merchant, Scene, until};

/// What the forgotten session calls itself.
const FORGOTTEN: &str = "month-end-report";

/// Accounts whose end only a question brings to light, and whose end is pushed.
const BY_QUESTION: &str = "199000004";
const BY_PUSH: &str = "199000002";

/// Whoever looks at a balance and does not end the transaction.
struct Forgotten {
    client: Client,
    connection: JoinHandle<()>,
}

impl Forgotten {
    async fn looks_at(scene: &Scene, business: &str) -> Self {
        let mut config: tokio_postgres::Config = scene.ground.database_url.parse().unwrap();
        config.application_name(FORGOTTEN);
        let (client, connection) = config.connect(NoTls).await.unwrap();
        let connection = tokio::spawn(async move { drop(connection.await) });
        let lock =
            format!("BEGIN; SELECT held FROM balances WHERE business_id = '{business}' FOR UPDATE");
        client.batch_execute(&lock).await.unwrap();
        Self { client, connection }
    }

    async fn ends(self) {
        self.client.batch_execute("ROLLBACK").await.unwrap();
        drop(self.client);
        self.connection.await.unwrap();
    }
}

/// Another account, which has its reports sent to the same endpoint.
fn reader(scene: &Scene) -> Merchant {
    let key = &scene.outside.merchant_key.private_pem;
    let client = MerchantClient::rsa(&scene.platform.openapi, MERCHANT, "reader", key);
    Merchant {
        client: client.unwrap(),
        ordered: vec![],
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_account_whose_balance_somebody_keeps_locked_waits() {
    let mut scene = Scene::start_with(&[("REFILL__ADMIN__LOOK_EVERY_MS", "1000")]).await;
    let slow = [1, 2].map(|n| Item::new(format!("slow-{n}"), format!("{BY_QUESTION}{n:02}")));
    scene.merchant.order_items("slow", "MOBILE50", &slow).await;
    let forgotten = Forgotten::looks_at(&scene, "shop").await;
    until(
        "an end that cannot be written",
        async || {
            scene
                .platform
                .log()
                .contains("not recorded yet")
                .then_some(())
        },
        || scene.platform.log_tail(),
    )
    .await;

    let mut reader = reader(&scene);
    let shop = &scene.merchant.client;
    let shop_goes_on = async {
        for n in 0.. {
            let batch = format!("shop-{n}");
            let items = [Item::new(&batch, format!("139{n:08}"))];
            let answer = shop.batch(&batch, "MOBILE50", None, &items).await.unwrap();
            assert_eq!(
                (answer.status, &answer.body["accepted"]),
                (1, &"no".into()),
                "{}",
                answer.body
            );
        }
    };
    let reader_is_served = async {
        for batch in 0..20 {
            let name = format!("reader-{batch}");
            let ends = [BY_QUESTION, BY_PUSH]
                .map(|way| Item::new(format!("{name}-{way}"), format!("{way}{batch:02}")));
            reader.order_items(&name, "MOBILE50", &ends).await;
        }
        reader.wait_for_all_reports(&scene.outside).await;
        until(
            "the alarm",
            async || {
                let overview = scene.platform.console_page("/").await;
                overview.contains(FORGOTTEN).then_some(())
            },
            || scene.platform.log_tail(),
        )
        .await;
    };
    tokio::select! {
        () = shop_goes_on => {}
        () = reader_is_served => {}
    }
    let told = |biz_code| scene.outside.received.get(biz_code).is_some();
    assert!(!told("slow-1") && !told("slow-2"), "the lock was not kept");

    forgotten.ends().await;
    scene.merchant.wait_for_all_reports(&scene.outside).await;
    scene.end().await;
}
