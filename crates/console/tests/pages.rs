#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]
//! The pages over a real socket, from a real database and without one.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use console::Console;
use domain::{
    BusinessId, Catalogue, Evidence, Lane, Money, OrderCode, OrderKey, ProductCode, Source,
    SupplierId, Verdict,
};
use reqwest::{Client, Method, Response, StatusCode, redirect::Policy};
use servers::Servers;
use store::Store;
use store::intake::{Asked, BatchClaim, Intake, NewBatch, NewOrder, SignedRequest};
use store::life::{Outcome, Room};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const CATALOGUE: &str = r#"
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
const HOSTILE: &str = r#""><script>alert(1)</script>&'"#;
const ACCOUNT: &str = "13800008001";

struct Pages {
    at: SocketAddr,
    client: Client,
    shutdown: CancellationToken,
    running: JoinHandle<()>,
    _catalogue: watch::Sender<Arc<Catalogue>>,
}

impl Pages {
    async fn open(store: Store, catalogue: Catalogue) -> Self {
        let (sender, receiver) = watch::channel(Arc::new(catalogue));
        let loopback = "127.0.0.1:0".parse().unwrap();
        let console = Console::bind(loopback, store, receiver).await.unwrap();
        let shutdown = CancellationToken::new();
        Self {
            at: console.address().unwrap(),
            client: Client::builder()
                .redirect(Policy::none())
                .no_proxy()
                .build()
                .unwrap(),
            running: tokio::spawn(console.run(shutdown.clone())),
            shutdown,
            _catalogue: sender,
        }
    }

    async fn without_a_database() -> Self {
        let nowhere = store::Settings::for_url("postgres://nobody@127.0.0.1:1/none");
        Self::open(Store::new(&nowhere).unwrap(), Catalogue::default()).await
    }

    async fn ask(&self, method: Method, path: &str) -> Response {
        let url = format!("http://{}{path}", self.at);
        self.client.request(method, url).send().await.unwrap()
    }

    async fn read(&self, path: &str) -> (StatusCode, String) {
        let response = self.ask(Method::GET, path).await;
        (response.status(), response.text().await.unwrap())
    }

