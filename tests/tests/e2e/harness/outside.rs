//! The outside of the platform, in the test's own process, so that it outlives whatever the test does to the platform.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use serde::Deserialize;
use simulator::{
    Behaviour, BookSummary, FormMd5Settings, FormMd5Supplier, MerchantReceiver,
    MerchantReceiverSettings, OpenPlatformSettings, OpenPlatformSupplier, ReceivedHandle, RsaPair,
};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::until;

pub(crate) const SWIFT_KEY: &str = "swift-api-key";
pub(crate) const MERCHANT_MD5_KEY: &str = "a-secret-of-the-old-account";
pub(crate) const HARBOR_KEY: &str = "harbor-md5-key-harbor";

/// Two suppliers, `swift` (form_md5) and `harbor` (openapi), and a merchant.
pub(crate) struct Outside {
    pub(crate) swift: SocketAddr,
    pub(crate) harbor: SocketAddr,
    pub(crate) merchant: SocketAddr,
    /// To be run on more addresses.
    pub(crate) receiver: MerchantReceiver,
    pub(crate) received: ReceivedHandle,
    pub(crate) merchant_key: RsaPair,
    pub(crate) platform_key: RsaPair,
    pub(crate) harbor_key: RsaPair,
    shutdown: CancellationToken,
    /// Aborted with it.
    _tasks: JoinSet<()>,
}

/// One line of a supplier's own book.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Entry {
    pub(crate) account: String,
    pub(crate) charged: u32,
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    (listener, at)
}

impl Outside {
    pub(crate) async fn start() -> Self {
        let [merchant_key, platform_key, harbor_key] =
            [(); 3].map(|()| RsaPair::generate().unwrap());
        let shutdown = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let push_after = Duration::from_millis(50);
        let (swift_listener, swift) = listen().await;
        let (harbor_listener, harbor) = listen().await;
        let (merchant_listener, merchant) = listen().await;
        let supplier = FormMd5Supplier::new(FormMd5Settings {
            user_id: "refill".into(),
            api_key: SWIFT_KEY.into(),
            default_behaviour: Behaviour::PushedLater,
            push_after,
            book: None,
        })
        .unwrap();
        let run = supplier.run(swift_listener, shutdown.clone());
        tasks.spawn(async { run.await.unwrap() });
        let supplier = OpenPlatformSupplier::new(OpenPlatformSettings {
            business_id: "refill".into(),
            customer_public_keys: vec![],
            customer_md5_keys: vec![HARBOR_KEY.into()],
            platform_private_key: harbor_key.private_pem.clone(),
            default_behaviour: Behaviour::PushedLater,
            push_after,
            book: None,
        })
        .unwrap();
        let run = supplier.run(harbor_listener, shutdown.clone());
        tasks.spawn(async { run.await.unwrap() });
        let receiver = MerchantReceiver::new(&MerchantReceiverSettings {
            platform_public_keys: vec![platform_key.public_pem.clone()],
            md5_keys: vec![MERCHANT_MD5_KEY.into()],
            keep: 100_000,
        })
        .unwrap();
        let received = receiver.handle();
        let run = receiver.clone().run(merchant_listener, shutdown.clone());
        tasks.spawn(async { run.await.unwrap() });
        Self {
            swift,
            harbor,
            merchant,
            receiver,
            received,
            merchant_key,
            platform_key,
            harbor_key,
            shutdown,
            _tasks: tasks,
        }
    }

    /// Both suppliers' books.
    pub(crate) async fn books(&self) -> Vec<Entry> {
        let mut entries: Vec<Entry> = vec![];
        for at in [self.swift, self.harbor] {
            let text = get(&format!("http://{at}/book")).await;
            entries.extend(serde_json::from_str::<Vec<Entry>>(&text).unwrap());
        }
        entries
    }

    /// Makes `swift` answer 503, or as usual again.
    pub(crate) async fn swift_is_down(&self, down: bool) {
        let told = http()
            .post(format!("http://{}/control", self.swift))
            .header("content-type", "application/json")
            .body(serde_json::json!({ "down": down }).to_string())
            .send();
        assert!(told.await.unwrap().status().is_success());
    }

    /// What one supplier's book sums up to.
    pub(crate) async fn sums(&self, supplier: SocketAddr) -> BookSummary {
        serde_json::from_str(&get(&format!("http://{supplier}/book/summary")).await).unwrap()
    }

    /// How often each account was charged, over both suppliers.
    pub(crate) async fn charges(&self) -> HashMap<String, u32> {
        let mut charges = HashMap::new();
        for entry in self.books().await {
            *charges.entry(entry.account).or_default() += entry.charged;
        }
        charges
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// For addresses without TLS: reading the machine's certificates would take longer than most calls.
pub(crate) fn http() -> reqwest::Client {
    let http = reqwest::Client::builder().no_proxy().tls_certs_only([]);
    http.build().unwrap()
}

/// A page's text.
pub(crate) async fn get(url: &str) -> String {
    http().get(url).send().await.unwrap().text().await.unwrap()
}

/// Waits until all that a process, whose admin server this is, does at the broker is connected. It is ready before: it needs no broker to take
/// orders, and what it cannot announce waits for a sweeper, which not every test has.
#[allow(dead_code, reason = "only tests of processes of their own need it")]
pub(crate) async fn at_the_broker(admin: &str, log: impl Fn() -> String) {
    until(
        "a process that is connected to the broker",
        async || {
            let page = get(&format!("{admin}/metrics")).await;
            let told = page.lines().filter_map(|line| {
                let told = line.strip_prefix("refill_queue_connected{")?;
                Some(told.ends_with(" 1"))
            });
            let told: Vec<bool> = told.collect();
            (!told.is_empty() && told.iter().all(|connected| *connected)).then_some(())
        },
        log,
    )
    .await;
}
