//! Load, while processes and servers are killed, stopped, cut off and wiped at random. At the end the client's log, the suppliers' books,
//! the merchant and `refill check` must agree.
//!
//! `CHAOS_MINUTES` (2) and `CHAOS_SEED` (made and printed when it is not given).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    dead_code,
    reason = "a test stops at the first surprise; the harness serves other tests too"
)]

mod client;
mod fate;
#[path = "../e2e/harness/mod.rs"]
mod harness;
#[path = "../crash/proxy.rs"]
mod proxy;
#[path = "../crash/victim.rs"]
mod victim;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use client::{Answer, Client};
use fate::{Fate, Happening};
use harness::{Ground, Outside};
use proxy::Proxy;
use victim::{Setting, Victim, free_address};

/// Long enough for every lease, retry and rest that the chaos has left behind.
const AFTERMATH: Duration = Duration::from_mins(6);
const PRICE: u64 = 491_000;
const OPENING: u64 = 10_000_000_000;

/// The platform, twice: each process plays all roles.
struct Fleet {
    settings: Vec<Setting>,
    running: Vec<Option<Victim>>,
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_end_well_whatever_is_killed_stopped_cut_and_wiped() {
    let given = |name: &str| {
        std::env::var(name)
            .ok()
            .and_then(|text| text.parse::<u64>().ok())
    };
    let minutes = given("CHAOS_MINUTES").unwrap_or(2);
    let seed = given("CHAOS_SEED").unwrap_or_else(|| {
        u64::from(uuid::Uuid::now_v7().as_fields().1) << 32 | u64::from(std::process::id())
    });
    println!("chaos: seed {seed}, {minutes} minutes");
    let ground = Ground::own().await;
    let outside = Arc::new(Outside::start().await);
    let database = Proxy::to(harness::ground::address(&ground.database_url)).await;
    let mut fleet = Fleet::new(&ground, &outside, &database).await;
    let doors: Vec<String> = fleet.settings.iter().map(|s| s.listen.clone()).collect();
    let client = Client::start(&doors, &outside, seed);

    let end = Instant::now() + Duration::from_secs(minutes * 60);
    let mut fate = Fate::new(seed);
    while Instant::now() < end {
        tokio::time::sleep(fate.pause()).await;
        let happening = fate.next();
        println!("chaos: {happening:?}");
        fleet.suffer(happening, &ground, &database).await;
    }
    let orders = client.stop().await;
    fleet.all_up().await;
    let well = wait_for_the_end(&ground).await;
    let summary = judge(&ground, &outside, &orders).await;
    println!(
        "chaos: {} happenings {:?}; {summary}",
        fate.count(),
        fate.by_kind()
    );
    assert!(well, "it does not end: {}", fleet.settings[0].log_tail());
    fleet.stop().await;
    fleet.settings[0].check(&ground.database_url).await;
    assert!(
        fate.by_kind().len() >= 5,
        "not much has happened: {:?}",
        fate.by_kind()
    );
}

impl Fleet {
    async fn new(ground: &Ground, outside: &Outside, database: &Proxy) -> Self {
        let mut settings: Vec<Setting> = vec![];
        for number in 0..2 {
            let folder = ground.folder.path().join(format!("process-{number}"));
            std::fs::create_dir_all(&folder).unwrap();
            settings.push(Setting {
                folder,
                listen: free_address(),
                database_url: harness::ground::through(&ground.database_url, database.at),
                amqp_url: ground.amqp_url.clone(),
                // One worker's clock is half a minute wrong: no lease and no timer may depend on it.
                clock: (number == 1).then(|| ("-30s".to_owned(), faketime())),
            });
        }
        // Pushes go to the first; while it is down they are tried again, or the query finds the result.
        settings[0].write_catalogue(outside);
        std::fs::copy(
            settings[0].folder.join("catalogue.toml"),
            settings[1].folder.join("catalogue.toml"),
        )
        .unwrap();
        let mut running = vec![];
        for setting in &settings {
            running.push(Some(setting.start(None).await));
        }
        Self { settings, running }
    }

