//! `refill bench`: the whole way of orders, measured: from the signed request to the report that the merchant took.
//!
//! Each role runs as a process of its own, so that the CPU that it takes can be told apart. Beside it, on the same servers and in the
//! same run, the floor: a bare-bones program that does the least that could be called the same.

mod bare;
mod callback;
mod catalogue;
mod cpu;
mod crowd;
mod curve;
mod flat;
mod latency;
mod measured;
mod memory;
mod meter;
mod offer;
mod overload;
mod picture;
mod recovery;
mod report;
mod roles;
mod sender;
mod shares;
mod stage;
mod steps;
mod supplier;
mod table;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use servers::Servers;
use tokio::sync::OnceCell;

use self::catalogue::{Cast, PRODUCT, Way};
use self::measured::{Measured, measure, warm_up};
use self::offer::{Offer, Pace, Refused};
use self::report::Report;
use self::roles::Roles;
use self::stage::{Stage, free_address};
use super::dev;
use super::floor::CallbackSign;
use crate::settings::Settings;
use crate::stop::Stop;

/// The flags of `refill bench`.
#[derive(Clone, Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Flags {
    #[command(subcommand)]
    only: Option<Only>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    /// How many orders, unless `--duration` says how long.
    #[arg(long, default_value_t = 20_000)]
    orders: u32,
    /// How long to offer load; needs `--rate`.
    #[arg(long, value_parser = humantime::parse_duration, requires = "rate")]
    duration: Option<std::time::Duration>,
    /// Orders offered per second, at moments that are fixed in advance, whatever is unanswered; without it as many as are taken.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// With `--rate`: requests that may be unanswered. The next waits then, but its latency counts from when it was due.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u16).range(1..))]
    outstanding: u16,
    /// Orders in one batch; a list like `1,10,100,1000` mixes sizes, each with the same number of orders.
    #[arg(long, default_value = "100", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=1_000))]
    batch: Vec<u32>,
    /// Without `--rate`: requests at the same time.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256))]
    concurrency: u16,
    /// Accounts that the orders are spread over.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=5_000))]
    businesses: u16,
    /// How unlike the accounts are: Zipf's exponent, 0: all the same.
    #[arg(long, default_value_t = 1.0)]
    skew: f64,
    /// How reports are signed.
    #[arg(long, value_enum, default_value = "rsa")]
    callback_sign: CallbackSign,
    /// Worker processes of each kind.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=16))]
    workers: u8,
    /// Also print the ten statements that took most of the database's time.
    #[arg(long)]
    statements: bool,
    /// Leave the floor out.
    #[arg(long)]
    no_floor: bool,
    /// Fail unless throughput is at least this part of the floor's.
    #[arg(long, value_name = "RATIO", conflicts_with = "no_floor")]
    at_least: Option<f64>,
    /// Fail if an order costs more than so many times the floor's CPU.
    #[arg(long, value_name = "RATIO", conflicts_with = "no_floor")]
    cpu_at_most: Option<f64>,
    /// Where everything is kept; a fresh folder is taken, and removed, without it.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// A part of the platform that is measured for itself.
#[derive(Clone, Debug, clap::Subcommand)]
enum Only {
    /// Status reports: how many a second, at which cost, and how much bad endpoints disturb the good ones.
    Callback(callback::Flags),
    /// What an order costs while ten thousand, a hundred thousand, a million others are stored and wait.
    Flat(flat::Flags),
    /// Throughput and latency over the offered load, cost over the backlog; with a picture.
    Curve(curve::Flags),
    /// Five times what the door takes; one account's flood beside others; thousands of idle connections.
    Overload(overload::Flags),
    /// A supplier that comes back at half its strength, to a backlog.
    Recovery(recovery::Flags),
}

impl Flags {
    /// How many orders are sent in all.
    fn orders(&self) -> u32 {
        match (self.duration, self.rate) {
            (Some(duration), Some(rate)) => {
                let orders = duration.as_millis() * u128::from(rate) / 1_000;
                u32::try_from(orders).unwrap_or(u32::MAX).max(1)
            }
            _ => self.orders,
        }
    }

