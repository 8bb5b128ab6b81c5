//! `refill sim`: the world around the platform, one part at a time. Each prints one JSON line when it is ready.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use simulator::{
    Behaviour, FormMd5Settings, FormMd5Supplier, MerchantReceiver, MerchantReceiverSettings,
    OpenPlatformSettings, OpenPlatformSupplier,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::stop::Stop;

/// Who is simulated.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Who {
    /// A supplier with its own book.
    Supplier(Supplier),
    /// A merchant that receives status reports and checks their signatures.
    Merchant(Merchant),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Supplier {
    /// Which API it speaks.
    #[arg(long, value_enum, default_value = "form_md5")]
    shape: Shape,
    /// Where it listens.
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// The customer's account there.
    #[arg(long, default_value = "refill")]
    account: String,
    /// The secret shared with the customer.
    #[arg(
        long,
        env = "SIM_API_KEY",
        hide_env_values = true,
        default_value = "simulated-api-key"
    )]
    api_key: String,
    /// For `openapi`: the customer's public key (PEM); the secret is used where there is none.
    #[arg(long, value_name = "FILE")]
    customer_key: Option<PathBuf>,
    /// For `openapi`: its own private key (PEM), which signs reports.
    #[arg(long, value_name = "FILE", required_if_eq("shape", "openapi"))]
    private_key: Option<PathBuf>,
    /// What happens to accounts that are not magic, like `pushed-later` or `at-once`.
    #[arg(long, default_value = "pushed-later")]
    default: Behaviour,
    /// How long a later push waits.
    #[arg(long, default_value = "300ms", value_parser = humantime::parse_duration)]
    push_after: Duration,
    /// Where the book is kept; without it, in memory.
    #[arg(long, value_name = "FILE")]
    book: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Shape {
    #[value(name = "form_md5")]
    FormMd5,
    #[value(name = "openapi")]
    OpenApi,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Merchant {
    /// Where it listens.
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// The platform's public key (PEM).
    #[arg(long, value_name = "FILE")]
    platform_key: Option<PathBuf>,
    /// The account's MD5 key.
    #[arg(long, env = "MD5_KEY", hide_env_values = true)]
    md5_key: Option<String>,
    /// The most orders that are remembered.
    #[arg(long, default_value_t = 1_000_000)]
    keep: usize,
}

pub(crate) async fn run(who: Who) -> anyhow::Result<()> {
    let mut stop = Stop::listen()?;
    let listen = match &who {
        Who::Supplier(flags) => flags.listen,
        Who::Merchant(flags) => flags.listen,
    };
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("--listen: cannot listen on {listen}"))?;
    let address = listener.local_addr()?;
    let shutdown = CancellationToken::new();
    let until = shutdown.clone();
    let serving = async {
        match who {
            Who::Supplier(flags) => supplier(flags, listener, address, until).await,
            Who::Merchant(flags) => merchant(&flags, listener, address, until).await,
        }
    };
    let stopping = async {
        stop.told().await;
        shutdown.cancel();
    };
    tokio::pin!(serving);
    tokio::select! {
        ended = &mut serving => return ended,
        () = stopping => {}
    }
    serving.await
}

async fn supplier(
    flags: Supplier,
    listener: TcpListener,
    at: SocketAddr,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    match flags.shape {
        Shape::FormMd5 => {
            let supplier = FormMd5Supplier::new(FormMd5Settings {
                user_id: flags.account,
                api_key: flags.api_key,
                default_behaviour: flags.default,
                push_after: flags.push_after,
                book: flags.book,
            })?;
            ready(at);
            supplier.run(listener, stop).await?;
        }
        Shape::OpenApi => {
            let key = flags
                .private_key
                .as_deref()
                .context("--private-key is missing")?;
            let customer_public_keys = flags
                .customer_key
                .as_deref()
                .map(read)
                .transpose()?
                .into_iter()
                .collect::<Vec<_>>();
            let supplier = OpenPlatformSupplier::new(OpenPlatformSettings {
                business_id: flags.account,
                customer_md5_keys: if customer_public_keys.is_empty() {
                    vec![flags.api_key]
                } else {
                    vec![]
                },
                customer_public_keys,
                platform_private_key: read(key)?,
                default_behaviour: flags.default,
                push_after: flags.push_after,
                book: flags.book,
            })?;
            ready(at);
            supplier.run(listener, stop).await?;
        }
    }
    Ok(())
}

async fn merchant(
    flags: &Merchant,
    listener: TcpListener,
    at: SocketAddr,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    anyhow::ensure!(
        flags.platform_key.is_some() || flags.md5_key.is_some(),
        "name --platform-key FILE or --md5-key KEY"
    );
    let receiver = MerchantReceiver::new(&MerchantReceiverSettings {
        platform_public_keys: flags
            .platform_key
            .as_deref()
            .map(read)
            .transpose()?
            .into_iter()
            .collect(),
        md5_keys: flags.md5_key.clone().into_iter().collect(),
        keep: flags.keep,
    })?;
    ready(at);
    receiver.run(listener, stop).await?;
    Ok(())
}

fn ready(at: SocketAddr) {
    println!(
        "{}",
        serde_json::json!({"ready": true, "url": format!("http://{at}")})
    );
}

fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| path.display().to_string())
}
