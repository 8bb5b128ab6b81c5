//! A database of its own, a console on it, and somebody who uses it as a browser does.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use console::actions::{self, Actor};
use console::{Console, Settings, passwords};
use domain::{
    BusinessId, Catalogue, Evidence, Lane, Money, OrderCode, OrderKey, ProductCode, Source,
    SupplierId, Verdict,
};
use reqwest::{Client, Method, Response, StatusCode, redirect::Policy};
use servers::Servers;
use store::Store;
use store::intake::{Asked, BatchClaim, Intake, NewBatch, NewOrder, SignedRequest};
use store::life::{Locking, Outcome, Room};
use store::operators::Role;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

pub(crate) const CATALOGUE: &str = r#"
    [[merchant]]
    id = "m1"
    name = "<i>Shop</i> & sons"
    [[business]]
    id = "b1"
    merchant = "m1"
    sign_types = ["MD5"]
    md5_keys = ["7c1d0e4b92f5484cbd83c1d20b6a55e9"]
    opening_deposit = "500.00"
    [[product]]
    code = "M50"
    name = "Mobile 50"
    lane = "mobile"
    face_value = "50.00"
    [[price]]
    business = "b1"
    product = "M50"
    price = "49.10"
    [[supplier]]
    id = "s1"
    adapter = "form_md5"
    base_url = "http://127.0.0.1:9"
    resubmit = "query"
    result_codes = { "0" = "accepted" }
    [[route]]
    supplier = "s1"
    product = "M50"
    sku = "sku-50"
    cost = "48.90"
"#;
/// Merchants choose their numbers: this one is meant to break a page.
pub(crate) const HOSTILE: &str = r#""><script>alert(1)</script>&'"#;
pub(crate) const ACCOUNT: &str = "13800008001";

/// Where no broker is.
pub(crate) const NO_BROKER: &str = "amqp://127.0.0.1:1/%2f";

/// What everybody's password is.
pub(crate) const PASSWORD: &str = "correct horse battery";

/// PostgreSQL with the schema and the catalogue, and two orders that have lived.
pub(crate) struct Ground {
    pub(crate) store: Store,
    pub(crate) catalogue: Catalogue,
    /// The first has succeeded, the second waits for a person.
    pub(crate) orders: [OrderCode; 2],
    pub(crate) url: String,
    servers: Servers,
    _folder: TempDir,
}

impl Ground {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("refill-console-")
            .tempdir_in("/tmp")
            .unwrap();
        let mut settings = servers::Settings::under(folder.path());
        settings.fsync = false;
        settings.amqp_url = Some(NO_BROKER.into());
        let servers = Servers::start(settings).await.unwrap();
        let url = servers.create_database("console").await.unwrap();
        let store = Store::new(&store::Settings::for_url(url.clone())).unwrap();
        store.migrate(None).await.unwrap();
        let file = toml::from_str(CATALOGUE).unwrap();
        store.import(&file).await.unwrap();
        let catalogue = store.catalogue().await.unwrap();
        let orders = Box::pin(live_through(&store, &catalogue)).await;
        let hash = passwords::hash(PASSWORD).unwrap();
        let root = Actor::command("test");
        for role in Role::ALL {
            for name in [role.word().to_owned(), format!("{}2", role.word())] {
                actions::add_operator(&store, &root, &name, role, &hash)
                    .await
                    .unwrap();
            }
        }
        Self {
            store,
            catalogue,
            orders,
            url,
            servers,
            _folder: folder,
        }
    }

    /// One more order, of which this was heard when its supplier was called for the first time.
    pub(crate) async fn order_of(&self, number: &str, heard: Verdict) -> OrderCode {
        let order = order(number);
        let code = order.code;
        let heard = |_| heard.clone();
        Box::pin(called(
            &self.store,
            &self.catalogue,
            number,
            vec![order],
            heard,
        ))
        .await;
        code
    }

    pub(crate) async fn open(&self) -> Pages {
        Pages::open(self.store.clone(), self.catalogue.clone(), NO_BROKER).await
    }

    /// Runs SQL as the owner of the tables does; the error is the database's.
    pub(crate) async fn sql(&self, sql: &str) -> Result<String, String> {
        let (client, connection) = tokio_postgres::connect(&self.url, tokio_postgres::NoTls)
            .await
            .unwrap();
        let running = tokio::spawn(connection);
        let asked = client.simple_query(sql).await;
        drop(client);
        running.await.unwrap().unwrap();
        let rows = asked.map_err(|e| {
            e.as_db_error()
                .map_or_else(String::new, |e| e.message().to_owned())
        })?;
        let first = rows.iter().find_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        });
        Ok(first.unwrap_or_default())
    }

    pub(crate) async fn end(self) {
        self.servers.stop().await;
    }
}