    fn offer(&self, stage: &Stage<'_>) -> Offer {
        let pace = match self.rate {
            Some(rate) => Pace::PerSecond {
                rate,
                outstanding: self.outstanding.into(),
            },
            None => Pace::AtOnce(self.concurrency.into()),
        };
        Offer {
            orders: self.orders(),
            sizes: self.batch.clone(),
            pace,
            refused: Refused::SentAgain,
            product: PRODUCT,
            shares: shares::zipf(self.businesses, self.skew),
            callback_urls: stage.callback_urls.clone(),
            signed_before: false,
        }
    }
}

pub(crate) async fn run(settings: Settings, flags: Flags) -> anyhow::Result<()> {
    let mut stop = Stop::listen()?;
    let fresh;
    let folder = if let Some(kept) = &flags.data {
        kept
    } else {
        // PostgreSQL's own user goes in too.
        let open = Permissions::from_mode(0o755);
        fresh = tempfile::Builder::new()
            .prefix("refill-bench-")
            .permissions(open)
            .tempdir()?;
        fresh.path()
    };
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let servers = dev::start_servers_that_count(&settings, folder).await?;
    let place = Place {
        settings: &settings,
        servers: &servers,
        folder,
        apart: OnceCell::new(),
    };
    let measuring = async {
        match &flags.only {
            Some(Only::Callback(flags)) => callback::run(&place, flags).await,
            Some(Only::Flat(flags)) => flat::run(&place, flags).await,
            Some(Only::Curve(flags)) => curve::run(&place, flags).await,
            Some(Only::Overload(flags)) => Box::pin(overload::run(&place, flags)).await,
            Some(Only::Recovery(flags)) => recovery::run(&place, flags).await,
            None => whole_way(&place, &flags).await,
        }
    };
    // Dropped, the measurement kills its processes.
    let told = tokio::select! {
        told = measuring => told,
        () = stop.told() => Err(anyhow::anyhow!("stopped before the end")),
    };
    if told.is_err() {
        eprintln!("{}", roles::last_words(folder));
    }
    if let Some(apart) = place.apart.into_inner() {
        apart.stop().await;
    }
    servers.stop().await;
    told
}

/// Where everything happens.
struct Place<'p> {
    settings: &'p Settings,
    servers: &'p Servers,
    folder: &'p Path,
    /// The servers of another installation, if one was asked for.
    apart: OnceCell<Servers>,
}

impl<'p> Place<'p> {
    async fn stage(&self, cast: Cast) -> anyhow::Result<Stage<'p>> {
        Stage::set(self.settings, self.servers, self.folder, cast).await
    }

    /// Of another installation, on private servers of its own: it shares the machine with the first, and nothing else.
    async fn stage_apart(&self, cast: Cast) -> anyhow::Result<Stage<'_>> {
        let folder = self.folder.join("apart");
        std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        let mut settings = self.settings.clone();
        settings.database.url.clear();
        settings.amqp.url.clear();
        let start = || dev::start_servers_that_count(&settings, &folder);
        let servers = self.apart.get_or_try_init(start).await?;
        Stage::set(&settings, servers, &folder, cast).await
    }
}

async fn whole_way(place: &Place<'_>, flags: &Flags) -> anyhow::Result<()> {
    let cast = Cast {
        businesses: flags.businesses,
        callback_sign: flags.callback_sign,
        settings: vec![],
        ways: vec![Way::measured(free_address()?)],
        first_order_limit: 0,
    };
    let stage = place.stage(cast).await?;
    let offer = flags.offer(&stage);
    let roles = Roles::start(&stage, flags.workers, &[]).await?;
    let refill = warm_and_measured(&stage, roles, &offer).await?;
    let floor = if flags.no_floor {
        None
    } else {
        let roles = Roles::start_floor(&stage).await?;
        Some(warm_and_measured(&stage, roles, &offer).await?)
    };
    stage.strike().await;
    let report = Report {
        flags: flags.clone(),
        refill,
        floor,
    };
    report.tell();
    report.judge()
}

/// One run of those that have just started, who are stopped behind it.
async fn warm_and_measured(
    stage: &Stage<'_>,
    roles: Roles,
    offer: &Offer,
) -> anyhow::Result<Measured> {
    let measuring = async {
        warm_up(stage, &roles, offer).await?;
        measure(stage, &roles, offer).await
    };
    let measured = measuring.await;
    roles.stop().await;
    measured
}
