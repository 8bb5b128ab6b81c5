//! The manifests of the deployment say what the binary understands: built, held against the types of Kubernetes, and tried on the binary.

mod build;
mod shapes;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::harness::platform::{binary, root};
use crate::tls::certify;

const ROLES: [&str; 4] = ["ingress", "fulfillment", "callback", "console"];

fn overlays() -> [(&'static str, Vec<Value>); 2] {
    ["dev", "production"].map(|name| {
        let folder = root().join("deploy/kubernetes/overlays").join(name);
        (name, build::build(&folder))
    })
}

fn of_kind<'o>(objects: &'o [Value], kind: &str) -> Vec<&'o Value> {
    objects
        .iter()
        .filter(|object| object["kind"] == kind)
        .collect()
}

fn named<'o>(objects: &'o [Value], kind: &str, name: &str) -> &'o Value {
    let found = of_kind(objects, kind)
        .into_iter()
        .find(|object| object["metadata"]["name"] == name);
    found.unwrap_or_else(|| panic!("no {kind} {name}"))
}

fn list<'v>(value: &'v Value, at: &str) -> impl Iterator<Item = &'v Value> {
    value
        .pointer(at)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

/// What runs our binary: its name and its pod.
fn ours(objects: &[Value]) -> Vec<(&str, &Value)> {
    let running = objects
        .iter()
        .filter(|object| object["kind"] == "Deployment" || object["kind"] == "Job");
    let pods: Vec<_> = running
        .map(|object| {
            (
                object["metadata"]["name"].as_str().unwrap(),
                object.pointer("/spec/template/spec").unwrap(),
            )
        })
        .collect();
    assert_eq!(pods.len(), ROLES.len() + 1);
    pods
}

