//! The house stays as its map says: who may know whom, where SQL and AMQP are spoken, how large a file may grow.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use regex::Regex;

use crate::harness::platform::root;

/// Longer than a file should be, and known to be: a list that may only get shorter.
const TOO_LONG: [&str; 1] = ["domain/src/life/decide_tests.rs"];
const LONGEST: usize = 400;

fn crates() -> PathBuf {
    root().join("crates")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// All rooms by name, each with the rooms that its manifest uses at run time.
fn rooms() -> BTreeMap<String, BTreeSet<String>> {
    let names: BTreeSet<String> = std::fs::read_dir(crates())
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().join("Cargo.toml").exists())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names
        .iter()
        .map(|name| {
            let manifest: toml::Table = read(&crates().join(name).join("Cargo.toml"))
                .parse()
                .unwrap();
            let used = manifest["dependencies"].as_table().unwrap();
            let rooms = used.keys().filter(|used| names.contains(*used)).cloned();
            (name.clone(), rooms.collect())
        })
        .collect()
}

/// All source files of the rooms, by their path below `crates`.
fn sources() -> BTreeMap<String, String> {
    fn walk(folder: &Path, found: &mut BTreeMap<String, String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let name = path.strip_prefix(crates()).unwrap().to_str().unwrap();
                found.insert(name.to_owned(), read(&path));
            }
        }
    }
    let mut found = BTreeMap::new();
    for room in rooms().keys() {
        walk(&crates().join(room).join("src"), &mut found);
    }
    assert!(found.len() > 100, "only {} files", found.len());
    found
}

#[test]
fn rooms_use_what_the_map_says_and_nothing_else() {
    let row = Regex::new(r"(?m)^\| \[(\w+)\]\([^)]*\) \|[^|]*\|([^|]*)\|$").unwrap();
    let map = read(&crates().join("README.md"));
    let mapped: BTreeMap<String, BTreeSet<String>> = row
        .captures_iter(&map)
        .map(|row| {
            let used = row[2].split(',').map(str::trim).filter(|r| !r.is_empty());
            (row[1].to_owned(), used.map(str::to_owned).collect())
        })
        .collect();
    let mut rooms = rooms();
    let all: BTreeSet<String> = rooms.keys().filter(|r| *r != "refill").cloned().collect();
    assert_eq!(rooms["refill"], all);
    rooms.insert("refill".into(), ["all".to_owned()].into());
    assert_eq!(mapped, rooms);
}

/// Lines of code that match, as `file: line`; comments and documentation aside.
fn lines_with(pattern: &str, but_in: &[&str]) -> Vec<String> {
    let pattern = Regex::new(pattern).unwrap();
    sources()
        .iter()
        .filter(|(name, _)| !but_in.iter().any(|room| name.starts_with(room)))
        .flat_map(|(name, text)| {
            text.lines()
                .filter(|line| !line.trim_start().starts_with("//") && pattern.is_match(line))
                .map(move |line| format!("{name}: {line}"))
        })
        .collect()
}

#[test]
fn sql_is_spoken_in_one_room() {
    let sql = r"\b(SELECT |INSERT INTO |DELETE FROM |UPDATE [a-z_]+ SET|tokio_postgres|deadpool_postgres)";
    // The floor has a table of its own, the servers' room creates databases.
    let others = lines_with(sql, &["store/", "floor/", "servers/"]);
    assert!(others.is_empty(), "{others:#?}");
    assert!(
        !lines_with(sql, &[]).is_empty(),
        "the pattern finds nothing"
    );
}

#[test]
fn amqp_is_spoken_in_one_room_and_backoff_known_in_one() {
    for (pattern, rooms) in [
        (r"\blapin::", &["queue/", "floor/"][..]),
        (r"\bbackoff::(Exp|back|Back)", &["retry/"]),
    ] {
        let others = lines_with(pattern, rooms);
        assert!(others.is_empty(), "{others:#?}");
        assert!(
            !lines_with(pattern, &[]).is_empty(),
            "{pattern} finds nothing"
        );
    }
}

#[test]
fn money_is_never_a_float() {
    let floats = lines_with(r"\bf(32|64)\b", &["refill/src/command/bench", "retry/"]);
    let excused = Regex::new(r"gauge|histogram|counter|_seconds|as_secs_f64|metrics").unwrap();
    let floats: Vec<_> = floats
        .iter()
        .filter(|line| !excused.is_match(line))
        .collect();
    let money: Vec<_> = floats
        .iter()
        .filter(|line| {
            Regex::new(r"(?i)money|price|amount|cost|spec|balance")
                .unwrap()
                .is_match(line)
        })
        .collect();
    assert!(money.is_empty(), "{money:#?}");
}

#[test]
fn files_are_small_say_what_they_are_and_have_names_from_the_field() {
    for (name, text) in sources() {
        assert!(
            text.starts_with("//!"),
            "{name} does not begin with what it is"
        );
        let lines = text.lines().count();
        let known = TOO_LONG.contains(&name.as_str());
        assert_eq!(lines > LONGEST, known, "{name} has {lines} lines");
        let stem = Path::new(&name)
            .file_stem()
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        for vague in ["util", "common", "manager", "helper", "misc"] {
            assert!(!stem.contains(vague), "{name}");
        }
    }
}

/// What `cargo tree` says of a choice of members: each crate with its features.
fn built(choice: &[&str]) -> BTreeSet<String> {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--prefix", "none"])
        .args(["--format", "{p} {f}"])
        .args(choice)
        .current_dir(root())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&tree.stderr);
    assert!(tree.status.success(), "{said}");
    let lines = String::from_utf8(tree.stdout).unwrap();
    let lines = lines.lines().map(|line| line.trim_end_matches(" (*)"));
    lines.map(str::to_owned).collect()
}

/// Otherwise the tests run another binary than the one that is shipped, and every crate is built twice.
#[test]
fn whatever_is_tested_is_built_of_the_crates_that_are_shipped() {
    let with_tests = built(&["--workspace", "-e", "normal,build,dev"]);
    for shipped in [
        ["-p", "refill", "-e", "normal,build"],
        ["-p", "refill", "-e", "normal,build,dev"],
    ] {
        let shipped = built(&shipped);
        assert!(shipped.len() > 200, "only {} crates", shipped.len());
        let others: Vec<_> = shipped.difference(&with_tests).collect();
        assert!(others.is_empty(), "other features in tests: {others:?}");
    }
}
