//! Who may use the console, by command; and that what a person does by command is kept as what they do on a page is.

use std::io::Write;
use std::process::{Output, Stdio};

use serde_json::Value;

use crate::harness::Scene;
use crate::harness::console::Person;

const PASSWORD: &str = "correct horse battery";

fn with_stdin(scene: &Scene, args: &[&str], stdin: &str) -> Output {
    let mut process = scene
        .platform
        .command()
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = process.stdin.take().unwrap();
    input.write_all(stdin.as_bytes()).unwrap();
    drop(input);
    process.wait_with_output().unwrap()
}

fn lines(output: &Output) -> Vec<Value> {
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_are_added_by_command_and_what_is_done_by_command_is_kept() {
    let scene = Scene::start().await;
    let tool = |args: &[&str]| scene.platform.tool(args);

    let add = [
        "operator", "add", "wang", "--role", "approver", "--as", "root", "--json",
    ];
    let short = with_stdin(&scene, &add, "short\n");
    assert!(!short.status.success());
    assert!(String::from_utf8_lossy(&short.stderr).contains("at least 12 characters"));
    assert_eq!(
        lines(&with_stdin(&scene, &add, &format!("{PASSWORD}\r\nrest\n")))[0]["operator"],
        "wang"
    );
    let again = with_stdin(&scene, &add, PASSWORD);
    assert!(!again.status.success(), "the name is taken");
    let listed = lines(&tool(&["operator", "list", "--json"]));
    let names: Vec<_> = listed
        .iter()
        .map(|line| {
            (
                line["name"].as_str().unwrap(),
                line["role"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(names, [("admin", "admin"), ("wang", "approver")]);

    // The first admin of `refill dev` signs in with what is in the file, and sees it.
    let page = scene.platform.console_page("/operators").await;
    assert!(page.contains("wang"), "{page}");

    let done = |args: &[&str]| lines(&tool(args)).remove(0);
    assert_eq!(
        done(&[
            "lane", "pause", "mobile", "--reason", "why", "--as", "li", "--json"
        ])["changed"],
        true
    );
    assert_eq!(
        done(&["lane", "pause", "mobile", "--as", "li", "--json"])["changed"],
        false
    );
    assert_eq!(
        done(&["lane", "resume", "mobile", "--as", "li", "--json"])["changed"],
        true
    );
    assert!(
        !tool(&["supplier", "pause", "nobody", "--as", "li"])
            .status
            .success()
    );
    done(&["operator", "role", "wang", "viewer", "--json"]);
    done(&["operator", "disable", "wang", "--json"]);
    done(&["operator", "enable", "wang", "--json"]);
    let other = ["operator", "password", "wang", "--json"];
    lines(&with_stdin(&scene, &other, "another horse battery"));

    let kept = lines(&tool(&["audit", "--operator", "cli:li", "--json"]));
    let kept: Vec<String> = kept
        .iter()
        .map(|line| {
            format!("{} {} {}", line["action"], line["object"], line["outcome"]).replace('"', "")
        })
        .collect();
    assert_eq!(
        kept,
        [
            "supplier.pause supplier nobody refused",
            "lane.resume lane mobile done",
            "lane.pause lane mobile unchanged",
            "lane.pause lane mobile done",
        ]
    );
    let all = String::from_utf8(tool(&["audit", "--json", "--limit", "1000"]).stdout).unwrap();
    assert!(!all.contains("horse") && !all.contains("argon2"), "{all}");
    assert!(!scene.platform.log().contains("horse"));
    let page = scene.platform.console_page("/audit?by=cli%3Ali").await;
    assert!(
        page.contains("lane mobile") && page.contains("command"),
        "{page}"
    );
    scene.end().await;
}

/// Whoever finds an open session has not found the password.
#[tokio::test(flavor = "multi_thread")]
async fn ones_own_password_is_changed_by_whoever_knows_it() {
    let scene = Scene::start().await;
    let add = [
        "operator", "add", "wang", "--role", "viewer", "--as", "root",
    ];
    assert!(with_stdin(&scene, &add, PASSWORD).status.success());
    let wang = Person::sign_in(&scene.platform.console, "wang", PASSWORD).await;
    let another = "another horse battery";
    let form = [
        ("name", "wang"),
        ("password", another),
        ("role", ""),
        ("back", "/"),
    ];
    let (status, text) = wang
        .answered("/password", "/operators/password", &form)
        .await;
    assert_eq!(status, 404, "{text}");
    let guessed = [("old", another), ("new", another), ("again", another)];
    let (status, text) = wang.answered("/password", "/password", &guessed).await;
    assert_ne!(status, 303, "{text}");
    let known = [("old", PASSWORD), ("new", another), ("again", another)];
    let (status, text) = wang.answered("/password", "/password", &known).await;
    assert_eq!(status, 303, "{text}");
    Person::sign_in(&scene.platform.console, "wang", another).await;
    scene.end().await;
}
