//! What a manifest says, tried on the binary: its environment, its files, its arguments.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::{list, named, ours, overlays};
use crate::harness::platform::{binary, root};
use crate::tls::certify;

/// The secrets that a deployment has, as `deploy/secrets` makes them when it is told `whose`.
pub(super) fn secrets(whose: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let made = Command::new(root().join("deploy/secrets"))
        .arg(folder.path())
        .args(whose)
        .output()
        .unwrap();
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    folder
}

/// Those of the fleet on Kubernetes, with what CloudNativePG makes.
pub(super) fn secrets_on_kubernetes() -> tempfile::TempDir {
    let hosts = ["refill-postgres-rw.refill", "refill-rabbitmq.refill"];
    let folder = secrets(&[&hosts[..], &["require"]].concat());
    let authority = folder.path().join("postgres-ca");
    std::fs::create_dir(&authority).unwrap();
    certify(&authority, "ca", &["-subj", "/CN=refill-postgres"]);
    folder
}

/// The file of a key of a Secret of Kubernetes.
pub(super) fn secret_file(folder: &Path, secret: &str, key: &str) -> PathBuf {
    let file = folder
        .join(secret.strip_prefix("refill-").unwrap())
        .join(key);
    // The broker's definitions have a Secret to themselves.
    if secret == "refill-rabbitmq-definitions" {
        folder.join("rabbitmq/definitions.json")
    } else {
        file
    }
}

/// The settings that the binary has in such an environment, and that it takes these arguments.
pub(super) fn understood(
    environment: &BTreeMap<String, String>,
    arguments: &[String],
) -> toml::Table {
    let settings = Command::new(binary())
        .arg("config")
        .env_clear()
        .envs(environment)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&settings.stderr);
    assert!(settings.status.success(), "{environment:?}: {said}");
    // What comes before it is read first, and refused if it is unknown.
    let help = Command::new(binary())
        .args(arguments)
        .arg("--help")
        .env_clear()
        .envs(environment)
        .output()
        .unwrap();
    assert!(
        help.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&help.stderr)
    );
    String::from_utf8(settings.stdout).unwrap().parse().unwrap()
}

/// The environment of a container, with its files where they are here.
fn environment(objects: &[Value], pod: &Value, secrets: &Path) -> BTreeMap<String, String> {
    let mut places: Vec<(String, Value)> = vec![];
    for mount in list(pod, "/containers/0/volumeMounts") {
        let volume = list(pod, "/volumes").find(|volume| volume["name"] == mount["name"]);
        let volume = volume.unwrap_or_else(|| panic!("no volume {}", mount["name"]));
        places.push((
            mount["mountPath"].as_str().unwrap().to_owned(),
            volume.clone(),
        ));
    }
    let here = |path: &str| {
        let (folder, file) = path.rsplit_once('/').unwrap();
        let (_, volume) = places
            .iter()
            .find(|(at, _)| at == folder)
            .unwrap_or_else(|| panic!("nothing is mounted at {folder}"));
        if let Some(map) = volume["configMap"]["name"].as_str() {
            let text = named(objects, "ConfigMap", map)["data"][file]
                .as_str()
                .unwrap();
            let place = secrets.join(format!("{map}.toml"));
            std::fs::write(&place, text).unwrap();
            return place;
        }
        let secret = volume["secret"]["secretName"].as_str().unwrap();
        let items: Vec<_> = list(volume, "/secret/items").collect();
        assert!(
            items.is_empty() || items.iter().any(|item| item["path"] == file),
            "{file} is not mounted"
        );
        let place = secret_file(secrets, secret, file);
        assert!(place.exists(), "{secret} has no {file}");
        place
    };
    list(pod, "/containers/0/env")
        .map(|variable| {
            let (name, value) = (
                variable["name"].as_str().unwrap(),
                variable["value"].as_str().unwrap(),
            );
            let is_file = name == "REFILL_CONFIG" || name.ends_with("_FILE");
            let value = if is_file {
                here(value).display().to_string()
            } else {
                value.to_owned()
            };
            (name.to_owned(), value)
        })
        .collect()
}

