//! Whether everything adds up: what the platform says against what suppliers and merchant wrote down for themselves.

use std::collections::HashMap;

use anyhow::Context;
use domain::Money;
use serde_json::{Value, json};
use simulator::{Entry, MerchantClient};

use super::orders::Batch;
use super::stage::Stage;
use crate::command::dev::Platform;

const PAGE: usize = 100;

/// A balance as the merchant sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Balance {
    amount: Money,
    pub(super) held: Money,
}

/// What was counted, from both sides.
pub(super) struct Sums {
    orders: usize,
    succeeded: usize,
    failed: usize,
    charged: usize,
    charged_twice: usize,
    /// Orders whose state and whose charges contradict each other.
    against_books: Vec<String>,
    /// Orders that the merchant heard nothing about, or something else.
    against_merchant: Vec<String>,
    paid: Money,
    before: Balance,
    after: Balance,
    bad_signatures: u64,
}

/// The balance, by the merchant's own API.
pub(super) async fn balance(client: &MerchantClient) -> anyhow::Result<Balance> {
    let answer = client.balance().await?;
    anyhow::ensure!(
        answer.status == 0,
        "the balance was answered {}",
        answer.body
    );
    Ok(Balance {
        amount: money(&answer.data["amount"])?,
        held: money(&answer.data["held"])?,
    })
}

pub(super) async fn reconcile(
    client: &MerchantClient,
    batches: &[Batch],
    stage: &Stage,
    before: Balance,
) -> anyhow::Result<Sums> {
    let mut charges: HashMap<String, u32> = HashMap::new();
    let mut twice = 0;
    for Entry {
        account, charged, ..
    } in stage.books().await?
    {
        twice += usize::from(charged > 1);
        *charges.entry(account).or_default() += charged;
    }
    let mut sums = Sums {
        orders: 0,
        succeeded: 0,
        failed: 0,
        charged: 0,
        charged_twice: twice,
        against_books: vec![],
        against_merchant: vec![],
        paid: Money::ZERO,
        before,
        after: balance(client).await?,
        bad_signatures: stage.received.summary().bad_signatures,
    };
    // An account may stand in many batches and many runs, so the books are held against all of its orders of this run as a set.
    let mut wanted: HashMap<String, u32> = HashMap::new();
    for batch in batches {
        for order in orders(client, batch).await? {
            let succeeded = order["status"] == 2;
            let number = order["bizCode"].as_str().unwrap_or_default().to_owned();
            sums.orders += 1;
            sums.succeeded += usize::from(succeeded);
            sums.failed += usize::from(order["status"] == 3);
            if succeeded {
                let paid = sums.paid.checked_add(money(&order["settlementPrice"])?);
                sums.paid = paid.context("the sum of prices is too large")?;
                let account = order["account"].as_str().unwrap_or_default();
                *wanted.entry(account.to_owned()).or_default() += 1;
            }
            if stage
                .received
                .get(&number)
                .is_none_or(|r| r.conflict || order["status"] != r.status)
            {
                sums.against_merchant.push(number);
            }
        }
    }
    for (account, orders) in wanted {
        let charged = charges.get(&account).copied().unwrap_or_default();
        sums.charged += usize::try_from(charged.min(orders)).unwrap_or(usize::MAX);
        if charged < orders {
            sums.against_books.push(account);
        }
    }
    Ok(sums)
}

/// All orders of a batch, page by page, by the merchant's own API.
async fn orders(client: &MerchantClient, batch: &Batch) -> anyhow::Result<Vec<Value>> {
    let mut orders = vec![];
    for page in 1..=batch.items.len().div_ceil(PAGE) {
        let body =
            json!({"batchBizCode": batch.code, "pageNo": page, "pageSize": PAGE}).to_string();
        let answer = client
            .post("/v1/openapi/order/batch/info", body.as_bytes())
            .await?;
        orders.extend(
            answer.data["orderList"]
                .as_array()
                .cloned()
                .unwrap_or_default(),
        );
    }
    Ok(orders)
}

fn money(value: &Value) -> anyhow::Result<Money> {
    Ok(value.to_string().parse::<Money>()?)
}

impl Sums {
    /// Prints the summary; returns whether everything adds up.
    pub(super) fn print(&self, invariants: bool, platform: &Platform, stage: &Stage) -> bool {
        let spent = self.before.amount.checked_sub(self.after.amount);
        let lines = [
            (
                format!(
                    "orders     {} sent, {} succeeded, {} failed",
                    self.orders, self.succeeded, self.failed
                ),
                self.orders == self.succeeded + self.failed,
            ),
            (
                format!(
                    "charges    {} in the suppliers' own books for {} successes, {} charged twice",
                    self.charged, self.succeeded, self.charged_twice
                ),
                self.against_books.is_empty()
                    && self.charged_twice == 0
                    && self.charged == self.succeeded,
            ),
            (
                format!(
                    "money      {} yuan before, {} after, {} paid for successes, {} still held",
                    self.before.amount, self.after.amount, self.paid, self.after.held
                ),
                spent == Some(self.paid) && self.after.held == self.before.held,
            ),
            (
                format!(
                    "reports    {} of {} taken by the merchant and telling the same, {} wrong signatures",
                    self.orders - self.against_merchant.len(),
                    self.orders,
                    self.bad_signatures
                ),
                self.against_merchant.is_empty() && self.bad_signatures == 0,
            ),
            (
                "invariants of the database (`refill check`)".to_owned(),
                invariants,
            ),
        ];
        println!("\nDoes it add up?");
        for (line, right) in &lines {
            println!("  {}  {line}", if *right { "yes" } else { "NO " });
        }
        for (what, numbers) in [
            ("the books", &self.against_books),
            ("the merchant", &self.against_merchant),
        ] {
            if !numbers.is_empty() {
                println!("  against {what}: {}", numbers.join(", "));
            }
        }
        println!("\nWhere to look next (while it runs: --keep):");
        println!("  console   http://{}", platform.addresses.console);
        println!("  metrics   http://{}/metrics", platform.addresses.admin);
        for (name, url) in stage.book_urls() {
            println!("  book      {url} ({name})");
        }
        println!("  catalogue {}", stage.catalogue.display());
        println!(
            "  log       {}",
            stage.catalogue.with_file_name("refill.log").display()
        );
        lines.iter().all(|(_, right)| *right)
    }
}
