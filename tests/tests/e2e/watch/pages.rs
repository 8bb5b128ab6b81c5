//! Alerts, dashboards, runbook and metrics speak of the same things, in each direction.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;

use regex::Regex;
use serde_json::Value;

use super::{described, read};
use crate::harness::platform::{binary, root};

/// Described, and in no alert and on no dashboard: they are there for whoever asks further.
const NOT_DRAWN: [&str; 0] = [];

pub(super) fn prometheus() -> PathBuf {
    root().join("deploy/prometheus")
}

/// Each alert with what stands below its name in the file.
pub(super) fn alerts() -> BTreeMap<String, String> {
    let text = read(&prometheus().join("alerts.yml"));
    let found: BTreeMap<String, String> = text
        .split("- alert: ")
        .skip(1)
        .map(|rule| {
            let (name, rest) = rule.split_once('\n').unwrap();
            (name.to_owned(), rest.to_owned())
        })
        .collect();
    assert!(found.len() > 20, "only {} alerts", found.len());
    found
}

fn dashboards() -> Vec<(PathBuf, Value)> {
    let folder = std::fs::read_dir(root().join("deploy/grafana")).unwrap();
    let files = folder.map(|entry| entry.unwrap().path());
    let boards: Vec<_> = files
        .filter(|path| path.extension().is_some_and(|e| e == "json"))
        .map(|path| {
            let board = serde_json::from_str(&read(&path)).unwrap();
            (path, board)
        })
        .collect();
    assert!(boards.len() >= 4, "only {} dashboards", boards.len());
    boards
}

/// The metrics that an expression asks for; those of a histogram by the histogram's name.
fn asked(expression: &str) -> BTreeSet<String> {
    let name = Regex::new(r"\b(refill_[a-z0-9_]+|process_[a-z_]+)\b").unwrap();
    let histograms = described();
    name.find_iter(expression)
        .map(|found| {
            let name = found.as_str();
            let parts = ["_bucket", "_sum", "_count"];
            let of_histogram = parts.iter().find_map(|part| {
                let whole = name.strip_suffix(part)?;
                (histograms.get(whole)? == "histogram").then(|| whole.to_owned())
            });
            of_histogram.unwrap_or_else(|| name.to_owned())
        })
        .collect()
}

/// The expressions of all dashboards, as recording rules.
pub(super) fn drawn_as_rules() -> String {
    let all = dashboards();
    let rules = all
        .iter()
        .flat_map(|(_, board)| expressions(board))
        .enumerate()
        .map(|(n, expression)| {
            let quoted = serde_json::to_string(&expression).unwrap();
            format!("      - record: drawn:{n}\n        expr: {quoted}\n")
        });
    let rules: Vec<String> = rules.collect();
    format!("groups:\n  - name: drawn\n    rules:\n{}", rules.concat())
}

/// All expressions of a dashboard.
fn expressions(board: &Value) -> Vec<String> {
    let panels = board["panels"].as_array().unwrap();
    let targets = panels
        .iter()
        .filter_map(|panel| panel["targets"].as_array());
    targets
        .flatten()
        .map(|target| target["expr"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn every_alert_has_its_section_in_the_runbook_and_the_other_way_round() {
    let runbook = read(&root().join("deploy/RUNBOOK.md"));
    let sections: BTreeSet<&str> = runbook
        .lines()
        .filter_map(|line| line.strip_prefix("### "))
        .collect();
    let alerts = alerts();
    let names: BTreeSet<&str> = alerts.keys().map(String::as_str).collect();
    assert_eq!(sections, names);
    for (name, rule) in &alerts {
        let link = format!("runbook_url: deploy/RUNBOOK.md#{}\n", name.to_lowercase());
        assert!(rule.contains(&link), "{name}");
        assert!(
            rule.contains("severity: page") || rule.contains("severity: ticket"),
            "{name}"
        );
    }
    for section in runbook.split("\n### ").skip(1) {
        for part in ["**Means**", "**Look**", "**Do**", "**Never**"] {
            assert!(section.contains(part), "{part}: {section}");
        }
    }
}

#[test]
fn what_alerts_and_dashboards_ask_for_exists_and_what_exists_is_asked_for() {
    let mut used: BTreeSet<String> = alerts().values().flat_map(|rule| asked(rule)).collect();
    for (path, board) in dashboards() {
        let expressions = expressions(&board);
        assert!(expressions.len() > 4, "{}", path.display());
        used.extend(expressions.iter().flat_map(|e| asked(e)));
    }
    let runbook = asked(&read(&root().join("deploy/RUNBOOK.md")));
    let known: BTreeSet<String> = described().into_keys().collect();
    let unknown: Vec<_> = used
        .union(&runbook)
        .filter(|name| !known.contains(*name))
        .collect();
    assert!(unknown.is_empty(), "nobody describes {unknown:?}");
    let unused: BTreeSet<&str> = known.difference(&used).map(String::as_str).collect();
    assert_eq!(unused, NOT_DRAWN.into());
}

#[test]
fn the_dashboards_can_be_taken_into_any_grafana() {
    let mut uids = BTreeSet::new();
    for (path, board) in dashboards() {
        let name = path.display();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let uid = text(&board["uid"]);
        assert!(uid.starts_with("refill-") && uids.insert(uid), "{name}");
        assert!(text(&board["title"]).starts_with("Refill"), "{name}");
        assert_eq!(
            board["templating"]["list"][0]["type"], "datasource",
            "{name}"
        );
        let mut ids = BTreeSet::new();
        for panel in board["panels"].as_array().unwrap() {
            assert!(ids.insert(panel["id"].as_i64().unwrap()), "{name}: {panel}");
            assert!(!text(&panel["title"]).is_empty(), "{name}: {panel}");
            assert!(panel["gridPos"]["w"].is_number(), "{name}: {panel}");
            if panel["type"] != "row" {
                assert_eq!(
                    panel["datasource"]["uid"], "${datasource}",
                    "{name}: {panel}"
                );
                assert!(panel["targets"].is_array(), "{name}: {panel}");
            }
        }
    }
}

#[test]
fn the_commands_of_the_runbook_exist() {
    let runbook = read(&root().join("deploy/RUNBOOK.md"));
    let command = Regex::new(r"`refill ([a-z]+(?: [a-z]+)?)").unwrap();
    let commands: BTreeSet<String> = command
        .captures_iter(&runbook)
        .map(|found| found[1].to_owned())
        .filter(|command| command != "help")
        .collect();
    assert!(commands.len() > 8, "{commands:?}");
    for command in commands {
        let mut args: Vec<&str> = command.split(' ').collect();
        args.push("--help");
        let help = Command::new(binary()).args(&args).output().unwrap();
        assert!(
            help.status.success(),
            "refill {command}: {}",
            String::from_utf8_lossy(&help.stderr)
        );
    }
}
