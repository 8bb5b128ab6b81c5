//! Nothing that is secret leaves by what the platform says: logs of every role in both formats at `debug`, admin pages, the console, its API,
//! messages in the broker, what the tools print, and what is said about settings that are wrong.

mod api;
mod fleet;
mod named;
mod pages;
mod tap;
mod tools;
mod trade;

use simulator::Item;

use crate::harness::console::Person;
use crate::harness::ground::Ground;
use crate::harness::outside::{HARBOR_KEY, MERCHANT_MD5_KEY, Outside, SWIFT_KEY, get};
use crate::harness::program::Program;
use crate::harness::{Merchant, Platform, Scene, until};
use fleet::Role;
use named::{Named, named};
use tap::Tap;
use trade::trade;

/// Of an operator.
const PASSWORD: &str = "canary-horse-battery";
const HOLDER: &str = "Canary Holderson";
const PHONE: &str = "13900417283";
const FUEL_CARD: &str = "9900112233445566";
const OTHER_CARD: &str = "9900112233447788";
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

/// Somebody who may see everything.
async fn sign_in(scene: &Scene, console: &str) -> Person {
    let (name, password) = scene.platform.console_admin();
    Person::sign_in(console, &name, &password).await
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

/// An order that its supplier works on for ever, so that a person has to decide in the end; returns the page that it stands on before.
async fn stand_still(scene: &mut Scene, person: &Person) -> String {
    let items = [Item::new("text-asked", "19900001300")];
    let batch = scene.merchant.order_items("text-asked", "MOBILE50", &items);
    batch.await;
    until(
        "the order among those that are asked about",
        async || {
            let page = person.page(pages::ASKED).await;
            page.contains("text-asked").then_some(page)
        },
        || scene.platform.log_tail(),
    )
    .await
}

/// What is said about settings and servers that are wrong.
fn set_wrong(platform: &Platform, database_url: &str, amqp_url: &str, said: &mut Said) {
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
    let person = sign_in(&scene, &scene.platform.console).await;
    let page = stand_still(&mut scene, &person).await;
    said.keep("the console: what suppliers have not answered for", page);
    let servers = scene.ground.servers.lock().await;
    let unreadable = servers.publish(&scene.ground.name, "refill.orders.mobile", "{\"v\":99}");
    unreadable.await.unwrap();
    drop(servers);
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
    let mut named = named(&scene).await;
    let tokens = tools::read(&scene, &mut named, &mut said).await;
    pages::read(&person, &named, "the console", &mut said).await;
    let program = Program::new(&scene.platform.console, &tokens[0]);
    api::read(&program, &named, "the API", &mut said).await;
    let signed = scene.merchant.client.sign(b"{}");
    let (business, nonce, at) = (&signed.business_id, &signed.nonce, &signed.timestamp);
    let kind = signed.sign_type.as_deref().unwrap_or_default();
    let headers = format!(
        "businessId: {business}\nnonce: {nonce}\ntimestamp: {at}\nsignType: {kind}\nsign: {}",
        signed.sign
    );
    let pasted = [("headers", headers.as_str()), ("body", "{}")];
    let page = person.posted("/signature", &pasted).await;
    assert!(page.contains("The signature is right."), "{page}");
    said.keep("the console: what it says about a signature", page);
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
    let console = format!("http://{console}");
    let alone = sign_in(&scene, &console).await;
    pages::read(&alone, &named, "the console, alone", &mut said).await;
    let program = Program::new(&console, &tokens[0]);
    api::read(&program, &named, "the API, alone", &mut said).await;
    tokio::task::block_in_place(|| {
        for role in roles {
            role.stop(&mut said);
        }
        let ground = &scene.ground;
        set_wrong(
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
        ("an operator's password", PASSWORD.into()),
        ("the admin's password", scene.platform.console_admin().1),
        ("a password's hash", "$argon2".into()),
        ("a session", person.session().into()),
        ("a session", alone.session().into()),
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
    secrets.extend(tokens.into_iter().map(|token| ("a program's token", token)));
    let accounts = scene
        .merchant
        .ordered
        .iter()
        .map(|(_, account)| account.clone());
    secrets.extend(accounts.map(|account| ("an account", account)));
    let vouchers = "SELECT string_agg(voucher, ' ') FROM orders WHERE voucher <> ''";
    let vouchers = scene.ground.ask(vouchers).await;
    let vouchers = vouchers.split(' ').filter(|voucher| voucher.len() > 20);
    let known = secrets.len();
    secrets.extend(vouchers.map(|voucher| ("a voucher", voucher.to_owned())));
    assert!(secrets.len() > known, "no order has a voucher");
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
    assert!(said.0.len() > 120 && secrets.len() > 100);
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