    async fn suffer(&mut self, happening: Happening, ground: &Ground, database: &Proxy) {
        match happening {
            Happening::Kill(n) => {
                if let Some(mut victim) = self.running[n].take() {
                    victim.kill();
                }
            }
            Happening::Start(n) => self.up(n).await,
            Happening::Freeze(n, time) => {
                if let Some(victim) = &self.running[n] {
                    victim.signal("-STOP");
                    tokio::time::sleep(time).await;
                    victim.signal("-CONT");
                }
            }
            Happening::CutDatabase => database.cut(),
            Happening::KillDatabase(away) => {
                let mut servers = ground.servers.lock().await;
                servers.postgres().unwrap().kill().await.unwrap();
                tokio::time::sleep(away).await;
                servers.postgres().unwrap().start().await.unwrap();
            }
            Happening::KillBroker(away) => {
                let mut servers = ground.servers.lock().await;
                servers.rabbitmq().unwrap().kill().await.unwrap();
                tokio::time::sleep(away).await;
                servers.rabbitmq().unwrap().start().await.unwrap();
            }
            Happening::WipeBroker => {
                let mut servers = ground.servers.lock().await;
                servers.rabbitmq().unwrap().wipe().await.unwrap();
                servers.rabbitmq().unwrap().start().await.unwrap();
                servers.create_vhost(&ground.name).await.unwrap();
            }
        }
    }

    async fn up(&mut self, n: usize) {
        if self.running[n].is_none() {
            self.running[n] = Some(self.settings[n].start(None).await);
        }
    }

    async fn all_up(&mut self) {
        for n in 0..self.running.len() {
            self.up(n).await;
        }
    }

    async fn stop(&mut self) {
        for victim in &mut self.running {
            if let Some(victim) = victim.take() {
                victim.stop().await;
            }
        }
    }
}

fn faketime() -> PathBuf {
    let found = std::fs::read_dir("/usr/lib").unwrap().find_map(|entry| {
        let library = entry.unwrap().path().join("faketime/libfaketime.so.1");
        library.exists().then_some(library)
    });
    found.expect("libfaketime moves a worker's clock: deploy/chaos installs it")
}

async fn wait_for_the_end(ground: &Ground) -> bool {
    let open = "SELECT (SELECT count(*) FROM orders WHERE state < 2 AND NOT EXISTS (
                    SELECT FROM doubts d WHERE d.order_code = orders.order_code AND d.closed_at IS NULL))
                + (SELECT count(*) FROM callbacks WHERE state < 2)";
    let end = Instant::now() + AFTERMATH;
    while Instant::now() < end {
        if ground.try_sql(open).await.is_ok_and(|left| left == "0") {
            return true;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    false
}

/// What the client was answered, what is stored, what the suppliers charged and what the merchant was told.
async fn judge(ground: &Ground, outside: &Outside, orders: &[client::Sent]) -> String {
    let stored = ground
        .ask("SELECT string_agg(biz_code || '=' || state, ',') FROM orders")
        .await;
    let states: std::collections::HashMap<&str, &str> = stored
        .split(',')
        .filter_map(|pair| pair.split_once('='))
        .collect();
    let charges = outside.charges().await;
    let (mut succeeded, mut failed, mut open, mut paid, mut either) = (0, 0, 0, 0_u64, 0);
    for sent in orders {
        for (code, account) in &sent.items {
            let state = states.get(code.as_str()).copied();
            let charged = charges.get(account).copied().unwrap_or_default();
            match sent.answer {
                Answer::Accepted => assert!(state.is_some(), "{code} was accepted and is lost"),
                Answer::Refused(status) => {
                    assert!(
                        state.is_none() && charged == 0,
                        "{code} was refused with {status} and left something behind"
                    );
                }
                Answer::Unknown => either += usize::from(state.is_some()),
            }
            let told = outside.received.get(code);
            match (state, charged) {
                (None, 0) => {}
                (Some("2"), 1) => {
                    succeeded += 1;
                    paid += PRICE;
                    assert!(
                        told.is_some_and(|r| r.status == 2 && r.taken_at_us > 0),
                        "{code} was not told"
                    );
                }
                (Some("3"), 0) => {
                    failed += 1;
                    assert!(
                        told.is_some_and(|r| r.status == 3 && r.taken_at_us > 0),
                        "{code} was not told"
                    );
                }
                (Some("1"), 0 | 1) => open += 1,
                other => panic!("{code}: state and charges are {other:?}"),
            }
        }
    }
    let received = outside.received.summary();
    assert_eq!(
        (received.conflicts, received.bad_signatures),
        (0, 0),
        "{received:?}"
    );
    let count = |answer: fn(&Answer) -> bool| orders.iter().filter(|s| answer(&s.answer)).count();
    let balance = ground
        .ask("SELECT prepaid FROM balances WHERE business_id = 'shop'")
        .await;
    assert_eq!(balance.parse::<u64>().unwrap(), OPENING - paid);
    format!(
        "batches: {} accepted, {} refused, {} unknown ({either} of their orders stored); orders: {succeeded} succeeded, {failed} failed, {open} with a person; {} reports",
        count(|a| matches!(a, Answer::Accepted)),
        count(|a| matches!(a, Answer::Refused(_))),
        count(|a| matches!(a, Answer::Unknown)),
        received.reports,
    )
}
