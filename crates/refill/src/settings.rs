//! What is in force: the annotated defaults, a file, the environment, the flags; later ones win.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use config::{Config, Environment, File, FileFormat};
use serde::{Deserialize, Serialize};
use store::MasterKeys;

/// The defaults and their documentation.
pub(crate) const DEFAULTS: &str = include_str!("../default.toml");

/// All settings of all roles.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    pub(crate) database: Database,
    pub(crate) amqp: Amqp,
    pub(crate) admin: Admin,
    pub(crate) console: Console,
    pub(crate) log: Log,
    pub(crate) doubt: Doubt,
    pub(crate) keys: Keys,
    pub(crate) traces: Traces,
    #[serde(default)]
    pub(crate) ingress: ingress::Settings,
    #[serde(default)]
    pub(crate) fulfillment: fulfillment::Settings,
    #[serde(default)]
    pub(crate) callback: callback::Settings,
    /// Which of the catalogue's secrets this process reads; what it is says so, nobody else.
    #[serde(skip)]
    pub(crate) secrets: store::Secrets,
}

/// `[database]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Database {
    pub(crate) url: String,
    pub(crate) url_file: String,
    pub(crate) ca_file: String,
    pub(crate) max_connections: usize,
    pub(crate) acquire_timeout_ms: u64,
    pub(crate) work_timeout_ms: u64,
}

/// `[amqp]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Amqp {
    pub(crate) url: String,
    pub(crate) url_file: String,
    pub(crate) ca_file: String,
    pub(crate) prefetch: u16,
}

/// `[admin]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Admin {
    pub(crate) listen: std::net::SocketAddr,
    pub(crate) look_every_ms: u64,
    pub(crate) drain_ms: u64,
    pub(crate) stop_within_ms: u64,
}

impl Admin {
    /// How often the database is asked for what the metrics tell about it; never more often than once a second.
    pub(crate) fn look_every(&self) -> Duration {
        Duration::from_millis(self.look_every_ms.max(1_000))
    }

    /// How long whoever calls this process has to notice that it stops.
    pub(crate) const fn drain(&self) -> Duration {
        Duration::from_millis(self.drain_ms)
    }

    /// How long ending may take after that.
    pub(crate) const fn stop_within(&self) -> Duration {
        Duration::from_millis(self.stop_within_ms)
    }
}

/// `[console]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Console {
    pub(crate) listen: std::net::SocketAddr,
    pub(crate) idle_minutes: u16,
    pub(crate) session_hours: u16,
    pub(crate) trusted_proxies: Vec<ipnet::IpNet>,
}

/// `[doubt]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Doubt {
    pub(crate) operators: u8,
}

/// `[keys]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Keys {
    pub(crate) master_file: String,
}

/// `[traces]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Traces {
    pub(crate) endpoint: String,
    pub(crate) ratio: f64,
}

impl Traces {
    fn check(&self) -> anyhow::Result<()> {
        anyhow::ensure!(
            (0.0..=1.0).contains(&self.ratio),
            "traces.ratio: must be between 0 and 1"
        );
        let is_plain = match url::Url::parse(&self.endpoint) {
            Ok(url) => {
                matches!(url.scheme(), "http" | "https")
                    && (url.username(), url.password()) == ("", None)
            }
            Err(_) => self.endpoint.is_empty(),
        };
        anyhow::ensure!(
            is_plain,
            "traces.endpoint: must be like http://host:4318, without a user"
        );
        Ok(())
    }
}

/// `[log]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Log {
    pub(crate) format: LogFormat,
    pub(crate) filter: String,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", try_from = "String")]
pub(crate) enum LogFormat {
    Text,
    Json,
}

impl TryFrom<String> for LogFormat {
    type Error = String;

    fn try_from(word: String) -> Result<Self, String> {
        match word.as_str() {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(format!("`{word}` is neither `text` nor `json`")),
        }
    }
}

