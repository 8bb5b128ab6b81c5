//! Each role of the fleet is a user of its own of the database: with what it may do the whole way runs, and no further.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;
use serde_json::Value;
use simulator::{Item, MerchantClient};
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

use crate::harness::console::Person;
use crate::harness::fleet::{ROLES, USERS};
use crate::harness::merchant::{BUSINESS, MERCHANT};
use crate::harness::outside::MERCHANT_MD5_KEY;
use crate::harness::platform::root;
use crate::harness::{Fleet, Ground, Merchant, Outside, until};

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

/// Every statement that was run, by its user.
async fn statements(ground: &Ground) -> BTreeMap<String, BTreeSet<String>> {
    let log = {
        let mut servers = ground.servers.lock().await;
        servers.postgres().unwrap().log().to_owned()
    };
    let text = String::from_utf8_lossy(&std::fs::read(log).unwrap()).into_owned();
    let begins =
        Regex::new(r"^refill_(\w+): (LOG|ERROR):  (?:(?:statement|execute [^:]*): )?(.*)$")
            .unwrap();
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut at: Option<(String, String)> = None;
    for line in text.lines().chain(["end"]) {
        if let Some(more) = line.strip_prefix('\t') {
            if let Some((_, statement)) = &mut at {
                statement.push(' ');
                statement.push_str(more.trim());
            }
            continue;
        }
        if let Some((user, statement)) = at.take() {
            found.entry(user).or_default().insert(statement);
        }
        if let Some(parts) = begins.captures(line) {
            let word = if &parts[2] == "ERROR" { "ERROR " } else { "" };
            at = Some((parts[1].to_owned(), format!("{word}{}", &parts[3])));
        }
    }
    found
}

/// Logs every statement with its user from here on.
async fn listen_in(ground: &Ground) {
    ground
        .ask("ALTER SYSTEM SET log_line_prefix = '%u: '")
        .await;
    ground.ask("ALTER SYSTEM SET log_statement = 'all'").await;
    ground.ask("SELECT pg_reload_conf()").await;
    until(
        "the log of statements",
        async || (ground.ask("SHOW log_statement").await == "all").then_some(()),
        String::new,
    )
    .await;
}

async fn asked(merchant: &Merchant, path: &str, body: Value) -> Value {
    let answer = merchant
        .client
        .post(path, body.to_string().as_bytes())
        .await
        .unwrap();
    assert_eq!(answer.status, 0, "{path}: {}", answer.body);
    answer.data
}

