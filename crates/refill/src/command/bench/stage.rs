//! The bench's outside: a supplier as a process of its own, a merchant in this one, who knows when each report came.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context;
use servers::Servers;
use simulator::{
    MerchantReceiver, MerchantReceiverSettings, ReceivedHandle, RsaPair, SimulatorError,
};
use store::Store;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::command::catalog;
use crate::settings::Settings;

pub(super) const MERCHANT: &str = "bench-merchant";
pub(super) const BUSINESS: &str = "bench-shop";
pub(super) const PRODUCT: &str = "BENCH";
pub(super) const SUPPLIER_KEY: &str = "bench-supplier-key";

pub(super) struct Stage {
    pub(super) folder: PathBuf,
    pub(super) merchant_key: RsaPair,
    pub(super) platform_key: RsaPair,
    pub(super) received: ReceivedHandle,
    /// To be run on more addresses.
    pub(super) merchant: MerchantReceiver,
    pub(super) callback_url: String,
    /// Where the supplier's process is to listen.
    pub(super) supplier: SocketAddr,
    pub(super) shutdown: CancellationToken,
    receiver: JoinHandle<Result<(), SimulatorError>>,
}

impl Stage {
    pub(super) async fn set(folder: &Path) -> anyhow::Result<Self> {
        let merchant_key = RsaPair::generate()?;
        let platform_key = RsaPair::generate()?;
        let receiver = MerchantReceiver::new(&MerchantReceiverSettings {
            platform_public_keys: vec![platform_key.public_pem.clone()],
            md5_keys: vec![],
            keep: 10_000_000,
        })?;
        let received = receiver.handle();
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .context("no port is free on 127.0.0.1")?;
        let callback_url = format!("http://{}/callback", listener.local_addr()?);
        let shutdown = CancellationToken::new();
        let merchant = receiver.clone();
        let receiver = tokio::spawn(receiver.run(listener, shutdown.clone()));
        let supplier = free_address()?;
        let folder = folder.to_owned();
        for (name, pem) in [
            ("platform.pem", &platform_key.private_pem),
            ("merchant.pub.pem", &merchant_key.public_pem),
        ] {
            std::fs::write(folder.join(name), pem)?;
        }
        Ok(Self {
            folder,
            merchant_key,
            platform_key,
            received,
            merchant,
            callback_url,
            supplier,
            shutdown,
            receiver,
        })
    }

    /// The schema, and a catalogue with one product.
    pub(super) async fn prepare(
        &self,
        settings: &Settings,
        servers: &Servers,
    ) -> anyhow::Result<()> {
        let mut settings = settings.clone();
        servers
            .database_url()
            .clone_into(&mut settings.database.url);
        let store = Store::new(&settings.store()?)?;
        store.migrate().await?;
        let file = self.folder.join("catalogue.toml");
        std::fs::write(&file, self.catalogue())?;
        catalog::import(&store, &file).await?;
        Ok(())
    }

    /// The supplier's card takes its acceptance for success, so that an order needs one call, as the floor's does.
    fn catalogue(&self) -> String {
        let (public, supplier) = (&self.merchant_key.public_pem, self.supplier);
        format!(
            r#"
[platform]
callback_private_key_file = "platform.pem"
callback_allow = ["127.0.0.0/8"]
[[merchant]]
id = "{MERCHANT}"
[[business]]
id = "{BUSINESS}"
merchant = "{MERCHANT}"
rsa_public_keys = ["""{public}"""]
opening_deposit = "100000000.00"
[[product]]
code = "{PRODUCT}"
lane = "bench"
face_value = "50.00"
[[price]]
business = "{BUSINESS}"
product = "{PRODUCT}"
price = "49.10"
[[supplier]]
id = "bench"
adapter = "form_md5"
base_url = "http://{supplier}"
push_base_url = "http://{supplier}"
resubmit = "query"
max_in_flight = 1024
result_codes = {{ "0" = "succeeded" }}
[supplier.credentials]
userid = "refill"
apikey = "{SUPPLIER_KEY}"
[[route]]
supplier = "bench"
product = "{PRODUCT}"
sku = "1"
cost = "48.00"
"#
        )
    }

    pub(super) async fn strike(self) {
        self.shutdown.cancel();
        if let Ok(Err(error)) = self.receiver.await {
            tracing::error!(%error, "the merchant ended badly");
        }
    }
}

/// An address that is free and stays so.
pub(super) fn free_address() -> anyhow::Result<SocketAddr> {
    servers::free_address().context("no port is free on 127.0.0.1")
}