/// A console.
pub(crate) struct Pages {
    pub(crate) at: SocketAddr,
    pub(crate) client: Client,
    shutdown: CancellationToken,
    running: JoinHandle<()>,
    _looking_out: JoinSet<()>,
    _catalogue: watch::Sender<Arc<Catalogue>>,
}

impl Pages {
    pub(crate) async fn open(store: Store, catalogue: Catalogue, broker: &str) -> Self {
        let (sender, receiver) = watch::channel(Arc::new(catalogue));
        let broker = queue::Settings::new(broker, "test").unwrap();
        let (lookout, looking) = queue::Lookout::new(broker);
        let loopback = "127.0.0.1:0".parse().unwrap();
        let settings = Settings {
            idle_minutes: 60,
            session_hours: 12,
            trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()],
            look_every: Duration::from_secs(10),
        };
        let console = Console::bind(loopback, settings, store, receiver, lookout)
            .await
            .unwrap();
        let shutdown = CancellationToken::new();
        let mut looking_out = JoinSet::new();
        looking_out.spawn(looking.run(shutdown.clone()));
        Self {
            at: console.address().unwrap(),
            client: Client::builder()
                .redirect(Policy::none())
                .no_proxy()
                .build()
                .unwrap(),
            running: tokio::spawn(console.run(shutdown.clone())),
            shutdown,
            _looking_out: looking_out,
            _catalogue: sender,
        }
    }

    pub(crate) async fn without_a_database() -> Self {
        let nowhere = store::Settings::for_url("postgres://nobody@127.0.0.1:1/none");
        Self::open(
            Store::new(&nowhere).unwrap(),
            Catalogue::default(),
            NO_BROKER,
        )
        .await
    }

    /// Whoever has no session.
    pub(crate) fn stranger(&self) -> Visitor<'_> {
        Visitor {
            pages: self,
            cookie: String::new(),
            csrf: String::new(),
        }
    }

    /// Signs in, and has read a page.
    pub(crate) async fn signed_in(&self, name: &str) -> Visitor<'_> {
        let mut visitor = self.stranger();
        let answer = visitor.sign_in(name, PASSWORD).await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{name}");
        visitor.remember(&answer);
        let (status, page) = visitor.read("/orders").await;
        assert_eq!(status, StatusCode::OK, "{page}");
        let (_, rest) = page.split_once(r#"name="csrf" value=""#).unwrap();
        rest.split('"')
            .next()
            .unwrap()
            .clone_into(&mut visitor.csrf);
        visitor
    }

    pub(crate) async fn close(self) {
        self.shutdown.cancel();
        tokio::time::timeout(Duration::from_secs(30), self.running)
            .await
            .unwrap()
            .unwrap();
    }
}

/// Somebody with a browser.
pub(crate) struct Visitor<'p> {
    pages: &'p Pages,
    pub(crate) cookie: String,
    pub(crate) csrf: String,
}