/// Everything that the fleet does in a day, and people with it.
async fn a_day(fleet: &Fleet, ground: &Ground, outside: &Outside, merchant: &mut Merchant) {
    // A supplier that is down trips, and comes back.
    outside.swift_is_down(true).await;
    let lost: Vec<Item> = (0..30)
        .map(|n| Item::new(format!("lost-{n}"), format!("1390000{n:04}")))
        .collect();
    merchant.order_items("lost", "MOBILE50", &lost).await;
    let tripped = "SELECT count(*) FROM breakers";
    until(
        "the trip",
        async || (ground.ask(tripped).await == "1").then_some(()),
        String::new,
    )
    .await;
    outside.swift_is_down(false).await;
    let mut probes = 0;
    while ground.ask(tripped).await == "1" {
        assert!(probes < 240, "it is never probed");
        merchant.order(&format!("probe{probes}"), 1).await;
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        probes += 1;
    }

    // A success, a failure, what is asked after, what the next supplier gets, what nobody can tell.
    let magic = [
        "13800000001",
        "19900000100",
        "19900000401",
        "19900000901",
        "19900001201",
    ];
    let items: Vec<Item> = (0..)
        .zip(magic)
        .map(|(n, account)| Item::new(format!("each-{n}"), account))
        .collect();
    merchant.order_items("each", "MOBILE50", &items).await;
    let in_doubt = merchant.ordered.pop().unwrap();
    merchant.order("many", 50).await;
    merchant.wait_for_all_reports(outside).await;
    assert_eq!(
        merchant
            .client
            .batch("many", "MOBILE50", None, &items)
            .await
            .unwrap()
            .status,
        8
    );

    // Counted stock goes, and comes back when the order fails; an old account signs with MD5 and wants a report of the batch.
    let key = &outside.merchant_key.private_pem;
    let neighbour = MerchantClient::rsa(&fleet.openapi, "m2", "neighbour", key).unwrap();
    let failing = [Item::new("last-0", "19900000102")];
    assert_eq!(
        neighbour
            .batch("last", "LAST2", None, &failing)
            .await
            .unwrap()
            .status,
        0
    );
    let left = "SELECT units_left FROM stock WHERE product_code = 'LAST2'";
    until(
        "the stock",
        async || (ground.ask(left).await == "2").then_some(()),
        String::new,
    )
    .await;

    let old = MerchantClient::md5(&fleet.openapi, MERCHANT, "old", MERCHANT_MD5_KEY).unwrap();
    let items = [Item::new("old-0", "13900002000")];
    assert_eq!(
        old.batch("old", "MOBILE50", None, &items)
            .await
            .unwrap()
            .status,
        0
    );
    let told = "SELECT count(*) FROM callbacks WHERE business_id = 'old' AND state = 2";
    until(
        "the report of the batch",
        async || (ground.ask(told).await == "2").then_some(()),
        String::new,
    )
    .await;

    // People: a lane is shut, an order taken back, the lane opened; the same with a supplier and an endpoint.
    let by = ["--reason", "tried", "--as", "wang"];
    let said = |args: &[&str]| fleet.done("console", &[args, &by].concat());
    said(&["lane", "pause", "mobile"]);
    said(&["supplier", "pause", "swift", "--lane", "mobile"]);
    let taken_up = async || {
        let version = ground.ask("SELECT catalogue_version FROM platform").await;
        let known = format!("version={version}");
        until(
            "the pause in force",
            async || fleet.log("fulfillment").contains(&known).then_some(()),
            || known.clone(),
        )
        .await;
    };
    taken_up().await;
    merchant.order("regretted", 1).await;
    fleet.done(
        "console",
        &[
            "order",
            "cancel",
            "--business",
            "shop",
            "--batch",
            "regretted",
            "--as",
            "wang",
        ],
    );
    fleet.done(
        "console",
        &["supplier", "resume", "swift", "--lane", "mobile"],
    );
    fleet.done("console", &["lane", "resume", "mobile"]);
    let endpoint = format!("http://{}", outside.merchant);
    said(&["endpoint", "pause", &endpoint]);
    fleet.done("console", &["endpoint", "resume", &endpoint]);
    merchant.wait_for_all_reports(outside).await;

    // A merchant's endpoint that nobody listens on is set aside, and later is well.
    let nobody = servers::free_address().unwrap();
    let url = format!("http://{nobody}/callback");
    let items: Vec<Item> = (0..10)
        .map(|n| Item::new(format!("dead-{n}"), format!("1390001{n:04}")))
        .collect();
    assert_eq!(
        merchant
            .client
            .batch("dead", "MOBILE50", Some(&url), &items)
            .await
            .unwrap()
            .status,
        0
    );
    let aside =
        format!("SELECT count(*) FROM endpoints WHERE endpoint = 'http://{nobody}' AND state = 1");
    until(
        "the endpoint set aside",
        async || (ground.ask(&aside).await == "1").then_some(()),
        String::new,
    )
    .await;
    let listener = tokio::net::TcpListener::bind(nobody).await.unwrap();
    let healed = tokio_util::sync::CancellationToken::new();
    let receiving = tokio::spawn(outside.receiver.clone().run(listener, healed.clone()));
    fleet.done(
        "console",
        &["endpoint", "resume", &format!("http://{nobody}")],
    );
    merchant.ordered.extend(
        items
            .iter()
            .map(|i| (i.biz_code.clone(), i.account.clone())),
    );
    merchant.wait_for_all_reports(outside).await;
    healed.cancel();
    receiving.await.unwrap().unwrap();

    // Two persons end the doubt, and the reports are sent again: on a person's word, and on the merchant's.
    until(
        "the doubt",
        async || {
            (ground
                .ask("SELECT count(*) FROM doubts WHERE closed_at IS NULL")
                .await
                == "1")
                .then_some(())
        },
        String::new,
    )
    .await;
    let order = merchant.order_info(&in_doubt.0).await["orderCode"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        fleet
            .done("console", &["doubt", "list", "--json"])
            .contains(&order)
    );
    for (word, who) in [("propose", "wang"), ("confirm", "li")] {
        fleet.done(
            "console",
            &[
                "doubt",
                word,
                &order,
                "charged",
                "--evidence",
                "their book",
                "--as",
                who,
            ],
        );
    }
    merchant.ordered.push(in_doubt);
    merchant.wait_for_all_reports(outside).await;
    let job = fleet.done(
        "console",
        &[
            "callback",
            "resend",
            "--business",
            "shop",
            "--batch",
            "many",
            "--per-second",
            "1",
            "--json",
            "--as",
            "wang",
        ],
    );
    let job: Value = serde_json::from_str(&job).unwrap();
    let job = job["jobId"]
        .as_str()
        .or(job["job"].as_str())
        .unwrap_or_else(|| panic!("{job}"));
    for word in ["pause", "resume", "cancel"] {
        fleet.done("console", &["callback", word, job]);
    }
    asked(
        merchant,
        "/v1/openapi/callback/resend",
        serde_json::json!({"batchBizCode": "each"}),
    )
    .await;
    let done = "SELECT count(*) FROM resend_jobs WHERE state = 3";
    until(
        "the reports again",
        async || (ground.ask(done).await == "1").then_some(()),
        String::new,
    )
    .await;

    // What merchants read, and what people look at.
    let password = "correct horse battery";
    let add = ["operator", "add", "wang", "--role", "admin", "--as", "root"];
    fleet.done_with("console", &add, password);
    let wang = Person::sign_in(&fleet.console, "wang", password).await;
    for page in [
        "/",
        "/orders?q=no-such-number",
        "/doubts",
        "/businesses",
        "/products",
        "/suppliers",
        "/lanes",
        "/lanes/mobile/calling",
        "/lanes/mobile/asked",
        "/parked",
        "/callbacks",
        "/endpoints",
        "/discrepancies",
        "/audit",
        "/operators",
        "/signature",
        &format!("/batches/{BUSINESS}?number=each"),
        &format!("/businesses/{BUSINESS}"),
        &format!("/orders/{order}"),
    ] {
        wang.page(page).await;
    }
    fleet.done("console", &["operator", "disable", "wang", "--as", "root"]);
    merchant.balance().await;
    asked(
        merchant,
        "/v1/openapi/order/batch/info",
        serde_json::json!({"batchBizCode": "each"}),
    )
    .await;
    asked(merchant, "/v1/openapi/order/events", serde_json::json!({})).await;
    asked(
        merchant,
        "/v1/openapi/order/product/list",
        serde_json::json!({"merchantId": MERCHANT, "businessId": BUSINESS}),
    )
    .await;
    for user in ["console", "readonly"] {
        fleet.done(user, &["check"]);
        fleet.done(user, &["supplier", "list"]);
        fleet.done(user, &["callback", "parked"]);
        fleet.done(user, &["endpoint", "list"]);
    }
    fleet.done("catalog", &["keys", "seal"]);
    assert_eq!(
        ground
            .ask("SELECT count(*) FROM platform_keys WHERE private_key NOT LIKE 'sealed:%'")
            .await,
        "0"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_user_for_each_role_the_whole_way_runs() {
    let ground = Ground::own().await;
    let outside = Outside::start().await;
    let mut fleet = Fleet::prepare(&ground).await;
    listen_in(&ground).await;
    fleet.furnish(&outside);
    for role in ROLES {
        fleet
            .start(role, &[("REFILL__CALLBACK__KEEP_TRIES_DAYS", "30")])
            .await;
    }
    let mut merchant = Merchant::new(&fleet.openapi, &outside);
    a_day(&fleet, &ground, &outside, &mut merchant).await;
    for role in ROLES {
        fleet.stop(role).await;
    }
    let seen = statements(&ground).await;
    let refused: Vec<_> = seen
        .values()
        .flatten()
        .filter(|s| s.starts_with("ERROR "))
        .collect();
    assert!(refused.is_empty(), "{refused:#?}");
    let (unused, all) = usage(&ground, &seen).await;
    let for_bad_days: BTreeSet<&str> = FOR_BAD_DAYS.into();
    let gone: Vec<_> = for_bad_days
        .iter()
        .filter(|right| !all.contains(**right))
        .collect();
    assert!(gone.is_empty(), "rights that nobody has: {gone:?}");
    let too_much: Vec<_> = unused
        .iter()
        .filter(|right| !for_bad_days.contains(right.as_str()))
        .collect();
    assert!(
        too_much.is_empty(),
        "rights that nothing made use of: {too_much:#?}"
    );
}

/// Rights that this day makes no use of, or not always, and others do: reports that go out late, a doubt that a push or a worker opens or ends, an order that a person ends and
/// that goes on to the next supplier, counted stock that comes back then, batches that the broker did not confirm, secrets from before
/// there was a master key, a schema that is asked for.
const FOR_BAD_DAYS: [&str; 21] = [
    "ingress INSERT doubts",
    "callback SELECT report_marks",
    "callback INSERT report_marks",
    "callback UPDATE report_marks",
    "callback DELETE report_marks",
    "fulfillment INSERT doubts",
    "fulfillment UPDATE doubts",
    "fulfillment UPDATE stock",
    "fulfillment DELETE outbox",
    "ingress UPDATE doubts",
    "ingress UPDATE outbox",
    "console INSERT timers",
    "console UPDATE timers",
    "console UPDATE stock",
    "console SELECT fleet",
    "catalog UPDATE business_keys",
    "ingress SELECT refinery_schema_history",
    "fulfillment SELECT refinery_schema_history",
    "callback SELECT refinery_schema_history",
    "console SELECT refinery_schema_history",
    "catalog SELECT refinery_schema_history",
];

/// Rights that no statement of the day made use of, and all rights.
async fn usage(
    ground: &Ground,
    seen: &BTreeMap<String, BTreeSet<String>>,
) -> (Vec<String>, BTreeSet<String>) {
    let rights = ground
        .ask(
            "SELECT string_agg(DISTINCT r.who || ' ' || r.verb || ' ' || r.relation, ',') FROM (
                 SELECT substr(grantee, 8) AS who, privilege_type AS verb, table_name AS relation FROM information_schema.role_table_grants
                 UNION SELECT substr(grantee, 8), privilege_type, table_name FROM information_schema.column_privileges) r
             WHERE r.who IN ('ingress', 'fulfillment', 'callback', 'console', 'catalog')",
        )
        .await;
    let mut unused = vec![];
    for right in rights.split(',') {
        let [who, verb, relation] = right.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{right}");
        };
        let pattern = match verb {
            "SELECT" => format!(r"(?i)\b(FROM|JOIN|UPDATE|INTO|USING) {relation}\b"),
            "INSERT" => format!(r"\bINSERT INTO {relation}\b"),
            "UPDATE" => format!(
                r"\b(UPDATE {relation}\b|INSERT INTO {relation} .*DO UPDATE|FROM {relation}\b.*FOR UPDATE)"
            ),
            "DELETE" => format!(r"\bDELETE FROM {relation}\b"),
            _ => panic!("{right}"),
        };
        let pattern = Regex::new(&pattern).unwrap();
        if !seen
            .get(who)
            .is_some_and(|all| all.iter().any(|s| pattern.is_match(s)))
        {
            unused.push(right.to_owned());
        }
    }
    (unused, rights.split(',').map(str::to_owned).collect())
}

