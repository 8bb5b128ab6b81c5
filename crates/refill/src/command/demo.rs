//! `refill demo`: everything once, for a newcomer to watch. Real servers, real signatures, simulated suppliers and a simulated merchant.

mod orders;
mod progress;
mod reconcile;
mod stage;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use console::actions::{self, Actor, NotDone, Saying};
use domain::Money;
use simulator::MerchantClient;
use store::Store;
use tokio::net::TcpListener;
use tokio::time::Instant;

use self::orders::{Batch, batches};
use self::progress::{Progress, watch};
use self::reconcile::Balance;
use self::stage::Stage;
use super::dev::{self, Listen, Platform};
use super::first_admin;
use crate::settings::Settings;
use crate::stop::Stop;

/// How long the demo may take, once its orders are in.
const PATIENCE: Duration = Duration::from_mins(3);
/// How often to look whether an earlier run's orders have ended.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The flags of `refill demo`.
#[derive(Debug, clap::Args)]
pub(crate) struct Flags {
    /// Where servers, keys, books and the catalogue are kept.
    #[arg(long, default_value = "target/demo", value_name = "DIR")]
    data: PathBuf,
    /// How many orders to send.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(30..=20_000))]
    orders: u32,
    /// Stay when it is done, to look around, until Ctrl-C.
    #[arg(long)]
    keep: bool,
    /// Where to serve merchants; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDRESS")]
    listen: SocketAddr,
}

impl Flags {
    /// The log's file; its folder is made.
    pub(crate) fn log(&self) -> anyhow::Result<PathBuf> {
        std::fs::create_dir_all(&self.data).with_context(|| self.data.display().to_string())?;
        Ok(self.data.join("refill.log"))
    }
}

pub(crate) async fn run(settings: Settings, flags: Flags) -> anyhow::Result<ExitCode> {
    let mut stop = Stop::listen()?;
    println!("Servers: PostgreSQL and RabbitMQ …");
    let servers = tokio::select! {
        started = dev::start_servers(&settings, &flags.data) => started?,
        () = stop.told() => return Ok(ExitCode::FAILURE),
    };
    for line in servers.report() {
        println!("  {line}");
    }
    let openapi = TcpListener::bind(flags.listen)
        .await
        .with_context(|| format!("--listen {}", flags.listen))?;
    let openapi_url = format!("http://{}", openapi.local_addr()?);
    let stage = Stage::set(&flags.data, &openapi_url).await?;
    println!("Outside: {}", stage.describe());
    let free = SocketAddr::from(([127, 0, 0, 1], 0));
    let listen = Listen {
        openapi,
        console: free,
        admin: free,
    };
    let platform = dev::start(settings, servers, &stage.catalogue, listen).await?;
    stage.write_environment(&platform)?;
    let admin = first_admin::add(&platform.process.store, &flags.data).await?;
    println!(
        "Platform: {openapi_url}, console http://{} (who signs in: {})",
        platform.addresses.console,
        admin.display()
    );
    let shown = tokio::select! {
        shown = show(&flags, &stage, &platform, &openapi_url) => Some(shown),
        () = stop.told() => None,
    };
    let passed = matches!(shown, Some(Ok(true)));
    if flags.keep && passed {
        println!(
            "\nEverything stays up until Ctrl-C. In another terminal: . {}",
            stage.environment.display()
        );
        stop.told().await;
    }
    let Platform {
        servers, process, ..
    } = platform;
    process.end(&mut stop, false).await?;
    stage.strike().await;
    servers.stop().await;
    shown.transpose()?;
    Ok(if passed {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Sends the batches, watches them, settles what waits for a person, and reconciles. Returns whether everything adds up.
async fn show(
    flags: &Flags,
    stage: &Stage,
    platform: &Platform,
    url: &str,
) -> anyhow::Result<bool> {
    let client = MerchantClient::rsa(
        url,
        stage::MERCHANT,
        stage::BUSINESS,
        &stage.merchant_private_key,
    )?;
    let store = &platform.process.store;
    let before = quiet(&client, store, stage).await?;
    let batches = batches(flags.orders);
    println!(
        "\n{} signed batches with {} orders:",
        batches.len(),
        flags.orders
    );
    for batch in &batches {
        send(&client, batch).await?;
    }
    let mut progress = Progress::new(flags.orders);
    let deadline = Instant::now() + PATIENCE;
    let settled = watch(
        &client,
        &batches,
        stage,
        &mut progress,
        deadline,
        async || settle(store, stage).await,
    )
    .await?;
    progress.finish();
    for line in settled {
        println!("{line}");
    }
    let sums = reconcile::reconcile(&client, &batches, stage, before).await?;
    let check = store.check(None).await?;
    Ok(sums.print(check.holds(), platform, stage))
}

/// The balance, once no order of an earlier run is open: what ended in the middle of this one would be paid by its balance.
async fn quiet(client: &MerchantClient, store: &Store, stage: &Stage) -> anyhow::Result<Balance> {
    let deadline = Instant::now() + PATIENCE;
    let mut balance = reconcile::balance(client).await?;
    if balance.held != Money::ZERO {
        println!(
            "\nOrders of an earlier run are open, {} yuan held: they end first …",
            balance.held
        );
    }
    while balance.held != Money::ZERO {
        anyhow::ensure!(
            Instant::now() < deadline,
            "orders of an earlier run are still open, {} yuan held; take another folder for --data",
            balance.held
        );
        settle(store, stage).await?;
        tokio::time::sleep(LOOK_EVERY).await;
        balance = reconcile::balance(client).await?;
    }
    Ok(balance)
}

async fn send(client: &MerchantClient, batch: &Batch) -> anyhow::Result<()> {
    let answer = client
        .batch(&batch.code, batch.product, None, &batch.items)
        .await?;
    anyhow::ensure!(
        answer.status == 0,
        "batch {} was answered {}: {}",
        batch.code,
        answer.status,
        answer.body
    );
    println!(
        "  {}  {:>5} × {:<8} answered {}",
        batch.code,
        batch.items.len(),
        batch.product,
        answer.status
    );
    Ok(())
}

/// Whether it was done; that it could not be is no failure of the demo.
fn told<T>(done: Result<T, NotDone>) -> anyhow::Result<bool> {
    match done {
        Ok(_) => Ok(true),
        Err(NotDone::Store(error)) => Err(error.into()),
        Err(_) => Ok(false),
    }
}

/// What persons do with orders in doubt: look into the supplier's book and write down what it says.
async fn settle(store: &Store, stage: &Stage) -> anyhow::Result<Vec<String>> {
    let mut said = vec![];
    let doubts = store.open_cases(1_000).await?;
    if doubts.is_empty() {
        return Ok(said);
    }
    let books = stage.books().await?;
    let catalogue = store.catalogue().await?;
    for doubt in doubts {
        let Some((attempt, supplier, reference)) = doubt.attempt else {
            continue;
        };
        let charged = books
            .iter()
            .any(|entry| entry.reference == reference && entry.charged > 0);
        let words = if charged { "charged" } else { "not charged" };
        let saying = Saying {
            order: doubt.key.order,
            charged,
            evidence: format!("the book of {supplier} says {words} for {reference}"),
        };
        let [first, second] = ["the first", "the second"].map(Actor::command);
        let settled = async {
            actions::propose(store, &first, &saying).await?;
            actions::confirm(store, &second, &saying, &catalogue).await
        };
        if told(settled.await)? {
            said.push(format!(
                "Two persons were asked about {} ({}), attempt {attempt} at {supplier}: {words}",
                doubt.key.order, doubt.reason
            ));
        }
    }
    Ok(said)
}
