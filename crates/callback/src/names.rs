//! Names resolved for the HTTP client: once for each connection, and only to addresses that reports may go to, so that what was judged
//! is what is connected to.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use domain::Catalogue;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::system_conf::read_system_conf;
use openapi::network_rule::only_open;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::watch;

/// How long one question to one server may take.
const TIMEOUT: Duration = Duration::from_secs(2);
/// The longest that an answer, or that there is none, is believed.
const LONGEST_TTL: Duration = Duration::from_mins(5);

/// A name that leads nowhere.
#[derive(Debug, thiserror::Error)]
#[error("the name does not resolve: {0}")]
pub(crate) struct Unresolved(String);

/// Resolves names, and lets only open addresses through.
pub(crate) struct OpenAddresses {
    resolver: TokioResolver,
    /// Holds the exceptions, as they are when a name is resolved.
    catalogue: watch::Receiver<Arc<Catalogue>>,
}

impl OpenAddresses {
    /// Asks `servers`; none: those that the system names.
    ///
    /// # Errors
    /// When the resolver cannot be made.
    pub(crate) fn new(
        servers: &[SocketAddr],
        catalogue: watch::Receiver<Arc<Catalogue>>,
    ) -> Result<Self, Unresolved> {
        let (mut config, mut options) = if servers.is_empty() {
            read_system_conf().unwrap_or_else(|error| {
                tracing::error!(%error, "no name servers: the system names none, and callback.name_servers is not set");
                (ResolverConfig::default(), ResolverOpts::default())
            })
        } else {
            let mut config = ResolverConfig::default();
            config.name_servers = servers.iter().map(|at| server(*at)).collect();
            (config, ResolverOpts::default())
        };
        // A merchant's name is a whole name: it must not be completed to one of our own network.
        config.domain = None;
        config.search.clear();
        options.timeout = TIMEOUT;
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        options.positive_max_ttl = Some(LONGEST_TTL);
        options.negative_max_ttl = Some(LONGEST_TTL / 10);
        let mut builder =
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        *builder.options_mut() = options;
        let resolver = builder.build().map_err(|e| Unresolved(e.to_string()))?;
        Ok(Self {
            resolver,
            catalogue,
        })
    }
}

fn server(at: SocketAddr) -> NameServerConfig {
    let mut connections = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
    for connection in &mut connections {
        connection.port = at.port();
    }
    NameServerConfig::new(at.ip(), true, connections)
}

impl Resolve for OpenAddresses {
    fn resolve(&self, name: Name) -> Resolving {
        let catalogue = Arc::clone(&self.catalogue.borrow());
        let resolver = self.resolver.clone();
        Box::pin(async move {
            let found = resolver
                .lookup_ip(name.as_str())
                .await
                .map_err(|error| Unresolved(error.to_string()))?;
            let found: Vec<IpAddr> = found.iter().collect();
            let open = only_open(found, &catalogue.platform.callback_allow)?;
            // The port is put in by the client.
            let addresses = open.into_iter().map(|ip| SocketAddr::new(ip, 0));
            Ok(Box::new(addresses) as Addrs)
        })
    }
}