/// What each user must not do. PostgreSQL says so before it looks for rows, so there need not be any.
const REFUSED: [(&str, &[&str]); 6] = [
    (
        "ingress",
        &[
            "UPDATE orders SET price = 1",
            "UPDATE orders SET account = 'x'",
            "UPDATE balances SET credit_line = 1",
            "INSERT INTO balances (business_id) VALUES ('x')",
            "INSERT INTO attempts (business_id) VALUES ('x')",
            "UPDATE callbacks SET state = 2",
            "SELECT 1 FROM callback_tries",
            "UPDATE suppliers SET base_url = 'http://elsewhere'",
            "UPDATE businesses SET callback_url = 'http://elsewhere'",
            "INSERT INTO business_keys (business_id, kind, key) VALUES ('x', 'MD5', 'y')",
            "DELETE FROM nonces",
            "DELETE FROM order_numbers",
            "SELECT keep_months(1)",
        ],
    ),
    (
        "fulfillment",
        &[
            "SELECT key FROM business_keys",
            "INSERT INTO orders (business_id) VALUES ('x')",
            "INSERT INTO batches (business_id) VALUES ('x')",
            "UPDATE orders SET spec = 1",
            "UPDATE attempts SET supplier_id = 'x'",
            "UPDATE attempts SET reference = 'x'",
            "UPDATE balances SET credit_line = 1",
            "UPDATE callbacks SET url = 'http://elsewhere'",
            "DELETE FROM pauses",
            "INSERT INTO resend_jobs (job_id) VALUES (gen_random_uuid())",
            "UPDATE doubts SET proposed_by = 'x'",
        ],
    ),
    (
        "callback",
        &[
            "SELECT prepaid FROM balances",
            "UPDATE balances SET prepaid = 1",
            "UPDATE orders SET state = 2",
            "SELECT 1 FROM orders FOR UPDATE",
            "SELECT 1 FROM ledger",
            "INSERT INTO ledger (business_id) VALUES ('x')",
            "SELECT 1 FROM evidence",
            "SELECT 1 FROM attempts",
            "SELECT credentials FROM suppliers",
            "INSERT INTO callbacks (business_id) VALUES ('x')",
            "UPDATE callbacks SET url = 'http://elsewhere'",
            "DELETE FROM callbacks",
            "SELECT keep_months(1)",
        ],
    ),
    (
        "console",
        &[
            "SELECT key FROM business_keys",
            "SELECT private_key FROM platform_keys",
            "SELECT credentials FROM suppliers",
            "INSERT INTO orders (business_id) VALUES ('x')",
            "INSERT INTO attempts (business_id) VALUES ('x')",
            "UPDATE orders SET price = 1",
            "UPDATE balances SET credit_line = 1",
            "UPDATE callbacks SET state = 2",
            "UPDATE doubts SET reason = 'x'",
            "UPDATE products SET on_sale = true",
            "UPDATE prices SET price = 1",
            "INSERT INTO nonces (business_id) VALUES ('x')",
        ],
    ),
    (
        "catalog",
        &[
            "SELECT 1 FROM orders",
            "UPDATE orders SET state = 2",
            "UPDATE balances SET held = 0",
            "INSERT INTO evidence (business_id) VALUES ('x')",
            "DELETE FROM businesses",
        ],
    ),
    (
        "readonly",
        &[
            "SELECT key FROM business_keys",
            "SELECT private_key FROM platform_keys",
            "SELECT credentials FROM suppliers",
            "SELECT * FROM suppliers",
            "INSERT INTO pauses (supplier_id, lane, paused_by, reason) VALUES ('x', '', 'x', 'x')",
            "UPDATE orders SET state = 2",
            "SELECT 1 FROM orders FOR UPDATE",
        ],
    ),
];

