//! `refill endpoint`: merchants' endpoints that are not well, and what to do about them.

use console::{actions, told};
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
            let endpoint = actions::named_endpoint(&endpoint)?;
            actions::pause_endpoint(&store, &word.operator.actor()?, &endpoint, &word.reason)
                .await?;
            if json {
                println!("{}", told::endpoint_paused(&endpoint));
            } else {
                println!("{endpoint} is paused");
            }
        }
        EndpointTool::Resume {
            endpoint,
            json,
            operator,
        } => {
            let endpoint = actions::named_endpoint(&endpoint)?;
            actions::resume_endpoint(&store, &operator.actor()?, &endpoint).await?;
            if json {
                println!("{}", told::endpoint_resumed(&endpoint));
            } else {
                println!("{endpoint} is probed with the next report that is due");
            }
        }
    }
    Ok(())
}

fn print(line: &EndpointLine, as_json: bool) {
    if as_json {
        println!("{}", told::endpoint(line));
        return;
    }
    let detail = match line.standing {
        Standing::SetAside { probe_in_ms } => {
            format!("next probe in {} s", probe_in_ms.max(0) / 1000)
        }
        Standing::Recovering { for_ms } => format!("for {} s", for_ms.max(0) / 1000),
        Standing::Paused => String::new(),
    };
    println!(
        "{:<40} {:<10} {:>3} probes, {detail}  {}",
        line.endpoint.as_str(),
        told::endpoint_state(line.standing),
        line.probes,
        line.reason
    );
}
