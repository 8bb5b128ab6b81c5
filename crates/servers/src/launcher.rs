//! The choice of servers, and their whole life.

use std::path::PathBuf;

use crate::compose::{self, Compose};
use crate::folder::Folder;
use crate::postgres::{Postgres, statement};
use crate::rabbitmq::RabbitMq;
use crate::{Result, ServersError, apt};

/// Which servers, and how.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where private servers keep their data.
    pub data: PathBuf,
    /// A PostgreSQL that is there already.
    pub database_url: Option<String>,
    /// A RabbitMQ that is there already.
    pub amqp_url: Option<String>,
    /// Off only for tests that no power cut is part of.
    pub fsync: bool,
    /// Whether apt may be used when there is no other way.
    pub install: bool,
    /// Whether a private PostgreSQL counts its statements (`pg_stat_statements`), where that comes with it, and its waits for locks. It costs a
    /// little.
    pub count_statements: bool,
    /// What private servers show to those who come by TLS; they take plain text besides. `None`: they speak no TLS.
    pub certificate: Option<Certificate>,
}

/// A certificate and its key, both in PEM.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// The server's own, and what is between it and its authority.
    pub chain: PathBuf,
    /// The key, without a password.
    pub key: PathBuf,
}

impl Settings {
    /// Private servers under `data`, unless URLs are set later.
    pub fn under(data: impl Into<PathBuf>) -> Self {
        Self {
            data: data.into(),
            database_url: None,
            amqp_url: None,
            fsync: true,
            install: true,
            count_statements: false,
            certificate: None,
        }
    }
}

#[derive(Debug)]
enum Database {
    Given(String),
    Private(Box<Postgres>),
    Container,
}

#[derive(Debug)]
enum Broker {
    Given(String),
    Private(Box<RabbitMq>),
    Container,
}

/// Both servers. Dropped, the private ones end; [`Servers::stop`] waits for that.
#[derive(Debug)]
pub struct Servers {
    database: Database,
    broker: Broker,
    compose: Option<Compose>,
    report: Vec<String>,
    database_url: String,
    amqp_url: String,
    /// Last: whoever locks the folder next must not meet our servers.
    _folder: Option<Folder>,
}

impl Servers {
    /// Finds or starts both servers.
    pub async fn start(settings: Settings) -> Result<Self> {
        let mut report = vec![];
        let all_given = settings.database_url.is_some() && settings.amqp_url.is_some();
        let folder = if all_given {
            None
        } else {
            Some(Folder::lock(&settings.data)?)
        };
        let mut compose = None;
        let database = match (settings.database_url.clone(), &folder) {
            (Some(url), _) => {
                report.push("PostgreSQL: the one of DATABASE_URL".into());
                Database::Given(url)
            }
            (None, Some(folder)) => {
                start_database(&settings, folder, &mut compose, &mut report).await?
            }
            (None, None) => return Err(ServersError::NotOurs("no folder for PostgreSQL".into())),
        };
        let broker = match (settings.amqp_url.clone(), &folder) {
            (Some(url), _) => {
                report.push("RabbitMQ: the one of AMQP_URL".into());
                Broker::Given(url)
            }
            (None, Some(folder)) => {
                start_broker(&settings, folder, &mut compose, &mut report).await?
            }
            (None, None) => return Err(ServersError::NotOurs("no folder for RabbitMQ".into())),
        };
        let of_compose =
            |url: fn(&Compose) -> &String| compose.as_ref().map(url).cloned().unwrap_or_default();
        let database_url = match &database {
            Database::Given(url) => url.clone(),
            Database::Private(postgres) => postgres.url("postgres"),
            Database::Container => of_compose(|c| &c.database_url),
        };
        let amqp_url = match &broker {
            Broker::Given(url) => url.clone(),
            Broker::Private(rabbitmq) => rabbitmq.url("/"),
            Broker::Container => of_compose(|c| &c.amqp_url),
        };
        Ok(Self {
            database,
            broker,
            compose,
            report,
            database_url,
            amqp_url,
            _folder: folder,
        })
    }