/// What nobody of them may do, whatever else.
const REFUSED_TO_ALL: [&str; 18] = [
    "UPDATE audit SET detail = 'x'",
    "DELETE FROM audit",
    "TRUNCATE audit",
    "UPDATE ledger SET prepaid_delta = 1",
    "DELETE FROM ledger",
    "TRUNCATE ledger",
    "ALTER TABLE ledger DISABLE TRIGGER ALL",
    "UPDATE evidence SET detail = 'x'",
    "DELETE FROM evidence",
    "TRUNCATE evidence",
    "TRUNCATE evidence_outside",
    "DELETE FROM orders",
    "TRUNCATE orders",
    "DROP TABLE nonces",
    "UPDATE refinery_schema_history SET checksum = 'x'",
    "CREATE TABLE mine (x int)",
    "CREATE TEMPORARY TABLE mine (x int)",
    "SET ROLE refill_migrate",
];

/// What `migrations/access.sql` names and is not there: it is passed over, because an older schema has not all of it.
async fn named_for_nothing(ground: &Ground) -> String {
    let text = std::fs::read_to_string(root().join("migrations/access.sql")).unwrap();
    let line = Regex::new(r"(?m)^    \('([^']+)', ").unwrap();
    let named: BTreeSet<String> = line
        .captures_iter(&text)
        .map(|c| format!("('{}')", &c[1]))
        .collect();
    assert!(named.len() > 30, "{named:?}");
    let named: Vec<_> = named.into_iter().collect();
    ground
        .ask(&format!(
            "SELECT coalesce(string_agg(object, ' '), '') FROM (VALUES {}) AS named (object)
             WHERE CASE WHEN object LIKE 'FUNCTION %' THEN to_regprocedure(substr(object, 10))::oid
                 ELSE to_regclass(object)::oid END IS NULL",
            named.join(",")
        ))
        .await
}

