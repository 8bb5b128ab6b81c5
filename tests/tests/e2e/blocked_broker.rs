//! A broker that is low on disk is there and takes nothing. Ops are told so, in its words, where they look first; orders are taken meanwhile,
//! and go out when it is over.

use rust_decimal::Decimal;

use crate::harness::{Fleet, Ground, Merchant, Outside, until};

/// What no disk of a test has.
const MORE_THAN_THERE_IS: &str = "1000000GB";

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_takes_nothing_is_named_with_its_reason_until_it_takes_messages_again() {
    let ground = Ground::own().await;
    let outside = Outside::start().await;
    let mut fleet = Fleet::prepare(&ground).await;
    fleet.furnish(&outside);
    for role in ["ingress", "fulfillment", "callback", "console"] {
        fleet.start(role, &[]).await;
    }
    let wang = fleet.wang("viewer").await;
    let mut merchant = Merchant::new(&fleet.openapi, &outside);
    let (before, _) = merchant.balance().await;

    let broker = async |limit: &str| {
        let mut servers = ground.servers.lock().await;
        servers.rabbitmq().unwrap().keep_free(limit).await.unwrap();
    };
    broker(MORE_THAN_THERE_IS).await;
    merchant.order("low", 5).await;
    let alarm = "The broker takes no messages of";
    wang.page_until("/live", alarm).await;
    let overview = wang.page("/").await;
    let (_, told) = overview.split_once(alarm).unwrap();
    let (told, _) = told.split_once("</li>").unwrap();
    assert!(
        told.contains("ingress") && told.contains("low on disk"),
        "{told}"
    );

    broker("1MB").await;
    merchant.wait_for_all_reports(&outside).await;
    merchant
        .was_treated_right(&outside, before, Decimal::new(4910, 2))
        .await;
    until(
        "an overview without it",
        async || (!wang.page("/").await.contains(alarm)).then_some(()),
        String::new,
    )
    .await;
    for role in ["console", "ingress", "fulfillment", "callback"] {
        fleet.stop(role);
    }
}
