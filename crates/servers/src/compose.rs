//! Servers in containers, where a Docker engine answers.

use std::path::PathBuf;
use std::time::Duration;

use tokio::process::Command;

use crate::folder::{Folder, file_error};
use crate::program::{in_path, run};
use crate::{Result, ServersError};

const ENGINE_TIMEOUT: Duration = Duration::from_secs(5);
const UP_TIMEOUT: Duration = Duration::from_mins(10);

/// The two servers of one data folder, in containers that are removed at the end; their data stays in volumes.
#[derive(Debug)]
pub(crate) struct Compose {
    file: PathBuf,
    project: String,
    pub(crate) database_url: String,
    pub(crate) amqp_url: String,
}

/// Whether an engine answers.
pub(crate) async fn is_available() -> bool {
    in_path("docker").is_some()
        && run(Command::new("docker").arg("info"), ENGINE_TIMEOUT)
            .await
            .is_ok()
}

impl Compose {
    /// Starts both and waits until they are healthy.
    pub(crate) async fn launch(folder: &Folder) -> Result<Self> {
        let (postgres, amqp) = (folder.port("postgres")?, folder.port("amqp")?);
        let (pg_password, mq_password) = (folder.secret("postgres")?, folder.secret("rabbitmq")?);
        let text = format!(
            "services:\n\
             \x20 postgres:\n    image: postgres:18\n    ports: ['127.0.0.1:{postgres}:5432']\n\
             \x20   environment: {{POSTGRES_USER: refill, POSTGRES_PASSWORD: {pg_password}}}\n\
             \x20   command: [postgres, -c, max_connections=200, -c, max_wal_size=4GB]\n\
             \x20   volumes: ['postgres:/var/lib/postgresql']\n\
             \x20   healthcheck: {{test: [CMD, pg_isready, -U, refill, -h, 127.0.0.1], interval: 1s, retries: 60}}\n\
             \x20 rabbitmq:\n    image: rabbitmq:4-management\n    ports: ['127.0.0.1:{amqp}:5672']\n\
             \x20   environment: {{RABBITMQ_DEFAULT_USER: refill, RABBITMQ_DEFAULT_PASS: {mq_password}}}\n\
             \x20   volumes: ['rabbitmq:/var/lib/rabbitmq']\n    hostname: rabbitmq\n\
             \x20   healthcheck: {{test: [CMD, rabbitmq-diagnostics, -q, check_port_connectivity], interval: 2s, retries: 60}}\n\
             volumes: {{postgres: {{}}, rabbitmq: {{}}}}\n"
        );
        let file = folder.path().join("compose.yaml");
        crate::folder::write_secret(&file, &text)?;
        let compose = Self {
            project: format!("refill-{postgres}"),
            database_url: format!("postgres://refill:{pg_password}@127.0.0.1:{postgres}/postgres"),
            amqp_url: format!("amqp://refill:{mq_password}@127.0.0.1:{amqp}/%2f"),
            file: file.canonicalize().map_err(file_error(&file))?,
        };
        run(
            compose.command().args(["up", "--detach", "--wait"]),
            UP_TIMEOUT,
        )
        .await?;
        Ok(compose)
    }

    fn command(&self) -> Command {
        let mut command = Command::new("docker");
        command
            .args(["compose", "--project-name", &self.project, "--file"])
            .arg(&self.file);
        command
    }

    pub(crate) async fn stop(&self) -> Result<()> {
        run(self.command().arg("down"), UP_TIMEOUT).await.map(drop)
    }

    /// What cannot be done to servers in containers.
    pub(crate) fn not_ours() -> ServersError {
        ServersError::NotOurs(
            "the servers run in containers: this is done with private instances only".into(),
        )
    }
}
