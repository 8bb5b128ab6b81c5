//! One point, one kind of supplier, one thing that happens there.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rust_decimal::Decimal;
use serde_json::Value;
use simulator::Item;
use tokio::sync::Semaphore;

use crate::harness::ground::{Ground, address, through};
use crate::harness::{Merchant, Outside, PATIENCE, until};
use crate::proxy::Proxy;
use crate::victim::{Setting, Victim, free_address};

/// A lease, and a little.
const PAST_THE_LEASE: Duration = Duration::from_secs(62);
const OPENING: i64 = 10_000_000_000;

/// What happens to the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Act {
    Kill,
    /// Stopped, overtaken by another process after its lease, and continued.
    Stop,
    CutDatabase,
    CutBroker,
}

/// What the supplier's card says about doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Query,
    Idempotent,
    Never,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Query, Self::Idempotent, Self::Never];

    const fn product(self) -> &'static str {
        match self {
            Self::Query => "Q",
            Self::Idempotent => "I",
            Self::Never => "N",
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Scenario {
    pub(crate) number: usize,
    pub(crate) point: &'static str,
    pub(crate) kind: Kind,
    pub(crate) act: Act,
}

/// How a scenario's orders ended.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) succeeded: usize,
    pub(crate) failed: usize,
    pub(crate) doubtful: usize,
}

impl Seen {
    pub(crate) fn add(&mut self, other: &Self) {
        self.succeeded += other.succeeded;
        self.failed += other.failed;
        self.doubtful += other.doubtful;
    }
}

/// What all scenarios stand on.
pub(crate) struct Stage {
    ground: Arc<Ground>,
    outside: Arc<Outside>,
    hands: Semaphore,
}

impl Stage {
    pub(crate) fn new(ground: Arc<Ground>, outside: Arc<Outside>, hands: usize) -> Self {
        Self {
            ground,
            outside,
            hands: Semaphore::new(hands),
        }
    }

    pub(crate) async fn clear(&self) {
        let mut servers = self.ground.servers.lock().await;
        servers.rabbitmq().unwrap().kill().await.unwrap();
        servers.postgres().unwrap().kill().await.unwrap();
    }
}

impl Scenario {
    pub(crate) fn name(&self) -> String {
        format!("{} {:?} {:?}", self.point, self.kind, self.act)
    }

    fn items(&self) -> Vec<Item> {
        let n = self.number;
        let account = |i: usize| match self.point {
            // Its supplier takes two seconds to answer.
            "call: on its way" => format!("199000010{:02}", n % 50 + 50 * i),
            _ => format!("137{n:05}{i:03}"),
        };
        let count = if self.point == "call: on its way" {
            2
        } else {
            3
        };
        (0..count)
            .map(|i| Item::new(format!("c{n}-{i}"), account(i)))
            .collect()
    }

    /// Plays it to its end.
    pub(crate) async fn play(self, stage: &Stage) -> Seen {
        let hands = stage.hands.acquire().await.unwrap();
        let ground = stage.ground.beside().await;
        let (database, broker) = (
            Proxy::to(address(&ground.database_url)).await,
            Proxy::to(address(&ground.amqp_url)).await,
        );
        let setting = Setting {
            folder: ground.folder.path().to_owned(),
            listen: free_address(),
            database_url: through(&ground.database_url, database.at),
            amqp_url: through(&ground.amqp_url, broker.at),
            clock: None,
        };
        setting.write_catalogue(&stage.outside);
        let mut victim = setting.start(Some(self.point)).await;
        let openapi = victim.openapi.clone();
        let halted = async {
            until(
                "the point",
                async || setting.has_halted().then_some(()),
                || setting.log_tail(),
            )
            .await;
        };
        // Where the intake halts nobody answers, elsewhere the answer comes first.
        let mut answered = false;
        {
            let first = self.order(&openapi, &stage.outside);
            tokio::pin!(first, halted);
            tokio::select! {
                () = &mut halted => {}
                () = &mut first => {
                    answered = true;
                    halted.await;
                }
            }
        }
        let halted_at = Instant::now();
        match self.act {
            Act::Kill => victim.kill(),
            Act::Stop => victim.signal("-STOP"),
            Act::CutDatabase => database.cut(),
            Act::CutBroker => broker.cut(),
        }
        drop(hands);
        let (mut running, mut stopped) = (None, None);
        match self.act {
            Act::Kill | Act::Stop => {
                tokio::time::sleep(PAST_THE_LEASE.saturating_sub(halted_at.elapsed())).await;
                let _hands = stage.hands.acquire().await.unwrap();
                let mut setting = setting.clone();
                if self.act == Act::Stop {
                    setting.listen = free_address();
                    stopped = Some(victim);
                }
                running = Some(setting.start(None).await);
            }
            Act::CutDatabase | Act::CutBroker => {
                setting.go();
                running.replace(victim);
            }
        }
        let running: Victim = running.expect("one runs");
        if !answered || self.act == Act::Stop {
            self.order(&running.openapi, &stage.outside).await;
        }
        self.wait_for_the_end(&ground, &setting).await;
        let before = stage.states(&self, &running).await;
        if let Some(stopped) = stopped {
            // Back from the dead, with what it knew and heard a lease ago.
            setting.go();
            stopped.signal("-CONT");
            stopped.stop().await;
            // A push that it took at last may have ended a doubt.
            self.wait_for_the_end(&ground, &setting).await;
        }
        let seen = self.judge(stage, &running, &before).await;
        running.stop().await;
        setting.check(&ground.database_url).await;
        ground.clear().await;
        seen
    }

