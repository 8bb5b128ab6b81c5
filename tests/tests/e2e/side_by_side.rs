//! A fleet is brought to a new version while merchants order: the schema goes first, under the processes that run, then the processes one by
//! one. Nothing is refused, nothing is lost. `deploy/side-by-side COMMIT` runs this with the program of an earlier commit (`REFILL_BEFORE`); where
//! there is one program only, it plays both parts: the new one on the oldest schema that it works with, the old one on a schema with more in it
//! than it knows. And a new migration says nothing that would break those that still run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use regex::Regex;
use rust_decimal::Decimal;
use simulator::{Item, MerchantClient};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::harness::fleet::ROLES;
use crate::harness::merchant::{BUSINESS, MERCHANT};
use crate::harness::platform::{binary, root};
use crate::harness::{Fleet, Ground, Merchant, Outside, until};

/// Merchants who order side by side.
const HANDS: usize = 3;

/// Tables that the way of an order writes or reads all the time.
const BUSY: [&str; 15] = [
    "businesses",
    "products",
    "suppliers",
    "platform",
    "batches",
    "orders",
    "attempts",
    "evidence",
    "timers",
    "ledger",
    "balances",
    "callbacks",
    "callback_tries",
    "outbox",
    "nonces",
];

/// An expand of a release that there is not yet: a column in every busy table, each in a transaction of its own, a table, an index.
async fn expand(ground: &Ground) {
    for table in BUSY {
        ground
            .ask(&format!(
                "ALTER TABLE {table} ADD COLUMN of_the_next_release int NOT NULL DEFAULT 1"
            ))
            .await;
    }
    for sql in [
        "CREATE TABLE of_the_next_release (x int PRIMARY KEY)",
        "CREATE INDEX ON callbacks (created_at)",
        "INSERT INTO refinery_schema_history (version, name, applied_on, checksum)
         SELECT max(version) + 1, 'of_the_next_release', max(applied_on), '0' FROM refinery_schema_history",
    ] {
        ground.ask(sql).await;
    }
}

/// The oldest schema that the fleet's program works with, and the one that it brings; there is none yet.
fn schemas(fleet: &Fleet) -> [u32; 2] {
    let says = fleet.tool("migrate", &["migrate", "--check"]);
    assert_eq!(says.status.code(), Some(1), "there is no schema yet");
    let said = String::from_utf8(says.stdout).unwrap();
    let numbers =
        Regex::new(r"is at 0; this program works with (\d+) and newer ones, and brings (\d+)")
            .unwrap();
    let numbers = numbers.captures(&said).expect(&said).extract::<2>().1;
    numbers.map(|number| number.parse().unwrap())
}

