//! `refill floor`: the bare-bones program that `refill bench` measures beside the platform. The bench starts it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context;
use openapi::SigningKey;
use tokio_util::sync::CancellationToken;

use crate::settings::Settings;
use crate::stop::Stop;

/// The flags of `refill floor`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Flags {
    #[arg(long)]
    listen: SocketAddr,
    /// The supplier's base URL.
    #[arg(long)]
    supplier: String,
    /// What both sign with.
    #[arg(long, env = "SIM_API_KEY", hide_env_values = true)]
    supplier_key: String,
    /// Where reports go.
    #[arg(long)]
    callback: String,
    /// How reports are signed.
    #[arg(long, value_enum, default_value = "rsa")]
    callback_sign: CallbackSign,
    /// Where `platform.pem` (or `merchant.md5`) and `merchant.pub.pem` are.
    #[arg(long)]
    keys: PathBuf,
}

/// The two kinds of a report's signature.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum CallbackSign {
    /// `SHA256-RSA`
    #[default]
    Rsa,
    /// `MD5`
    Md5,
}

impl CallbackSign {
    /// As it is written in a flag.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Rsa => "rsa",
            Self::Md5 => "md5",
        }
    }
}

pub(crate) async fn run(settings: &Settings, flags: Flags) -> anyhow::Result<()> {
    let mut stop = Stop::listen()?;
    let read = |name: &str| {
        let path: &Path = &flags.keys.join(name);
        std::fs::read_to_string(path).with_context(|| path.display().to_string())
    };
    let floor = floor::Settings {
        listen: flags.listen,
        supplier: flags.supplier.clone(),
        supplier_key: flags.supplier_key.clone(),
        callback: flags.callback.clone(),
        database_url: settings.database.url.clone(),
        amqp_url: settings.amqp.url.clone(),
        report_key: match flags.callback_sign {
            CallbackSign::Rsa => SigningKey::rsa_from_pem(&read("platform.pem")?)?,
            CallbackSign::Md5 => SigningKey::md5(read("merchant.md5")?.trim())?,
        },
        merchant_public_key: read("merchant.pub.pem")?,
    };
    let shutdown = CancellationToken::new();
    let running = floor::run(floor, shutdown.clone());
    tokio::pin!(running);
    tokio::select! {
        ended = &mut running => Ok(ended?),
        () = stop.told() => {
            shutdown.cancel();
            Ok(running.await?)
        }
    }
}
