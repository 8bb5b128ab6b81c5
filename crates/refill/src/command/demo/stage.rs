//! The demo's outside: two suppliers and a merchant, their keys, and the catalogue that names them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use simulator::{
    Behaviour, Entry, FormMd5Settings, FormMd5Supplier, MerchantReceiver, MerchantReceiverSettings,
    OpenPlatformSettings, OpenPlatformSupplier, ReceivedHandle, RsaPair, SimulatorError,
};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::command::dev::Platform;
use crate::command::first_admin::write_secret;

pub(super) const MERCHANT: &str = "demo-merchant";
pub(super) const BUSINESS: &str = "demo-shop";
const CATALOGUE: &str = include_str!("catalogue.toml");
const PUSH_AFTER: Duration = Duration::from_millis(300);
/// Orders that the merchant remembers.
const KEEP: usize = 1_000_000;
/// Shared with the two suppliers; what they sign for exists on this machine only.
const SWIFT_KEY: &str = "demo-swift-api-key";
const HARBOR_KEY: &str = "demo-harbor-md5-key";

/// The outside, running.
pub(super) struct Stage {
    pub(super) catalogue: PathBuf,
    /// A file for `.` in a shell: where everything is.
    pub(super) environment: PathBuf,
    pub(super) merchant_private_key: String,
    pub(super) received: ReceivedHandle,
    merchant_key_file: PathBuf,
    suppliers: [(&'static str, String); 2],
    merchant_url: String,
    shutdown: CancellationToken,
    tasks: JoinSet<Result<(), SimulatorError>>,
}

impl Stage {
    /// Makes keys (once per folder), starts the simulators, writes the catalogue.
    pub(super) async fn set(data: &Path, openapi_url: &str) -> anyhow::Result<Self> {
        let merchant = pair(data, "merchant")?;
        let platform = pair(data, "platform")?;
        let harbor = pair(data, "harbor")?;
        let shutdown = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let swift_listener = listen().await?;
        let harbor_listener = listen().await?;
        let merchant_listener = listen().await?;
        let url = |listener: &TcpListener| listener.local_addr().map(|at| format!("http://{at}"));
        let suppliers = [
            ("swift", url(&swift_listener)?),
            ("harbor", url(&harbor_listener)?),
        ];
        let merchant_url = url(&merchant_listener)?;
        let swift = FormMd5Supplier::new(FormMd5Settings {
            user_id: "refill".into(),
            api_key: SWIFT_KEY.into(),
            default_behaviour: Behaviour::PushedLater,
            push_after: PUSH_AFTER,
            book: Some(data.join("swift.book")),
        })?;
        let open = OpenPlatformSupplier::new(OpenPlatformSettings {
            business_id: "refill".into(),
            customer_public_keys: vec![],
            customer_md5_keys: vec![HARBOR_KEY.into()],
            platform_private_key: harbor.private_pem,
            default_behaviour: Behaviour::PushedLater,
            push_after: PUSH_AFTER,
            book: Some(data.join("harbor.book")),
        })?;
        let receiver = MerchantReceiver::new(&MerchantReceiverSettings {
            platform_public_keys: vec![platform.public_pem],
            md5_keys: vec![],
            keep: KEEP,
        })?;
        let received = receiver.handle();
        tasks.spawn(swift.run(swift_listener, shutdown.clone()));
        tasks.spawn(open.run(harbor_listener, shutdown.clone()));
        tasks.spawn(receiver.run(merchant_listener, shutdown.clone()));
        let text = [
            ("merchant_public_key", merchant.public_pem.as_str()),
            ("merchant_url", &merchant_url),
            ("swift_url", &suppliers[0].1),
            ("harbor_url", &suppliers[1].1),
            ("openapi_url", openapi_url),
            ("swift_key", SWIFT_KEY),
            ("harbor_key", HARBOR_KEY),
            ("harbor_public_key", &harbor.public_pem),
        ]
        .iter()
        .fold(CATALOGUE.to_owned(), |text, (name, value)| {
            text.replace(&format!("{{{{{name}}}}}"), value)
        });
        let catalogue = data.join("catalogue.toml");
        std::fs::write(&catalogue, text).with_context(|| catalogue.display().to_string())?;
        Ok(Self {
            catalogue,
            environment: data.join("merchant.env"),
            merchant_private_key: merchant.private_pem,
            received,
            merchant_key_file: key_file(data, "merchant"),
            suppliers,
            merchant_url,
            shutdown,
            tasks,
        })
    }

    pub(super) fn describe(&self) -> String {
        let [(swift, swift_url), (harbor, harbor_url)] = &self.suppliers;
        format!(
            "suppliers {swift} {swift_url} (form_md5) and {harbor} {harbor_url} (openapi), merchant {}",
            self.merchant_url
        )
    }

    /// Where a person finds the books, by supplier.
    pub(super) fn book_urls(&self) -> impl Iterator<Item = (&str, String)> {
        self.suppliers
            .iter()
            .map(|(name, url)| (*name, format!("{url}/book")))
    }

    /// Everything that the suppliers' own books say.
    pub(super) async fn books(&self) -> anyhow::Result<Vec<Entry>> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(30))
            .build()?;
        let mut entries = vec![];
        for (_, url) in self.book_urls() {
            let book: Vec<Entry> =
                serde_json::from_slice(&client.get(url).send().await?.bytes().await?)?;
            entries.extend(book);
        }
        Ok(entries)
    }