/// Tables about which nobody said who may do what.
async fn without_a_word(ground: &Ground) -> String {
    let whom = USERS[1..]
        .iter()
        .map(|user| format!("'refill_{user}'"))
        .collect::<Vec<_>>()
        .join(",");
    ground
        .ask(&format!(
            "SELECT coalesce(string_agg(c.relname, ' '), '') FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace
             AND c.relkind IN ('r', 'p', 'v', 'm') AND NOT c.relispartition AND NOT EXISTS (
                 SELECT FROM unnest(ARRAY[{whom}]) AS who
                 WHERE has_any_column_privilege(who, c.oid, 'SELECT, INSERT, UPDATE') OR has_table_privilege(who, c.oid, 'DELETE'))"
        ))
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_user_is_refused_what_is_not_its_own() {
    let ground = Ground::own().await;
    let fleet = Fleet::prepare(&ground).await;
    fleet.done("migrate", &["migrate", "--roles"]);
    assert_eq!(REFUSED.map(|(user, _)| user), USERS[1..]);
    for (user, statements) in REFUSED {
        let client = come_as(&fleet, user).await;
        for statement in statements.iter().chain(&REFUSED_TO_ALL) {
            let code = tried(&client, statement).await;
            assert_eq!(code, Err("42501".to_owned()), "{user}: {statement}");
        }
        // It does see its tables, so it is not for another reason that it is refused.
        assert_eq!(
            tried(&client, "SELECT count(*) FROM products").await,
            Ok("0".into()),
            "{user}"
        );
    }
    assert_eq!(without_a_word(&ground).await, "");
    assert_eq!(named_for_nothing(&ground).await, "");
    let owner = come_as(&fleet, "migrate").await;
    tried(&owner, "CREATE TABLE forgotten (x int)")
        .await
        .unwrap();
    assert_eq!(without_a_word(&ground).await, "forgotten");

    // What stands nowhere is taken away by the next migration, and nothing else.
    tried(&owner, "GRANT DELETE ON nonces TO refill_ingress; GRANT UPDATE (price) ON orders TO refill_console").await.unwrap();
    fleet.done("migrate", &["migrate", "--roles"]);
    for (user, statement) in [
        ("ingress", "DELETE FROM nonces"),
        ("console", "UPDATE orders SET price = 1"),
    ] {
        let client = come_as(&fleet, user).await;
        assert_eq!(
            tried(&client, statement).await,
            Err("42501".to_owned()),
            "{user}: {statement}"
        );
        assert_eq!(
            tried(&client, "SELECT count(*) FROM orders").await,
            Ok("0".into())
        );
    }

    // Whoever is no user of the server is named, and those that are have their rights.
    tried(&owner, "DROP TABLE forgotten").await.unwrap();
    ground
        .ask("ALTER ROLE refill_readonly RENAME TO somebody")
        .await;
    let said = fleet.tool("migrate", &["migrate", "--roles"]);
    let text = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(
        !said.status.success()
            && text.contains("refill_readonly")
            && !text.contains("refill_ingress"),
        "{text}"
    );
    fleet.done("migrate", &["migrate"]);
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
