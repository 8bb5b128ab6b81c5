//! The way to the servers by TLS: who asks for it gets it from a server that is the one it should be, or gets nothing.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use servers::Certificate;

use crate::harness::fleet::{ROLES, USERS};
use crate::harness::platform::binary;
use crate::harness::{Fleet, Ground, Merchant, Outside, until};

/// An authority, and a server at 127.0.0.1 that it vouches for.
struct Authority {
    folder: tempfile::TempDir,
}

impl Authority {
    fn new(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        certify(folder.path(), "ca", &["-subj", &format!("/CN={name}")]);
        let by_the_authority = [
            ["-CA", "ca.crt"],
            ["-CAkey", "ca.key"],
            ["-subj", "/CN=a server"],
            ["-addext", "subjectAltName=IP:127.0.0.1"],
            ["-addext", "basicConstraints=critical,CA:FALSE"],
        ];
        certify(folder.path(), "server", by_the_authority.as_flattened());
        Self { folder }
    }

    fn file(&self) -> String {
        self.path("ca.crt").display().to_string()
    }

    fn certificate(&self) -> Certificate {
        Certificate {
            chain: self.path("server.crt"),
            key: self.path("server.key"),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// Makes a key and its certificate.
pub(crate) fn certify(folder: &Path, name: &str, by: &[&str]) {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-days", "1", "-newkey", "ec", "-nodes"])
        .args(["-pkeyopt", "ec_paramgen_curve:P-256"])
        .args(["-keyout", &format!("{name}.key")])
        .args(["-out", &format!("{name}.crt")])
        .args(by)
        .current_dir(folder)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "{said}");
}

/// Changes a server's URL in everybody's secrets.
fn change(fleet: &Fleet, file: &str, change: impl Fn(&str) -> String) {
    for user in USERS {
        let path = fleet.secret(user, file);
        if let Ok(url) = std::fs::read_to_string(&path) {
            std::fs::write(&path, change(&url)).unwrap();
        }
    }
}

/// What is said by who could not do it; not the password.
fn refusal(output: &Output, url: &str) -> String {
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let url = reqwest::Url::parse(url).unwrap();
    assert!(!said.contains(url.password().unwrap()), "{said}");
    said
}

/// What `refill migrate` is refused with.
fn no_migration(fleet: &Fleet) -> String {
    let url = std::fs::read_to_string(fleet.secret("migrate", "database_url")).unwrap();
    refusal(&fleet.tool("migrate", &["migrate", "--check"]), &url)
}

/// From here on the database takes its fleet by TLS only; the test itself comes in plain text.
async fn take_by_tls_only(ground: &Ground, fleet: &Fleet) {
    let file = ground.ask("SHOW hba_file").await;
    let rules = "('host all refill all scram-sha-256'), ('hostssl all all all scram-sha-256')";
    let write = format!("COPY (VALUES {rules}) TO '{file}'");
    ground.ask(&write).await;
    ground.ask("SELECT pg_reload_conf()").await;
    until(
        "the refusal of plain text",
        async || no_migration(fleet).contains("no encryption").then_some(()),
        || no_migration(fleet),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_comes_to_its_servers_by_tls() {
    let (authority, stranger) = (Authority::new("ours"), Authority::new("a stranger"));
    let ground = Ground::with_certificate(authority.certificate()).await;
    let outside = Outside::start().await;
    let mut fleet = Fleet::prepare(&ground).await;
    take_by_tls_only(&ground, &fleet).await;

    change(&fleet, "database_url", |url| {
        url.replace("sslmode=disable", "sslmode=require")
    });
    // Known to nobody, then to somebody else.
    for known_by in [None, Some(stranger.file())] {
        fleet.settings = Vec::from_iter(known_by.map(|file| ("REFILL__DATABASE__CA_FILE", file)));
        let said = no_migration(&fleet);
        assert!(said.contains("UnknownIssuer"), "{said}");
        assert!(said.contains("database.ca_file"), "{said}");
    }
    fleet.settings = vec![("REFILL__DATABASE__CA_FILE", authority.file())];
    let here = |url: &str| url.replace("@127.0.0.1:", "@elsewhere:") + "&hostaddr=127.0.0.1";
    let url = fleet.secret("migrate", "database_url");
    let right = std::fs::read_to_string(&url).unwrap();
    std::fs::write(&url, here(&right)).unwrap();
    let said = no_migration(&fleet);
    assert!(said.contains("not valid for name"), "{said}");
    std::fs::write(&url, right).unwrap();

    fleet.furnish(&outside);
    go_to_the_broker_by_tls(&ground, &mut fleet, [&stranger, &authority]).await;
    for role in ROLES {
        fleet.start(role, &[]).await;
    }
    let mut merchant = Merchant::new(&fleet.openapi, &outside);
    merchant.order("sealed", 3).await;
    merchant.wait_for_all_reports(&outside).await;
    let sessions = "SELECT string_agg(DISTINCT format('%s %s', usename, ssl), ', ')
                    FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename LIKE 'refill%'";
    assert_eq!(
        ground.ask(sessions).await,
        "refill f, refill_callback t, refill_console t, refill_fulfillment t, refill_ingress t"
    );
    until(
        "all at the broker by TLS",
        async || {
            let seen = at_the_broker(&ground).await;
            let by_tls = ROLES.map(|role| (format!("refill_{role}"), true));
            (seen == by_tls.into()).then_some(())
        },
        || ROLES.map(|role| fleet.log(role)).concat(),
    )
    .await;
    for role in ROLES {
        fleet.stop(role);
    }
}

/// To the broker's other port from here on; what it shows is believed only by who knows its authority, the last one.
async fn go_to_the_broker_by_tls(ground: &Ground, fleet: &mut Fleet, authorities: [&Authority; 2]) {
    let at = {
        let mut servers = ground.servers.lock().await;
        servers.rabbitmq().unwrap().tls_address().to_string()
    };
    change(fleet, "amqp_url", |url| {
        url.replace("amqp://", "amqps://")
            .replace(&fleet.broker, &at)
    });
    let url = std::fs::read_to_string(fleet.secret("console", "amqp_url")).unwrap();
    let look = ["queue", "list"];
    let no_look = |fleet: &Fleet| refusal(&fleet.tool("console", &look), &url);
    // The broker's very first handshake may take longer than the tool waits.
    until(
        "nobody vouches for the broker",
        async || no_look(fleet).contains("UnknownIssuer").then_some(()),
        || no_look(fleet),
    )
    .await;
    let [stranger, authority] = authorities.map(Authority::file);
    fleet.settings.push(("REFILL__AMQP__CA_FILE", stranger));
    let refused = no_look(fleet);
    assert!(refused.contains("UnknownIssuer"), "{refused}");
    assert!(refused.contains("amqp.ca_file"), "{refused}");
    fleet.settings.pop();
    fleet.settings.push(("REFILL__AMQP__CA_FILE", authority));
    fleet.done("console", &look);
}

/// Who is connected to the broker, and whether by TLS, as it tells a few seconds later.
async fn at_the_broker(ground: &Ground) -> BTreeSet<(String, bool)> {
    let (url, page) = {
        let mut servers = ground.servers.lock().await;
        let url = reqwest::Url::parse(servers.amqp_url()).unwrap();
        let page = servers.rabbitmq().unwrap().management_url();
        (url, format!("{page}/api/connections"))
    };
    let asked = reqwest::Client::new().get(page);
    let told = asked.basic_auth(url.username(), url.password()).send();
    let told: Vec<Value> =
        serde_json::from_str(&told.await.unwrap().text().await.unwrap()).unwrap();
    let one = |told: &Value| {
        let user = told["user"].as_str()?.to_owned();
        Some((user, told["ssl"].as_bool()?))
    };
    told.iter().filter_map(one).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_tls_is_refused_by_who_asks_for_it() {
    let ground = Ground::shared().await;
    let url = format!("{}?sslmode=require", ground.database_url);
    let mut migrate = Command::new(binary());
    migrate.arg("migrate").env("DATABASE_URL", &url);
    let said = refusal(&migrate.output().unwrap(), &url);
    assert!(said.contains("server does not support TLS"), "{said}");
    assert!(said.contains("DATABASE_URL asks for TLS"), "{said}");
    ground.clear().await;
}