/// Orders batch after batch at the door of the moment, each once: whatever is not answered 0 is a failure. Returns what was ordered.
async fn go_on_ordering(
    hand: usize,
    key: Arc<str>,
    mut door: watch::Receiver<String>,
    answered: watch::Sender<usize>,
    stop: CancellationToken,
) -> Vec<(String, String)> {
    let mut ordered = vec![];
    for batch in 0.. {
        if stop.is_cancelled() {
            break;
        }
        let url = door.borrow_and_update().clone();
        let client = MerchantClient::rsa(&url, MERCHANT, BUSINESS, &key).unwrap();
        let items: Vec<Item> = (0..5)
            .map(|n| {
                Item::new(
                    format!("h{hand}-{batch}-{n}"),
                    format!("13{hand}{:08}", batch * 5 + n),
                )
            })
            .collect();
        let answer = client
            .batch(&format!("h{hand}-{batch}"), "MOBILE50", None, &items)
            .await
            .unwrap();
        assert_eq!(answer.status, 0, "{}", answer.body);
        ordered.extend(items.into_iter().map(|item| (item.biz_code, item.account)));
        answered.send_modify(|n| *n += 1);
    }
    ordered
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schema_and_then_the_fleet_are_renewed_while_merchants_order() {
    let ground = Ground::own().await;
    let outside = Outside::start().await;
    let mut fleet = Fleet::prepare(&ground).await;
    let [needed, newest] = schemas(&fleet);
    // The schema that the program before it left: its own, or the oldest that this program works with.
    let left = match std::env::var_os("REFILL_BEFORE") {
        Some(program) => {
            fleet.program = program.into();
            schemas(&fleet)[1]
        }
        None => needed,
    };
    assert!(left <= newest, "{left} is newer than {newest}");
    fleet.done("migrate", &["migrate", "--until", &left.to_string()]);
    let file = fleet.write_catalogue(&outside);
    fleet.done("catalog", &["catalog", "import", &file]);
    for role in ROLES {
        fleet.start(role, &[]).await;
    }
    let mut merchant = Merchant::new(&fleet.openapi, &outside);
    let (before, _) = merchant.balance().await;

    let (doors, door) = watch::channel(fleet.openapi.clone());
    let (counting, mut answered) = watch::channel(0);
    let stop = CancellationToken::new();
    let key: Arc<str> = outside.merchant_key.private_pem.as_str().into();
    let mut hands = tokio::task::JoinSet::new();
    for hand in 0..HANDS {
        let (key, door, counting) = (Arc::clone(&key), door.clone(), counting.clone());
        hands.spawn(go_on_ordering(hand, key, door, counting, stop.clone()));
    }
    // Each step is taken in the midst of traffic, and traffic goes on after it.
    let mut some_more = async |hands: &mut tokio::task::JoinSet<Vec<(String, String)>>| {
        let enough = *answered.borrow() + 4 * HANDS;
        tokio::select! {
            more = answered.wait_for(|n| *n >= enough) => drop(more.unwrap()),
            ended = hands.join_next() => panic!("a merchant was refused: {ended:?}"),
        }
    };
    some_more(&mut hands).await;
    fleet.program = binary().to_owned();
    let said = tokio::task::block_in_place(|| fleet.done("migrate", &["migrate", "--roles"]));
    assert_eq!(said.contains("applied"), left != newest, "{said}");
    some_more(&mut hands).await;
    // What the next release may add, so that this program is the one before it.
    expand(&ground).await;
    let again = tokio::task::block_in_place(|| fleet.tool("migrate", &["migrate"]));
    assert!(
        !again.status.success(),
        "it knows not all that was applied, and leaves it alone"
    );
    some_more(&mut hands).await;
    for role in ROLES {
        fleet.start(role, &[]).await;
        if role == "ingress" {
            doors.send_replace(fleet.openapi.clone());
        }
        some_more(&mut hands).await;
        fleet.stop(role);
        some_more(&mut hands).await;
    }
    stop.cancel();
    while let Some(ordered) = hands.join_next().await {
        merchant.ordered.extend(ordered.unwrap());
    }
    merchant.client = Merchant::new(&fleet.openapi, &outside).client;
    merchant.wait_for_all_reports(&outside).await;
    merchant
        .was_treated_right(&outside, before, Decimal::new(4910, 2))
        .await;
    until(
        "the rest of the work",
        async || (ground.ask("SELECT count(*) FROM outbox").await == "0").then_some(()),
        String::new,
    )
    .await;
    fleet.done("console", &["check"]);
    for role in ROLES {
        fleet.stop(role);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_refuses_a_schema_that_is_too_old_for_it() {
    let ground = Ground::own().await;
    let fleet = Fleet::prepare(&ground).await;
    fleet.done("migrate", &["migrate", "--until", "8"]);
    let refused = fleet.tool("callback", &["callback", "--admin", "127.0.0.1:0"]);
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && text.contains("is at 8, and at least"),
        "{text}"
    );
    assert_eq!(
        fleet.tool("migrate", &["migrate", "--check"]).status.code(),
        Some(1)
    );
    fleet.done("migrate", &["migrate", "--roles"]);
    fleet.done("migrate", &["migrate", "--check"]);
}

/// The last migration from before the rule was kept by a test; V9 still asks for the old ingress to be stopped.
const BEFORE_THE_RULE: u32 = 10;
/// Tables that may be large.
const LARGE: &str = "(nonces|batches|order_numbers|orders|timers|attempts|evidence|ledger|outbox|doubts|callbacks|callback_tries|balances)";

/// What of a migration would break a process that runs, or would lock it out.
fn breaks(sql: &str) -> Vec<String> {
    let code: String = sql
        .lines()
        .map(|line| line.split("--").next().unwrap_or_default().to_owned() + " ")
        .collect();
    let contract = sql.starts_with("-- contract:");
    let mut found = vec![];
    for statement in code.split(';').map(str::trim) {
        let is = |pattern: &str| {
            Regex::new(&format!("(?is){pattern}"))
                .unwrap()
                .is_match(statement)
        };
        let takes_away = is(r"^DROP\s+(TABLE|VIEW|FUNCTION|TRIGGER)\b")
            || is(r"\bDROP\s+(COLUMN|CONSTRAINT)\b")
            || is(r"\bRENAME\b");
        let tightens =
            is(r"\bSET\s+NOT\s+NULL\b") || is(r"\bALTER\s+COLUMN\s+\w+\s+(SET\s+DATA\s+)?TYPE\b");
        if !contract && (takes_away || tightens) {
            found.push(format!(
                "takes away what the program before it may use: {statement}"
            ));
        }
        if is(r"\bADD\s+COLUMN\b[^,]*\bNOT\s+NULL\b")
            && !is(r"\bADD\s+COLUMN\b[^,]*\b(DEFAULT|GENERATED)\b")
        {
            found.push(format!(
                "the program before it writes no such column: {statement}"
            ));
        }
        let alters_large = is(&format!(r"^ALTER\s+TABLE\s+(ONLY\s+)?{LARGE}\b"));
        if alters_large
            && is(r"\bADD\s+(CONSTRAINT\s+\w+\s+)?(CHECK|FOREIGN)\b")
            && !is(r"\bNOT\s+VALID\b")
        {
            found.push(format!(
                "reads a large table while it is locked: {statement}"
            ));
        }
        if is(&format!(
            r"^CREATE\s+(UNIQUE\s+)?INDEX\b.*\bON\s+(ONLY\s+)?{LARGE}\b"
        )) && !is(r"\bIF\s+NOT\s+EXISTS\b")
        {
            found.push(format!(
                "an index of a large table is made by hand first, then IF NOT EXISTS: {statement}"
            ));
        }
        if is(&format!(r"^(UPDATE|DELETE\s+FROM)\s+{LARGE}\b")) {
            found.push(format!(
                "changes all rows of a large table in one go: {statement}"
            ));
        }
    }
    // Whoever holds one lock and waits for the next one may meet somebody who has them the other way round.
    let locks = Regex::new(&format!(
        r"(?is)^(?:ALTER\s+TABLE|CREATE\s+(?:UNIQUE\s+)?INDEX\b.*\bON|CREATE\s+TRIGGER\b.*\bON)\s+(?:ONLY\s+)?{LARGE}\b"
    ))
    .unwrap();
    let locked: Vec<&str> = code
        .split(';')
        .filter_map(|statement| Some(locks.captures(statement.trim())?.get(1)?.as_str()))
        .collect();
    let tables: BTreeSet<&&str> = locked.iter().collect();
    if tables.len() > 1 {
        found.push(format!(
            "locks more than one busy table in one transaction: {tables:?}"
        ));
    }
    let drops_index = Regex::new(r"(?i)\bDROP\s+INDEX\b").unwrap().is_match(&code);
    let first = Regex::new(r"(?i)^\s*LOCK\s+TABLE\b")
        .unwrap()
        .is_match(&code);
    if (locked.len() > 1 || drops_index && !locked.is_empty()) && !first {
        found.push(format!(
            "takes a table's locks one after the other, so LOCK TABLE comes first: {tables:?}"
        ));
    }
    found
}

fn migrations(folder: &Path) -> BTreeMap<u32, String> {
    let name = Regex::new(r"^V(\d+)__\w+\.sql$").unwrap();
    std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter_map(|path| {
            let number = name.captures(path.file_name()?.to_str()?)?[1]
                .parse()
                .unwrap();
            Some((number, std::fs::read_to_string(path).unwrap()))
        })
        .collect()
}

#[test]
fn a_migration_takes_nothing_from_those_that_still_run() {
    let all = migrations(&root().join("migrations"));
    assert!(all.len() >= 10);
    for (number, sql) in all.range(BEFORE_THE_RULE + 1..) {
        let begins = sql.starts_with("-- expand:") || sql.starts_with("-- contract:");
        assert!(
            begins,
            "V{number} does not begin by saying whether it is an expand or a contract"
        );
        assert!(breaks(sql).is_empty(), "V{number}: {:#?}", breaks(sql));
    }
    // What came before the rule shows that it would be seen.
    for known in [9, 10] {
        assert!(!breaks(&all[&known]).is_empty(), "V{known}");
    }
    for bad in [
        "DROP TABLE pauses;",
        "ALTER TABLE orders RENAME COLUMN account TO number;",
        "ALTER TABLE orders ALTER COLUMN message SET NOT NULL;",
        "ALTER TABLE orders ALTER COLUMN epoch TYPE bigint;",
        "ALTER TABLE doubts ADD COLUMN place text NOT NULL;",
        "ALTER TABLE ledger ADD CONSTRAINT x CHECK (step < 9);",
        "CREATE INDEX x ON callbacks (created_at);",
        "UPDATE orders SET message = '';",
        "ALTER TABLE orders ADD COLUMN x int; ALTER TABLE ledger ADD COLUMN x int; LOCK TABLE orders;",
        "ALTER TABLE orders ADD COLUMN x int; ALTER TABLE orders ADD COLUMN y int;",
        "CREATE INDEX IF NOT EXISTS x ON timers (lane); DROP INDEX timers_looks;",
    ] {
        assert!(!breaks(bad).is_empty(), "{bad}");
    }
    for good in [
        "CREATE TABLE operators (name text PRIMARY KEY, seen_at timestamptz NOT NULL);",
        "ALTER TABLE doubts ADD COLUMN place text NOT NULL DEFAULT '';",
        "ALTER TABLE ledger ADD CONSTRAINT x CHECK (step < 9) NOT VALID;",
        "CREATE INDEX IF NOT EXISTS x ON callbacks (created_at);",
        "LOCK TABLE orders; ALTER TABLE orders ADD COLUMN x int; ALTER TABLE orders ADD COLUMN y int;",
        "-- contract: nothing of 0.2 reads it\nALTER TABLE doubts DROP COLUMN place;",
        "-- it would DROP TABLE pauses\nSELECT 1;",
    ] {
        assert!(breaks(good).is_empty(), "{good}: {:?}", breaks(good));
    }
}
