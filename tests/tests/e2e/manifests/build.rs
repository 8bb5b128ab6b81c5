//! The little of Kustomize that our overlays use, so that they are built where there is no Kustomize: resources,
//! components that only add, a namespace, labels, images, a generated `ConfigMap` (without the hash in its name), JSON patches. Anything else in a kustomization is a failure of the test.

use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value, json};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Kustomization {
    #[serde(rename = "apiVersion")]
    _api_version: String,
    kind: String,
    /// A component has none of its own.
    namespace: Option<String>,
    #[serde(default)]
    resources: Vec<String>,
    #[serde(default)]
    components: Vec<String>,
    #[serde(default)]
    images: Vec<Image>,
    #[serde(default)]
    labels: Vec<Labels>,
    #[serde(default)]
    config_map_generator: Vec<Generated>,
    #[serde(default)]
    patches: Vec<Patch>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Image {
    name: String,
    new_name: String,
    new_tag: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Labels {
    pairs: Map<String, Value>,
    include_templates: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Generated {
    name: String,
    #[serde(default)]
    behavior: String,
    files: Vec<String>,
    #[serde(default)]
    options: Options,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Options {
    #[serde(default)]
    labels: Map<String, Value>,
    /// No name has its hash here.
    #[serde(default, rename = "disableNameSuffixHash")]
    _disable_name_suffix_hash: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Patch {
    target: Target,
    patch: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Target {
    kind: String,
    name: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    op: String,
    path: String,
    value: Option<Value>,
}

/// All documents of a YAML file.
pub(super) fn documents(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    serde_saphyr::from_multiple(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()))
}

/// Everything that a folder with a kustomization stands for.
pub(super) fn build(folder: &Path) -> Vec<Value> {
    let file = folder.join("kustomization.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let says: Kustomization =
        serde_saphyr::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let mut objects = vec![];
    for resource in &says.resources {
        let at = folder.join(resource);
        objects.extend(if at.is_dir() {
            build(&at)
        } else {
            documents(&at)
        });
    }
    for component in &says.components {
        objects.extend(build(&folder.join(component)));
    }
    let is_component = says.kind == "Component";
    let only_adds = says.namespace.is_none() && says.patches.is_empty();
    let fits = if is_component {
        only_adds
    } else {
        says.namespace.is_some()
    };
    assert!(fits, "{}", file.display());
    for generated in &says.config_map_generator {
        generate(generated, folder, &mut objects);
    }
    for object in &mut objects {
        if let Some(namespace) = &says.namespace
            && object["kind"] != "Namespace"
        {
            object["metadata"]["namespace"] = json!(namespace);
        }
        for labels in &says.labels {
            label(object, labels);
        }
        for image in &says.images {
            name_image(object, image);
        }
    }
    for patch in &says.patches {
        let meant = |object: &&mut Value| {
            object["kind"] == patch.target.kind
                && patch
                    .target
                    .name
                    .as_ref()
                    .is_none_or(|name| object["metadata"]["name"] == **name)
        };
        let mut objects = objects.iter_mut().filter(meant).peekable();
        assert!(
            objects.peek().is_some(),
            "{}: a patch for nobody: {}",
            file.display(),
            patch.patch
        );
        let steps: Vec<Step> = serde_saphyr::from_str(&patch.patch).unwrap();
        for object in objects {
            for step in &steps {
                apply(object, step);
            }
        }
    }
    objects
}

fn generate(generated: &Generated, folder: &Path, objects: &mut Vec<Value>) {
    let mut data = Map::new();
    for file in &generated.files {
        let text = std::fs::read_to_string(folder.join(file)).unwrap();
        data.insert(file.clone(), json!(text));
    }
    let known = objects.iter_mut().find(|object| {
        object["kind"] == "ConfigMap" && object["metadata"]["name"] == *generated.name
    });
    match (known, generated.behavior.as_str()) {
        (Some(known), "replace") => known["data"] = Value::Object(data),
        (None, "") => {
            let mut metadata = json!({"name": generated.name});
            if !generated.options.labels.is_empty() {
                metadata["labels"] = Value::Object(generated.options.labels.clone());
            }
            objects.push(json!({
                "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data,
            }));
        }
        _ => panic!("{}: behavior {:?}", generated.name, generated.behavior),
    }
}

fn label(object: &mut Value, labels: &Labels) {
    let add = |at: &mut Value| {
        for (name, value) in &labels.pairs {
            at["labels"][name] = value.clone();
        }
    };
    add(&mut object["metadata"]);
    if labels.include_templates
        && let Some(template) = object.pointer_mut("/spec/template/metadata")
    {
        add(template);
    }
}

fn name_image(object: &mut Value, image: &Image) {
    let containers = object.pointer_mut("/spec/template/spec/containers");
    for container in containers
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        if container["image"] == *image.name {
            container["image"] = json!(format!("{}:{}", image.new_name, image.new_tag));
        }
    }
}

/// One step of a JSON patch (RFC 6902); what is replaced or removed must be there.
fn apply(object: &mut Value, step: &Step) {
    let (parent, key) = step.path.rsplit_once('/').unwrap();
    let key = key.replace("~1", "/").replace("~0", "~");
    let there = object.pointer(&step.path).is_some();
    let parent = object
        .pointer_mut(parent)
        .unwrap_or_else(|| panic!("nothing at {}", step.path));
    match (step.op.as_str(), &step.value) {
        ("add", Some(value)) => parent[key.as_str()] = value.clone(),
        ("replace", Some(value)) if there => match parent {
            Value::Array(entries) => entries[key.parse::<usize>().unwrap()] = value.clone(),
            parent => parent[key.as_str()] = value.clone(),
        },
        ("remove", None) if there => drop(parent.as_object_mut().unwrap().remove(&key)),
        _ => panic!("{} {} cannot be done", step.op, step.path),
    }
}
