//! The bench's outside: a supplier as a process of its own, a merchant in this one, who knows when each report came.

use std::path::{Path, PathBuf};

use anyhow::Context;
use servers::Servers;
use simulator::{
    MerchantReceiver, MerchantReceiverSettings, ReceivedHandle, RsaPair, SimulatorError,
};
use store::Store;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use super::catalogue::{Cast, MD5_KEY};
use crate::command::catalog;
use crate::settings::Settings;

/// More accounts share these.
const MOST_ENDPOINTS: u16 = 100;

pub(super) struct Stage<'s> {
    pub(super) servers: &'s Servers,
    pub(super) store: Store,
    pub(super) cast: Cast,
    pub(super) folder: PathBuf,
    pub(super) merchant_key: RsaPair,
    pub(super) platform_key: RsaPair,
    pub(super) received: ReceivedHandle,
    /// To be run on more addresses.
    pub(super) merchant: MerchantReceiver,
    pub(super) callback_url: String,
    /// An endpoint for each account, the first of them `callback_url`.
    pub(super) callback_urls: Vec<String>,
    pub(super) shutdown: CancellationToken,
    receiver: JoinHandle<Result<(), SimulatorError>>,
    /// At the other accounts' endpoints; aborted with it.
    _receivers: JoinSet<Result<(), SimulatorError>>,
}

impl<'s> Stage<'s> {
    /// The merchant, the schema, and the catalogue of those who take part.
    pub(super) async fn set(
        settings: &Settings,
        servers: &'s Servers,
        folder: &Path,
        cast: Cast,
    ) -> anyhow::Result<Self> {
        let merchant_key = RsaPair::generate()?;
        let platform_key = RsaPair::generate()?;
        for (name, text) in [
            ("platform.pem", platform_key.private_pem.as_str()),
            ("merchant.pub.pem", &merchant_key.public_pem),
            ("merchant.md5", MD5_KEY),
        ] {
            std::fs::write(folder.join(name), text)?;
        }
        let mut settings = settings.clone();
        servers
            .database_url()
            .clone_into(&mut settings.database.url);
        let store = Store::new(&settings.store()?)?;
        store.migrate(None).await?;
        import(&store, folder, &cast.catalogue(&merchant_key.public_pem)).await?;
        let merchant = MerchantReceiver::new(&MerchantReceiverSettings {
            platform_public_keys: vec![platform_key.public_pem.clone()],
            md5_keys: vec![MD5_KEY.into()],
            keep: 10_000_000,
        })?;
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .context("no port is free on 127.0.0.1")?;
        let callback_url = format!("http://{}/callback", listener.local_addr()?);
        let shutdown = CancellationToken::new();
        let mut receivers = JoinSet::new();
        let mut callback_urls = vec![callback_url.clone()];
        for _ in 1..cast.businesses.min(MOST_ENDPOINTS) {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            callback_urls.push(format!("http://{}/callback", listener.local_addr()?));
            receivers.spawn(merchant.clone().run(listener, shutdown.clone()));
        }
        Ok(Self {
            _receivers: receivers,
            callback_urls,
            servers,
            store,
            cast,
            folder: folder.to_owned(),
            merchant_key,
            platform_key,
            received: merchant.handle(),
            receiver: tokio::spawn(merchant.clone().run(listener, shutdown.clone())),
            merchant,
            callback_url,
            shutdown,
        })
    }

    /// A limit for the first account; processes that run hear of it later than those that begin.
    pub(super) async fn limit_first(&mut self, orders_a_second: u32) -> anyhow::Result<()> {
        self.cast.first_order_limit = orders_a_second;
        let catalogue = self.cast.catalogue(&self.merchant_key.public_pem);
        import(&self.store, &self.folder, &catalogue).await
    }

    pub(super) async fn strike(self) {
        self.shutdown.cancel();
        if let Ok(Err(error)) = self.receiver.await {
            tracing::error!(%error, "the merchant ended badly");
        }
    }
}

async fn import(store: &Store, folder: &Path, catalogue: &str) -> anyhow::Result<()> {
    let file = folder.join("catalogue.toml");
    std::fs::write(&file, catalogue)?;
    catalog::import(store, &file).await.map(drop)
}

/// An address that is free and stays so.
pub(super) fn free_address() -> anyhow::Result<std::net::SocketAddr> {
    servers::free_address().context("no port is free on 127.0.0.1")
}
