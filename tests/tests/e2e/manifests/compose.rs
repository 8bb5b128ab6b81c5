//! The compose file, tried on the binary.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::tried::{secrets, texts, understood};
use super::{ROLES, list};
use crate::harness::platform::root;

/// Of a value like `${NAME:-default}`, which the example says too.
fn default_of(value: &str) -> &str {
    let inner = value.strip_prefix("${").and_then(|v| v.strip_suffix('}'));
    let (name, default) = inner.unwrap().split_once(":-").unwrap();
    let example = std::fs::read_to_string(root().join("deploy/fleet.env.example")).unwrap();
    let said = format!("{name}={default}");
    assert!(example.lines().any(|line| line == said), "{said}");
    default
}

/// What the file says.
pub(super) fn said() -> Value {
    let text = std::fs::read_to_string(root().join("deploy/compose.yaml")).unwrap();
    serde_saphyr::from_str(&text).unwrap()
}

#[test]
fn the_binary_understands_what_compose_says() {
    let compose = said();
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
