//! `refill health`: asks a role whether it is ready, for an image that has no other program to ask with.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context;
use clap::Args;

use crate::settings::Settings;

#[derive(Debug, Args)]
pub(crate) struct Flags {
    /// What to ask; left out: /readyz of the role that runs here with the same settings.
    url: Option<String>,
    /// How long an answer may take, in milliseconds.
    #[arg(long, default_value_t = 3_000, value_name = "MS")]
    timeout_ms: u64,
}

/// Ends well if the answer is one of success, and says what it was.
pub(crate) async fn run(settings: &Settings, flags: &Flags) -> anyhow::Result<()> {
    let here = || format!("http://{}/readyz", reached_at(settings.admin.listen));
    let url = flags.url.clone().unwrap_or_else(here);
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_millis(flags.timeout_ms))
        .build()?;
    let answer = client.get(&url).send().await;
    let answer = answer.with_context(|| format!("{url} does not answer"))?;
    let status = answer.status();
    let said = answer.text().await.unwrap_or_default();
    anyhow::ensure!(
        status.is_success(),
        "{url} answers {status}: {}",
        said.trim()
    );
    print!("{said}");
    Ok(())
}

/// Where a server that listens on every address is reached from the same machine.
fn reached_at(listens: SocketAddr) -> SocketAddr {
    let ip = match listens.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listens.port())
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use axum::routing::get;

    use super::*;

    async fn asked(path: &str, timeout_ms: u64) -> anyhow::Result<()> {
        let router = axum::Router::new()
            .route("/well", get(|| async { "database ok\n" }))
            .route(
                "/unwell",
                get(|| async { (StatusCode::SERVICE_UNAVAILABLE, "database away\n") }),
            )
            .route("/silent", get(std::future::pending::<()>));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Some(format!("http://{}{path}", listener.local_addr().unwrap()));
        let settings = Settings::read(None).unwrap();
        let flags = Flags { url, timeout_ms };
        tokio::select! {
            asked = run(&settings, &flags) => asked,
            ended = axum::serve(listener, router) => panic!("{ended:?}"),
        }
    }

    #[tokio::test]
    async fn only_an_answer_of_success_is_health() {
        asked("/well", 10_000).await.unwrap();
        let unwell = asked("/unwell", 10_000).await.unwrap_err().to_string();
        assert!(
            unwell.contains("503") && unwell.contains("database away"),
            "{unwell}"
        );
        asked("/silent", 50).await.unwrap_err();
    }

    #[tokio::test]
    async fn nobody_there_is_no_health() {
        let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Some(format!("http://{}/readyz", free.local_addr().unwrap()));
        drop(free);
        let flags = Flags {
            url,
            timeout_ms: 10_000,
        };
        run(&Settings::read(None).unwrap(), &flags)
            .await
            .unwrap_err();
    }

    #[test]
    fn every_address_is_reached_on_loopback() {
        for (listens, at) in [
            ("0.0.0.0:9080", "127.0.0.1:9080"),
            ("[::]:9080", "[::1]:9080"),
            ("10.1.2.3:9080", "10.1.2.3:9080"),
        ] {
            assert_eq!(reached_at(listens.parse().unwrap()), at.parse().unwrap());
        }
    }
}