    /// Orders as a merchant does: until there is an answer that settles it.
    async fn order(&self, openapi: &str, outside: &Outside) {
        let mut merchant = Merchant::new(openapi, outside);
        let (batch, items) = (format!("c{}", self.number), self.items());
        merchant
            .order_items(&batch, self.kind.product(), &items)
            .await;
    }

    /// Every order is final and its merchant told, or it waits for a person.
    async fn wait_for_the_end(&self, ground: &Ground, setting: &Setting) {
        let open = "SELECT count(*) FROM orders o WHERE state < 2 AND NOT EXISTS (
                        SELECT FROM doubts d WHERE d.order_code = o.order_code AND d.closed_at IS NULL)";
        let untold = "SELECT count(*) FROM callbacks WHERE state < 2";
        let stored = "SELECT count(*) FROM orders";
        let count = self.items().len().to_string();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut all_well = true;
            for (sql, right) in [(open, "0"), (untold, "0"), (stored, count.as_str())] {
                all_well &= ground.try_sql(sql).await.is_ok_and(|found| found == right);
            }
            if all_well {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "it does not end: {}",
                setting.log_tail()
            );
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }

    /// Charged at most once, and exactly as often as reported; told always the same; the money adds up.
    async fn judge(&self, stage: &Stage, running: &Victim, before: &[Value]) -> Seen {
        let states = stage.states(self, running).await;
        for (then, now) in before.iter().zip(&states) {
            assert!(
                then["status"] == now["status"] || then["status"] == 1,
                "a final state changed: {then} {now}"
            );
        }
        let charges = stage.outside.charges().await;
        let mut seen = Seen::default();
        let mut paid = 0;
        for (item, state) in self.items().iter().zip(&states) {
            let charged = charges.get(&item.account).copied().unwrap_or_default();
            let report = stage.outside.received.get(&item.biz_code);
            let told = report.map(|r| (r.status, r.conflict, r.taken_at_us > 0));
            match (state["status"].as_i64(), charged) {
                (Some(2), 1) => {
                    seen.succeeded += 1;
                    paid += 491_000;
                    assert_eq!(told, Some((2, false, true)), "{state}");
                }
                (Some(3), 0) => {
                    seen.failed += 1;
                    assert_eq!(told, Some((3, false, true)), "{state}");
                }
                (Some(1), 0 | 1) => {
                    seen.doubtful += 1;
                    assert!(
                        self.kind == Kind::Never,
                        "only who cannot be asked leaves a doubt: {state}"
                    );
                }
                other => panic!(
                    "{}: status and charges are {other:?}: {state}",
                    item.biz_code
                ),
            }
        }
        let merchant = Merchant::new(&running.openapi, &stage.outside);
        let (amount, held) = merchant.balance().await;
        let yuan = |units| Decimal::new(units, 4);
        let open = 491_000 * i64::try_from(seen.doubtful).unwrap();
        assert_eq!((amount, held), (yuan(OPENING - paid - open), yuan(open)));
        seen
    }
}

impl Stage {
    async fn states(&self, scenario: &Scenario, running: &Victim) -> Vec<Value> {
        let merchant = Merchant::new(&running.openapi, &self.outside);
        let mut states = vec![];
        for item in scenario.items() {
            states.push(merchant.order_info(&item.biz_code).await);
        }
        states
    }
}