impl Visitor<'_> {
    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let url = format!("http://{}{path}", self.pages.at);
        let request = self.pages.client.request(method, url);
        request.header("cookie", &self.cookie)
    }

    pub(crate) async fn ask(&self, method: Method, path: &str) -> Response {
        self.request(method, path).send().await.unwrap()
    }

    pub(crate) async fn read(&self, path: &str) -> (StatusCode, String) {
        let response = self.ask(Method::GET, path).await;
        (response.status(), response.text().await.unwrap())
    }

    /// Posts a form as a page of ours does.
    pub(crate) async fn post(&self, path: &str, form: &[(&str, &str)]) -> Response {
        let mut form = form.to_vec();
        form.push(("csrf", &self.csrf));
        self.request(Method::POST, path)
            .header("sec-fetch-site", "same-origin")
            .form(&form)
            .send()
            .await
            .unwrap()
    }

    pub(crate) async fn sign_in(&self, name: &str, password: &str) -> Response {
        let form = [("name", name), ("password", password), ("next", "/doubts")];
        self.post("/sign-in", &form).await
    }

    /// Keeps the cookies that an answer sets.
    pub(crate) fn remember(&mut self, answer: &Response) {
        let set = answer.headers().get_all("set-cookie");
        let pairs: Vec<&str> = set
            .iter()
            .map(|line| line.to_str().unwrap().split(';').next().unwrap())
            .collect();
        self.cookie = pairs.join("; ");
    }
}

fn order(biz_code: &str) -> NewOrder {
    NewOrder {
        code: OrderCode::generate(),
        biz_code: biz_code.to_owned(),
        account: ACCOUNT.to_owned(),
        attach: None,
        spec: Money::from_yuan(50),
        price: "49.10".parse().unwrap(),
    }
}

/// A batch of two: the first succeeded with a voucher, the second waits for a person.
async fn live_through(store: &Store, catalogue: &Catalogue) -> [OrderCode; 2] {
    let orders = vec![order(HOSTILE), order("second")];
    let codes = [orders[0].code, orders[1].code];
    let heard = |code| {
        if code == codes[0] {
            Verdict::Succeeded {
                voucher: Some("CARD-9876".into()),
            }
        } else {
            Verdict::Discrepant {
                reason: "another <b>amount</b>".into(),
            }
        }
    };
    Box::pin(called(store, catalogue, "batch one", orders, heard)).await;
    codes
}

/// Stores a batch and calls a supplier for each of its orders, which is heard to say this.
async fn called(
    store: &Store,
    catalogue: &Catalogue,
    number: &str,
    orders: Vec<NewOrder>,
    heard: impl Fn(OrderCode) -> Verdict,
) {
    let keys: Vec<_> = orders
        .iter()
        .map(|order| OrderKey {
            business: BusinessId::new("b1"),
            order: order.code,
        })
        .collect();
    let request = SignedRequest {
        business: BusinessId::new("b1"),
        nonce: number.into(),
        nonce_ttl: Duration::from_mins(10),
        arrived: Instant::now(),
    };
    let batch = NewBatch {
        claim: BatchClaim {
            biz_code: number.into(),
            digest: [7; 32],
        },
        product: ProductCode::new("M50"),
        lane: Lane::new("mobile"),
        counted: false,
        callback_url: Some("https://shop.example/told?token=secret".into()),
        traceparent: None,
        orders,
    };
    let stored = store.intake(&[Asked { request, batch }]).await;
    assert!(matches!(stored[..], [Ok(Intake::Stored(_))]), "{stored:?}");
    let room = Room {
        suppliers: HashMap::from([(SupplierId::new("s1"), 10)]),
        businesses: HashMap::new(),
        probes: HashMap::new(),
    };
    let claims = store.claim(&keys, catalogue, &room).await.unwrap();
    assert_eq!(claims.claimed.len(), keys.len());
    let outcomes = claims.claimed.iter().map(|claimed| Outcome {
        key: claimed.key.clone(),
        epoch: claimed.epoch,
        attempt: claimed.attempt(),
        evidence: Evidence {
            source: Source::Submit,
            verdict: heard(claimed.key.order),
            upstream_no: Some("up-1".into()),
            detail: "code 0".into(),
            actor: None,
        },
    });
    store
        .record(outcomes.collect(), catalogue, Locking::Wait)
        .await
        .unwrap();
}
