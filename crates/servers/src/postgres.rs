//! A private PostgreSQL: its own cluster under the data folder, its own port on loopback, a password of its own.

use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio_postgres::NoTls;

use crate::folder::{Folder, file_error, make, write_secret};
use crate::guard::{Guard, Mark};
use crate::launcher::{Certificate, Settings};
use crate::program::{children, first_existing, in_path, is_root, run, wait_until};
use crate::{Result, ServersError};

/// The user that the server runs as when we are root, which PostgreSQL refuses to be.
const SERVER_USER: &str = "postgres";
const SETUP_TIMEOUT: Duration = Duration::from_mins(1);
const START_TIMEOUT: Duration = Duration::from_mins(1);

/// A wait for a lock that is as long is written to the log, where waits are counted.
const LOCK_WAIT: Duration = Duration::from_millis(10);

/// A private PostgreSQL.
#[derive(Debug)]
pub struct Postgres {
    programs: PathBuf,
    cluster: PathBuf,
    log: PathBuf,
    port: u16,
    password: String,
    fsync: bool,
    count_statements: bool,
    certificate: Option<Certificate>,
    mark: Mark,
    running: Option<(Child, Guard)>,
}

impl Postgres {
    /// Where the programs are: the newest version that is installed.
    pub(crate) fn programs() -> Option<PathBuf> {
        let installed = std::fs::read_dir("/usr/lib/postgresql")
            .into_iter()
            .flatten();
        let mut versions: Vec<(u32, PathBuf)> = installed
            .filter_map(|entry| {
                let entry = entry.ok()?;
                let version = entry.file_name().to_str()?.parse().ok()?;
                Some((version, entry.path().join("bin")))
            })
            .collect();
        versions.sort();
        let newest_first = versions.into_iter().rev().map(|(_, bin)| bin);
        let in_path = in_path("postgres").and_then(|program| Some(program.parent()?.to_owned()));
        first_existing(
            newest_first
                .chain(in_path)
                .filter(|bin| bin.join("initdb").exists()),
        )
    }

    /// Prepares the cluster and starts it. What an earlier launcher left running on it is ended first.
    pub(crate) async fn launch(
        programs: PathBuf,
        folder: &Folder,
        settings: &Settings,
    ) -> Result<Self> {
        let home = reachable(&folder.path().join("postgres")).await?;
        let cluster = home.join("data");
        let mark = Mark {
            pid_files: vec![cluster.join("postmaster.pid")],
            text: cluster.to_string_lossy().into_owned(),
            signal: "INT",
            guard_file: home.join("guard.pid"),
        };
        let counter = programs.join("../lib/pg_stat_statements.so");
        let mut postgres = Self {
            count_statements: settings.count_statements && counter.exists(),
            programs,
            log: home.join("log"),
            port: folder.port("postgres")?,
            password: folder.secret("postgres")?,
            fsync: settings.fsync,
            certificate: None,
            mark,
            running: None,
            cluster,
        };
        postgres.mark.let_guard_finish().await?;
        postgres.mark.end().await?;
        postgres.make_cluster(&home).await?;
        if let Some(certificate) = &settings.certificate {
            postgres.certificate = Some(taken(certificate, &home).await?);
        }
        postgres.start().await?;
        if postgres.count_statements {
            let sql = "CREATE EXTENSION IF NOT EXISTS pg_stat_statements";
            statement(&postgres.url("postgres"), sql).await?;
        }
        Ok(postgres)
    }

