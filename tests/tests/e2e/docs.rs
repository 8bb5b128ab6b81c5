//! Every example in the documents for merchants and newcomers is pasted into a shell, and answers what the document says.

use std::process::{Command, Stdio};

use regex::Regex;
use serde_json::Value;

use crate::harness::Scene;
use crate::harness::merchant::MERCHANT;
use crate::harness::outside::MERCHANT_MD5_KEY;
use crate::harness::platform::root;

/// A shell block, and the answer that stands below it, if one does.
struct Example {
    shell: String,
    answer: Option<Value>,
}

fn examples(document: &str) -> Vec<Example> {
    let text = std::fs::read_to_string(root().join(document)).unwrap();
    let block = Regex::new(r"(?s)```bash\n(.*?)```(?:\s*```json\n(.*?)```)?").unwrap();
    block
        .captures_iter(&text)
        .map(|block| Example {
            shell: block[1].to_owned(),
            answer: block
                .get(2)
                .map(|json| serde_json::from_str(json.as_str()).unwrap()),
        })
        .collect()
}

/// Whether an answer has the shape of the example: the same fields of the same types. Where the example has `null`, the field may have
/// any value; each entry of a list is like one of the example's.
fn is_like(actual: &Value, example: &Value) -> bool {
    match (actual, example) {
        (_, Value::Null)
        | (Value::Bool(_), Value::Bool(_))
        | (Value::Number(_), Value::Number(_))
        | (Value::String(_), Value::String(_)) => true,
        (Value::Array(actual), Value::Array(examples)) => actual
            .iter()
            .all(|entry| examples.iter().any(|example| is_like(entry, example))),
        (Value::Object(actual), Value::Object(example)) => {
            actual.len() == example.len()
                && actual
                    .iter()
                    .all(|(name, value)| example.get(name).is_some_and(|e| is_like(value, e)))
        }
        _ => false,
    }
}

/// Runs all examples of a document in one shell, as someone does who reads it from top to bottom.
fn run(scene: &Scene, document: &str, least: usize) {
    const END: &str = "== the end of an example ==";
    let examples = examples(document);
    let answered = examples.iter().filter(|e| e.answer.is_some()).count();
    assert!(answered >= least, "{document} has {answered} examples");
    let script: Vec<String> = examples
        .iter()
        .map(|example| format!("{}\necho '{END}'\n", example.shell))
        .collect();
    let key = scene.platform.folder.join("merchant.pem");
    std::fs::write(&key, &scene.outside.merchant_key.private_pem).unwrap();
    let output = Command::new("bash")
        .args(["-u", "-c", &script.concat()])
        .current_dir(root())
        .env("REFILL_URL", &scene.platform.openapi)
        .env("MERCHANT_ID", MERCHANT)
        .env("BUSINESS_ID", "reader")
        .env("MERCHANT_KEY", &key)
        .env("MD5_KEY", MERCHANT_MD5_KEY)
        .env("PRODUCT", "MOBILE50")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    let answers: Vec<&str> = said.split(END).map(str::trim).collect();
    assert_eq!(
        answers.len(),
        examples.len() + 1,
        "{document}: {said}\n{errors}"
    );
    for (example, answer) in examples.iter().zip(answers) {
        let Some(expected) = &example.answer else {
            continue;
        };
        let actual: Value = serde_json::from_str(answer)
            .unwrap_or_else(|_| panic!("{document}:\n{}\n{answer}\n{errors}", example.shell));
        for constant in ["status", "message", "accepted"] {
            assert_eq!(
                actual.get(constant),
                expected.get(constant),
                "{document}:\n{}\n{actual}",
                example.shell
            );
        }
        assert!(
            is_like(&actual, expected),
            "{document}:\n{}\n{actual}",
            example.shell
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_request_is_answered_as_the_readme_says() {
    let scene = Scene::start().await;
    run(&scene, "README.md", 2);
    run(&scene, "README.zh-CN.md", 2);
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_merchants_reference_is_right() {
    let scene = Scene::start().await;
    run(&scene, "crates/openapi/CONTRACT.md", 13);
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_merchants_reference_in_chinese_is_right() {
    let scene = Scene::start().await;
    run(&scene, "crates/openapi/CONTRACT.zh-CN.md", 13);
    scene.end().await;
}

/// What each row of a document's tables names in code in its first cell, and, of a setting, what it is by default.
fn named_in_tables(text: &str) -> Vec<String> {
    let code = Regex::new("`[^`]+`").unwrap();
    let setting = Regex::new(r"^\| `[a-z_]+\.[a-z_]+` ").unwrap();
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let mut cells = row.trim_start_matches("| ").split(" | ");
        let first = cells.next().unwrap_or_default();
        let named: Vec<&str> = code.find_iter(first).map(|found| found.as_str()).collect();
        let is_told = |cell: &&str| setting.is_match(row) && !cell.starts_with('|');
        let default = cells.next().filter(is_told);
        format!("{} {}", named.join(" "), default.unwrap_or_default())
    })
    .collect()
}

#[test]
fn both_readmes_name_the_same_commands_settings_and_roles() {
    let [english, chinese] = ["README.md", "README.zh-CN.md"]
        .map(|file| named_in_tables(&std::fs::read_to_string(root().join(file)).unwrap()));
    assert!(english.len() > 90, "only {} rows", english.len());
    assert_eq!(english, chinese);
    // A row that is not there, another default and another flag are noticed.
    let rows = [
        "| `a` | x |",
        "| `b.c` | 1 | x |",
        "| `b.d` | | x |",
        "| `d --e`, `f` | x |",
    ];
    let named = named_in_tables(&rows.join("\n"));
    assert_eq!(named, ["`a` ", "`b.c` 1", "`b.d` ", "`d --e` `f` "]);
}

#[test]
fn an_answer_of_another_shape_is_noticed() {
    let example = serde_json::json!({"a": 1, "b": [{"c": "x"}], "d": null});
    let like = |text: &str| is_like(&serde_json::from_str(text).unwrap(), &example);
    assert!(like(r#"{"a":2,"b":[{"c":"y"},{"c":"z"}],"d":7}"#));
    for other in [
        r#"{"a":"2","b":[],"d":7}"#,
        r#"{"a":2,"b":[],"d":7,"e":1}"#,
        r#"{"a":2,"b":[]}"#,
        r#"{"a":2,"b":[{"c":1}],"d":7}"#,
    ] {
        assert!(!like(other), "{other}");
    }
}
