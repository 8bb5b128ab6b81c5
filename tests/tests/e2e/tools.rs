//! The tools and roles of the binary, as its people use them.

use std::io::Write;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::harness::merchant::{BUSINESS, MERCHANT};
use crate::harness::outside::{HARBOR_KEY, MERCHANT_MD5_KEY, SWIFT_KEY, get};
use crate::harness::platform::{binary, root};
use crate::harness::process::{ended, tell_to_stop};
use crate::harness::{Ground, PATIENCE, Scene, until};

fn refill(ground: &Ground, args: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command
        .args(args)
        .env("DATABASE_URL", &ground.database_url)
        .env("AMQP_URL", &ground.amqp_url)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn many_who_migrate_at_once_all_end_well() {
    let ground = Ground::shared().await;
    let started: Vec<_> = (0..6)
        .map(|_| refill(&ground, &["migrate"]).spawn().unwrap())
        .collect();
    for process in started {
        let output = process.wait_with_output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let files = std::fs::read_dir(root().join("migrations")).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let migrations = names.filter(|name| name.starts_with('V')).count();
    assert_eq!(
        ground
            .ask("SELECT count(*) FROM refinery_schema_history")
            .await,
        migrations.to_string()
    );
    ground.clear().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_catalogue_with_a_fault_is_refused_whole_and_the_fault_is_named() {
    let scene = Scene::start().await;
    let version = "SELECT catalogue_version FROM platform";
    let before = scene.ground.ask(version).await;
    let file = scene.platform.folder.join("faulty.toml");
    let good = "[[merchant]]\nid = \"new\"\n";
    for (fault, words) in [
        (
            "[[business]]\nid = \"b\"\nmerchant = \"nobody\"\n",
            "business b",
        ),
        (
            "[[product]]\ncode = \"P\"\nlane = \"Not A Lane\"\nface_value = \"1\"\n",
            "lane",
        ),
        (
            "[[product]]\ncode = \"P\"\nlane = \"l\"\nface_value = \"1.23456\"\n",
            "face_value",
        ),
        (
            "[[product]]\ncode = \"P\"\nlane = \"l\"\nface_value = \"1\"\ncolour = \"red\"\n",
            "colour",
        ),
        (
            "[[product]]\ncode = \"P\"\nlane = \"l\"\nface_value = \"1\"\naccount_pattern = \"(\"\n",
            "account_pattern",
        ),
        (
            "[[price]]\nbusiness = \"shop\"\nproduct = \"MOBILE50\"\n",
            "price",
        ),
        (
            "[[supplier]]\nid = \"s\"\nadapter = \"pigeon\"\nbase_url = \"http://x\"\nresubmit = \"query\"\n",
            "pigeon",
        ),
        (
            "[[supplier]]\nid = \"s\"\nadapter = \"form_md5\"\nbase_url = \"http://x\"\nresubmit = \"query\"\ntimeout = \"2m\"\n",
            "timeout",
        ),
        ("not toml at all", "faulty.toml"),
    ] {
        std::fs::write(&file, format!("{good}{fault}")).unwrap();
        let output = scene
            .platform
            .tool(&["catalog", "import", file.to_str().unwrap()]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{fault}");
        assert!(said.contains(words), "{fault}: {said}");
    }
    assert_eq!(scene.ground.ask(version).await, before);
    assert_eq!(
        scene
            .ground
            .ask("SELECT count(*) FROM merchants WHERE merchant_id = 'new'")
            .await,
        "0"
    );
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_we_are_at_a_supplier_is_fixed_and_its_keys_are_not() {
    let scene = Scene::start().await;
    let file = scene.platform.folder.join("supplier.toml");
    let import = |id: &str, adapter: &str, credentials: &str| {
        let text = format!(
            "[[supplier]]\nid = \"{id}\"\nadapter = \"{adapter}\"\nbase_url = \"http://127.0.0.1:9\"\nresubmit = \"query\"\n\
             [supplier.credentials]\n{credentials}"
        );
        std::fs::write(&file, text).unwrap();
        let output = scene
            .platform
            .tool(&["catalog", "import", file.to_str().unwrap()]);
        let said = String::from_utf8(output.stderr).unwrap();
        output.status.success().then_some(()).ok_or(said)
    };
    let names = "business_id = \"b\"\nmerchant_id = \"m\"\nmd5_key = \"k1\"\n";
    import("forms", "form_md5", "userid = \"1\"\napikey = \"k1\"\n").unwrap();
    import("forms", "form_md5", "userid = \"1\"\napikey = \"k2\"\n").unwrap();
    import("like-us", "openapi", names).unwrap();
    import("like-us", "openapi", &names.replace("k1", "k2")).unwrap();
    let version = "SELECT catalogue_version FROM platform";
    let before = scene.ground.ask(version).await;
    for (id, adapter, credentials) in [
        ("forms", "form_md5", "userid = \"2\"\napikey = \"k2\"\n"),
        ("forms", "openapi", names),
        ("like-us", "openapi", &names.replace("\"b\"", "\"c\"")),
        ("like-us", "openapi", &names.replace("\"m\"", "\"n\"")),
    ] {
        let said = import(id, adapter, credentials).unwrap_err();
        let told = format!("supplier {id}: adapter, userid, business_id, merchant_id are fixed");
        assert!(said.contains(&told), "{credentials}: {said}");
    }
    assert_eq!(scene.ground.ask(version).await, before);
    import("forms-2", "form_md5", "userid = \"2\"\napikey = \"k2\"\n").unwrap();
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_cannot_work_are_named_and_no_secret_is_shown() {
    let ground = Ground::shared().await;
    for (name, value, words) in [
        ("REFILL__INGRESS__MAX_ITEMS", "many", "max_items"),
        ("REFILL__INGRESS__MAX_ITEMS", "0", "max_items"),
        ("REFILL__INGRESS__COLOUR", "red", "colour"),
        ("REFILL__LOG__FORMAT", "xml", "format"),
        ("DATABASE_URL", "nonsense:hunter2", "DATABASE_URL"),
        ("AMQP_URL", "nonsense:hunter2", "AMQP_URL"),
        (
            "REFILL_CONFIG",
            "/nowhere/refill.toml",
            "/nowhere/refill.toml",
        ),
    ] {
        let output = refill(
            &ground,
            &[
                "ingress",
                "--listen",
                "127.0.0.1:0",
                "--admin",
                "127.0.0.1:0",
            ],
        )
        .env(name, value)
        .output()
        .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{name}={value}");
        assert!(said.contains(words), "{name}={value}: {said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
    let shown = refill(&ground, &["config"])
        .env("DATABASE_URL", "postgres://u:hunter2@h/d")
        .output()
        .unwrap();
    assert!(shown.status.success() && !String::from_utf8_lossy(&shown.stdout).contains("hunter2"));
    ground.clear().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_the_tool_signs_is_taken() {
    let scene = Scene::start().await;
    let key = scene.platform.folder.join("key.pem");
    std::fs::write(&key, &scene.outside.merchant_key.private_pem).unwrap();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    for (business, flag, value) in [
        (BUSINESS, "--key", key.to_str().unwrap()),
        ("old", "--md5-key", MERCHANT_MD5_KEY),
    ] {
        let body = json!({"merchantId": MERCHANT, "businessId": business}).to_string();
        let mut signing = scene
            .platform
            .command()
            .args(["sign", "--business", business, flag, value])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        signing
            .stdin
            .take()
            .unwrap()
            .write_all(body.as_bytes())
            .unwrap();
        let signed = signing.wait_with_output().unwrap();
        let mut request = http
            .post(format!(
                "{}/v1/openapi/merchant/business/balance",
                scene.platform.openapi
            ))
            .header("content-type", "application/json");
        for line in String::from_utf8(signed.stdout).unwrap().lines() {
            let (name, value) = line.split_once(": ").unwrap();
            request = request.header(name, value);
        }
        let answer = request
            .body(body)
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer["status"], 0, "{answer}");
    }
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_names_no_account_no_key_and_no_signature() {
    let mut scene = Scene::start().await;
    // One that succeeds, one that is refused, one that cannot be delivered, one with a wrong signature.
    scene.merchant.order("log", 5).await;
    let items = [
        simulator::Item::new("log-r", "19900000900"),
        simulator::Item::new("log-t", "19900000500"),
    ];
    scene.merchant.order_items("log2", "MOBILE50", &items).await;
    let headers = scene.merchant.client.sign(b"{}");
    let wrong = scene
        .merchant
        .client
        .post_signed("/v1/openapi/order/info", &headers, b"{ }");
    assert_eq!(wrong.await.unwrap().status, 2);
    scene.merchant.wait_for_all_reports(&scene.outside).await;
    let metrics = get(&format!("{}/metrics", scene.platform.admin)).await;
    scene.platform.stop();
    let log = std::fs::read_to_string(scene.platform.folder.join("refill.log")).unwrap();
    assert!(log.contains("order finished") && log.contains("report delivered"));
    for text in [&log, &metrics] {
        for (_, account) in &scene.merchant.ordered {
            assert!(!text.contains(account.as_str()), "{account}");
        }
        for secret in [
            SWIFT_KEY,
            HARBOR_KEY,
            MERCHANT_MD5_KEY,
            &headers.sign,
            "PRIVATE KEY",
        ] {
            assert!(!text.contains(secret), "{secret}");
        }
    }
    scene.end().await;
}

/// Told to stop, each of them ends as if it had ended by itself.
fn stop_all(roles: Vec<(&str, Child)>) {
    for (role, mut process) in roles {
        tell_to_stop(&process);
        let status = ended(&mut process, || role.to_owned());
        assert!(status.success(), "{role}: {status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_is_told_to_stop_while_it_starts_stops() {
    let ground = Ground::shared().await;
    // A database that takes the connection and says nothing: the role is waiting for it when it is told.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let database = format!("postgres://refill@{}/refill", silent.local_addr().unwrap());
    let mut roles = vec![];
    let mut held = vec![];
    for role in ["ingress", "fulfillment", "callback", "console"] {
        let process = refill(&ground, &[role])
            .env("DATABASE_URL", &database)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let waiting = tokio::time::timeout(PATIENCE, silent.accept()).await;
        held.push(waiting.expect(role).unwrap());
        roles.push((role, process));
    }
    stop_all(roles);
    ground.clear().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_role_tells_how_it_is_and_stops_when_told() {
    let mut scene = Scene::start().await;
    scene.platform.stop();
    let mut roles = vec![];
    for role in ["ingress", "fulfillment", "callback", "console"] {
        let free = || servers::free_address().unwrap().to_string();
        let (admin, listen) = (free(), free());
        let mut args = vec![role, "--admin", &admin];
        if matches!(role, "ingress" | "console") {
            args.extend(["--listen", &listen]);
        }
        let process = refill(&scene.ground, &args)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        roles.push((role, process));
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        for page in ["livez", "readyz", "metrics"] {
            let url = format!("http://{admin}/{page}");
            until(
                page,
                async || {
                    http.get(&url)
                        .send()
                        .await
                        .is_ok_and(|a| a.status() == 200)
                        .then_some(())
                },
                || role.to_owned(),
            )
            .await;
        }
    }
    stop_all(roles);
    scene.end().await;
}