    async fn make_cluster(&self, home: &Path) -> Result<()> {
        make(home, 0o755)?;
        make(&self.cluster, 0o700)?;
        give_to_server_user(&self.cluster).await?;
        if self.cluster.join("PG_VERSION").exists() {
            return Ok(());
        }
        let password_file = home.join("password");
        write_secret(&password_file, &self.password)?;
        give_to_server_user(&password_file).await?;
        let mut initdb = as_server_user(&self.programs.join("initdb"));
        initdb
            .arg("-D")
            .arg(&self.cluster)
            .args([
                "-U",
                "refill",
                "-A",
                "scram-sha-256",
                "-E",
                "UTF8",
                "--locale=C.UTF-8",
                // Keys are compared as bytes; their order does not change with the system's libraries.
                "--lc-collate=C",
                "--no-sync",
            ])
            .arg(format!("--pwfile={}", password_file.display()));
        run(&mut initdb, SETUP_TIMEOUT).await?;
        std::fs::remove_file(&password_file).map_err(file_error(&password_file))
    }

    /// Starts it on the same port with the same data; returns when it answers.
    pub async fn start(&mut self) -> Result<()> {
        if self.running.is_some() {
            return Ok(());
        }
        let log = File::options()
            .create(true)
            .append(true)
            .open(&self.log)
            .map_err(file_error(&self.log))?;
        let errors = log.try_clone().map_err(file_error(&self.log))?;
        let mut server = as_server_user(&self.programs.join("postgres"));
        server
            .arg("-D")
            .arg(&self.cluster)
            .arg("-p")
            .arg(self.port.to_string());
        let sync = if self.fsync { "on" } else { "off" };
        for setting in [
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "max_connections=400",
            "shared_buffers=256MB",
            "max_wal_size=4GB",
            &format!("fsync={sync}"),
        ] {
            server.args(["-c", setting]);
        }
        if self.count_statements {
            server.args(["-c", "shared_preload_libraries=pg_stat_statements"]);
            let looks = format!("deadlock_timeout={}ms", LOCK_WAIT.as_millis());
            server.args(["-c", "log_lock_waits=on", "-c", &looks]);
        }
        if let Some(Certificate { chain, key }) = &self.certificate {
            let (chain, key) = (chain.display(), key.display());
            server.args(["-c", "ssl=on"]);
            server.args(["-c", &format!("ssl_cert_file={chain}")]);
            server.args(["-c", &format!("ssl_key_file={key}")]);
        }
        let child = server
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .process_group(0)
            .spawn()
            .map_err(|error| ServersError::Program {
                program: "postgres".into(),
                why: error.to_string(),
            })?;
        let guard = Guard::over(&self.mark)?;
        self.running = Some((child, guard));
        let url = self.url("postgres");
        let started = wait_until("PostgreSQL did not answer", START_TIMEOUT, async || {
            answers(&url).await
        })
        .await;
        started.map_err(|error| self.with_log(&error))
    }

    fn with_log(&self, error: &ServersError) -> ServersError {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let tail: Vec<&str> = log.lines().rev().take(5).collect();
        let tail: Vec<&str> = tail.into_iter().rev().collect();
        ServersError::Program {
            program: "postgres".into(),
            why: format!("{error}; {}", tail.join(" | ")),
        }
    }

    /// Kills it and all its processes, as a power cut would. Returns when they are gone.
    pub async fn kill(&mut self) -> Result<()> {
        let Some((mut child, guard)) = self.running.take() else {
            return Ok(());
        };
        for pid in self.mark.running() {
            let workers = children(pid);
            self.mark.end_with("KILL").await?;
            for worker in &workers {
                crate::program::signal("KILL", *worker).await;
            }
            let gone = async || {
                workers
                    .iter()
                    .all(|pid| crate::program::command_line(*pid).is_none())
            };
            wait_until("PostgreSQL's processes did not end", START_TIMEOUT, gone).await?;
        }
        let _ = child.wait().await;
        guard.relieve().await;
        Ok(())
    }

    /// Stops it in order.
    pub async fn stop(&mut self) -> Result<()> {
        let Some((mut child, guard)) = self.running.take() else {
            return Ok(());
        };
        self.mark.end().await?;
        let _ = child.wait().await;
        guard.relieve().await;
        Ok(())
    }

    /// The URL of one of its databases.
    pub fn url(&self, database: &str) -> String {
        format!(
            "postgres://refill:{}@127.0.0.1:{}/{database}",
            self.password, self.port
        )
    }

