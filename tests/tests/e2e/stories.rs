//! One order's story, by command as on its page.

use serde_json::Value;
use simulator::Item;

use crate::harness::{Scene, until};

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_found_and_its_story_is_told_by_command_as_on_its_page() {
    let mut scene = Scene::start().await;
    scene.merchant.order("told", 2).await;
    // Swift accepts it and fails, harbor too.
    let items = [Item::new("told-failed", "19900000100")];
    scene
        .merchant
        .order_items("told2", "MOBILE50", &items)
        .await;
    scene.merchant.wait_for_all_reports(&scene.outside).await;
    // What a try came to is written after the merchant has it.
    until(
        "the end of every story",
        async || {
            let open = "SELECT count(*) FROM callbacks WHERE state <> 2";
            (scene.ground.ask(open).await == "0").then_some(())
        },
        || scene.platform.log_tail(),
    )
    .await;
    let account = &scene.merchant.ordered[0].1;
    let printed = |args: &[&str]| {
        let output = scene.platform.tool(args);
        assert!(output.status.success(), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let objects = |args: &[&str]| -> Vec<Value> {
        let text = printed(args);
        let lines = text.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };

    // By the batch: both, the newest first. By each of its other numbers: the one.
    let both = objects(&["order", "find", "told", "--json"]);
    let numbers: Vec<_> = both
        .iter()
        .map(|o| o["bizCode"].as_str().unwrap())
        .collect();
    assert_eq!(numbers, ["told-1", "told-0"]);
    let code = both[1]["orderCode"].as_str().unwrap();
    let told = objects(&["order", "show", code, "--json"]).remove(0);
    let reference = told["attempts"][0]["reference"].as_str().unwrap();
    for number in [code, "told-0", account, reference, " told-0 "] {
        let found = objects(&["order", "find", number, "--json"]);
        assert_eq!(found, [both[1].clone()], "{number}");
    }
    let line = printed(&["order", "find", "told-0"]);
    assert!(
        line.starts_with(code) && line.contains("succeeded") && line.contains("49.10 yuan"),
        "{line}"
    );
    assert_eq!(line.lines().count(), 1, "{line}");

    // The page's events are the command's, in the same order, and so is how it stands.
    let page = scene
        .platform
        .console_page(&format!("/orders/{code}"))
        .await;
    let text = printed(&["order", "show", code]);
    let events = told["timeline"].as_array().unwrap();
    assert!(events.len() > 6, "{told}");
    let (mut of_page, mut of_text) = (page.as_str(), text.lines());
    for event in events {
        let what = event["what"].as_str().unwrap();
        let on_page = format!("<b>{what}</b>");
        let (_, rest) = of_page
            .split_once(&on_page)
            .unwrap_or_else(|| panic!("{what} is not on the page, or too early: {page}"));
        of_page = rest;
        let line = of_text.find(|line| line.contains(what));
        let line = line.unwrap_or_else(|| panic!("{what}: {text}"));
        let kind = event["kind"].as_str().unwrap();
        assert!(line.starts_with("20") && line.contains(kind), "{line}");
    }
    let standing = told["standing"].as_str().unwrap();
    assert!(
        !standing.is_empty() && page.contains(standing),
        "{standing}"
    );
    assert_eq!(text.lines().last(), Some(standing));
    assert_eq!(told["state"], "succeeded");
    assert_eq!(told["report"]["state"], "delivered");
    for said in [&text, &told.to_string(), &line] {
        assert!(!said.contains(account.as_str()), "{said}");
    }
    assert!(page.contains(told["account"].as_str().unwrap()), "{told}");

    // What was done to a whole batch is told of each of its orders, and of no other.
    let resend = ["callback", "resend", "--business", "shop", "--batch"];
    printed(&[&resend[..], &["told", "--as", "wang"]].concat());
    let one = ["callback", "resend", "--business", "shop", "--biz-code"];
    printed(&[&one[..], &["told-1", "--as", "wang"]].concat());
    for (number, deeds) in [("told-0", 1), ("told-1", 2), ("told-failed", 0)] {
        let found = objects(&["order", "find", number, "--json"]).remove(0);
        let story = objects(&[
            "order",
            "show",
            found["orderCode"].as_str().unwrap(),
            "--json",
        ]);
        let events = story[0]["timeline"].as_array().unwrap();
        let of_persons: Vec<_> = events.iter().filter(|e| e["kind"] == "person").collect();
        assert_eq!(of_persons.len(), deeds, "{number}: {of_persons:?}");
        for deed in of_persons {
            assert_eq!(deed["what"], "cli:wang: callback.resend, done");
        }
    }

    let failed = objects(&["order", "find", "told-failed", "--json"]).remove(0);
    assert_eq!(failed["state"], "failed");
    let failed = printed(&["order", "show", failed["orderCode"].as_str().unwrap()]);
    assert!(failed.contains("at harbor"), "{failed}");

    // What there is not is said, and by the exit code too; what is no code is a wrong flag.
    let nobody = "019abf7a3c4d7e1f8a2b3c4d5e6f7081";
    for (args, code, says) in [
        (
            ["order", "show", nobody],
            1,
            format!("there is no order {nobody}"),
        ),
        (
            ["order", "show", "told-0"],
            2,
            "'told-0' for '<CODE>'".into(),
        ),
        (
            ["order", "find", "nothing"],
            1,
            "no order carries this".into(),
        ),
    ] {
        let output = scene.platform.tool(&args);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        assert!(said.contains(&says) && output.stdout.is_empty(), "{said}");
    }
    scene.end().await;
}