    /// The database's URL.
    pub fn database_url(&self) -> &str {
        &self.database_url
    }

    /// The broker's URL.
    pub fn amqp_url(&self) -> &str {
        &self.amqp_url
    }

    /// What was chosen, one line a server.
    pub fn report(&self) -> &[String] {
        &self.report
    }

    /// The private servers' first processes, by name.
    pub fn pids(&self) -> Vec<(&'static str, u32)> {
        let postgres = match &self.database {
            Database::Private(postgres) => postgres.pid(),
            _ => None,
        };
        let rabbitmq = match &self.broker {
            Broker::Private(rabbitmq) => rabbitmq.pid(),
            _ => None,
        };
        let named = [
            postgres.map(|pid| ("postgresql", pid)),
            rabbitmq.map(|pid| ("rabbitmq", pid)),
        ];
        named.into_iter().flatten().collect()
    }

    /// How many messages a private broker has taken in all, by its own count; `None`: the broker is not ours to ask. It counts
    /// about every five seconds.
    pub async fn published(&self) -> Result<Option<u64>> {
        match &self.broker {
            Broker::Private(rabbitmq) => rabbitmq.published().await.map(Some),
            Broker::Given(_) | Broker::Container => Ok(None),
        }
    }

    /// How often a transaction has waited for a lock for 10 ms or longer; `None`: the database is not ours, or does not count.
    pub fn lock_waits(&self) -> Result<Option<u64>> {
        match &self.database {
            Database::Private(postgres) => postgres.lock_waits(),
            Database::Given(_) | Database::Container => Ok(None),
        }
    }

    /// The private PostgreSQL.
    pub fn postgres(&mut self) -> Result<&mut Postgres> {
        match &mut self.database {
            Database::Private(postgres) => Ok(postgres),
            Database::Given(_) => Err(ServersError::NotOurs(
                "DATABASE_URL names a server that is not ours".into(),
            )),
            Database::Container => Err(Compose::not_ours()),
        }
    }

    /// The private RabbitMQ.
    pub fn rabbitmq(&mut self) -> Result<&mut RabbitMq> {
        match &mut self.broker {
            Broker::Private(rabbitmq) => Ok(rabbitmq),
            Broker::Given(_) => Err(ServersError::NotOurs(
                "AMQP_URL names a server that is not ours".into(),
            )),
            Broker::Container => Err(Compose::not_ours()),
        }
    }

    /// Makes an empty database and returns its URL.
    pub async fn create_database(&self, name: &str) -> Result<String> {
        statement(&self.database_url, &format!("CREATE DATABASE \"{name}\"")).await?;
        let (before, _) = self
            .database_url
            .rsplit_once('/')
            .unwrap_or((&self.database_url, ""));
        Ok(format!("{before}/{name}"))
    }

    /// Removes a database, with all connections to it.
    pub async fn drop_database(&self, name: &str) -> Result<()> {
        statement(
            &self.database_url,
            &format!("DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)"),
        )
        .await
    }

    /// Makes a virtual host with our policies and returns its URL.
    pub async fn create_vhost(&self, name: &str) -> Result<String> {
        match &self.broker {
            Broker::Private(rabbitmq) => rabbitmq.create_vhost(name).await,
            _ => Err(ServersError::NotOurs(
                "virtual hosts are made on private brokers only: name one in AMQP_URL".into(),
            )),
        }
    }

    /// Removes a virtual host.
    pub async fn delete_vhost(&self, name: &str) -> Result<()> {
        match &self.broker {
            Broker::Private(rabbitmq) => rabbitmq.delete_vhost(name).await,
            _ => Err(ServersError::NotOurs(
                "virtual hosts are removed from private brokers only".into(),
            )),
        }
    }

    /// The first hundred messages of a queue as JSON, which stay there.
    pub async fn messages(&self, vhost: &str, queue: &str) -> Result<String> {
        match &self.broker {
            Broker::Private(rabbitmq) => rabbitmq.messages(vhost, queue).await,
            _ => Err(ServersError::NotOurs(
                "messages are looked at on private brokers only".into(),
            )),
        }
    }

