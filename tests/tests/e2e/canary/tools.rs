//! The subcommands, each with words that it says when it has done what it was asked for.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};

use regex::Regex;

use super::{Named, PASSWORD, Said};
use crate::harness::platform::{binary, root};
use crate::harness::{Platform, Scene, until};

/// What is not run here: roles, which the test runs by themselves, and what plays the outside or a whole platform of its own.
const LEFT_OUT: [&str; 8] = [
    "ingress",
    "fulfillment",
    "callback",
    "console",
    "dev",
    "demo",
    "bench",
    "sim",
];

/// In this order; a word in braces is filled in. Whoever adds a subcommand adds it here.
const TOOLS: [(&str, &str); 72] = [
    ("config", "max_connections"),
    ("config --defaults", "[console]"),
    ("health {admin}/readyz", "database"),
    ("migrate", "up to date"),
    ("migrate --check", "the schema is at"),
    ("sign --business shop --key {key}", "sign: "),
    ("sign --business old --md5-key {md5}", "sign: "),
    ("catalog import {catalogue} --as clerk", "catalogue version"),
    (
        "catalog import {catalogue} --as clerk --json",
        "catalogueVersion",
    ),
    ("keys new canary-2", "canary-2:"),
    ("keys seal --as clerk", "secrets sealed anew"),
    ("keys seal --as clerk --json", "\"sealed\""),
    ("check", "holds"),
    ("check --json", "\"findings\""),
    ("check --supplier swift --supplier-bill {bill}", "RNOBODY"),
    (
        "check --json --supplier swift --supplier-bill {bill}",
        "RNOBODY",
    ),
    ("order find {account}", "{fuel}"),
    ("order find {account} --json", "{fuel}"),
    ("order find text-magic", "text-magic-0"),
    ("order show {fuel}", "FUEL100"),
    ("order show {fuel} --json", "\"timeline\""),
    ("order show {doubt}", "a person has to look"),
    ("order show {doubt} --json", "a person has to look"),
    ("order show {failed}", "is failed"),
    ("order cancel {fuel} --as clerk", "0 of 1"),
    ("order cancel {fuel} --as clerk --json", "\"cancelled\":0"),
    ("doubt list", "{doubt}"),
    ("doubt list --json", "{doubt}"),
    (
        "doubt propose {partial} charged --evidence ticket --as li",
        "is proposed by li",
    ),
    ("doubt list", "{partial}"),
    (
        "doubt confirm {partial} charged --evidence ticket --as zhao",
        "is succeeded now",
    ),
    (
        "doubt settle {doubt} charged --evidence ticket --as li",
        "refill: ",
    ),
    ("supplier pause swift --reason why --as clerk", "is paused"),
    ("supplier list", "is paused by"),
    ("supplier list --json", "\"pauses\""),
    ("supplier resume swift --as clerk", "takes new orders again"),
    ("lane pause fuel --as clerk --json", "\"paused\""),
    ("lane resume fuel --as clerk --json", "\"resumed\""),
    (
        "endpoint pause https://paused.example --as clerk",
        "is paused",
    ),
    ("endpoint list", "https://paused.example"),
    ("endpoint list --json", "https://paused.example"),
    (
        "endpoint resume https://paused.example --as clerk",
        "is probed",
    ),
    (
        "callback resend --business shop --batch text-plain --dry-run",
        "would be sent again",
    ),
    (
        "callback resend --business shop --batch text-plain --per-second 1 --as clerk",
        "will be sent again",
    ),
    // At once, before it has sent all.
    ("callback pause {job} --as clerk", "is paused"),
    ("callback jobs", "asked for by clerk"),
    ("callback jobs --json", "clerk"),
    ("callback resume {job} --as clerk --json", "running"),
    ("callback cancel {job} --as clerk", "is cancelled"),
    // Ten tries take too long: nothing was given up.
    ("callback parked", ""),
    ("callback parked --json", ""),
    (
        "operator add wang --role viewer --as clerk",
        "may sign in as viewer",
    ),
    ("operator list", "wang"),
    ("operator list --json", "wang"),
    ("operator role wang operator --as clerk", "is operator now"),
    (
        "operator disable wang --as clerk --json",
        "may not sign in any more",
    ),
    ("operator enable wang --as clerk", "may sign in again"),
    ("operator password wang --as clerk", "has the new password"),
    (
        "operator token add admin --label canary --as clerk --json",
        "\"canary\"",
    ),
    (
        "operator token add wang --label other --days 1 --as clerk",
        "it is shown this once",
    ),
    ("operator token list", "canary"),
    ("operator token list wang --json", "\"other\""),
    ("operator token revoke 2 --as clerk", "is revoked"),
    (
        "operator token revoke 2 --as clerk --json",
        "is revoked already",
    ),
    ("queue list", "refill.orders.mobile"),
    ("queue list --json", "refill.parked"),
    ("queue parked", "unknown_version"),
    ("queue parked --json", "unknown_version"),
    (
        "queue drop --id nobody --as clerk",
        "no such message is parked",
    ),
    (
        "queue requeue --from refill.orders.mobile --as clerk",
        "1 requeued",
    ),
    ("audit --limit 1000", "keys.seal"),
    ("audit --limit 1000 --json", "keys.seal"),
];