impl Settings {
    /// Reads the defaults, `file` if one is named, and the environment.
    pub(crate) fn read(file: Option<&Path>) -> anyhow::Result<Self> {
        let mut sources = Config::builder().add_source(File::from_str(DEFAULTS, FileFormat::Toml));
        if let Some(file) = file {
            sources = sources.add_source(File::from(file).format(FileFormat::Toml));
        }
        let environment = Environment::with_prefix("REFILL")
            .prefix_separator("__")
            .separator("__")
            .try_parsing(true)
            .list_separator(",")
            .with_list_parse_key("callback.name_servers")
            .with_list_parse_key("console.trusted_proxies")
            .with_list_parse_key("ingress.trusted_proxies");
        let mut settings: Self = sources
            .add_source(environment)
            .build()
            .and_then(Config::try_deserialize)
            .context("the settings cannot be read")?;
        let Self { database, amqp, .. } = &mut settings;
        for (url, file, setting, variable) in [
            (
                &mut database.url,
                &database.url_file,
                "database.url_file",
                "DATABASE_URL",
            ),
            (&mut amqp.url, &amqp.url_file, "amqp.url_file", "AMQP_URL"),
        ] {
            if let Some(given) = given(variable) {
                *url = given;
            } else if !file.is_empty() {
                let text = std::fs::read_to_string(file)
                    .with_context(|| format!("{setting}: {file} cannot be read"))?;
                text.trim().clone_into(url);
            }
        }
        // Told before anything is connected to.
        for (file, setting) in [
            (&settings.database.ca_file, "database.ca_file"),
            (&settings.amqp.ca_file, "amqp.ca_file"),
        ] {
            if let Some(file) = named(file) {
                trust::tls(Some(&file)).context(setting)?;
            }
        }
        settings.ingress.check()?;
        anyhow::ensure!(
            settings.console.idle_minutes > 0 && settings.console.session_hours > 0,
            "console.idle_minutes and console.session_hours: must be at least 1"
        );
        settings.traces.check()?;
        anyhow::ensure!(
            matches!(settings.doubt.operators, 1 | 2),
            "doubt.operators: must be 1 or 2"
        );
        Ok(settings)
    }

    /// How the store is used.
    pub(crate) fn store(&self) -> anyhow::Result<store::Settings> {
        anyhow::ensure!(
            !self.database.url.is_empty(),
            "DATABASE_URL is not set (or database.url in the settings), like postgres://user:password@host:5432/refill"
        );
        Ok(store::Settings {
            keys: self.master_keys()?,
            secrets: self.secrets,
            url: self.database.url.clone(),
            ca_file: named(&self.database.ca_file),
            max_connections: self.database.max_connections,
            acquire_timeout_ms: self.database.acquire_timeout_ms,
            work_timeout_ms: self.database.work_timeout_ms,
        })
    }

    /// What opens and seals the catalogue's secrets.
    fn master_keys(&self) -> anyhow::Result<MasterKeys> {
        if let Some(text) = given("REFILL_MASTER_KEYS") {
            return MasterKeys::parse(&text).context("REFILL_MASTER_KEYS");
        }
        let file = &self.keys.master_file;
        if file.is_empty() {
            return Ok(MasterKeys::default());
        }
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("keys.master_file: {file} cannot be read"))?;
        MasterKeys::parse(&text).with_context(|| format!("keys.master_file: {file}"))
    }

    /// How the broker is reached, named by `role` in its list of connections.
    pub(crate) fn broker(&self, role: &str) -> anyhow::Result<queue::Settings> {
        anyhow::ensure!(
            !self.amqp.url.is_empty(),
            "AMQP_URL is not set (or amqp.url in the settings), like amqp://user:password@host:5672/vhost"
        );
        let mut broker = queue::Settings::new(&self.amqp.url, role).context("AMQP_URL")?;
        broker.ca_file = named(&self.amqp.ca_file);
        anyhow::ensure!(
            broker.by_tls() || broker.ca_file.is_none(),
            "amqp.ca_file: AMQP_URL does not ask for TLS: let it begin with amqps://"
        );
        Ok(broker)
    }

    /// The settings as a file, with what is secret hidden.
    pub(crate) fn printable(&self) -> anyhow::Result<String> {
        let mut shown = self.clone();
        shown.database.url = without_password(&shown.database.url);
        shown.amqp.url = without_password(&shown.amqp.url);
        toml::to_string_pretty(&shown).context("the settings cannot be written")
    }
}

