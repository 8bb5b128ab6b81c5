//! Whether a manifest has the shape of what it says it is. Kubernetes' own kinds: read into the types of its API, and nothing may get lost on
//! the way. Kinds that others have added: held against the fields that we use of them, as their definitions have them.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::{Ingress, NetworkPolicy};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::{Metadata, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// `path type` of every field that we use of a kind that Kubernetes does not know itself; `[]` goes into a list, `*` is any key.
const CUSTOM: &str = include_str!("custom_kinds.txt");

/// What is wrong with an object; nothing: it has its shape.
pub(super) fn wrong(object: &Value) -> Vec<String> {
    let kind = object["kind"].as_str().unwrap_or_default();
    match kind {
        "Namespace" => as_type::<Namespace>(object),
        "ServiceAccount" => as_type::<ServiceAccount>(object),
        "ConfigMap" => as_type::<ConfigMap>(object),
        "Service" => as_type::<Service>(object),
        "Deployment" => as_type::<Deployment>(object),
        "Job" => as_type::<Job>(object),
        "PodDisruptionBudget" => as_type::<PodDisruptionBudget>(object),
        "NetworkPolicy" => as_type::<NetworkPolicy>(object),
        "Ingress" => as_type::<Ingress>(object),
        _ => as_custom(object, kind),
    }
}

fn as_type<T: Resource + Metadata + Serialize + DeserializeOwned>(object: &Value) -> Vec<String> {
    if object["apiVersion"] != T::API_VERSION {
        return vec![format!(
            "apiVersion {} is not {}",
            object["apiVersion"],
            T::API_VERSION
        )];
    }
    let mut lost = vec![];
    match serde_json::from_value::<T>(object.clone()) {
        Ok(typed) => lost_in(object, &serde_json::to_value(typed).unwrap(), "", &mut lost),
        Err(error) => lost.push(error.to_string()),
    }
    lost
}

/// Fields that stand in the manifest and that the type did not keep.
fn lost_in(said: &Value, kept: &Value, at: &str, lost: &mut Vec<String>) {
    match (said, kept) {
        (Value::Object(said), Value::Object(kept)) => {
            for (name, value) in said {
                // An empty object means something (everybody), an absent one something else.
                let kept = kept.get(name).unwrap_or(&Value::Null);
                lost_in(value, kept, &format!("{at}.{name}"), lost);
            }
        }
        (Value::Array(said), Value::Array(kept)) if said.len() == kept.len() => {
            for (n, (said, kept)) in said.iter().zip(kept).enumerate() {
                lost_in(said, kept, &format!("{at}[{n}]"), lost);
            }
        }
        (said, kept) if said == kept => {}
        _ => lost.push(format!("{at}: {said} is read as {kept}")),
    }
}

fn as_custom(object: &Value, kind: &str) -> Vec<String> {
    let version = object["apiVersion"].as_str().unwrap_or_default();
    let head = format!("# {version} {kind}");
    let Some(block) = CUSTOM
        .split("\n\n")
        .find(|block| block.lines().any(|line| line == head))
    else {
        return vec![format!("{version} {kind} is unknown")];
    };
    let fields: Vec<(&str, &str)> = block
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split_once(' ').unwrap())
        .chain([
            ("metadata.name", "string"),
            ("metadata.namespace", "string"),
            ("metadata.labels.*", "string"),
        ])
        .chain([("apiVersion", "string"), ("kind", "string")])
        .collect();
    let mut wrong = vec![];
    leaves(object, "", &mut |path, value| {
        let known = fields.iter().find(|(field, _)| is_at(field, path));
        let fits = known.is_some_and(|(_, wanted)| is_a(value, wanted));
        if !fits {
            wrong.push(format!("{path}: {value} is not {known:?}"));
        }
    });
    wrong
}

fn leaves(value: &Value, at: &str, found: &mut impl FnMut(&str, &Value)) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (name, value) in fields {
                let dot = if at.is_empty() { "" } else { "." };
                // A name with dots is one name.
                leaves(
                    value,
                    &format!("{at}{dot}{}", name.replace('.', "·")),
                    found,
                );
            }
        }
        Value::Array(entries) => entries
            .iter()
            .for_each(|entry| leaves(entry, &format!("{at}[]"), found)),
        leaf => found(at, leaf),
    }
}

fn is_at(field: &str, path: &str) -> bool {
    let (field, path): (Vec<_>, Vec<_>) = (field.split('.').collect(), path.split('.').collect());
    field.len() == path.len()
        && field
            .iter()
            .zip(&path)
            .all(|(field, name)| field == name || *field == "*")
}

fn is_a(value: &Value, wanted: &str) -> bool {
    match wanted {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "boolean" => value.is_boolean(),
        // One of a few words.
        words => value
            .as_str()
            .is_some_and(|value| words.split('|').any(|word| word == value)),
    }
}

#[test]
fn a_wrong_field_is_seen() {
    let service = serde_json::json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}, "spec": {"prots": []},
    });
    assert_eq!(wrong(&service), [".spec.prots: [] is read as null"]);
    let scaled = serde_json::json!({
        "apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": {"name": "x"},
        "spec": {"minReplicaCount": "2", "maxReplicas": 3},
    });
    assert_eq!(wrong(&scaled).len(), 2);
    let stranger = serde_json::json!({"apiVersion": "x/v1", "kind": "Y"});
    assert_eq!(wrong(&stranger), ["x/v1 Y is unknown"]);
}
