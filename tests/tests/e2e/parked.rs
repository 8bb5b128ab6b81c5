//! Messages that could not be read: seen, sent back or dropped by people, and never lost on the way.

use lapin::BasicProperties;
use lapin::options::{BasicAckOptions, BasicGetOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use serde_json::Value;

use crate::broker::Broker;
use crate::harness::{Fleet, Ground, Merchant, Outside, Scene, until};

const ORDERS: &str = "refill.orders.mobile";
const PARKED: &str = "refill.parked";

/// Each order's hint, as it lies in the lane's queue, is put aside as a worker that is too old for it would.
async fn put_aside(broker: &Broker) {
    let channel = &broker.channel;
    let hint = until(
        "the hint",
        async || {
            let get = channel.basic_get(ORDERS.into(), BasicGetOptions::default());
            get.await.unwrap()
        },
        String::new,
    )
    .await;
    let mut headers = FieldTable::default();
    for (name, text) in [
        ("refill-reason", "unknown_version"),
        ("refill-origin", ORDERS),
    ] {
        headers.insert(name.into(), AMQPValue::LongString(text.into()));
    }
    let properties = BasicProperties::default()
        .with_message_id("parked/one".into())
        .with_headers(headers);
    let put = broker.put(PARKED, properties, &hint.data).await;
    put.await.unwrap();
    let ack = channel.basic_ack(hint.delivery_tag, BasicAckOptions::default());
    ack.await.unwrap();
}

/// With the rights of a deployment: the console's user may do this, and needs no more.
#[tokio::test(flavor = "multi_thread")]
async fn a_hint_that_was_parked_goes_back_to_its_queue_and_its_order_is_done() {
    let ground = Ground::own().await;
    let outside = Outside::start().await;
    let mut fleet = Fleet::prepare(&ground).await;
    fleet.furnish(&outside);
    // A worker declares the queue of parked messages; stopped, it takes no hint.
    fleet.start("callback", &[]).await;
    fleet.start("ingress", &[]).await;
    let mut merchant = Merchant::new(&fleet.openapi, &outside);
    merchant.order("aside", 1).await;
    let all = {
        let servers = ground.servers.lock().await;
        servers.amqp_url().to_owned()
    };
    let broker = Broker::at(&all).await;
    let mut arguments = FieldTable::default();
    arguments.insert(
        "x-queue-type".into(),
        AMQPValue::LongString("quorum".into()),
    );
    let durable = QueueDeclareOptions {
        durable: true,
        ..QueueDeclareOptions::default()
    };
    let declared = broker
        .channel
        .queue_declare(PARKED.into(), durable, arguments);
    declared.await.unwrap();
    put_aside(&broker).await;
    broker.leave().await;
    // No sweeper brings it again.
    ground
        .ask("UPDATE timers SET due_at = now() + interval '1 day'")
        .await;
    fleet.start("fulfillment", &[]).await;

    let line = |args: &[&str]| -> Value {
        serde_json::from_str(fleet.done("console", args).lines().next().unwrap_or("null")).unwrap()
    };
    let seen = line(&["queue", "parked", "--json"]);
    assert_eq!(seen["from"], ORDERS);
    assert_eq!(seen["reason"], "unknown_version");
    assert_eq!(ground.ask("SELECT state FROM orders").await, "0");
    let requeue = [
        "queue", "requeue", "--from", ORDERS, "--as", "wang", "--json",
    ];
    assert_eq!(line(&requeue)["requeued"], 1);
    merchant.wait_for_all_reports(&outside).await;
    assert_eq!(line(&["queue", "parked", "--json"]), Value::Null);
    assert_eq!(line(&requeue)["requeued"], 0);
    let kept =
        "SELECT string_agg(operator || ' ' || object || ' ' || outcome, ', ' ORDER BY audit_no)
                FROM audit WHERE action = 'parked.requeue'";
    assert_eq!(
        ground.ask(kept).await,
        format!("cli:wang messages of {ORDERS} done, cli:wang messages of {ORDERS} unchanged")
    );
    let imported = "SELECT count(*) FROM audit WHERE action = 'catalog.import' AND outcome = 'done' AND operator LIKE 'cli:%'";
    assert_eq!(ground.ask(imported).await, "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_rubbish_is_seen_on_the_pages_and_dropped() {
    let scene = Scene::start().await;
    let publish = async |text: &str| {
        let servers = scene.ground.servers.lock().await;
        servers
            .publish(&scene.ground.name, ORDERS, text)
            .await
            .unwrap();
    };
    until(
        "the lane's queue",
        async || {
            let listed = scene.platform.tool(&["queue", "list", "--json"]);
            let text = String::from_utf8(listed.stdout).unwrap();
            text.contains(r#""consumers":1"#).then_some(())
        },
        || scene.platform.log_tail(),
    )
    .await;
    publish(r#"{"v":99,"x":"<script>alert(1)</script>"}"#).await;
    let page = until(
        "the parked message",
        async || {
            let page = scene.platform.console_page("/parked").await;
            page.contains("unknown_version").then_some(page)
        },
        || scene.platform.log_tail(),
    )
    .await;
    assert!(!page.contains("<script>alert"), "{page}");
    assert!(page.contains("&#60;script&#62;alert(1)"), "{page}");
    until(
        "the alarm",
        async || {
            let page = scene.platform.console_page("/").await;
            page.contains("RefillMessagesParked").then_some(())
        },
        || scene.platform.log_tail(),
    )
    .await;
    let lanes = scene.platform.console_page("/lanes").await;
    assert!(
        lanes.contains(PARKED) && !lanes.contains("broker is away"),
        "{lanes}"
    );

    let tool = |args: &[&str]| -> Vec<Value> {
        let said = scene.platform.tool(args);
        assert!(said.status.success(), "{said:?}");
        let text = String::from_utf8(said.stdout).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
        lines.collect()
    };
    let first = tool(&["queue", "parked", "--json"]).remove(0);
    let id = first["id"].as_str().unwrap().to_owned();
    // It can be read as little as before: parked again, by a new name.
    assert_eq!(
        tool(&["queue", "requeue", "--id", &id, "--json"])[0]["requeued"],
        1
    );
    let again = until(
        "the message again",
        async || {
            let parked = tool(&["queue", "parked", "--json"]);
            let other = parked.into_iter().find(|line| line["id"] != id.as_str());
            other.map(|line| line["id"].as_str().unwrap().to_owned())
        },
        || scene.platform.log_tail(),
    )
    .await;
    assert_eq!(
        tool(&["queue", "drop", "--id", &again, "--json"])[0]["dropped"],
        1
    );
    assert!(tool(&["queue", "parked", "--json"]).is_empty());
    let gone = scene.platform.tool(&["queue", "drop", "--id", &again]);
    let said = String::from_utf8(gone.stderr).unwrap();
    assert!(
        !gone.status.success() && said.contains("no such message is parked"),
        "{said}"
    );
    scene.end().await;
}
