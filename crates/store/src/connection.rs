//! How a connection to the server is made: what it tells the server first, and whether it speaks TLS.

use std::error::Error;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, RecyclingMethod};
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Config, NoTls, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::StoreError;
use crate::session::{Settings, in_ms};

/// How long a lock is waited for. Ours are kept for milliseconds; behind one that somebody else keeps, work of others stands.
const LOCK_TIMEOUT: Duration = Duration::from_secs(2);

/// What a URL may say. By other modes a connection goes on in plain text when the server says so (`prefer`, `allow`), or trusts a server of
/// any name (`verify-ca`).
const MODES: [&str; 3] = ["disable", "require", "verify-full"];

/// Makes the pool's connections.
pub(crate) fn manager(settings: &Settings) -> Result<Manager, StoreError> {
    let config = config(settings)?;
    let recycling = ManagerConfig {
        recycling_method: RecyclingMethod::Fast,
    };
    if config.get_ssl_mode() == SslMode::Disable {
        return Ok(Manager::from_config(config, NoTls, recycling));
    }
    let ca_file = settings.ca_file.clone();
    Ok(Manager::from_config(config, Tls { ca_file }, recycling))
}

fn config(settings: &Settings) -> Result<Config, StoreError> {
    // The URL holds a password: its text must not reach an error.
    let refused = |field, rule: &str| StoreError::Setting {
        field,
        rule: rule.into(),
    };
    let mode = sslmode(&settings.url);
    if mode.is_some_and(|mode| !MODES.contains(&mode)) {
        let rule = "sslmode must be require or verify-full (both verify the server's certificate and its name), or disable";
        return Err(refused("DATABASE_URL", rule));
    }
    // The driver leaves it to us to verify, and knows one name for it.
    let url = settings
        .url
        .replace("sslmode=verify-full", "sslmode=require");
    let mut config: Config = url.parse().map_err(|_| {
        refused(
            "DATABASE_URL",
            "must be like postgres://user:password@host:port/database",
        )
    })?;
    // What the driver takes a URL for that says nothing.
    if config.get_ssl_mode() == SslMode::Prefer {
        if settings.ca_file.is_some() {
            let rule = "DATABASE_URL does not ask for TLS: let it end with ?sslmode=require";
            return Err(refused("database.ca_file", rule));
        }
        config.ssl_mode(SslMode::Disable);
        if leaves_the_machine(&config) {
            tracing::warn!(
                "the connection to the database is not encrypted: sslmode=require in DATABASE_URL asks for TLS, sslmode=disable says that it is meant so"
            );
        }
    }
    let ms = settings.work_timeout_ms;
    let lock_ms = in_ms(LOCK_TIMEOUT).min(i64::try_from(ms).unwrap_or(i64::MAX));
    // The statements meet tables of every size with one plan, so it must be the one for large tables: by index, one row after the
    // other, in the index's order, joined in the order in which they are written. Statistics must not matter: those of a table that
    // holds what waits say nothing, because they were taken when nothing waited. Where such a table is joined by its key, the statement
    // says `business_id = ANY (ARRAY[…])`: with a plain `=` the planner would rather read its whole index in order, for a merge.
    config.options(format!(
        "-c statement_timeout={ms} -c lock_timeout={lock_ms} -c idle_in_transaction_session_timeout={ms} \
         -c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off \
         -c enable_bitmapscan=off -c enable_material=off -c jit=off -c join_collapse_limit=1"
    ));
    if config.get_application_name().is_none() {
        config.application_name("refill");
    }
    config
        .connect_timeout(Duration::from_millis(settings.acquire_timeout_ms))
        .tcp_user_timeout(Duration::from_millis(ms))
        .keepalives_idle(Duration::from_secs(10));
    Ok(config)
}

/// What the URL says about TLS, if anything.
fn sslmode(url: &str) -> Option<&str> {
    let (_, said) = url.rsplit_once("sslmode=")?;
    said.split(['&', ' ']).next()
}