    /// Sends a message to a queue, as a stranger would.
    pub async fn publish(&self, vhost: &str, queue: &str, text: &str) -> Result<()> {
        match &self.broker {
            Broker::Private(rabbitmq) => rabbitmq.publish(vhost, queue, text).await,
            _ => Err(ServersError::NotOurs(
                "messages are sent to private brokers only".into(),
            )),
        }
    }

    /// Ends the private servers in order.
    pub async fn stop(mut self) {
        if let Broker::Private(rabbitmq) = &mut self.broker
            && let Err(error) = rabbitmq.stop().await
        {
            tracing::error!(%error, "RabbitMQ did not stop");
        }
        if let Database::Private(postgres) = &mut self.database
            && let Err(error) = postgres.stop().await
        {
            tracing::error!(%error, "PostgreSQL did not stop");
        }
        if let Some(compose) = &self.compose
            && let Err(error) = compose.stop().await
        {
            tracing::error!(%error, "the containers did not stop");
        }
    }
}

async fn start_database(
    settings: &Settings,
    folder: &Folder,
    compose: &mut Option<Compose>,
    report: &mut Vec<String>,
) -> Result<Database> {
    let mut tried = vec![
        "DATABASE_URL is not set".to_owned(),
        "no PostgreSQL is installed".to_owned(),
    ];
    let mut programs = Postgres::programs();
    if programs.is_none() && in_container(folder, compose, &mut tried).await {
        report.push("PostgreSQL: in a container".into());
        return Ok(Database::Container);
    }
    if programs.is_none() {
        install(settings, &["postgresql"], &mut tried).await;
        programs = Postgres::programs();
    }
    let programs = programs.ok_or_else(|| ServersError::None {
        server: "PostgreSQL",
        tried: tried.join("; "),
    })?;
    let postgres = Postgres::launch(programs.clone(), folder, settings).await?;
    report.push(format!(
        "PostgreSQL: a private instance of {} under {}",
        programs.display(),
        folder.path().display()
    ));
    Ok(Database::Private(Box::new(postgres)))
}

async fn start_broker(
    settings: &Settings,
    folder: &Folder,
    compose: &mut Option<Compose>,
    report: &mut Vec<String>,
) -> Result<Broker> {
    let mut tried = vec![
        "AMQP_URL is not set".to_owned(),
        "no RabbitMQ is installed".to_owned(),
    ];
    let mut program = RabbitMq::program();
    if program.is_none() && in_container(folder, compose, &mut tried).await {
        report.push("RabbitMQ: in a container".into());
        return Ok(Broker::Container);
    }
    if program.is_none() {
        install(settings, &["rabbitmq-server"], &mut tried).await;
        program = RabbitMq::program();
    }
    let program = program.ok_or_else(|| ServersError::None {
        server: "RabbitMQ",
        tried: tried.join("; "),
    })?;
    let rabbitmq = RabbitMq::launch(program.clone(), folder, settings).await?;
    report.push(format!(
        "RabbitMQ: a private instance of {} under {}",
        program.display(),
        folder.path().display()
    ));
    Ok(Broker::Private(Box::new(rabbitmq)))
}

async fn in_container(
    folder: &Folder,
    compose: &mut Option<Compose>,
    tried: &mut Vec<String>,
) -> bool {
    if compose.is_some() {
        return true;
    }
    if !compose::is_available().await {
        tried.push("no Docker engine answers".into());
        return false;
    }
    match Compose::launch(folder).await {
        Ok(started) => {
            *compose = Some(started);
            true
        }
        Err(error) => {
            tried.push(error.to_string());
            false
        }
    }
}

async fn install(settings: &Settings, packages: &[&str], tried: &mut Vec<String>) {
    if !settings.install {
        tried.push("installing is switched off".into());
    } else if let Err(error) = apt::install(packages).await {
        tried.push(error.to_string());
    }
}
