//! With what each user may do the whole way runs, and there is no right that nothing makes use of.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;

use super::day::a_day;
use crate::harness::fleet::ROLES;
use crate::harness::{Fleet, Ground, Merchant, Outside, until};

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
        fleet.stop(role);
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
