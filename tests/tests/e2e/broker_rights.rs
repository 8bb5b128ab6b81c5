//! Each role of the fleet is a user of its own of the broker, with the rights of `deploy/rabbitmq/definitions.json`: what it needs, and no
//! more. Tried on a broker that took in the definitions as `deploy/secrets` completes them.

use lapin::options::{
    BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions,
    QueueDeleteOptions, QueuePurgeOptions,
};
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};

use crate::harness::fleet::ROLES;
use crate::harness::{Fleet, Ground, until};

const ORDERS: &str = "refill.orders.mobile";
const CALLBACKS: &str = "refill.callbacks";
const PARKED: &str = "refill.parked";
/// Not ours, on the same broker.
const FOREIGN: &str = "foreign";
const QUEUES: [&str; 4] = [ORDERS, CALLBACKS, PARKED, FOREIGN];

/// Whose queues a user may declare (and delete), and whose messages it may take.
const MAY: [(&str, &[&str], &[&str]); 4] = [
    ("ingress", &[ORDERS, CALLBACKS], &[]),
    ("fulfillment", &[ORDERS, CALLBACKS, PARKED], &[ORDERS]),
    ("callback", &[CALLBACKS, PARKED], &[CALLBACKS]),
    ("console", &[], &[PARKED]),
];

async fn come_with(url: &str) -> Connection {
    Connection::connect(url, ConnectionProperties::default())
        .await
        .unwrap()
}

/// What may be done; each over a channel of its own, because a refusal closes it.
async fn declare(channel: &Channel, queue: &str) -> lapin::Result<()> {
    let mut arguments = FieldTable::default();
    arguments.insert(
        "x-queue-type".into(),
        AMQPValue::LongString(LongString::from("quorum")),
    );
    let options = QueueDeclareOptions {
        durable: true,
        ..QueueDeclareOptions::default()
    };
    channel
        .queue_declare(queue.into(), options, arguments)
        .await
        .map(drop)
}

async fn publish(channel: &Channel, exchange: &str, queue: &str) -> lapin::Result<()> {
    channel
        .confirm_select(ConfirmSelectOptions::default())
        .await?;
    let (exchange, properties) = (ShortString::from(exchange), BasicProperties::default());
    let sent = channel
        .basic_publish(
            exchange,
            queue.into(),
            BasicPublishOptions::default(),
            b"hint",
            properties,
        )
        .await?;
    sent.await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_role_may_do_at_the_broker_what_it_needs_and_no_more() {
    let ground = Ground::own().await;
    let fleet = Fleet::prepare(&ground).await;
    let (all, management) = {
        let mut servers = ground.servers.lock().await;
        (
            servers.amqp_url().to_owned(),
            servers.rabbitmq().unwrap().management_url(),
        )
    };
    let owner = come_with(&all).await;
    let owners = owner.create_channel().await.unwrap();
    for queue in QUEUES {
        declare(&owners, queue).await.unwrap();
        publish(&owners, "", queue).await.unwrap();
    }
    assert_eq!(MAY.map(|(role, ..)| role), ROLES);
    for (role, declares, takes) in MAY {
        let url = std::fs::read_to_string(fleet.secret(role, "amqp_url")).unwrap();
        let user = come_with(&url).await;
        let anew = async || user.create_channel().await.unwrap();
        for queue in QUEUES {
            let may = declares.contains(&queue);
            assert_eq!(
                declare(&anew().await, queue).await.is_ok(),
                may,
                "{role} declares {queue}"
            );
            if !may {
                let deleted = anew()
                    .await
                    .queue_delete(queue.into(), QueueDeleteOptions::default())
                    .await;
                assert!(deleted.is_err(), "{role} deletes {queue}");
            }
            let may = takes.contains(&queue);
            // Not acknowledged, so it is there again when the channel has gone.
            let taken = anew()
                .await
                .basic_get(queue.into(), BasicGetOptions::default())
                .await;
            assert_eq!(taken.is_ok(), may, "{role} takes of {queue}");
            if !may {
                let purged = anew()
                    .await
                    .queue_purge(queue.into(), QueuePurgeOptions::default())
                    .await;
                assert!(purged.is_err(), "{role} empties {queue}");
            }
        }
        assert!(
            publish(&anew().await, "", ORDERS).await.is_ok(),
            "{role} publishes"
        );
        // Whoever knows a queue's name may count what waits in it, even one who may do nothing else with it.
        let passive = QueueDeclareOptions {
            passive: true,
            ..QueueDeclareOptions::default()
        };
        let counted = anew()
            .await
            .queue_declare(ORDERS.into(), passive, FieldTable::default())
            .await;
        assert!(counted.is_ok(), "{role} counts: {counted:?}");
        assert!(
            publish(&anew().await, "amq.topic", ORDERS).await.is_err(),
            "{role} publishes elsewhere"
        );
    }

    // Who decides how many workers there are counts messages, and touches none; the roles' users see nothing of the management.
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let password = |file: &str| std::fs::read_to_string(fleet.secret(file, "password")).unwrap();
    let asked = async |user: &str, password: &str| {
        let url = format!(
            "{management}/api/queues/%2F?page=1&use_regex=true&pagination=false&name=%5Erefill%5C.orders%5C.&page_size=100"
        );
        http.get(url)
            .basic_auth(user, Some(password))
            .send()
            .await
            .unwrap()
    };
    until(
        "the count",
        async || {
            let answer = asked("refill_scaler", &password("scaler")).await;
            assert_eq!(answer.status().as_u16(), 200);
            let queues: serde_json::Value =
                serde_json::from_str(&answer.text().await.unwrap()).unwrap();
            let ready = queues["items"][0]["messages_ready"].as_u64();
            assert!(queues["items"].as_array().unwrap().len() <= 1, "{queues}");
            ready.filter(|ready| *ready > 0)
        },
        String::new,
    )
    .await;
    assert_eq!(
        asked("refill_ingress", &password("ingress"))
            .await
            .status()
            .as_u16(),
        401
    );
    assert_eq!(asked("refill_scaler", "").await.status().as_u16(), 401);
    let scaler = password("scaler");
    let broker = &fleet.broker;
    let scaler = come_with(&format!("amqp://refill_scaler:{scaler}@{broker}/%2f")).await;
    let channel = scaler.create_channel().await.unwrap();
    assert!(
        channel
            .basic_get(ORDERS.into(), BasicGetOptions::default())
            .await
            .is_err()
    );
}
