//! The alerts by Prometheus's own tool: well formed, each with a case in which it fires and one in which it does not.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use super::pages::{alerts, drawn_as_rules, prometheus};
use super::read;
use crate::harness::platform::root;

/// Fetches the package, after a look at what there is where the machine knows of none.
const FETCH: &str = "as_root=; [ \"$(id -u)\" -eq 0 ] || as_root='sudo -n'
    apt-get download -q prometheus || { $as_root apt-get update -q && apt-get download -q prometheus; }
    dpkg-deb -x prometheus_*.deb . && rm -f prometheus_*.deb";

/// `promtool`: the installed one, or the one of Debian's package, unpacked beside the build and not installed.
fn promtool() -> &'static PathBuf {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    FOUND.get_or_init(|| {
        let works = |program: &PathBuf| {
            let told = Command::new(program).arg("--version").output();
            told.is_ok_and(|told| told.status.success())
        };
        let installed = PathBuf::from("promtool");
        if works(&installed) {
            return installed;
        }
        let folder = root().join("target/promtool");
        let unpacked = folder.join("usr/bin/promtool");
        if !works(&unpacked) {
            std::fs::create_dir_all(&folder).unwrap();
            let fetched = Command::new("sh")
                .args(["-c", FETCH])
                .current_dir(&folder)
                .output();
            assert!(
                works(&unpacked),
                "promtool is needed (Debian's package prometheus) and could not be had: {fetched:?}"
            );
        }
        unpacked
    })
}

fn run(args: &[&str]) -> Output {
    let output = Command::new(promtool())
        .args(args)
        .current_dir(prometheus())
        .output();
    output.unwrap()
}

fn passes(args: &[&str]) {
    let output = run(args);
    assert!(
        output.status.success(),
        "{args:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Prometheus reads it, and has nothing to say against the names, units and texts.
pub(super) fn finds_nothing_wrong_with(exposition: &str) {
    let mut tool = Command::new(promtool())
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = tool.stdin.take().unwrap();
    stdin.write_all(exposition.as_bytes()).unwrap();
    drop(stdin);
    let output = tool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.trim().is_empty(), "{said}");
}

#[test]
fn the_alerts_are_well_formed_and_fire_when_they_should() {
    passes(&["check", "config", "prometheus.yml"]);
    passes(&["check", "rules", "alerts.yml"]);
    passes(&["test", "rules", "alerts_test.yml"]);
}

#[test]
fn the_dashboards_ask_in_well_formed_expressions() {
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("drawn.yml");
    let drawn = drawn_as_rules();
    std::fs::write(&rules, &drawn).unwrap();
    passes(&["check", "rules", rules.to_str().unwrap()]);
    std::fs::write(&rules, drawn.replacen("expr: \"", "expr: \"sum by (", 1)).unwrap();
    assert!(
        !run(&["check", "rules", rules.to_str().unwrap()])
            .status
            .success()
    );
}

#[test]
fn every_alert_is_tried_firing_and_not_firing() {
    let tests = read(&prometheus().join("alerts_test.yml"));
    let cases: Vec<&str> = tests.split("alertname: ").skip(1).collect();
    for alert in alerts().keys() {
        let of_alert = |case: &&&str| case.lines().next() == Some(alert);
        let fires = |case: &&&str| case.contains("exp_labels");
        let firing = cases.iter().filter(of_alert).filter(fires).count();
        let silent = cases.iter().filter(of_alert).count() - firing;
        assert!(
            firing > 0 && silent > 0,
            "{alert}: {firing} firing, {silent} silent"
        );
    }
}

#[test]
fn an_alert_that_does_not_fire_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let dull = read(&prometheus().join("alerts.yml")).replace("> 60", "> 60000");
    std::fs::write(folder.path().join("alerts.yml"), dull).unwrap();
    let tests = folder.path().join("alerts_test.yml");
    std::fs::copy(prometheus().join("alerts_test.yml"), &tests).unwrap();
    let output = run(&["test", "rules", tests.to_str().unwrap()]);
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("RefillOutboxTooOld"), "{said}");
}
