//! The manifests of the deployment say what the binary understands: built, held against the types of Kubernetes, and tried on the binary.

mod build;
mod compose;
mod shapes;
mod tried;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::harness::platform::root;
use tried::{secret_file, secrets_on_kubernetes, understood};

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

/// An overlay's file takes the place of the base's as a whole, so what it leaves out would be the default again.
#[test]
fn what_the_base_sets_every_overlay_sets() {
    let file = root().join("deploy/kubernetes/base/refill.toml");
    let base: toml::Table = std::fs::read_to_string(file).unwrap().parse().unwrap();
    for (overlay, objects) in overlays() {
        let text = named(&objects, "ConfigMap", "refill-settings")["data"]["refill.toml"].as_str();
        let set: toml::Table = text.unwrap().parse().unwrap();
        for (section, settings) in &base {
            for (name, value) in settings.as_table().unwrap() {
                let said = set.get(section).and_then(|section| section.get(name));
                assert_eq!(said, Some(value), "{overlay}: {section}.{name}");
            }
        }
    }
}

/// A language's order would be another one with the next version of the image's libraries, and the indexes over keys would be wrong.
#[test]
fn text_is_ordered_as_bytes_wherever_a_database_is_made() {
    let made = &compose::said()["services"]["postgres"]["environment"]["POSTGRES_INITDB_ARGS"];
    assert_eq!(*made, "--encoding=UTF8 --lc-collate=C --lc-ctype=C.UTF-8");
    for (overlay, objects) in overlays() {
        let clusters = of_kind(&objects, "Cluster");
        assert_eq!(clusters.len(), 1, "{overlay}");
        let made = &clusters[0]["spec"]["bootstrap"]["initdb"];
        assert_eq!(made["encoding"], "UTF8", "{overlay}");
        assert_eq!(made["localeCollate"], "C", "{overlay}");
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
