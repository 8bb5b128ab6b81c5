//! Each role of the fleet is a user of its own of the database: with what it may do the whole way runs (`used`, through a `day`), and no
//! further (`refused`).

mod day;
mod refused;
mod used;

use std::collections::BTreeSet;

use serde_json::Value;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

use crate::harness::platform::root;
use crate::harness::{Fleet, Ground};

/// A connection as one of the users.
async fn come_as(fleet: &Fleet, user: &str) -> Client {
    let url = std::fs::read_to_string(fleet.secret(user, "database_url")).unwrap();
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// The first value, or the code of the refusal.
async fn tried(client: &Client, sql: &str) -> Result<String, String> {
    match client.simple_query(sql).await {
        Ok(messages) => Ok(messages
            .iter()
            .find_map(|message| match message {
                SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
                _ => None,
            })
            .unwrap_or_default()),
        Err(error) => Err(error
            .code()
            .map_or_else(|| error.to_string(), |code| code.code().to_owned())),
    }
}
#[tokio::test(flavor = "multi_thread")]
async fn a_month_that_is_made_later_is_open_to_those_who_need_it() {
    let ground = Ground::own().await;
    let fleet = Fleet::prepare(&ground).await;
    fleet.done("migrate", &["migrate", "--roles"]);
    let last = ground
        .ask(
            "SELECT max(c.relname) FROM pg_class c WHERE c.relname ~ '^orders_2[0-9]{3}_[0-9]{2}$'",
        )
        .await;
    let month = last.strip_prefix("orders_").unwrap().to_owned();
    for parent in ["orders", "attempts", "evidence"] {
        ground.ask(&format!("DROP TABLE {parent}_{month}")).await;
    }
    let worker = come_as(&fleet, "fulfillment").await;
    let mut made = BTreeSet::new();
    for _ in 0..3 {
        made.insert(tried(&worker, "SELECT keep_months(2)").await.unwrap());
    }
    assert!(made.contains(&last), "{made:?}");
    assert_eq!(
        tried(&worker, "SELECT keep_months(2)").await,
        Ok(String::new())
    );
    let owner = "SELECT tableowner FROM pg_tables WHERE tablename = ";
    assert_eq!(
        ground.ask(&format!("{owner}'{last}'")).await,
        "refill_migrate"
    );

    let code = format!("first_code_of('{}-01')", month.replace('_', "-"));
    let door = come_as(&fleet, "ingress").await;
    let order = format!(
        "INSERT INTO orders (business_id, order_code, batch_id, biz_code, product_code, account, spec, price, counted)
         VALUES ('b', {code}, gen_random_uuid(), 'n', 'p', 'a', 1, 1, false)"
    );
    tried(&door, &order).await.unwrap();
    tried(&worker, "UPDATE orders SET state = 1, epoch = 1")
        .await
        .unwrap();
    assert_eq!(ground.ask(&format!("SELECT state FROM {last}")).await, "1");
    for part in [&last, "orders_outside"] {
        for statement in [
            format!("DELETE FROM {part}"),
            format!("UPDATE {part} SET price = 9"),
        ] {
            assert_eq!(
                tried(&worker, &statement).await,
                Err("42501".into()),
                "{statement}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_scaler_asks_is_answered_to_a_user_who_only_looks() {
    let ground = Ground::own().await;
    let fleet = Fleet::prepare(&ground).await;
    fleet.done("migrate", &["migrate", "--roles"]);
    let text = std::fs::read_to_string(root().join("deploy/kubernetes/base/scaling.yaml")).unwrap();
    let documents: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
    let triggers = documents
        .iter()
        .filter_map(|d| d["spec"]["triggers"].as_array())
        .flatten();
    let queries: Vec<&str> = triggers
        .filter_map(|t| t["metadata"]["query"].as_str())
        .collect();
    let looker = come_as(&fleet, "readonly").await;
    let [orders, reports] = queries[..] else {
        panic!("{} queries", queries.len());
    };
    for query in &queries {
        assert_eq!(tried(&looker, query).await, Ok("0".into()), "{query}");
    }
    // Two lanes and businesses: the oldest counts. An endpoint that is not well does not.
    let code = |seconds: u32| {
        format!(
            "(lpad(to_hex(((extract(epoch FROM now()) - {seconds}) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid"
        )
    };
    for (lane, business, age) in [
        ("mobile", "a", 5),
        ("mobile", "b", 500),
        ("wallet", "a", 50),
    ] {
        let code = code(age);
        ground
            .ask(&format!(
                "INSERT INTO timers VALUES ('{business}', {code}, '{lane}', 0, now())"
            ))
            .await;
    }
    for (host, age) in [("well", 40), ("dead", 4000)] {
        ground
            .ask(&format!(
                "INSERT INTO callbacks (business_id, order_code, url, due_at)
                 VALUES ('a', {}, 'https://{host}.example/x', now() - interval '{age} s')",
                code(age)
            ))
            .await;
    }
    ground.ask("INSERT INTO endpoints (endpoint, state, reason, probe_at) VALUES ('https://dead.example', 1, 'x', now())").await;
    for (query, age) in [(orders, 500.0), (reports, 40.0)] {
        let said: f64 = tried(&looker, query).await.unwrap().parse().unwrap();
        assert!((age..age + 120.0).contains(&said), "{said}: {query}");
    }
}