    async fn close(self) {
        self.shutdown.cancel();
        tokio::time::timeout(Duration::from_secs(30), self.running)
            .await
            .unwrap()
            .unwrap();
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
    let request = SignedRequest {
        business: BusinessId::new("b1"),
        nonce: "n1".into(),
        nonce_ttl: Duration::from_mins(10),
        arrived: Instant::now(),
    };
    let batch = NewBatch {
        claim: BatchClaim {
            biz_code: "batch one".into(),
            digest: [7; 32],
        },
        product: ProductCode::new("M50"),
        lane: Lane::new("mobile"),
        counted: false,
        callback_url: Some("https://shop.example/told?token=secret".into()),
        orders,
    };
    let stored = store.intake(&[Asked { request, batch }]).await;
    assert!(matches!(stored[..], [Ok(Intake::Stored(_))]), "{stored:?}");
    let keys = codes.map(|order| OrderKey {
        business: BusinessId::new("b1"),
        order,
    });
    let room = Room {
        suppliers: HashMap::from([(SupplierId::new("s1"), 10)]),
        businesses: HashMap::new(),
        probes: HashMap::new(),
    };
    let claims = store.claim(&keys, catalogue, &room).await.unwrap();
    assert_eq!(claims.claimed.len(), 2);
    let outcomes = claims.claimed.iter().map(|claimed| Outcome {
        key: claimed.key.clone(),
        epoch: claimed.epoch,
        attempt: claimed.attempt(),
        evidence: Evidence {
            source: Source::Submit,
            verdict: if claimed.key.order == codes[0] {
                Verdict::Succeeded {
                    voucher: Some("CARD-9876".into()),
                }
            } else {
                Verdict::Discrepant {
                    reason: "another <b>amount</b>".into(),
                }
            },
            upstream_no: Some("up-1".into()),
            detail: "code 0".into(),
            actor: None,
        },
    });
    store.record(outcomes.collect(), catalogue).await.unwrap();
    codes
}

#[tokio::test]
async fn ops_find_an_order_read_its_story_and_learn_how_to_settle_a_doubt() {
    let folder = tempfile::Builder::new()
        .prefix("refill-console-")
        .tempdir_in("/tmp")
        .unwrap();
    let mut settings = servers::Settings::under(folder.path());
    settings.fsync = false;
    settings.amqp_url = Some("amqp://127.0.0.1:1/%2f".into());
    let servers = Servers::start(settings).await.unwrap();
    let url = servers.create_database("console").await.unwrap();
    let store = Store::new(&store::Settings::for_url(url)).unwrap();
    store.migrate(None).await.unwrap();
    store
        .import(&toml::from_str(CATALOGUE).unwrap())
        .await
        .unwrap();
    let catalogue = store.catalogue().await.unwrap();
    let [charged, doubtful] = Box::pin(live_through(&store, &catalogue)).await;
    let supplier = SupplierId::new("s1");
    let lane = Lane::new("mobile");
    let paused = store.pause(None, Some(&lane), "wang", "<b>why").await;
    assert!(paused.unwrap());
    assert!(store.trip_breaker(&supplier, "time-outs").await.unwrap());
    let pages = Pages::open(store, catalogue).await;

    let (status, overview) = pages.read("/").await;
    assert_eq!(status, StatusCode::OK);
    assert!(
        overview.contains("<b>1</b> wait for a person"),
        "{overview}"
    );
    assert!(overview.contains("<b>1</b> reports waiting"), "{overview}");
    assert!(overview.contains("<b>1</b> batches not yet"), "{overview}");
    assert!(overview.contains("<td>mobile</td>"), "{overview}");
    assert!(
        overview.contains("401.8"),
        "500 less 49.1 spent and 49.1 held: {overview}"
    );
    assert!(!overview.contains("<i>Shop"), "{overview}");
    for part in [
        "tripped",
        "time-outs, 1 in a row",
        "paused",
        "in lane mobile, by",
    ] {
        assert!(overview.contains(part), "{part} is not in {overview}");
    }
    assert!(!overview.contains("<b>why"), "{overview}");

    let (status, found) = pages.read("/orders?q=batch%20one").await;
    assert_eq!(status, StatusCode::OK);
    for code in [charged, doubtful] {
        assert!(found.contains(&format!("/orders/{code}")), "{found}");
    }
    assert!(
        found.contains("138****8001") && !found.contains(ACCOUNT),
        "{found}"
    );
    assert!(!found.contains("<script"), "{found}");

    for query in [
        charged.to_string(),
        "%22%3E%3Cscript%3Ealert(1)%3C/script%3E%26'".into(),
    ] {
        let one = pages.ask(Method::GET, &format!("/orders?q={query}")).await;
        assert_eq!(one.status(), StatusCode::SEE_OTHER, "{query}");
        assert_eq!(one.headers()["location"], format!("/orders/{charged}"));
    }

    let (status, told) = pages.read(&format!("/orders/{charged}")).await;
    assert_eq!(status, StatusCode::OK);
    for part in [
        "succeeded 成功",
        "stored with batch batch one",
        "attempt 1 at s1",
        "attempt 1, submit: succeeded",
        "attempt 1 closed: charged",
        "prepaid -49.1, held -49.1",
        "final: succeeded",
        "to https://shop.example/told",
        "138****8001",
        "Mobile 50",
    ] {
        assert!(told.contains(part), "{part} is not in {told}");
    }
    for part in [ACCOUNT, "CARD-9876", "token=secret", "<script>alert"] {
        assert!(!told.contains(part), "{part} is in {told}");
    }

    let (status, doubts) = pages.read("/doubts").await;
    assert_eq!(status, StatusCode::OK);
    assert!(
        doubts.contains(&format!(
            "refill doubt propose {doubtful} charged --evidence"
        )),
        "{doubts}"
    );
    assert!(
        doubts.contains(&format!(
            "refill doubt propose {doubtful} not-charged --evidence"
        )),
        "{doubts}"
    );
    assert!(
        !doubts.contains(&charged.to_string()) && !doubts.contains("<b>amount"),
        "{doubts}"
    );

    for nowhere in [
        format!("/orders/{}", OrderCode::generate()),
        "/orders?q=nothing".into(),
        "/orders?q=a%00b".into(),
    ] {
        let (status, page) = pages.read(&nowhere).await;
        let expected = if nowhere.contains('?') {
            StatusCode::OK
        } else {
            StatusCode::NOT_FOUND
        };
        assert_eq!(status, expected, "{nowhere}: {page}");
    }
    pages.close().await;
    servers.stop().await;
}

#[tokio::test]
async fn a_database_that_is_away_is_told_and_breaks_nothing() {
    let pages = Pages::without_a_database().await;
    let code = OrderCode::generate();
    for path in ["/", "/doubts", "/orders?q=x", &format!("/orders/{code}")] {
        let (status, page) = pages.read(path).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert!(page.contains("The database is away"), "{path}: {page}");
        assert!(!page.contains("127.0.0.1:1"), "{path}: {page}");
    }
    pages.close().await;
}

#[tokio::test]
async fn what_is_not_there_or_not_readable_is_a_page_too_and_nothing_can_be_changed() {
    let pages = Pages::without_a_database().await;
    let long = format!("/orders?q={}", "9".repeat(300));
    for (path, expected) in [
        ("/orders/zzz", StatusCode::NOT_FOUND),
        ("/orders/%ff", StatusCode::NOT_FOUND),
        ("/orders/%3Cscript%3E", StatusCode::NOT_FOUND),
        ("/nowhere", StatusCode::NOT_FOUND),
        ("/orders?q=a&q=b", StatusCode::BAD_REQUEST),
        (long.as_str(), StatusCode::BAD_REQUEST),
        ("/orders", StatusCode::OK),
        ("/console.css", StatusCode::OK),
        ("/console.js", StatusCode::OK),
    ] {
        let response = pages.ask(Method::GET, path).await;
        assert_eq!(response.status(), expected, "{path}");
        let headers = response.headers();
        assert!(
            headers["content-security-policy"]
                .to_str()
                .unwrap()
                .starts_with("default-src 'self'")
        );
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert_eq!(headers["cache-control"], "no-store");
        assert!(
            !response.text().await.unwrap().contains("<script>"),
            "{path}"
        );
    }
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
        for path in ["/", "/orders", "/doubts", "/orders/1"] {
            let response = pages.ask(method.clone(), path).await;
            assert_eq!(
                response.status(),
                StatusCode::METHOD_NOT_ALLOWED,
                "{method} {path}"
            );
        }
    }
    pages.close().await;
}

#[tokio::test]
async fn a_caller_that_never_ends_its_head_does_not_hold_up_the_end() {
    let pages = Pages::without_a_database().await;
    let mut slow = tokio::net::TcpStream::connect(pages.at).await.unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n")
        .await
        .unwrap();
    assert_eq!(pages.read("/console.css").await.0, StatusCode::OK);
    pages.close().await;
    let mut rest = Vec::new();
    // Cut or answered: either way the connection is over.
    let _ = slow.read_to_end(&mut rest).await;
}
