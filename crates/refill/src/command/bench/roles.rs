//! The platform as processes, one for each role, like the fleet.

use std::fs::File;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context;
use servers::Servers;
use tokio::process::{Child, Command};
use tokio::time::Instant;

use super::catalogue::SUPPLIER_KEY;
use super::stage::{Stage, free_address};

const START_TIMEOUT: Duration = Duration::from_secs(30);
const STOP_TIMEOUT: Duration = Duration::from_mins(1);

/// Where in the bench's folder the processes log: under overload they have much to say.
const LOG: &str = "roles.log";

/// Processes that run.
pub(super) struct Roles {
    pub(super) openapi_url: String,
    log: File,
    children: Vec<(&'static str, Child)>,
}

impl Roles {
    /// The measured way's supplier, with these flags besides, and all roles.
    pub(super) async fn start(
        stage: &Stage<'_>,
        workers: u8,
        supplier_flags: &[&str],
    ) -> anyhow::Result<Self> {
        let mut roles = Self::none_yet(stage)?;
        roles.start_supplier(stage, supplier_flags)?;
        let listen = roles.listen();
        roles
            .start_role("ingress", stage, &["--listen", &listen])
            .await?;
        for _ in 0..workers {
            roles.start_role("fulfillment", stage, &[]).await?;
            roles.start_role("callback", stage, &[]).await?;
        }
        Ok(roles)
    }

    /// The supplier and the floor.
    pub(super) async fn start_floor(stage: &Stage<'_>) -> anyhow::Result<Self> {
        let mut roles = Self::none_yet(stage)?;
        roles.start_supplier(stage, &[])?;
        roles.spawn_floor(stage).await?;
        Ok(roles)
    }

    /// The floor, where the supplier is there already.
    pub(super) async fn start_floor_alone(stage: &Stage<'_>) -> anyhow::Result<Self> {
        let mut roles = Self::none_yet(stage)?;
        roles.spawn_floor(stage).await?;
        Ok(roles)
    }

    fn none_yet(stage: &Stage<'_>) -> anyhow::Result<Self> {
        Ok(Self {
            openapi_url: format!("http://{}", free_address()?),
            log: log(&stage.folder)?,
            children: vec![],
        })
    }

    fn listen(&self) -> String {
        self.openapi_url.trim_start_matches("http://").to_owned()
    }

    async fn spawn_floor(&mut self, stage: &Stage<'_>) -> anyhow::Result<()> {
        let supplier = format!("http://{}", supplier(stage)?);
        let listen = self.listen();
        let args = [
            "floor",
            "--listen",
            &listen,
            "--supplier",
            &supplier,
            "--callback",
            &stage.callback_url,
            "--callback-sign",
            stage.cast.callback_sign.name(),
        ];
        let mut command = refill(stage.servers, &args)?;
        command
            .env("SIM_API_KEY", SUPPLIER_KEY)
            .arg("--keys")
            .arg(&stage.folder);
        self.spawn("floor", &mut command)?;
        answers(&format!("{}/readyz", self.openapi_url)).await
    }

    fn start_supplier(&mut self, stage: &Stage<'_>, flags: &[&str]) -> anyhow::Result<()> {
        let mut command = program()?;
        // Nothing is pushed: its acceptance is all that there is to say.
        command
            .args(["sim", "supplier", "--default", "query-only", "--listen"])
            .arg(supplier(stage)?.to_string())
            .args(flags)
            .env("SIM_API_KEY", SUPPLIER_KEY);
        self.spawn("supplier", &mut command)
    }

    async fn start_role(
        &mut self,
        name: &'static str,
        stage: &Stage<'_>,
        args: &[&str],
    ) -> anyhow::Result<()> {
        let admin = free_address()?.to_string();
        let args: Vec<&str> = [name, "--admin", &admin]
            .iter()
            .chain(args)
            .copied()
            .collect();
        let mut command = refill(stage.servers, &args)?;
        command.envs(stage.cast.settings.iter().copied());
        self.spawn(name, &mut command)?;
        answers(&format!("http://{admin}/readyz")).await
    }

    fn spawn(&mut self, name: &'static str, command: &mut Command) -> anyhow::Result<()> {
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(self.log.try_clone()?)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{name} cannot be started"))?;
        self.children.push((name, child));
        Ok(())
    }

    /// All processes by name.
    pub(super) fn processes(&self) -> Vec<(&'static str, u32)> {
        self.children
            .iter()
            .filter_map(|(name, child)| Some((*name, child.id()?)))
            .collect()
    }

    /// Stops all of them in order.
    pub(super) async fn stop(self) {
        for (name, mut child) in self.children {
            if let Some(pid) = child.id() {
                let _ = Command::new("kill")
                    .args(["-TERM", &pid.to_string()])
                    .status()
                    .await;
            }
            if tokio::time::timeout(STOP_TIMEOUT, child.wait())
                .await
                .is_err()
            {
                tracing::warn!(role = name, "did not stop in time, killed");
                let _ = child.kill().await;
            }
        }
    }
}

fn log(folder: &Path) -> anyhow::Result<File> {
    let path = folder.join(LOG);
    let log = File::options().create(true).append(true).open(&path);
    log.with_context(|| path.display().to_string())
}

/// The last lines that the processes have logged.
pub(super) fn last_words(folder: &Path) -> String {
    let log = std::fs::read_to_string(folder.join(LOG)).unwrap_or_default();
    let last: Vec<&str> = log.lines().rev().take(20).collect();
    last.into_iter().rev().collect::<Vec<_>>().join("\n")
}

/// Where the measured way's supplier listens.
fn supplier(stage: &Stage<'_>) -> anyhow::Result<SocketAddr> {
    let measured = stage.cast.ways.first().context("nothing is measured")?;
    Ok(measured.supplier)
}

/// This program, in a session of its own as under a supervisor: a kernel that shares the cores by sessions (`sched_autogroup_enabled`)
/// would give all roles and the bench together as much as one of PostgreSQL's processes. It ends with the bench, whatever ends that.
fn program() -> anyhow::Result<Command> {
    let mut command = Command::new("setsid");
    command
        .args(["setpriv", "--pdeathsig", "TERM"])
        .arg(std::env::current_exe()?);
    Ok(command)
}

fn refill(servers: &Servers, args: &[&str]) -> anyhow::Result<Command> {
    let mut command = program()?;
    command
        .args(args)
        .env("DATABASE_URL", servers.database_url())
        .env("AMQP_URL", servers.amqp_url())
        .env("REFILL__LOG__FILTER", "warn,lapin=off");
    Ok(command)
}

async fn answers(url: &str) -> anyhow::Result<()> {
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(2))
        .build()?;
    let end = Instant::now() + START_TIMEOUT;
    loop {
        if client
            .get(url)
            .send()
            .await
            .is_ok_and(|answer| answer.status().is_success())
        {
            return Ok(());
        }
        anyhow::ensure!(Instant::now() < end, "{url} did not answer");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