/// A file, if one is named.
fn named(file: &str) -> Option<PathBuf> {
    (!file.is_empty()).then(|| PathBuf::from(file))
}

/// A variable that is set and not empty.
fn given(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The URL with its password hidden.
pub(crate) fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return if url.is_empty() {
            String::new()
        } else {
            "(unreadable)".into()
        };
    };
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    if query.contains('@') {
        return format!("{scheme}://***");
    }
    let shown = match rest.rsplit_once('@') {
        Some((login, place)) => {
            let user = login.split(':').next().unwrap_or_default();
            format!("{scheme}://{user}:***@{place}")
        }
        None => format!("{scheme}://{rest}"),
    };
    let words = query.split('&').map(|word| match word.split_once('=') {
        Some((name, _)) if name.eq_ignore_ascii_case("password") => format!("{name}=***"),
        _ => word.to_owned(),
    });
    match query {
        "" => shown,
        _ => format!("{shown}?{}", words.collect::<Vec<_>>().join("&")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_whole() {
        let settings: Settings = Config::builder()
            .add_source(File::from_str(DEFAULTS, FileFormat::Toml))
            .build()
            .and_then(Config::try_deserialize)
            .unwrap();
        assert_eq!(settings.log.format, LogFormat::Text);
        assert!(settings.traces.check().is_ok());
    }

    #[test]
    fn a_format_that_there_is_not_is_named_with_those_that_there_are() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("refill.toml");
        std::fs::write(&file, "[log]\nformat = \"xml\"\n").unwrap();
        let error = format!("{:#}", Settings::read(Some(&file)).unwrap_err());
        assert!(
            error.contains("`xml` is neither `text` nor `json` for key `log.format`"),
            "{error}"
        );
    }

    #[test]
    fn a_collector_is_an_address_without_a_user() {
        let refused = |endpoint: &str, ratio| {
            let endpoint = endpoint.to_owned();
            Traces { endpoint, ratio }.check().is_err()
        };
        assert!(!refused("http://collector:4318", 1.0));
        assert!(refused("http://me:s3cret@collector:4318", 1.0));
        assert!(refused("http://me@collector:4318", 1.0));
        assert!(refused("collector:4318", 1.0));
        assert!(refused("", 1.1) && refused("", f64::NAN));
    }

    #[test]
    fn a_url_may_be_in_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let url = folder.path().join("url");
        std::fs::write(&url, "postgres://me:s3cret@h/d\n").unwrap();
        let file = folder.path().join("refill.toml");
        let name =
            |url: &Path| format!("[database]\nurl = \"postgres://other\"\nurl_file = {url:?}\n");
        std::fs::write(&file, name(&url)).unwrap();
        let settings = Settings::read(Some(&file)).unwrap();
        assert_eq!(settings.database.url, "postgres://me:s3cret@h/d");
        assert!(!settings.printable().unwrap().contains("s3cret"));
        std::fs::write(&file, name(&folder.path().join("none"))).unwrap();
        let error = Settings::read(Some(&file)).unwrap_err().to_string();
        assert!(error.starts_with("database.url_file: "), "{error}");
    }

    #[test]
    fn a_password_is_never_shown() {
        assert_eq!(
            without_password("postgres://me:s3cr@t@h:1/d"),
            "postgres://me:***@h:1/d"
        );
        assert_eq!(
            without_password("postgres://me:s3c/ret@h/d"),
            "postgres://me:***@h/d"
        );
        assert_eq!(
            without_password("postgres://h/d?user=me&password=s3cret&sslmode=require"),
            "postgres://h/d?user=me&password=***&sslmode=require"
        );
        for url in ["postgres://me:s3?cret@h/d", "postgres://h?password=s3c@ret"] {
            assert_eq!(without_password(url), "postgres://***");
        }
        assert_eq!(without_password("amqp://h/v"), "amqp://h/v");
        assert_eq!(without_password("nonsense"), "(unreadable)");
    }
}
