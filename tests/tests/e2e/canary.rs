//! Nothing that is secret leaves by what the platform says: logs of every role in both formats at `debug`, admin pages, the console,
//! messages in the broker, what the tools print, and what is said about settings that are wrong.

mod fleet;
mod tap;

use simulator::{Item, MerchantClient};

use crate::harness::ground::Ground;
use crate::harness::merchant::{BUSINESS, MERCHANT};
use crate::harness::outside::{HARBOR_KEY, MERCHANT_MD5_KEY, Outside, SWIFT_KEY, get};
use crate::harness::{Merchant, Platform, Scene, until};
use fleet::Role;
use tap::Tap;

const HOLDER: &str = "Canary Holderson";
const PHONE: &str = "13900417283";
const MASTER_KEY: &str = "c0ffee5ec2e7c0ffee5ec2e7c0ffee5ec2e7c0ffee5ec2e7c0ffee5ec2e7c0ff";
/// Opens nothing.
const NOBODY: &str = "a-password-of-nobody";
/// What is said by whom.
const DEBUG: &str = "info,refill=debug,ingress=debug,fulfillment=debug,callback=debug,console=debug,store=debug,queue=debug,\
                     suppliers=debug,openapi=debug,domain=debug,servers=debug,lapin=off,io_loop=off";

/// All that was said, by source.
#[derive(Default)]
struct Said(Vec<(String, String)>);

impl Said {
    fn keep(&mut self, source: &str, text: String) {
        assert!(!text.is_empty(), "{source} said nothing");
        self.0.push((source.to_owned(), text));
    }

