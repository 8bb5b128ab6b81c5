//! The roles of the fleet, each started into a process.

use std::net::SocketAddr;

use anyhow::Context;
use queue::{Consumer, ConsumerHandle, Lookout};
use store::Secrets;
use tokio::net::TcpListener;

use crate::admin::Admin;
use crate::files;
use crate::process::Process;
use crate::readiness::Readiness;
use crate::settings::Settings;
use crate::stop::Stop;
use crate::vitals;

/// A role of the fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Serves merchants and suppliers at this address.
    Ingress(SocketAddr),
    /// Works on orders.
    Fulfillment,
    /// Delivers reports.
    Callback,
    /// Serves ops.
    Console,
}

impl Role {
    const fn name(self) -> &'static str {
        match self {
            Self::Ingress(_) => "ingress",
            Self::Fulfillment => "fulfillment",
            Self::Callback => "callback",
            Self::Console => "console",
        }
    }

    /// Whether it does nothing new without its broker.
    const fn needs_broker(self) -> bool {
        matches!(self, Self::Fulfillment | Self::Callback)
    }

    /// What it needs: to check requests and pushes, to call suppliers (for whom the platform's own key may sign), to sign reports.
    const fn secrets(self) -> Secrets {
        match self {
            Self::Ingress(_) => Secrets::ALL,
            Self::Fulfillment => Secrets {
                of_accounts: false,
                ..Secrets::ALL
            },
            Self::Callback => Secrets {
                of_suppliers: false,
                ..Secrets::ALL
            },
            Self::Console => Secrets::NONE,
        }
    }
}

/// Runs one role until the process is told to stop.
pub(crate) async fn run(mut settings: Settings, role: Role) -> anyhow::Result<()> {
    let mut stop = Stop::listen()?;
    settings.secrets = role.secrets();
    let process = tokio::select! {
        started = start(settings, role) => started?,
        () = stop.told() => return Ok(()),
    };
    process.run(&mut stop).await
}

async fn start(settings: Settings, role: Role) -> anyhow::Result<Process> {
    let mut process = Process::start(settings, role.name()).await?;
    let admin = bind_admin(&mut process, role.needs_broker()).await?;
    match role {
        Role::Ingress(listen) => {
            start_ingress(&mut process, listen_for_merchants(listen).await?)?;
        }
        Role::Fulfillment => {
            let consumer = start_consumer(&mut process);
            start_fulfillment(&mut process, consumer);
            start_vitals(&mut process);
        }
        Role::Callback => {
            let consumer = start_consumer(&mut process);
            start_callback(&mut process, consumer)?;
        }
        Role::Console => {
            start_console(&mut process).await?;
            start_vitals(&mut process);
        }
    }
    serve_admin(&mut process, admin);
    Ok(process)
}

/// Takes the address of `/livez`, `/readyz` and `/metrics`.
pub(crate) async fn bind_admin(process: &mut Process, needs_broker: bool) -> anyhow::Result<Admin> {
    let listen = process.settings.admin.listen;
    let readiness = Readiness {
        store: process.store.clone(),
        publisher: process.publisher.clone(),
        needs_broker,
        draining: process.draining.clone(),
    };
    process.add_ground(|shutdown| readiness.clone().watch(shutdown));
    let admin = Admin::bind(listen, readiness, process.metrics.clone()).await?;
    tracing::info!(address = %admin.address()?, "admin server listens");
    Ok(admin)
}

/// Answers there until the roles have ended. Called when they have been started: nothing is ready before.
pub(crate) fn serve_admin(process: &mut Process, admin: Admin) {
    process.add_ground(|shutdown| admin.run(shutdown));
}

/// Asks the database for what its metrics tell.
pub(crate) fn start_vitals(process: &mut Process) {
    let store = process.store.clone();
    let every = process.settings.admin.look_every();
    process.add_ground(|shutdown| vitals::watch(store, every, shutdown));
}

/// Takes the address that merchants come to.
pub(crate) async fn listen_for_merchants(listen: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(listen)
        .await
        .with_context(|| format!("--listen: cannot listen on {listen}"))
}

/// Opens the door for merchants. Returns where.
pub(crate) fn start_ingress(
    process: &mut Process,
    listener: TcpListener,
) -> anyhow::Result<SocketAddr> {
    let address = listener.local_addr()?;
    files::see_that_there_is_room_for(process.settings.ingress.max_connections);
    let ingress = ingress::Ingress::new(
        process.settings.ingress.clone(),
        process.store.clone(),
        process.catalogue.clone(),
        process.publisher.clone(),
    )?;
    tracing::info!(%address, "ingress listens");
    process.has_callers = true;
    process.add_role(|shutdown| ingress.run(listener, shutdown));
    Ok(address)
}

/// The connection that consumes; one per process.
pub(crate) fn start_consumer(process: &mut Process) -> ConsumerHandle {
    let (handle, task) = Consumer::new(process.broker.clone(), process.publisher.clone());
    process.add_role(|shutdown| task.run(shutdown));
    handle
}

pub(crate) fn start_fulfillment(process: &mut Process, consumer: ConsumerHandle) {
    let worker = fulfillment::Worker::new(
        process.settings.fulfillment.clone(),
        process.store.clone(),
        process.catalogue.clone(),
        process.publisher.clone(),
        consumer,
        process.settings.amqp.prefetch,
    );
    process.add_role(|shutdown| worker.run(shutdown));
}

pub(crate) fn start_callback(
    process: &mut Process,
    consumer: ConsumerHandle,
) -> anyhow::Result<()> {
    let worker = callback::Worker::new(
        process.settings.callback.clone(),
        process.store.clone(),
        process.catalogue.clone(),
        consumer,
        process.settings.amqp.prefetch,
    )?;
    process.add_role(|shutdown| worker.run(shutdown));
    Ok(())
}

/// Opens the pages for ops. Returns where.
pub(crate) async fn start_console(process: &mut Process) -> anyhow::Result<SocketAddr> {
    let listen = process.settings.console.listen;
    let settings = console::Settings {
        idle_minutes: process.settings.console.idle_minutes,
        session_hours: process.settings.console.session_hours,
        trusted_proxies: process.settings.console.trusted_proxies.clone(),
        look_every: process.settings.admin.look_every(),
    };
    let (lookout, looking) = Lookout::new(process.broker.clone());
    process.add_ground(|shutdown| looking.run(shutdown));
    let (store, catalogue) = (process.store.clone(), process.catalogue.clone());
    let console = console::Console::bind(listen, settings, store, catalogue, lookout)
        .await
        .with_context(|| format!("console.listen: cannot listen on {listen}"))?;
    let address = console.address()?;
    tracing::info!(%address, "console listens");
    process.has_callers = true;
    process.add_role(|shutdown| console.run(shutdown));
    Ok(address)
}