/// The secrets that a deployment has, as `deploy/secrets` makes them when it is told `whose`.
fn secrets(whose: &[&str]) -> tempfile::TempDir {
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
fn secrets_on_kubernetes() -> tempfile::TempDir {
    let hosts = ["refill-postgres-rw.refill", "refill-rabbitmq.refill"];
    let folder = secrets(&[&hosts[..], &["require"]].concat());
    let authority = folder.path().join("postgres-ca");
    std::fs::create_dir(&authority).unwrap();
    certify(&authority, "ca", &["-subj", "/CN=refill-postgres"]);
    folder
}

/// The file of a key of a Secret of Kubernetes.
fn secret_file(folder: &Path, secret: &str, key: &str) -> PathBuf {
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
fn understood(environment: &BTreeMap<String, String>, arguments: &[String]) -> toml::Table {
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

fn texts(value: &Value) -> Vec<String> {
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
fn every_manifest_has_the_shape_of_its_kind() {
    let examples = ["secrets.example.yaml", "traces.example.yaml"]
        .map(|file| build::documents(&root().join("deploy/kubernetes").join(file)));
    let mut wrong = vec![];
    for (name, objects) in overlays().iter().chain(&[("example", examples.concat())]) {
        assert!(
            *name == "example" || objects.len() > 35,
            "{name}: {}",
            objects.len()
        );
        for object in objects {
            let at = format!("{name}: {} {}", object["kind"], object["metadata"]["name"]);
            wrong.extend(
                shapes::wrong(object)
                    .iter()
                    .map(|what| format!("{at}{what}")),
            );
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
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

#[test]
fn every_pod_of_ours_is_one_image_without_any_right() {
    for (overlay, objects) in overlays() {
        let images: BTreeSet<_> = ours(&objects)
            .iter()
            .map(|(_, pod)| pod["containers"][0]["image"].to_string())
            .collect();
        assert_eq!(images.len(), 1, "{overlay}: {images:?}");
        assert!(images.first().unwrap().contains("/refill:"), "{images:?}");
        for (name, pod) in ours(&objects) {
            assert_eq!(list(pod, "/containers").count(), 1);
            let container = &pod["containers"][0];
            let account = format!("refill-{}", container["name"].as_str().unwrap());
            assert_eq!(
                (name, pod["serviceAccountName"].as_str()),
                (account.as_str(), Some(account.as_str()))
            );
            assert_eq!(
                named(&objects, "ServiceAccount", name)["automountServiceAccountToken"],
                false
            );
            assert_eq!(pod["automountServiceAccountToken"], false, "{name}");
            assert_eq!(pod["securityContext"]["runAsNonRoot"], true, "{name}");
            assert_eq!(
                pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault",
                "{name}"
            );
            let rights = json!({"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]}});
            assert_eq!(container["securityContext"], rights, "{name}");
            for at in [
                "/resources/requests/cpu",
                "/resources/requests/memory",
                "/resources/limits/memory",
            ] {
                assert!(container.pointer(at).is_some(), "{name}: {at}");
            }
        }
        for object in &objects {
            assert_ne!(object["kind"], "Secret", "secrets are named, not contained");
        }
    }
}

#[test]
fn whatever_points_at_something_finds_it() {
    let secrets = secrets_on_kubernetes();
    let key = |secret: &str, key: &str| {
        let file = secret_file(secrets.path(), secret, key);
        assert!(file.exists(), "{secret} has no {key}");
    };
    for (overlay, objects) in overlays() {
        for role in ROLES {
            let name = format!("refill-{role}");
            let deployment = named(&objects, "Deployment", &name);
            let labels = &deployment["spec"]["template"]["metadata"]["labels"];
            let selected = |selector: &Value| {
                let wanted = selector["matchLabels"]
                    .as_object()
                    .unwrap_or(selector.as_object().unwrap());
                wanted.iter().all(|(name, value)| labels[name] == *value)
            };
            assert!(selected(&deployment["spec"]["selector"]));
            assert!(selected(
                &named(&objects, "PodDisruptionBudget", &name)["spec"]["selector"]
            ));
            let scaled = of_kind(&objects, "ScaledObject")
                .iter()
                .any(|s| s["spec"]["scaleTargetRef"]["name"] == *name);
            assert_eq!(
                scaled,
                deployment["spec"]["replicas"].is_null(),
                "{overlay}: who decides how many {role} there are"
            );
            let ports: Vec<_> =
                list(deployment, "/spec/template/spec/containers/0/ports").collect();
            for service in of_kind(&objects, "Service")
                .into_iter()
                .filter(|s| selected(&s["spec"]["selector"]))
            {
                let target = &service["spec"]["ports"][0]["targetPort"];
                assert!(
                    ports.iter().any(|port| port["name"] == *target),
                    "{role}: {target}"
                );
            }
            // Each door that a policy opens is one, and metrics are one for all.
            let policies: Vec<_> = of_kind(&objects, "NetworkPolicy")
                .into_iter()
                .filter(|p| selected(&p["spec"]["podSelector"]))
                .collect();
            assert!(
                policies
                    .iter()
                    .any(|p| p["spec"]["podSelector"] == json!({})),
                "nothing is shut"
            );
            let opened: BTreeSet<i64> = policies
                .iter()
                .flat_map(|policy| list(policy, "/spec/ingress"))
                .flat_map(|rule| list(rule, "/ports"))
                .map(|port| port["port"].as_i64().unwrap())
                .collect();
            let listened: BTreeSet<i64> = ports
                .iter()
                .map(|port| port["containerPort"].as_i64().unwrap())
                .collect();
            assert_eq!(opened, listened, "{overlay}: {role}");
        }
        for trigger in of_kind(&objects, "TriggerAuthentication") {
            for reference in list(trigger, "/spec/secretTargetRef") {
                key(
                    reference["name"].as_str().unwrap(),
                    reference["key"].as_str().unwrap(),
                );
            }
        }
        for trigger in of_kind(&objects, "ScaledObject")
            .into_iter()
            .flat_map(|s| list(s, "/spec/triggers"))
        {
            if let Some(name) = trigger["authenticationRef"]["name"].as_str() {
                named(&objects, "TriggerAuthentication", name);
            }
        }
        let cluster = &named(&objects, "Cluster", "refill-postgres")["spec"];
        let owner = &cluster["bootstrap"]["initdb"];
        let roles = list(cluster, "/managed/roles")
            .map(|role| (&role["name"], &role["passwordSecret"]["name"]));
        for (user, secret) in roles.chain([(&owner["owner"], &owner["secret"]["name"])]) {
            let (user, secret) = (user.as_str().unwrap(), secret.as_str().unwrap());
            assert_eq!(user.replace('_', "-"), secret);
            key(secret, "password");
            key(secret, "username");
        }
        key("refill-rabbitmq-definitions", "definitions.json");
    }
}

#[test]
fn alerts_and_dashboards_of_the_cluster_are_those_that_are_tried_and_drawn() {
    let [_, (_, objects)] = overlays();
    let alerts = build::documents(&root().join("deploy/prometheus/alerts.yml"));
    let rules = named(&objects, "PrometheusRule", "refill");
    assert_eq!(
        rules["spec"], alerts[0],
        "rules.yaml says how it is made anew from alerts.yml"
    );

    let taken = named(&objects, "ConfigMap", "refill-dashboards");
    assert_eq!(taken["metadata"]["labels"]["grafana_dashboard"], "1");
    let taken: BTreeMap<String, String> = serde_json::from_value(taken["data"].clone()).unwrap();
    let drawn: BTreeMap<String, String> = std::fs::read_dir(root().join("deploy/grafana"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "json"))
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read_to_string(path).unwrap())
        })
        .collect();
    assert!(drawn.len() >= 4);
    assert_eq!(taken, drawn);
}

#[test]
fn all_processes_at_the_most_find_a_connection_to_the_database() {
    let (_, objects) = &overlays()[1];
    let most = |name: &str| {
        let scaled = of_kind(objects, "ScaledObject")
            .into_iter()
            .find(|s| s["spec"]["scaleTargetRef"]["name"] == name);
        let most = scaled.map_or(1, |s| s["spec"]["maxReplicaCount"].as_i64().unwrap());
        // And one more while it is rolled.
        most + named(objects, "Deployment", name)
            .pointer("/spec/strategy/rollingUpdate/maxSurge")
            .unwrap()
            .as_i64()
            .unwrap()
    };
    let processes: i64 = ROLES
        .iter()
        .map(|role| most(&format!("refill-{role}")))
        .sum::<i64>()
        + 1;
    let settings = understood(&BTreeMap::new(), &["migrate".into()]);
    let each = settings["database"]["max_connections"]
        .as_integer()
        .unwrap();
    let cluster = &named(objects, "Cluster", "refill-postgres")["spec"];
    let all: i64 = cluster["postgresql"]["parameters"]["max_connections"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!(
        processes * each + 30 <= all,
        "{processes} processes with {each} each, of {all}"
    );
}

/// Of a value like `${NAME:-default}`, which the example says too.
fn default_of(value: &str) -> &str {
    let inner = value.strip_prefix("${").and_then(|v| v.strip_suffix('}'));
    let (name, default) = inner.unwrap().split_once(":-").unwrap();
    let example = std::fs::read_to_string(root().join("deploy/fleet.env.example")).unwrap();
    let said = format!("{name}={default}");
    assert!(example.lines().any(|line| line == said), "{said}");
    default
}

#[test]
fn the_binary_understands_what_compose_says() {
    let text = std::fs::read_to_string(root().join("deploy/compose.yaml")).unwrap();
    let compose: Value = serde_saphyr::from_str(&text).unwrap();
    let made = secrets(&[]);
    let mut roles = BTreeSet::new();
    for (name, service) in compose["services"].as_object().unwrap() {
        if service["image"] != "${REFILL_IMAGE:-refill}" {
            assert!(service["mem_limit"].is_string(), "{name}");
            continue;
        }
        for (field, value) in [
            ("user", json!("65532:65532")),
            ("read_only", json!(true)),
            ("cap_drop", json!(["ALL"])),
        ] {
            assert_eq!(service[field], value, "{name}: {field}");
        }
        let given: BTreeSet<_> = list(service, "/secrets")
            .map(|secret| secret.as_str().unwrap())
            .collect();
        let mut used = BTreeSet::new();
        let mut environment = BTreeMap::new();
        for (variable, value) in service["environment"].as_object().unwrap() {
            let value = value.as_str().unwrap();
            let Some(secret) = value.strip_prefix("/run/secrets/") else {
                environment.insert(variable.clone(), default_of(value).to_owned());
                continue;
            };
            let file = compose["secrets"][secret]["file"].as_str().unwrap();
            let file = made.path().join(file.strip_prefix("./secrets.d/").unwrap());
            assert!(file.exists(), "{name}: {secret}");
            used.insert(secret);
            environment.insert(variable.clone(), file.display().to_string());
        }
        assert_eq!(given, used, "{name}");
        let command = texts(&service["command"]);
        understood(&environment, &command);
        if ROLES.contains(&command[0].as_str()) {
            roles.insert(command[0].clone());
            let health = texts(&service["healthcheck"]["test"]);
            assert_eq!(health[..2], ["CMD", "/usr/local/bin/refill"]);
            understood(&environment, &health[2..]);
        }
    }
    assert_eq!(roles, ROLES.map(str::to_owned).into());
    let image = std::fs::read_to_string(root().join("deploy/Containerfile")).unwrap();
    for line in [
        "USER 65532:65532",
        "ENTRYPOINT [\"/usr/local/bin/refill\"]",
        "ARG REFILL_COMMIT",
        "cargo build --release --locked -p refill \\",
    ] {
        assert!(image.contains(line), "{line}");
    }
    let toolchain = std::fs::read_to_string(root().join("rust-toolchain.toml")).unwrap();
    let toolchain: toml::Table = toolchain.parse().unwrap();
    let version = toolchain["toolchain"]["channel"].as_str().unwrap();
    assert!(
        image.contains(&format!("/rust:{version}-bookworm")),
        "the image is built by another Rust than {version}"
    );
}
