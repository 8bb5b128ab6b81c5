//! `refill bench`: the whole way of orders, measured: from the signed request to the report that the merchant took.
//!
//! Each role runs as a process of its own, so that the CPU that it takes can be told apart. Beside it, on the same servers and in the
//! same run, the floor: a bare-bones program that does the least that could be called the same.

mod callback;
mod cpu;
mod load;
mod report;
mod roles;
mod stage;

use std::path::PathBuf;

use anyhow::Context;
use servers::Servers;

use self::load::Load;
use self::report::Report;
use self::roles::Roles;
use self::stage::Stage;
use super::dev;
use crate::settings::Settings;

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
    /// Orders offered per second; without it as many as are taken.
    #[arg(long)]
    rate: Option<u32>,
    /// Orders in one batch.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    batch: u32,
    /// Requests at the same time.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=256))]
    concurrency: u32,
    /// Worker processes of each kind.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=16))]
    workers: u8,
    /// Leave the floor out.
    #[arg(long)]
    no_floor: bool,
    /// Where everything is kept; a fresh folder is taken, and removed, without it.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// A part of the platform that is measured for itself.
#[derive(Clone, Debug, clap::Subcommand)]
enum Only {
    /// Status reports: how many a second, at which cost, and how much bad endpoints disturb the good ones.
    Callback(callback::Flags),
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
}

pub(crate) async fn run(settings: Settings, flags: Flags) -> anyhow::Result<()> {
    let of_callback = flags.only.clone().map(|Only::Callback(flags)| flags);
    let kept = flags.data.clone();
    let folder = kept.clone().unwrap_or_else(|| {
        std::env::temp_dir().join(format!("refill-bench-{}", std::process::id()))
    });
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let servers = dev::start_servers(&settings, &folder).await?;
    let measured = match &of_callback {
        Some(only) => callback::measure(&settings, &flags, only, &servers, &folder)
            .await
            .map(|report| report.tell(only.json)),
        None => measure(&settings, &flags, &servers, &folder)
            .await
            .map(|report| report.tell(flags.json)),
    };
    servers.stop().await;
    if kept.is_none() {
        let _ = std::fs::remove_dir_all(&folder);
    }
    measured
}

async fn measure(
    settings: &Settings,
    flags: &Flags,
    servers: &Servers,
    folder: &std::path::Path,
) -> anyhow::Result<Report> {
    let stage = Stage::set(folder).await?;
    stage.prepare(settings, servers).await?;
    let refill = {
        let roles = Roles::start(&stage, servers, flags.workers).await?;
        let ran = Load::new(flags, &stage, &roles.openapi_url)
            .run(&roles, servers)
            .await;
        roles.stop().await;
        ran?
    };
    let floor = if flags.no_floor {
        None
    } else {
        let roles = Roles::start_floor(&stage, servers).await?;
        let ran = Load::new(flags, &stage, &roles.openapi_url)
            .run(&roles, servers)
            .await;
        roles.stop().await;
        Some(ran?)
    };
    stage.strike().await;
    Ok(Report {
        flags: flags.clone(),
        refill,
        floor,
    })
}