    /// Who said which of the secrets.
    fn leaks(&self, secrets: &[(&'static str, String)]) -> Vec<String> {
        let leaks = self.0.iter().flat_map(|(source, text)| {
            let told = secrets
                .iter()
                .filter(|(_, secret)| text.contains(secret.as_str()));
            told.map(move |(what, _)| format!("{source} tells: {what}"))
        });
        leaks.collect()
    }
}

/// The lines of a private key, but its frame.
fn key_lines(pem: &str) -> Vec<String> {
    let body: Vec<String> = pem
        .lines()
        .filter(|line| line.len() > 40 && !line.starts_with("---"))
        .map(str::to_owned)
        .collect();
    assert!(body.len() > 10, "that is no key");
    body
}

/// The password of a server's URL.
fn password(url: &str) -> String {
    let url = reqwest::Url::parse(url).unwrap();
    url.password().expect("a server with a password").to_owned()
}

/// Orders of every kind, and requests that are refused.
async fn trade(scene: &mut Scene, run: &str) {
    scene.merchant.order(&format!("{run}-plain"), 10).await;
    // Refused by the supplier, not answered, pushed late, garbage.
    let items: Vec<Item> = ["19900000100", "19900000401", "19900000900", "19900000500"]
        .iter()
        .enumerate()
        .map(|(n, account)| Item::new(format!("{run}-magic-{n}"), *account))
        .collect();
    scene
        .merchant
        .order_items(&format!("{run}-magic"), "MOBILE50", &items)
        .await;
    let mut fuel = Item::new(format!("{run}-fuel"), "9900112233445566");
    fuel.attach = Some(format!(r#"{{"holder":"{HOLDER}","phone":"{PHONE}"}}"#));
    scene
        .merchant
        .order_items(&format!("{run}-fuel"), "FUEL100", &[fuel])
        .await;
    let client = &scene.merchant.client;
    let signed = client.sign(b"{}");
    let wrong = client
        .post_signed("/v1/openapi/order/info", &signed, b"{ }")
        .await
        .unwrap();
    assert_eq!(wrong.status, 2);
    // Bodies that cannot be taken, with an account in them.
    for body in [
        format!(
            r#"{{"merchantId":"{MERCHANT}","itemList":[{{"account":"{PHONE}","account":"{PHONE}"}}]}}"#
        ),
        format!(r#"{{"merchantId":"{MERCHANT}","businessId":"{BUSINESS}","account":"{PHONE}","#),
        format!(r#"{{"bizCode":"{HOLDER}","account":"{PHONE}"}}"#),
    ] {
        for path in ["order/batch", "order/info"] {
            let path = format!("/v1/openapi/{path}");
            assert_ne!(
                client.post(&path, body.as_bytes()).await.unwrap().status,
                0,
                "{body}"
            );
        }
    }
    let bad = [Item::new(format!("{run}-bad"), format!("{PHONE}0"))];
    let refused = client
        .batch(&format!("{run}-bad"), "MOBILE50", None, &bad)
        .await
        .unwrap();
    assert_ne!(refused.status, 0);
    let old =
        MerchantClient::md5(&scene.platform.openapi, MERCHANT, "old", MERCHANT_MD5_KEY).unwrap();
    let items = [Item::new(format!("{run}-old"), "13700417283")];
    let taken = old
        .batch(&format!("{run}-old"), "MOBILE50", None, &items)
        .await
        .unwrap();
    assert_eq!(taken.status, 0, "{}", taken.body);
    scene
        .merchant
        .ordered
        .extend(items.map(|i| (i.biz_code, i.account)));
}

/// What the tools print, and what is said about settings and servers that are wrong.
fn use_tools(platform: &Platform, database_url: &str, amqp_url: &str, said: &mut Said) {
    let tools: [&[&str]; 8] = [
        &["config"],
        &["check", "--json"],
        &["doubt", "list"],
        &["doubt", "list", "--json"],
        &["supplier", "list", "--json"],
        &["endpoint", "list"],
        &["callback", "parked", "--json"],
        &["keys", "seal"],
    ];
    for args in tools {
        let output = platform.tool(args);
        let text =
            String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        said.0.push((format!("refill {}", args.join(" ")), text));
    }
    let database = password(database_url);
    let broker = password(amqp_url);
    let wrong = [
        (
            "DATABASE_URL",
            format!("postgres://refill:{NOBODY}@127.0.0.1:1/refill"),
            "",
        ),
        (
            "DATABASE_URL",
            format!("postgres://refill:{NOBODY}@127.0.0.1:port/refill"),
            "",
        ),
        ("DATABASE_URL", database_url.replace(&database, NOBODY), ""),
        (
            "AMQP_URL",
            format!("amqp://refill:{NOBODY}@127.0.0.1:port/%2f"),
            "",
        ),
        ("AMQP_URL", format!("refill:{NOBODY}@127.0.0.1"), ""),
        (
            "AMQP_URL",
            amqp_url.replace(&broker, NOBODY),
            "lost the broker",
        ),
        ("REFILL_MASTER_KEYS", format!("{NOBODY}:{MASTER_KEY}0"), ""),
        ("REFILL__KEYS__MASTER_KEYS", NOBODY.to_owned(), ""),
    ];
    for (name, value, says) in wrong {
        let mut command = platform.command();
        command.env(name, &value);
        let text = fleet::refused(platform, command, says);
        said.keep(&format!("refill callback with a wrong {name}"), text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_told_by_anybody() {
    let ground = Ground::shared().await;
    let mut outside = Outside::start().await;
    let taps = [
        Tap::to(outside.swift).await,
        Tap::to(outside.harbor).await,
        Tap::to(outside.merchant).await,
    ];
    [outside.swift, outside.harbor, outside.merchant] = [taps[0].at, taps[1].at, taps[2].at];
    let master_keys = format!("canary:{MASTER_KEY}");
    let settings = [
        ("REFILL__LOG__FILTER", DEBUG),
        ("REFILL_MASTER_KEYS", &master_keys),
    ];
    let platform = Platform::start(&ground, &outside, &settings);
    let door = Tap::to(
        platform
            .openapi
            .trim_start_matches("http://")
            .parse()
            .unwrap(),
    )
    .await;
    let merchant = Merchant::new(&format!("http://{}", door.at), &outside);
    let mut scene = Scene {
        outside,
        platform,
        merchant,
        ground,
    };
    let mut said = Said::default();

    // In one process, as text.
    trade(&mut scene, "text").await;
    let settled = async |scene: &Scene| {
        until(
            "every order but the doubts",
            async || {
                let open = "SELECT count(*) FROM orders WHERE state < 2 AND (business_id, order_code) NOT IN
                            (SELECT business_id, order_code FROM doubts)";
                (scene.ground.ask(open).await == "0").then_some(())
            },
            || scene.platform.log_tail(),
        )
        .await;
    };
    settled(&scene).await;
    for page in ["livez", "readyz", "metrics"] {
        said.keep(page, get(&format!("{}/{page}", scene.platform.admin)).await);
    }
    let code = scene
        .ground
        .ask("SELECT replace(order_code::text, '-', '') FROM orders WHERE biz_code = 'text-fuel'")
        .await;
    for page in [
        "",
        "orders?q=text-fuel",
        "orders?q=text-plain",
        &format!("orders/{code}"),
        "doubts",
    ] {
        let text = get(&format!("{}/{page}", scene.platform.console)).await;
        assert!(text.contains("<html"), "{page}: {text}");
        said.keep(&format!("the console's /{page}"), text);
    }
    scene.platform.stop();

    // Each role by itself, as JSON; first only the door, so that hints lie in the broker.
    let listen = scene
        .platform
        .openapi
        .trim_start_matches("http://")
        .to_owned();
    let ingress = Role::start(&scene.platform, "ingress", Some(&listen)).await;
    trade(&mut scene, "json").await;
    let hints = until(
        "hints in the broker",
        async || {
            let servers = scene.ground.servers.lock().await;
            let hints = servers
                .messages(&scene.ground.name, "refill.orders.mobile")
                .await
                .unwrap();
            hints.contains("payload").then_some(hints)
        },
        String::new,
    )
    .await;
    said.keep("the lane's queue", hints);
    let unreadable = async {
        let servers = scene.ground.servers.lock().await;
        servers
            .publish(&scene.ground.name, "refill.orders.mobile", "{\"v\":99}")
            .await
            .unwrap();
    };
    unreadable.await;
    let console = servers::free_address().unwrap().to_string();
    let roles = [
        Role::start(&scene.platform, "fulfillment", None).await,
        Role::start(&scene.platform, "callback", None).await,
        Role::start(&scene.platform, "console", Some(&console)).await,
        ingress,
    ];
    settled(&scene).await;
    let parked = until(
        "the parked message",
        async || {
            let servers = scene.ground.servers.lock().await;
            let parked = servers
                .messages(&scene.ground.name, "refill.parked")
                .await
                .unwrap();
            parked.contains("payload").then_some(parked)
        },
        String::new,
    )
    .await;
    said.keep("the queue of parked messages", parked);
    for role in &roles {
        role.ask(&mut said).await;
    }
    for page in ["", "orders?q=json-fuel", "doubts"] {
        said.keep(
            &format!("the console's /{page}, alone"),
            get(&format!("http://{console}/{page}")).await,
        );
    }
    tokio::task::block_in_place(|| {
        for role in roles {
            role.stop(&mut said);
        }
        let ground = &scene.ground;
        use_tools(
            &scene.platform,
            &ground.database_url,
            &ground.amqp_url,
            &mut said,
        );
    });
    let log = scene.platform.log();
    assert!(log.contains("DEBUG"), "what is said at debug was not heard");
    said.keep("refill dev", log);

    let mut secrets: Vec<(&str, String)> = vec![
        ("an attach value", HOLDER.into()),
        ("an account, or an attach value", PHONE.into()),
        ("the MD5 key of an account", MERCHANT_MD5_KEY.into()),
        ("the key at swift", SWIFT_KEY.into()),
        ("the key at harbor", HARBOR_KEY.into()),
        ("the master key", MASTER_KEY.into()),
        (
            "the database's password",
            password(&scene.ground.database_url),
        ),
        ("the broker's password", password(&scene.ground.amqp_url)),
        (
            "a password that was never right",
            "a-password-of-nobody".into(),
        ),
    ];
    let pem = &scene.outside.platform_key.private_pem;
    secrets.extend(
        key_lines(pem)
            .into_iter()
            .map(|line| ("the platform's private key", line)),
    );
    let accounts = scene
        .merchant
        .ordered
        .iter()
        .map(|(_, account)| account.clone());
    secrets.extend(accounts.map(|account| ("an account", account)));
    for (what, tap) in [
        ("a signature for swift", &taps[0]),
        ("a signature for harbor", &taps[1]),
        ("a signature for a merchant", &taps[2]),
        ("a merchant's signature", &door),
    ] {
        let signatures = tap.signatures();
        assert!(!signatures.is_empty(), "{what} was not seen");
        secrets.extend(signatures.into_iter().map(|signature| (what, signature)));
    }
    assert!(said.0.len() > 40 && secrets.len() > 100);
    assert_eq!(said.leaks(&secrets), Vec::<String>::new());

    // What is told on purpose, a merchant's number of a batch, is found by the same search, in both formats.
    let told = said.leaks(&[("a batch of the first run", "text-fuel".into())]);
    assert!(
        told.contains(&"refill dev tells: a batch of the first run".to_owned()),
        "{told:?}"
    );
    let told = said.leaks(&[("a batch of the second run", "json-fuel".into())]);
    assert!(
        told.contains(&"ingress tells: a batch of the second run".to_owned()),
        "{told:?}"
    );
    scene.end().await;
}
