//! Programs of ops at a platform that works: the same as by command, with a token and nothing else.

use serde_json::{Value, json};
use simulator::Item;

use crate::harness::program::Program;
use crate::harness::{Scene, until};

const PASSWORD: &str = "correct horse battery";

/// What a tool prints, a JSON object a line.
fn lines(scene: &Scene, args: &[&str]) -> Vec<Value> {
    let output = scene.platform.tool(args);
    assert!(output.status.success(), "{args:?}: {output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    lines.collect()
}

/// A token by command, with its number.
fn token(scene: &Scene, name: &str) -> (Program, i64) {
    let add = ["operator", "token", "add", name, "--label", "nightly"];
    let told = lines(scene, &[&add[..], &["--as", "root", "--json"]].concat()).remove(0);
    let program = Program::new(&scene.platform.console, told["token"].as_str().unwrap());
    (program, told["id"].as_i64().unwrap())
}

/// Adds operators with their programs, by the admin's program.
async fn staff(scene: &Scene, admin: &Program) -> [Program; 3] {
    let staff = [("li", "viewer"), ("wang", "approver"), ("zhao", "approver")];
    for (name, role) in staff {
        let new = json!({ "name": name, "role": role, "password": PASSWORD });
        let (status, told) = admin.does("/operators", &new).await;
        assert_eq!((status, &told["operator"]), (200, &json!(name)), "{told}");
    }
    staff.map(|(name, _)| token(scene, name).0)
}

/// The order of a merchant's number that stands still until a person looks.
async fn in_doubt(scene: &mut Scene, number: &str) -> String {
    let items = [Item::new(number, "19900001200")];
    scene.merchant.order_items(number, "MOBILE50", &items).await;
    scene.merchant.ordered.pop();
    let listed = until(
        "the doubt",
        async || lines(scene, &["doubt", "list", "--json"]).pop(),
        || scene.platform.log_tail(),
    )
    .await;
    listed["orderCode"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_do_what_people_do_and_are_told_what_the_commands_print() {
    let mut scene = Scene::start().await;
    let (admin, admin_no) = token(&scene, "admin");
    let [viewer, wang, zhao] = staff(&scene, &admin).await;
    scene.merchant.order("told", 2).await;
    scene.merchant.wait_for_all_reports(&scene.outside).await;
    let doubtful = in_doubt(&mut scene, "doubted").await;

    // What is told is what the commands print.
    let found = viewer.told("/orders?q=told").await;
    assert_eq!(
        found["orders"],
        json!(lines(&scene, &["order", "find", "told", "--json"]))
    );
    let code = found["orders"][0]["orderCode"].as_str().unwrap().to_owned();
    let story = viewer.told(&format!("/orders/{code}")).await;
    assert_eq!(story, lines(&scene, &["order", "show", &code, "--json"])[0]);
    let account = &scene.merchant.ordered[0].1;
    assert!(!found.to_string().contains(account.as_str()), "{found}");
    let queues = until(
        "a sight of the broker",
        async || Some(viewer.told("/lanes").await).filter(|lanes| lanes["queues"].is_array()),
        || scene.platform.log_tail(),
    );
    let queues = queues.await["queues"].as_array().unwrap().clone();
    let names = |lines: &[Value]| lines.iter().map(|q| q["queue"].clone()).collect::<Vec<_>>();
    assert_eq!(
        names(&queues),
        names(&lines(&scene, &["queue", "list", "--json"]))
    );

    // Whoever looks does nothing else.
    let reason = json!({ "reason": "<script>alert(1)</script>" });
    let (status, said) = viewer.does("/lanes/mobile/pause", &reason).await;
    assert_eq!(
        (status, &said["error"]["code"]),
        (403, &json!("not_allowed"))
    );

    // A lane is shut for the workers, and opened again; what was typed comes back as the text that it is.
    let (status, told) = wang.does("/lanes/mobile/pause", &reason).await;
    assert_eq!(
        (status, told),
        (200, json!({ "paused": "lane mobile", "changed": true }))
    );
    let (status, said) = wang.does("/lanes/mobile/pause", &reason).await;
    assert_eq!((status, &said["error"]["code"]), (409, &json!("unchanged")));
    let paused = lines(&scene, &["supplier", "list", "--json"]).remove(0);
    assert_eq!(paused["pauses"][0]["reason"], reason["reason"]);
    assert_eq!(
        (&paused["pauses"][0]["by"], &paused["pauses"][0]["lane"]),
        (&json!("wang"), &json!("mobile"))
    );
    assert_eq!(viewer.told("/suppliers").await["pauses"], paused["pauses"]);
    let version = scene
        .ground
        .ask("SELECT catalogue_version FROM platform")
        .await;
    until(
        "the pause in force",
        async || {
            scene
                .platform
                .log()
                .contains(&format!("version={version}"))
                .then_some(())
        },
        || scene.platform.log_tail(),
    )
    .await;
    scene.merchant.order("kept", 1).await;
    until(
        "the order that no supplier gets",
        async || {
            let lanes = viewer.told("/lanes").await;
            let lanes = lanes["lanes"].as_array().unwrap().clone();
            let mobile = lanes.iter().find(|lane| lane["lane"] == "mobile").unwrap();
            (mobile["waiting"]["count"] == 1 && mobile["paused"]["by"] == "wang").then_some(())
        },
        || scene.platform.log_tail(),
    )
    .await;
    let (status, told) = wang.does("/lanes/mobile/resume", &json!({})).await;
    assert_eq!(
        (status, told),
        (200, json!({ "resumed": "lane mobile", "changed": true }))
    );
    scene.merchant.wait_for_all_reports(&scene.outside).await;

    // Two persons end a doubt; one who comes twice is one.
    let cases = viewer.told("/doubts").await["cases"].clone();
    let mut listed = lines(&scene, &["doubt", "list", "--json"]).remove(0);
    assert_eq!(cases[0]["orderCode"], doubtful);
    listed["ageSeconds"] = cases[0]["ageSeconds"].clone();
    assert_eq!(cases, json!([listed]));
    let [propose, confirm] =
        ["propose", "confirm"].map(|step| format!("/doubts/{doubtful}/{step}"));
    let word = json!({ "charged": true, "evidence": "their statement" });
    assert_eq!(viewer.does(&propose, &word).await.0, 403);
    let (status, told) = wang.does(&propose, &word).await;
    let proposed = json!({ "orderCode": doubtful, "proposed": "charged", "by": "wang" });
    assert_eq!((status, told), (200, proposed));
    let (status, said) = wang.does(&confirm, &word).await;
    assert_eq!(
        (status, &said["error"]["code"]),
        (409, &json!("refused")),
        "{said}"
    );
    assert_eq!(token(&scene, "wang").0.does(&confirm, &word).await.0, 409);
    let (status, told) = zhao.does(&confirm, &word).await;
    assert_eq!(
        (status, told),
        (200, json!({ "orderCode": doubtful, "state": "succeeded" }))
    );
    assert_eq!(viewer.told("/doubts").await["cases"], json!([]));

    // Reports go out again: first counted, then sent.
    let which = json!({ "business": "shop", "batch": "told", "dryRun": true });
    assert_eq!(
        wang.does("/callbacks/resend", &which).await,
        (200, json!({ "reports": 2 }))
    );
    let before = scene.outside.received.summary().reports;
    let which = json!({ "business": "shop", "batch": "told" });
    let (status, job) = wang.does("/callbacks/resend", &which).await;
    assert_eq!(
        (status, &job["reports"], &job["asked_by"]),
        (200, &json!(2), &json!("wang"))
    );
    until(
        "the reports again",
        async || (scene.outside.received.summary().reports >= before + 2).then_some(()),
        || scene.platform.log_tail(),
    )
    .await;
    until(
        "the end of the job",
        async || {
            let jobs = viewer.told("/callbacks").await["jobs"].clone();
            (jobs[0]["state"] == "done").then_some(())
        },
        || scene.platform.log_tail(),
    )
    .await;
    let jobs = lines(&scene, &["callback", "jobs", "--json"]);
    assert_eq!(viewer.told("/callbacks").await["jobs"], json!(jobs));

    // Each deed is kept with the person, and with the token that it came by.
    let kept = lines(&scene, &["audit", "--operator", "wang", "--json"]);
    let deeds: Vec<String> = kept
        .iter()
        .rev()
        .map(|line| {
            assert_eq!(line["parameters"]["token"]["label"], "nightly", "{line}");
            assert_eq!(line["role"], "approver");
            format!("{} {}", line["action"], line["outcome"]).replace('"', "")
        })
        .collect();
    assert_eq!(
        deeds,
        [
            "lane.pause done",
            "lane.pause unchanged",
            "lane.resume done",
            "doubt.propose done",
            "doubt.confirm refused",
            "doubt.confirm refused",
            "callback.resend done",
        ]
    );
    let told = viewer.told("/audit?by=wang").await;
    assert_eq!(told["audit"], json!(kept));
    let page = scene.platform.console_page("/audit?by=wang").await;
    assert!(
        page.contains("nightly") && !page.contains("<script>alert"),
        "{page}"
    );

    // Revoked is revoked, with the next question; who is disabled is so for their programs.
    let listed = lines(&scene, &["operator", "token", "list", "admin", "--json"]);
    assert_eq!(
        (&listed[0]["id"], &listed[0]["state"]),
        (&json!(admin_no), &json!("live"))
    );
    assert!(
        listed[0]["usedAt"].is_i64() && listed[0]["token"].is_null(),
        "{listed:?}"
    );
    assert_eq!(
        admin.does("/operators/zhao/disable", &json!({})).await.0,
        200
    );
    assert_eq!(zhao.status("/lanes").await, 401);
    let revoke = [
        "operator",
        "token",
        "revoke",
        &admin_no.to_string(),
        "--json",
    ];
    assert_eq!(lines(&scene, &revoke)[0]["state"], "revoked");
    assert!(
        !scene.platform.tool(&revoke).status.success(),
        "once is enough"
    );
    assert_eq!(admin.status("/lanes").await, 401);
    let expired = "UPDATE operator_tokens SET created_at = now() - interval '2 d', expires_at = now() WHERE operator = 'li'";
    scene.ground.ask(expired).await;
    assert_eq!(viewer.status("/lanes").await, 401);
    let log = scene.platform.log();
    assert!(log.contains("a token was refused"), "{log}");
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_signed_in_with_a_browser_is_nobody_here() {
    let scene = Scene::start().await;
    let (name, password) = scene.platform.console_admin();
    let console = &scene.platform.console;
    let http = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none());
    let http = http.build().unwrap();
    let sign_in = http
        .post(format!("{console}/sign-in"))
        .header("origin", console);
    let signed_in = sign_in
        .form(&[("name", name), ("password", password)])
        .send()
        .await
        .unwrap();
    let cookie = signed_in.headers()["set-cookie"].to_str().unwrap();
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let page = http
        .get(format!("{console}/lanes"))
        .header("cookie", &cookie);
    assert_eq!(page.send().await.unwrap().status(), 200);
    for request in [
        http.get(format!("{console}/api/v1/lanes")),
        http.post(format!("{console}/api/v1/lanes/mobile/pause")),
    ] {
        let request = request.header("cookie", &cookie).header("origin", console);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 401);
        assert_eq!(answer.headers()["www-authenticate"], "Bearer");
        let said: Value = answer.json().await.unwrap();
        assert_eq!(said["error"]["code"], "no_token");
    }
    assert_eq!(scene.ground.ask("SELECT count(*) FROM pauses").await, "0");
    scene.end().await;
}