/// By a name that stands in the certificate, which CloudNativePG makes for the service: `CLUSTER-rw.NAMESPACE`.
fn comes_to_the_database_by_tls(objects: &[Value], settings: &toml::Table) {
    let cluster = &named(objects, "Cluster", "refill-postgres")["metadata"];
    let [name, space] = ["name", "namespace"].map(|field| cluster[field].as_str().unwrap());
    let url = settings["database"]["url"].as_str().unwrap();
    let way = format!("@{name}-rw.{space}:5432/refill?sslmode=require");
    assert!(url.ends_with(&way), "{url}");
    let authority = settings["database"]["ca_file"].as_str().unwrap();
    assert!(authority.ends_with("postgres-ca/ca.crt"), "{authority}");
}

pub(super) fn texts(value: &Value) -> Vec<String> {
    let entries = value.as_array().unwrap();
    entries
        .iter()
        .map(|entry| entry.as_str().unwrap().to_owned())
        .collect()
}

fn port(settings: &toml::Table, section: &str) -> i64 {
    let listens = settings[section]["listen"].as_str().unwrap();
    let (address, port) = listens.rsplit_once(':').unwrap();
    assert_eq!(
        address, "0.0.0.0",
        "{section}: a pod is reached from outside"
    );
    port.parse().unwrap()
}

#[test]
fn the_binary_understands_what_each_pod_says_and_listens_where_it_is_reached() {
    let secrets = secrets_on_kubernetes();
    for (overlay, objects) in overlays() {
        for (name, pod) in ours(&objects) {
            let container = &pod["containers"][0];
            let arguments = texts(&container["args"]);
            let settings = understood(&environment(&objects, pod, secrets.path()), &arguments);
            comes_to_the_database_by_tls(&objects, &settings);
            let listens = |flag: &str| {
                let at = arguments
                    .iter()
                    .position(|word| word == flag)
                    .map(|at| &arguments[at + 1]);
                at.map(|address| address.rsplit_once(':').unwrap().1.parse::<i64>().unwrap())
            };
            let expected = match name {
                "refill-migrate" => vec![],
                "refill-ingress" => vec![
                    ("http", listens("--listen").unwrap()),
                    ("admin", port(&settings, "admin")),
                ],
                "refill-console" => vec![
                    ("http", port(&settings, "console")),
                    ("admin", port(&settings, "admin")),
                ],
                _ => vec![("admin", port(&settings, "admin"))],
            };
            let ports: Vec<_> = list(container, "/ports")
                .map(|port| {
                    (
                        port["name"].as_str().unwrap(),
                        port["containerPort"].as_i64().unwrap(),
                    )
                })
                .collect();
            assert_eq!(ports, expected, "{overlay}: {name}");
            if name == "refill-migrate" {
                continue;
            }
            for (probe, path) in [
                ("startupProbe", "/livez"),
                ("readinessProbe", "/readyz"),
                ("livenessProbe", "/livez"),
            ] {
                assert_eq!(
                    container[probe]["httpGet"],
                    json!({"path": path, "port": "admin"}),
                    "{name}: {probe}"
                );
            }
            // What it does after a stop takes less than what it is given.
            let grace = pod["terminationGracePeriodSeconds"].as_i64().unwrap() * 1000;
            let before = container
                .pointer("/lifecycle/preStop/sleep/seconds")
                .map_or(0, |s| s.as_i64().unwrap() * 1000);
            let setting = |section: &str, key: &str| settings[section][key].as_integer().unwrap();
            let needs = match name {
                "refill-ingress" => 2 * setting("ingress", "shutdown_grace_ms"),
                "refill-callback" => 3 * setting("callback", "call_timeout_ms"),
                _ => setting("fulfillment", "drain_timeout_ms"),
            };
            assert!(
                before + needs + 10_000 <= grace,
                "{name}: {needs} ms do not fit"
            );
        }
    }
}