/// Runs all of them. Returns the tokens that were made: told this once, so they are taken out of what was said.
pub(super) async fn read(scene: &Scene, named: &mut Named, said: &mut Said) -> Vec<String> {
    let token = Regex::new("refill_[0-9a-f]{64}").unwrap();
    let mut tokens = vec![];
    for (line, says) in TOOLS {
        if line.contains("{job}") {
            let job = "SELECT job_id FROM resend_jobs";
            named.name("job", scene.ground.ask(job).await);
        }
        let text = tokio::task::block_in_place(|| run(&scene.platform, &named.fill(line)));
        let says = named.fill(says);
        assert!(text.contains(&says), "refill {line}: {text}");
        let mut heard = text.clone();
        if line.starts_with("operator token add") {
            let made = token.find(&text).expect("a token").as_str();
            heard = text.replacen(made, "", 1);
            tokens.push(made.to_owned());
        }
        said.0.push((format!("refill {line}"), heard));
    }
    until(
        "the parked message again",
        async || {
            let line = "queue parked";
            let text = tokio::task::block_in_place(|| run(&scene.platform, line));
            text.contains("unknown_version").then_some(())
        },
        || scene.platform.log_tail(),
    )
    .await;
    tokens
}

/// All that a tool prints. Whatever it asks for, a password or a body to sign, it gets.
fn run(platform: &Platform, line: &str) -> String {
    let mut process = platform
        .command()
        .args(line.split(' '))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // One that reads nothing may have ended.
    let _ = writeln!(process.stdin.take().unwrap(), "{PASSWORD}");
    let output = process.wait_with_output().unwrap();
    String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap()
}

/// What `--help` says about a subcommand.
fn help(path: &[String]) -> String {
    let output = Command::new(binary()).args(path).arg("--help").output();
    let output = output.unwrap();
    assert!(output.status.success(), "{path:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The subcommands of a subcommand, by its help.
fn below(help: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|line| *line != "Commands:");
    let lines = lines.skip(1).take_while(|line| !line.is_empty());
    // What stands further in goes on with the line above.
    let names = lines.filter_map(|line| line.strip_prefix("  "));
    let names = names.filter(|line| !line.starts_with(' '));
    let names = names.filter_map(|line| line.split(' ').next());
    names
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

/// All subcommands that have none below them, with their help.
fn leaves(path: &[String]) -> Vec<(String, String)> {
    let text = help(path);
    let below = below(&text);
    if below.is_empty() {
        return vec![(path.join(" "), text)];
    }
    let paths = below.into_iter().map(|name| [path, &[name]].concat());
    paths.flat_map(|path| leaves(&path)).collect()
}

/// A subcommand without an entry here is one whose output nobody has looked at for secrets.
#[test]
fn every_subcommand_is_read_told_in_the_readme_and_speaks_json_where_it_changes_something() {
    let is_of = |line: &str, name: &str| {
        let rest = line.strip_prefix(name);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
    };
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let leaves = leaves(&[]);
    assert!(leaves.len() > 30, "{leaves:?}");
    let mut missing = BTreeSet::new();
    for (name, help) in &leaves {
        let words: Vec<&str> = name.split(' ').collect();
        // Reports' tools stand below a role.
        let left_out = |out: &str| is_of(name, out) && (out != "callback" || words.len() == 1);
        let read = TOOLS.iter().any(|(line, _)| is_of(line, name));
        if !read && !LEFT_OUT.iter().any(|out| left_out(out)) {
            missing.insert(format!("{name}: not read"));
        }
        let told = |line: &str| {
            let first = line.contains(&format!("refill {}", words[0]));
            first && words.iter().all(|word| line.contains(word))
        };
        if !readme.lines().any(told) {
            missing.insert(format!("{name}: not in README.md"));
        }
        if help.contains("--as <NAME>") && !help.contains("--json") {
            missing.insert(format!("{name}: changes something, and has no --json"));
        }
    }
    assert_eq!(missing, BTreeSet::new());
}