/// Whether somebody on the way could read along.
fn leaves_the_machine(config: &Config) -> bool {
    if !config.get_hostaddrs().is_empty() {
        return config.get_hostaddrs().iter().any(|at| !at.is_loopback());
    }
    config.get_hosts().iter().any(|host| match host {
        Host::Tcp(name) => {
            let address: Option<IpAddr> = name.parse().ok();
            name != "localhost" && !address.is_some_and(|at| at.is_loopback())
        }
        Host::Unix(_) => false,
    })
}

/// Makes connections that are encrypted, to a server that is the one it should be.
#[derive(Clone)]
struct Tls {
    ca_file: Option<PathBuf>,
}

impl MakeTlsConnect<Socket> for Tls {
    type Stream = <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream;
    type TlsConnect = <MakeRustlsConnect as MakeTlsConnect<Socket>>::TlsConnect;
    type Error = Box<dyn Error + Send + Sync>;

    fn make_tls_connect(&mut self, host: &str) -> Result<Self::TlsConnect, Self::Error> {
        let mut connector = MakeRustlsConnect::new(trust::tls(self.ca_file.as_deref())?);
        Ok(MakeTlsConnect::<Socket>::make_tls_connect(
            &mut connector,
            host,
        )?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str, ca_file: Option<&str>) -> Result<SslMode, String> {
        let mut settings = Settings::for_url(url);
        settings.ca_file = ca_file.map(PathBuf::from);
        let config = config(&settings).map_err(|error| error.to_string())?;
        Ok(config.get_ssl_mode())
    }

    #[test]
    fn a_url_that_asks_for_tls_gets_it_and_no_other_goes_on_by_chance() {
        let at = "postgres://me:s3cret@db:5432/refill";
        for (said, mode) in [
            ("", SslMode::Disable),
            ("?sslmode=disable", SslMode::Disable),
            ("?sslmode=require", SslMode::Require),
            ("?connect_timeout=3&sslmode=verify-full", SslMode::Require),
            ("?sslmode=require&hostaddr=127.0.0.1", SslMode::Require),
            ("?ssl%6Dode=require", SslMode::Require),
        ] {
            assert_eq!(read(&format!("{at}{said}"), None), Ok(mode), "{said}");
        }
        for said in ["prefer", "allow", "verify-ca", "", "Require", "on"] {
            let error = read(&format!("{at}?sslmode={said}"), None).unwrap_err();
            assert!(error.starts_with("DATABASE_URL: sslmode must"), "{error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn authorities_without_tls_are_a_mistake_that_is_told() {
        let at = "postgres://me:s3cret@db:5432/refill";
        let error = read(at, Some("ca.crt")).unwrap_err();
        assert!(error.starts_with("database.ca_file: "), "{error}");
        let by_tls = format!("{at}?sslmode=require");
        assert_eq!(read(&by_tls, Some("ca.crt")), Ok(SslMode::Require));
        let meant_so = format!("{at}?sslmode=disable");
        assert_eq!(read(&meant_so, Some("ca.crt")), Ok(SslMode::Disable));
    }

    #[test]
    fn what_stays_on_the_machine_is_known() {
        let leaves = |url: &str| leaves_the_machine(&url.parse().unwrap());
        for url in [
            "postgres://me@127.0.0.1:5433/d",
            "postgres://me@localhost/d",
            "postgres://me@[::1]:5432/d",
            "postgres://me@db/d?hostaddr=127.0.0.1",
            "postgres://me@%2Frun%2Fpostgresql/d",
        ] {
            assert!(!leaves(url), "{url}");
        }
        for url in [
            "postgres://me@db/d",
            "postgres://me@10.0.0.7/d",
            "postgres://me@localhost,db/d",
            "postgres://me@localhost/d?hostaddr=10.0.0.7",
        ] {
            assert!(leaves(url), "{url}");
        }
    }
}
