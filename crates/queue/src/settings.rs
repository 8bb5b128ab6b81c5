//! How to reach the broker, and how long to wait for it.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use lapin::uri::{AMQPScheme, AMQPUri};
use retry::Backoff;

/// Seconds between heartbeats when the URL asks for nothing else. Twice that without a sign of life
/// ends a connection.
const HEARTBEAT_S: u16 = 10;

/// How one process talks to the broker. Start from [`Settings::new`] and change what differs.
#[derive(Clone)]
pub struct Settings {
    pub(crate) uri: AMQPUri,
    /// The process's role, as the broker's list of connections shows it.
    pub role: String,
    /// The authorities that vouch for the broker's certificate; `None`: those of this machine.
    pub ca_file: Option<PathBuf>,
    /// For everything from the first packet to the broker's welcome.
    pub connect_timeout: Duration,
    /// For each answer of the broker: a confirm, a declaration, an ack that reaches the socket.
    pub answer_timeout: Duration,
    /// The first wait before connecting again; doubled each time, with jitter.
    pub reconnect_first: Duration,
    /// The longest wait before connecting again.
    pub reconnect_max: Duration,
    /// How many messages may be unconfirmed.
    pub publish_window: usize,
    /// How many sets of messages may wait for the publisher.
    pub publish_backlog: usize,
    /// How long a stopping consumer waits for deliveries that are still being worked on.
    pub settle_grace: Duration,
}

/// Settings that could not work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSettings {
    /// The URL is none of an AMQP broker. The client's reason is left out: it may repeat the URL, which holds a password.
    #[error("the broker's URL must be like amqp://user:password@host:5672/vhost")]
    Url,
    /// `lapin` would connect to `localhost` instead.
    #[error(
        "the broker's URL has an IPv6 address as its host, which the AMQP client does not understand; give a name"
    )]
    Ipv6Host,
}

impl Settings {
    /// Settings for the broker at `url` (`amqp://user:password@host:5672/vhost`, or `amqps`).
    pub fn new(url: &str, role: &str) -> Result<Self, BadSettings> {
        let mut uri: AMQPUri = url.parse().map_err(|_| BadSettings::Url)?;
        let authority = url
            .split("://")
            .nth(1)
            .and_then(|rest| rest.split('/').next());
        let host = authority.and_then(|authority| authority.rsplit('@').next());
        if host.is_some_and(|host| host.starts_with('[')) {
            return Err(BadSettings::Ipv6Host);
        }
        uri.query.heartbeat.get_or_insert(HEARTBEAT_S);
        Ok(Self {
            uri,
            role: role.to_owned(),
            ca_file: None,
            connect_timeout: Duration::from_secs(10),
            answer_timeout: Duration::from_secs(10),
            reconnect_first: Duration::from_millis(200),
            reconnect_max: Duration::from_secs(15),
            publish_window: 500,
            publish_backlog: 1_000,
            settle_grace: Duration::from_secs(35),
        })
    }

    /// Whether the URL is `amqps`.
    pub fn by_tls(&self) -> bool {
        self.uri.scheme == AMQPScheme::AMQPS
    }

    pub(crate) fn backoff(&self) -> Backoff {
        Backoff::new(self.reconnect_first, self.reconnect_max).with_jitter()
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("host", &self.uri.authority.host)
            .field("port", &self.uri.authority.port)
            .field("vhost", &self.uri.vhost)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_shown() {
        let settings = Settings::new("amqp://refill:hunter2@broker:5673/live", "ingress").unwrap();
        let shown = format!("{settings:?}");
        assert!(shown.contains("broker") && shown.contains("5673") && shown.contains("live"));
        assert!(!shown.contains("hunter2"), "{shown}");
        for bad in ["amq://refill:hunter2@broker", "refill:hunter2"] {
            let error = Settings::new(bad, "ingress").unwrap_err();
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn the_url_may_ask_for_another_heartbeat() {
        let heartbeat = |url| Settings::new(url, "x").unwrap().uri.query.heartbeat;
        assert_eq!(heartbeat("amqp://broker"), Some(10));
        assert_eq!(heartbeat("amqp://broker?heartbeat=3"), Some(3));
    }

    #[test]
    fn by_which_way_is_said_by_the_url_alone() {
        let by_tls = |url| Settings::new(url, "x").unwrap().by_tls();
        assert!(by_tls("amqps://u:p@broker/%2f"));
        assert!(!by_tls("amqp://u:p@broker:5671/%2f"));
    }

    #[test]
    fn an_address_that_would_be_taken_for_localhost_is_refused() {
        let refused = Settings::new("amqp://u:p@[::1]:5672/%2f", "x").unwrap_err();
        assert_eq!(refused, BadSettings::Ipv6Host);
    }
}
