//! PostgreSQL and RabbitMQ for one test: shared servers with a database and a vhost of its own, or servers of its own.

use std::path::PathBuf;
use std::sync::Arc;

use servers::{Certificate, Servers, Settings};
use tokio::sync::{Mutex, OnceCell};
use tokio_postgres::SimpleQueryMessage;

/// The servers that tests share. They end with the process, whatever ends it.
static SHARED: OnceCell<Arc<Mutex<Servers>>> = OnceCell::const_new();

pub(crate) struct Ground {
    pub(crate) servers: Arc<Mutex<Servers>>,
    pub(crate) name: String,
    pub(crate) database_url: String,
    pub(crate) amqp_url: String,
    /// Removed with the ground.
    pub(crate) folder: tempfile::TempDir,
}

fn folder() -> tempfile::TempDir {
    tempfile::Builder::new()
        .prefix("refill-test-")
        .tempdir()
        .expect("a folder for the test")
}

impl Ground {
    pub(crate) async fn shared() -> Self {
        let servers = SHARED
            .get_or_init(async || {
                let folder = folder().keep();
                Arc::new(Mutex::new(start(folder).await))
            })
            .await;
        Self::prepare(Arc::clone(servers), folder()).await
    }

    pub(crate) async fn own() -> Self {
        Self::on_servers_with(None).await
    }

    /// On servers of its own that speak TLS, too.
    #[allow(dead_code, reason = "only tests of TLS need it")]
    pub(crate) async fn with_certificate(certificate: Certificate) -> Self {
        Self::on_servers_with(Some(certificate)).await
    }

    async fn on_servers_with(certificate: Option<Certificate>) -> Self {
        let folder = folder();
        let mut settings = Settings::under(folder.path().join("servers"));
        settings.fsync = false;
        settings.certificate = certificate;
        let servers = Servers::start(settings).await.expect("servers of its own");
        Self::prepare(Arc::new(Mutex::new(servers)), folder).await
    }

    async fn prepare(servers: Arc<Mutex<Servers>>, folder: tempfile::TempDir) -> Self {
        let name = format!("t{}", uuid::Uuid::now_v7().simple());
        let (database_url, amqp_url) = {
            let servers = servers.lock().await;
            (
                servers.create_database(&name).await.expect("a database"),
                servers.create_vhost(&name).await.expect("a vhost"),
            )
        };
        Self {
            servers,
            name,
            database_url,
            amqp_url,
            folder,
        }
    }

    /// A database and a vhost more on the same servers.
    #[allow(dead_code, reason = "only the crash tests need many")]
    pub(crate) async fn beside(&self) -> Self {
        Self::prepare(Arc::clone(&self.servers), folder()).await
    }

    /// Brings the schema up to date, without a platform on it.
    #[allow(dead_code, reason = "only tests of the schema itself need it")]
    pub(crate) fn migrate(&self) {
        let migrated = std::process::Command::new(super::platform::binary())
            .arg("migrate")
            .env("DATABASE_URL", &self.database_url)
            .output()
            .unwrap();
        assert!(
            migrated.status.success(),
            "{}",
            String::from_utf8_lossy(&migrated.stderr)
        );
    }

    pub(crate) async fn clear(self) {
        let servers = self.servers.lock().await;
        let _ = servers.drop_database(&self.name).await;
        let _ = servers.delete_vhost(&self.name).await;
    }

    /// One value of the test's own database.
    pub(crate) async fn ask(&self, sql: &str) -> String {
        let answer = self.try_sql(sql).await;
        answer.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// One value, or what the database says against it.
    pub(crate) async fn try_sql(&self, sql: &str) -> Result<String, String> {
        let (client, connection) =
            tokio_postgres::connect(&self.database_url, tokio_postgres::NoTls)
                .await
                .map_err(|error| error.to_string())?;
        let first = |messages: Vec<SimpleQueryMessage>| {
            messages.iter().find_map(|message| match message {
                SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
                _ => None,
            })
        };
        tokio::select! {
            answer = client.simple_query(sql) => match answer {
                Ok(messages) => Ok(first(messages).unwrap_or_default()),
                Err(error) => Err(format!("{error:?}")),
            },
            _ = connection => Err("the connection ended".to_owned()),
        }
    }
}

async fn start(folder: PathBuf) -> Servers {
    let mut settings = Settings::under(folder);
    settings.fsync = false;
    settings.database_url = given("DATABASE_URL");
    settings.amqp_url = given("AMQP_URL");
    Servers::start(settings)
        .await
        .expect("PostgreSQL and RabbitMQ are needed")
}

fn given(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|url| !url.is_empty())
}

/// Host and port of a server's URL.
#[allow(dead_code, reason = "only tests that cut wires need it")]
pub(crate) fn address(url: &str) -> std::net::SocketAddr {
    let url = reqwest::Url::parse(url).unwrap();
    let host = url.host_str().unwrap().replace("localhost", "127.0.0.1");
    format!("{host}:{}", url.port().unwrap()).parse().unwrap()
}

/// The URL, but by way of a proxy.
#[allow(dead_code, reason = "only tests that cut wires need it")]
pub(crate) fn through(url: &str, proxy: std::net::SocketAddr) -> String {
    let mut url = reqwest::Url::parse(url).unwrap();
    url.set_host(Some("127.0.0.1")).unwrap();
    url.set_port(Some(proxy.port())).unwrap();
    url.into()
}