    /// Writes down for a shell where everything is.
    pub(super) fn write_environment(&self, platform: &Platform) -> anyhow::Result<()> {
        let at = platform.addresses;
        let key = std::path::absolute(&self.merchant_key_file)?;
        let lines = [
            ("REFILL_URL", format!("http://{}", at.openapi)),
            ("CONSOLE_URL", format!("http://{}", at.console)),
            ("ADMIN_URL", format!("http://{}", at.admin)),
            ("DATABASE_URL", platform.servers.database_url().to_owned()),
            ("AMQP_URL", platform.servers.amqp_url().to_owned()),
            ("MERCHANT_URL", self.merchant_url.clone()),
            ("MERCHANT_ID", MERCHANT.to_owned()),
            ("BUSINESS_ID", BUSINESS.to_owned()),
            ("MERCHANT_KEY", key.display().to_string()),
            ("PRODUCT", "MOBILE50".to_owned()),
        ];
        let lines = lines.map(|(name, value)| format!("export {name}='{value}'"));
        let text = lines.join("\n") + "\n";
        write_secret(&self.environment, &text)
    }

    /// Stops the simulators.
    pub(super) async fn strike(mut self) {
        self.shutdown.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            if let Ok(Err(error)) = ended {
                tracing::error!(%error, "a simulator ended badly");
            }
        }
    }
}

async fn listen() -> anyhow::Result<TcpListener> {
    TcpListener::bind("127.0.0.1:0")
        .await
        .context("no port is free on 127.0.0.1")
}

fn key_file(data: &Path, name: &str) -> PathBuf {
    data.join("keys").join(format!("{name}.pem"))
}

/// The key pair of that name in the folder, made when it is not there.
fn pair(data: &Path, name: &str) -> anyhow::Result<RsaPair> {
    let private_file = key_file(data, name);
    let public_file = private_file.with_extension("pub.pem");
    if let (Ok(private_pem), Ok(public_pem)) = (
        std::fs::read_to_string(&private_file),
        std::fs::read_to_string(&public_file),
    ) {
        return Ok(RsaPair {
            private_pem,
            public_pem,
        });
    }
    let pair = RsaPair::generate()?;
    std::fs::create_dir_all(data.join("keys"))?;
    write_secret(&private_file, &pair.private_pem)?;
    std::fs::write(&public_file, &pair.public_pem)?;
    Ok(pair)
}
