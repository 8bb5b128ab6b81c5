//! What each user is refused, and that no table was forgotten.

use std::collections::BTreeSet;

use regex::Regex;

use super::{come_as, tried};
use crate::harness::fleet::USERS;
use crate::harness::platform::root;
use crate::harness::{Fleet, Ground};

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
            "UPDATE operator_tokens SET token_sha256 = ''",
            "UPDATE operator_tokens SET expires_at = now()",
            "DELETE FROM operator_tokens",
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
            "SELECT 1 FROM operator_tokens",
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