    /// How often a transaction has waited for a lock for 10 ms or longer since the cluster was made; `None`: it does not count.
    pub fn lock_waits(&self) -> Result<Option<u64>> {
        if !self.count_statements {
            return Ok(None);
        }
        let log = std::fs::read_to_string(&self.log).map_err(file_error(&self.log))?;
        let waits = log
            .lines()
            .filter(|line| line.contains(" still waiting for "));
        Ok(Some(waits.count() as u64))
    }

    /// Where it writes what it has to say.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// The server's first process.
    pub fn pid(&self) -> Option<u32> {
        self.mark.running().first().copied()
    }
}

/// A copy that the server's user can read, and nobody else: it takes no other key.
async fn taken(certificate: &Certificate, home: &Path) -> Result<Certificate> {
    let taken = Certificate {
        chain: home.join("server.crt"),
        key: home.join("server.key"),
    };
    for (from, to) in [
        (&certificate.chain, &taken.chain),
        (&certificate.key, &taken.key),
    ] {
        let text = std::fs::read_to_string(from).map_err(file_error(from))?;
        write_secret(to, &text)?;
        give_to_server_user(to).await?;
    }
    Ok(taken)
}

/// Runs one statement on a connection of its own.
pub(crate) async fn statement(url: &str, sql: &str) -> Result<()> {
    let failed = |error: tokio_postgres::Error| ServersError::Program {
        program: "PostgreSQL".into(),
        why: error
            .as_db_error()
            .map_or_else(|| error.to_string(), ToString::to_string),
    };
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.map_err(failed)?;
    tokio::select! {
        done = client.batch_execute(sql) => done.map_err(failed),
        ended = connection => ended.map_err(failed),
    }
}

async fn answers(url: &str) -> bool {
    let connecting =
        tokio::time::timeout(Duration::from_secs(2), tokio_postgres::connect(url, NoTls)).await;
    let Ok(Ok((client, connection))) = connecting else {
        return false;
    };
    let answered = async { client.simple_query("SELECT 1").await.is_ok() };
    tokio::select! {
        answered = answered => answered,
        _ = connection => false,
    }
}

/// `wanted`, or a folder under /var/tmp when the server's user cannot get there.
async fn reachable(wanted: &Path) -> Result<PathBuf> {
    make(wanted, 0o755)?;
    if !is_root()
        || run(
            as_server_user(Path::new("test")).arg("-x").arg(wanted),
            SETUP_TIMEOUT,
        )
        .await
        .is_ok()
    {
        return Ok(wanted.to_owned());
    }
    let mut hasher = DefaultHasher::new();
    wanted.hash(&mut hasher);
    let elsewhere = PathBuf::from(format!("/var/tmp/refill-{:016x}", hasher.finish()));
    tracing::warn!(
        folder = %elsewhere.display(),
        "user {SERVER_USER} cannot reach {}: PostgreSQL keeps its data elsewhere", wanted.display()
    );
    make(&elsewhere, 0o755)?;
    Ok(elsewhere)
}

/// A command that runs as a user that PostgreSQL accepts.
fn as_server_user(program: &Path) -> Command {
    let mut command = if is_root() {
        let mut command = Command::new("setpriv");
        command
            .args([
                "--reuid",
                SERVER_USER,
                "--regid",
                SERVER_USER,
                "--clear-groups",
                "--",
            ])
            .arg(program);
        command
    } else {
        Command::new(program)
    };
    command
        .current_dir("/")
        .env("LANG", "C.UTF-8")
        .env_remove("LC_ALL");
    command
}

async fn give_to_server_user(path: &Path) -> Result<()> {
    if !is_root() {
        return Ok(());
    }
    run(
        Command::new("chown")
            .arg(format!("{SERVER_USER}:"))
            .arg(path),
        SETUP_TIMEOUT,
    )
    .await
    .map(drop)
}
