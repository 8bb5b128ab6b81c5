//! The platform as one process that halts at a point.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::harness::platform::{catalogue, root, start_dev};
use crate::harness::{Ground, Outside, PATIENCE};

const CATALOGUE: &str = include_str!("catalogue.toml");

/// The armed binary, under a name of its own: the other tests build theirs in the same folder.
pub(crate) fn binary() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let built = Command::new(env!("CARGO"))
            .args([
                "build",
                "--locked",
                "--quiet",
                "-p",
                "refill",
                "--features",
                "armed",
            ])
            .current_dir(root())
            .status()
            .expect("cargo");
        assert!(built.success(), "refill cannot be built");
        let test = std::env::current_exe().unwrap();
        let folder = test.parent().and_then(Path::parent).unwrap();
        let armed = folder.join("refill-armed");
        std::fs::copy(folder.join("refill"), &armed).unwrap();
        armed
    })
}

/// Gives the schema to every database that is made from now on, so that no process has to.
pub(crate) fn migrate_template(ground: &Ground) {
    let mut template = reqwest::Url::parse(&ground.database_url).unwrap();
    template.set_path("template1");
    let migrated = Command::new(binary())
        .arg("migrate")
        .env("DATABASE_URL", template.as_str())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&migrated.stderr);
    assert!(migrated.status.success(), "{said}");
}

/// What a process of this scenario needs to know.
#[derive(Clone)]
pub(crate) struct Setting {
    pub(crate) folder: PathBuf,
    pub(crate) listen: String,
    pub(crate) database_url: String,
    pub(crate) amqp_url: String,
    /// How far its clock is from everybody else's, as libfaketime writes it; and the library.
    pub(crate) clock: Option<(String, PathBuf)>,
}

pub(crate) struct Victim {
    pub(crate) openapi: String,
    setting: Setting,
    process: Option<Child>,
}

pub(crate) fn free_address() -> String {
    servers::free_address().unwrap().to_string()
}

impl Setting {
    pub(crate) fn write_catalogue(&self, outside: &Outside) {
        let text = catalogue(CATALOGUE, outside, &self.listen);
        std::fs::write(self.folder.join("catalogue.toml"), text).unwrap();
    }

    /// Starts a process that halts at `point`, or nowhere; returns when it is ready.
    pub(crate) async fn start(&self, point: Option<&str>) -> Victim {
        let setting = self.clone();
        let point = point.map(str::to_owned);
        let started = tokio::task::spawn_blocking(move || setting.start_now(point.as_deref()));
        started.await.unwrap()
    }

    fn start_now(&self, point: Option<&str>) -> Victim {
        let (process, line) = start_dev(self.command(point), &self.folder, &self.listen);
        assert!(
            line.contains("\"ready\":true"),
            "not ready: {line}\n{}",
            self.log_tail()
        );
        Victim {
            openapi: format!("http://{}", self.listen),
            setting: self.clone(),
            process: Some(process),
        }
    }

    fn command(&self, point: Option<&str>) -> Command {
        let mut command = Command::new(binary());
        command
            .env("DATABASE_URL", &self.database_url)
            .env("AMQP_URL", &self.amqp_url)
            // Many such processes run at once on one machine.
            .env("REFILL__DATABASE__MAX_CONNECTIONS", "5")
            .env("REFILL__FULFILLMENT__DUE_EVERY_MS", "500")
            .env("TOKIO_WORKER_THREADS", "2")
            .stdin(Stdio::null());
        if let Some((offset, library)) = &self.clock {
            command
                .env("LD_PRELOAD", library)
                .env("FAKETIME", offset)
                .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        }
        if let Some(point) = point {
            command
                .env("REFILL_HALT_AT", point)
                .env("REFILL_HALT_DIR", &self.folder);
        }
        command
    }

    /// `refill check`, on the scenario's own database.
    pub(crate) async fn check(&self, database_url: &str) {
        let mut check = self.command(None);
        check.env("DATABASE_URL", database_url).arg("check");
        let said = tokio::task::spawn_blocking(move || check.output());
        let said = said.await.unwrap().unwrap();
        let text = String::from_utf8_lossy(&said.stdout).into_owned();
        assert!(said.status.success(), "{text}");
    }

    pub(crate) fn log_tail(&self) -> String {
        let text = std::fs::read_to_string(self.folder.join("refill.log")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().rev().take(25).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    pub(crate) fn has_halted(&self) -> bool {
        self.folder.join("reached").exists()
    }

    pub(crate) fn go(&self) {
        std::fs::write(self.folder.join("go"), "").unwrap();
    }
}

impl Victim {
    pub(crate) fn kill(&mut self) {
        let mut process = self.process.take().expect("it runs");
        process.kill().unwrap();
        process.wait().unwrap();
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.process.as_ref().expect("it runs").id().to_string();
        let sent = Command::new("kill").args([name, &id]).status().unwrap();
        assert!(sent.success());
    }

    /// Ends it in order: running calls end, and what they heard is recorded.
    pub(crate) async fn stop(mut self) {
        self.signal("-TERM");
        let end = Instant::now() + PATIENCE;
        let mut process = self.process.take().expect("it runs");
        while process.try_wait().unwrap().is_none() {
            assert!(
                Instant::now() < end,
                "it does not stop: {}",
                self.setting.log_tail()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(
            process.wait().unwrap().success(),
            "{}",
            self.setting.log_tail()
        );
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}
