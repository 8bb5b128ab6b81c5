//! `refill dev`: the whole system in the foreground.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context;
use servers::Servers;
use store::{Secrets, Store};
use tokio::net::TcpListener;

use super::{catalog, first_admin};
use crate::process::Process;
use crate::role;
use crate::settings::Settings;
use crate::stop::Stop;

/// The flags of `refill dev`.
#[derive(Debug, clap::Args)]
pub(crate) struct Flags {
    /// Where the private servers keep their data; the same folder goes on where it stopped.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// The catalogue to import.
    #[arg(long, value_name = "FILE")]
    catalog: PathBuf,
    /// Where to serve merchants and suppliers.
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// Where to serve the console; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDRESS")]
    console: SocketAddr,
    /// Where to serve /livez, /readyz and /metrics; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDRESS")]
    admin: SocketAddr,
}

/// The whole system, running.
pub(crate) struct Platform {
    pub(crate) servers: Servers,
    pub(crate) process: Process,
    pub(crate) addresses: Addresses,
}

/// Where it is to listen.
pub(crate) struct Listen {
    /// Taken before the catalogue is read, which may name it as the address that suppliers push to.
    pub(crate) openapi: TcpListener,
    pub(crate) console: SocketAddr,
    pub(crate) admin: SocketAddr,
}

/// Where it is reached.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Addresses {
    pub(crate) openapi: SocketAddr,
    pub(crate) console: SocketAddr,
    pub(crate) admin: SocketAddr,
}

pub(crate) async fn run(settings: Settings, flags: Flags) -> anyhow::Result<()> {
    let mut stop = Stop::listen()?;
    let platform = tokio::select! {
        started = come_up(settings, &flags) => started?,
        () = stop.told() => return Ok(()),
    };
    let admin = first_admin::add(&platform.process.store, &flags.data).await?;
    let at = platform.addresses;
    println!(
        "{}",
        serde_json::json!({
            "ready": true,
            "openapi": format!("http://{}", at.openapi),
            "console": format!("http://{}", at.console),
            "consoleAdmin": admin,
            "admin": format!("http://{}", at.admin),
            "database": platform.servers.database_url(),
            "amqp": platform.servers.amqp_url(),
        })
    );
    platform.process.run(&mut stop).await?;
    platform.servers.stop().await;
    Ok(())
}

async fn come_up(settings: Settings, flags: &Flags) -> anyhow::Result<Platform> {
    let servers = start_servers(&settings, &flags.data).await?;
    let listen = Listen {
        openapi: role::listen_for_merchants(flags.listen).await?,
        console: flags.console,
        admin: flags.admin,
    };
    start(settings, servers, &flags.catalog, listen).await
}

/// Finds or starts PostgreSQL and RabbitMQ, and says what it did.
pub(crate) async fn start_servers(settings: &Settings, data: &Path) -> anyhow::Result<Servers> {
    find_servers(settings, servers::Settings::under(data.join("servers"))).await
}

/// The same for a bench: a private PostgreSQL counts its statements.
pub(crate) async fn start_servers_that_count(
    settings: &Settings,
    data: &Path,
) -> anyhow::Result<Servers> {
    let mut wanted = servers::Settings::under(data.join("servers"));
    wanted.count_statements = true;
    find_servers(settings, wanted).await
}

async fn find_servers(
    settings: &Settings,
    mut wanted: servers::Settings,
) -> anyhow::Result<Servers> {
    let given = |url: &str| (!url.is_empty()).then(|| url.to_owned());
    wanted.database_url = given(&settings.database.url);
    wanted.amqp_url = given(&settings.amqp.url);
    let servers = Servers::start(wanted)
        .await
        .context("PostgreSQL and RabbitMQ are needed")?;
    for line in servers.report() {
        tracing::info!("{line}");
    }
    Ok(servers)
}

/// Brings the schema up to date, imports the catalogue, starts all roles in this process.
pub(crate) async fn start(
    mut settings: Settings,
    servers: Servers,
    catalogue: &Path,
    listen: Listen,
) -> anyhow::Result<Platform> {
    servers
        .database_url()
        .clone_into(&mut settings.database.url);
    servers.amqp_url().clone_into(&mut settings.amqp.url);
    settings.admin.listen = listen.admin;
    settings.console.listen = listen.console;
    settings.secrets = Secrets::ALL;
    let store = Store::new(&settings.store()?)?;
    let migrated = store
        .migrate(None)
        .await
        .context("the schema cannot be brought up to date")?;
    for name in migrated.applied {
        tracing::info!(migration = name, "schema brought up to date");
    }
    let imported = catalog::import(&store, catalogue).await?;
    tracing::info!(
        version = imported.version,
        deposits = imported.deposits,
        "catalogue imported"
    );
    drop(store);
    let mut process = Process::start(settings, "dev").await?;
    // It takes orders, so it is ready as an ingress is.
    let admin = role::bind_admin(&mut process, false).await?;
    role::start_vitals(&mut process);
    let openapi = role::start_ingress(&mut process, listen.openapi)?;
    let consumer = role::start_consumer(&mut process);
    role::start_fulfillment(&mut process, consumer.clone());
    role::start_callback(&mut process, consumer)?;
    let console = role::start_console(&mut process).await?;
    let addresses = Addresses {
        openapi,
        console,
        admin: admin.address()?,
    };
    role::serve_admin(&mut process, admin);
    Ok(Platform {
        servers,
        process,
        addresses,
    })
}
