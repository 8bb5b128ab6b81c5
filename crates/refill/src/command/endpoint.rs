//! `refill endpoint`: merchants' endpoints that are not well, and what to do about them.

use anyhow::Context;
use console::actions;
use domain::Endpoint;
use openapi::requests::CallbackUrl;
use serde_json::json;
use store::Store;
use store::endpoints::{EndpointLine, Standing};

use crate::command::doubt::Operator;
use crate::command::gates::Word;
use crate::settings::Settings;

/// `refill endpoint …`
#[derive(Debug, clap::Subcommand)]
pub(crate) enum EndpointTool {
    /// Endpoints that are set aside, recover, or are paused; those that are well are not listed.
    List {
        /// Print one JSON object per line.
        #[arg(long)]
        json: bool,
    },
    /// Send nothing there, not even a probe.
    Pause {
        /// Scheme, host and port, as in `https://shop.example:8443`; `//shop.example` for a whole host.
        endpoint: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        word: Word,
    },
    /// Probe it now, with one report; when that is answered, all that waits goes out.
    Resume {
        /// As `refill endpoint list` names it.
        endpoint: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        operator: Operator,
    },
}

pub(crate) async fn run(settings: &Settings, tool: EndpointTool) -> anyhow::Result<()> {
    let store = Store::new(&settings.store()?)?;
    match tool {
        EndpointTool::List { json } => {
            let lines = store.unwell_endpoints().await?;
            if lines.is_empty() && !json {
                println!("all endpoints are well");
            }
            for line in &lines {
                print(line, json);
            }
        }
        EndpointTool::Pause {
            endpoint,
            json,
            word,
        } => {
            let endpoint = named(&endpoint)?;
            actions::pause_endpoint(&store, &word.operator.actor()?, &endpoint, &word.reason)
                .await?;
            if json {
                println!(
                    "{}",
                    json!({"endpoint": endpoint.as_str(), "state": "paused"})
                );
            } else {
                println!("{endpoint} is paused");
            }
        }
        EndpointTool::Resume {
            endpoint,
            json,
            operator,
        } => {
            let endpoint = named(&endpoint)?;
            actions::resume_endpoint(&store, &operator.actor()?, &endpoint).await?;
            if json {
                println!(
                    "{}",
                    json!({"endpoint": endpoint.as_str(), "state": "set aside"})
                );
            } else {
                println!("{endpoint} is probed with the next report that is due");
            }
        }
    }
    Ok(())
}

/// In the form in which the store names it.
fn named(text: &str) -> anyhow::Result<Endpoint> {
    let whole_host = text.starts_with("//");
    let url = if whole_host {
        format!("http:{text}")
    } else {
        text.to_owned()
    };
    let url = CallbackUrl::parse(&url).context("ENDPOINT")?;
    let endpoint = Endpoint::new(url.url().origin().ascii_serialization());
    Ok(if whole_host {
        endpoint.host()
    } else {
        endpoint
    })
}

fn print(line: &EndpointLine, as_json: bool) {
    let (state, detail) = match line.standing {
        Standing::SetAside { probe_in_ms } => (
            "set aside",
            format!("next probe in {} s", probe_in_ms.max(0) / 1000),
        ),
        Standing::Recovering { for_ms } => {
            ("recovering", format!("for {} s", for_ms.max(0) / 1000))
        }
        Standing::Paused => ("paused", String::new()),
    };
    if as_json {
        println!(
            "{}",
            json!({
                "endpoint": line.endpoint.as_str(), "state": state, "reason": line.reason, "probes": line.probes,
                "since": line.since.0,
            })
        );
    } else {
        println!(
            "{:<40} {state:<10} {:>3} probes, {detail}  {}",
            line.endpoint.as_str(),
            line.probes,
            line.reason
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_named_as_the_store_does() {
        for (text, name) in [
            ("https://Shop.example:443/report", "https://shop.example"),
            ("shop.example:8443", "https://shop.example:8443"),
            ("http://[2001:DB8::1]:81", "http://[2001:db8::1]:81"),
            ("//shop.example", "//shop.example"),
        ] {
            assert_eq!(named(text).unwrap(), Endpoint::new(name));
        }
        assert!(named("ftp://x").is_err());
    }
}
