//! The simulated suppliers over real sockets: every proof of the platform rests on what their books say, so it is tried here what they do.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    reason = "a test stops at the first surprise"
)]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Form, State};
use axum::routing::post;
use md5::{Digest, Md5};
use serde_json::{Value, json};
use simulator::{
    Behaviour, BookSummary, Entry, FormMd5Settings, FormMd5Supplier, Item, MerchantClient,
    MerchantReceiver, MerchantReceiverSettings, OpenPlatformSettings, OpenPlatformSupplier,
    ReceivedHandle, RsaPair, SimulatorError,
};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Longer than anything here takes; a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(20);
/// Shorter than a supplier stays silent.
const SILENCE: Duration = Duration::from_secs(4);
const KEY: &str = "k";

static LONG: [u8; 200_000] = [b'a'; 200_000];

type Fields = BTreeMap<String, String>;

async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let found = tokio::time::timeout(PATIENCE, async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    found.await.unwrap_or_else(|_| panic!("waited for {what}"))
}

/// A supplier that runs; ended with the test.
struct Running {
    url: String,
    stop: CancellationToken,
    task: JoinHandle<()>,
    http: reqwest::Client,
}

impl Running {
    async fn form(book: Option<PathBuf>) -> Self {
        let supplier = FormMd5Supplier::new(FormMd5Settings {
            user_id: "refill".into(),
            api_key: KEY.into(),
            default_behaviour: Behaviour::AtOnce,
            push_after: Duration::from_millis(100),
            book,
        })
        .unwrap();
        Self::run(|listener, stop| supplier.run(listener, stop)).await
    }

    async fn open(keys: &RsaPair, book: Option<PathBuf>) -> Self {
        let supplier = OpenPlatformSupplier::new(OpenPlatformSettings {
            business_id: "refill".into(),
            customer_public_keys: vec![],
            customer_md5_keys: vec![KEY.into()],
            platform_private_key: keys.private_pem.clone(),
            default_behaviour: Behaviour::AtOnce,
            push_after: Duration::from_millis(100),
            book,
        })
        .unwrap();
        Self::run(|listener, stop| supplier.run(listener, stop)).await
    }

    async fn run<S>(serve: impl FnOnce(TcpListener, CancellationToken) -> S) -> Self
    where
        S: Future<Output = Result<(), SimulatorError>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let serving = serve(listener, stop.clone());
        let task = tokio::spawn(async move { serving.await.unwrap() });
        Self {
            url,
            stop,
            task,
            http: reqwest::Client::new(),
        }
    }

    async fn end(self) {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.task)
            .await
            .expect("it stops when told to")
            .unwrap();
    }

    async fn sums(&self) -> BookSummary {
        let answer = self.http.get(format!("{}/book/summary", self.url));
        answer.send().await.unwrap().json().await.unwrap()
    }

    async fn entry(&self, reference: &str) -> Option<Entry> {
        let answer = self.http.get(format!("{}/book/{reference}", self.url));
        answer.send().await.unwrap().json().await.ok()
    }
}

// ---- the form shape ----

fn signed(mut fields: Fields) -> Fields {
    let pairs: Vec<String> = fields.iter().map(|(k, v)| format!("{k}={v}")).collect();
    let text = format!("{}&apikey={KEY}", pairs.join("&"));
    fields.insert("sign".into(), hex::encode_upper(Md5::digest(text)));
    fields
}

fn fields(pairs: &[(&str, &str)]) -> Fields {
    let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    pairs.iter().map(pair).collect()
}

fn recharge(reference: &str, account: &str, notify: &str) -> Fields {
    signed(fields(&[
        ("userid", "refill"),
        ("out_trade_num", reference),
        ("product_id", "M50"),
        ("mobile", account),
        ("notify_url", notify),
        ("amount", "50"),
    ]))
}

async fn ask(supplier: &Running, path: &str, form: &Fields) -> Result<String, reqwest::Error> {
    let url = format!("{}/yrapi.php/index/{path}", supplier.url);
    let request = supplier.http.post(url).form(form).timeout(SILENCE);
    request.send().await?.error_for_status()?.text().await
}

/// What the supplier says of a number when asked; 0: it does not know it.
async fn status(supplier: &Running, reference: &str) -> i64 {
    let form = signed(fields(&[
        ("userid", "refill"),
        ("out_trade_nums", reference),
    ]));
    let text = ask(supplier, "check", &form).await.unwrap();
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(answer["errno"], 0, "{answer}");
    answer["data"][0]["status"].as_i64().unwrap_or(0)
}

#[derive(Clone)]
struct Pushes {
    came: Arc<Mutex<Vec<Fields>>>,
    answer: &'static str,
}

impl Pushes {
    async fn listen(answer: &'static str) -> (Self, String) {
        let pushes = Self {
            came: Arc::default(),
            answer,
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/push", listener.local_addr().unwrap());
        let take = async |State(pushes): State<Pushes>, Form(form): Form<Fields>| {
            pushes.came.lock().unwrap().push(form);
            pushes.answer
        };
        let router = Router::new()
            .route("/push", post(take))
            .with_state(pushes.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (pushes, url)
    }

    fn states(&self, reference: &str) -> Vec<String> {
        let came = self.came.lock().unwrap();
        let of = came
            .iter()
            .filter(|form| form["out_trade_num"] == reference);
        of.map(|form| form["state"].clone()).collect()
    }
}

/// The account's code, what the answer is like (none: it does not come), the status when asked at the end, the states pushed, how
/// often it is charged.
type FormCase = (
    &'static str,
    Option<&'static str>,
    i64,
    &'static [&'static str],
    u32,
);

#[tokio::test(flavor = "multi_thread")]
async fn a_form_supplier_does_what_each_account_asks_for() {
    let supplier = Running::form(None).await;
    let (pushes, notify) = Pushes::listen("success").await;
    let table: [FormCase; 17] = [
        ("00", Some("\"errno\":0"), 4, &["1"], 1),
        ("01", Some("\"errno\":0"), 5, &["2"], 0),
        ("02", Some("\"errno\":0"), 4, &["1"], 1),
        ("03", Some("\"errno\":0"), 5, &["2"], 0),
        ("04", Some("\"errno\":0"), 4, &[], 1),
        ("05", None, 4, &[], 1),
        ("06", None, 0, &[], 0),
        ("07", Some("<html>"), 4, &[], 1),
        ("08", None, 4, &[], 1),
        ("09", Some("\"errno\":1003"), 0, &[], 0),
        ("10", Some("\"errno\":0"), 4, &["1"], 1),
        ("11", None, 0, &[], 0),
        ("12", Some("\"errno\":0"), 3, &["3"], 0),
        ("13", Some("\"errno\":0"), 3, &[], 0),
        ("15", Some("\"errno\":0"), 4, &["1", "1", "1"], 1),
        ("16", Some("\"errno\":0"), 4, &["1"], 1),
        ("17", Some("{\"errno\":0"), 4, &[], 1),
    ];
    let one = async |(code, answer, asked, pushed, charged): FormCase| {
        let reference = format!("r{code}");
        let form = recharge(&reference, &format!("1990000{code}00"), &notify);
        let said = ask(&supplier, "recharge", &form).await.ok();
        match (answer, &said) {
            (None, None) => {}
            (Some(part), Some(text)) if text.contains(part) => {}
            _ => panic!("{code}: {said:?}"),
        }
        until(&format!("{code}: its pushes and its end"), async || {
            (pushes.states(&reference) == pushed && status(&supplier, &reference).await == asked)
                .then_some(())
        })
        .await;
        let entry = supplier.entry(&reference).await;
        assert_eq!(entry.map_or(0, |e| e.charged), charged, "{code}");
    };
    futures::future::join_all(table.map(one)).await;
    let sums = supplier.sums().await;
    assert_eq!(
        (sums.orders, sums.charged, sums.rejected),
        (14, 10, 1),
        "{sums:?}"
    );
    assert_eq!(sums.charged_more_than_once, 0);
    for push in pushes.came.lock().unwrap().iter() {
        let mut unsigned = push.clone();
        unsigned.remove("sign");
        assert_eq!(
            *push,
            signed(unsigned),
            "each push is signed over all of its fields"
        );
    }
    supplier.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_supplier_refuses_strangers_and_repeats_and_survives_rubbish() {
    let supplier = Running::form(None).await;
    let mut other_account = recharge("r1", "13800138001", "http://127.0.0.1:1/");
    other_account.insert("mobile".into(), "13800138002".into());
    let stranger = signed(fields(&[("userid", "else")]));
    let missing = signed(fields(&[("userid", "refill"), ("out_trade_num", "r1")]));
    let good = recharge("r1", "13800138001", "http://127.0.0.1:1/");
    for (form, errno) in [
        (&other_account, 1002),
        (&stranger, 1001),
        (&missing, 1004),
        (&good, 0),
        (&good, 1005),
    ] {
        let text = ask(&supplier, "recharge", form).await.unwrap();
        assert!(
            text.contains(&format!("\"errno\":{errno}")),
            "{errno}: {text}"
        );
    }
    for rubbish in [
        &b""[..],
        b"\xff\xfe%%%=&&",
        b"userid=refill&userid=refill",
        &LONG,
    ] {
        let url = format!("{}/yrapi.php/index/recharge", supplier.url);
        let answer = supplier
            .http
            .post(url)
            .body(rubbish.to_vec())
            .send()
            .await
            .unwrap();
        let text = answer.text().await.unwrap();
        assert!(!text.contains("\"errno\":0,"), "{text}");
    }
    let sums = supplier.sums().await;
    assert_eq!((sums.orders, sums.charged, sums.repeated), (1, 1, 1));
    supplier.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_is_not_taken_comes_again() {
    let supplier = Running::form(None).await;
    let (pushes, notify) = Pushes::listen("not yet").await;
    let form = recharge("r1", "19900000000", &notify);
    ask(&supplier, "recharge", &form).await.unwrap();
    until("a third push", async || {
        (pushes.states("r1").len() >= 3).then_some(())
    })
    .await;
    supplier.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_supplier_that_is_down_takes_nothing_and_comes_back_with_its_book() {
    let folder = tempfile::tempdir().unwrap();
    let book = folder.path().join("book");
    let supplier = Running::form(Some(book.clone())).await;
    let form = recharge("r1", "13800138001", "http://127.0.0.1:1/");
    ask(&supplier, "recharge", &form).await.unwrap();
    let control = format!("{}/control", supplier.url);
    let switch = async |down: bool| {
        let request = supplier.http.post(&control).json(&json!({ "down": down }));
        request.send().await.unwrap();
    };
    switch(true).await;
    let later = recharge("r2", "13800138001", "http://127.0.0.1:1/");
    assert!(ask(&supplier, "recharge", &later).await.is_err());
    switch(false).await;
    let first = supplier.entry("r1").await.unwrap().number;
    supplier.end().await;

    let supplier = Running::form(Some(book)).await;
    assert!(
        ask(&supplier, "recharge", &form)
            .await
            .unwrap()
            .contains("1005")
    );
    ask(&supplier, "recharge", &later).await.unwrap();
    let second = supplier.entry("r2").await.unwrap().number;
    assert!(
        second > first,
        "numbers go on after a restart: {first}, {second}"
    );
    assert_eq!(supplier.sums().await.charged, 2);
    supplier.end().await;
}

// ---- the open shape ----

async fn reports(keys: &RsaPair) -> (ReceivedHandle, String) {
    let receiver = MerchantReceiver::new(&MerchantReceiverSettings {
        platform_public_keys: vec![keys.public_pem.clone()],
        md5_keys: vec![],
        keep: 1_000,
    })
    .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/ok", listener.local_addr().unwrap());
    let handle = receiver.handle();
    tokio::spawn(receiver.run(listener, CancellationToken::new()));
    (handle, url)
}

fn customer(supplier: &Running) -> MerchantClient {
    MerchantClient::md5(&supplier.url, "m", "refill", KEY).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_supplier_does_what_each_account_asks_for() {
    let keys = RsaPair::generate().unwrap();
    let supplier = Running::open(&keys, None).await;
    let (received, url) = reports(&keys).await;
    let customer = customer(&supplier);
    // Account, status of the answer (−1: none that can be read), state when asked at the end, −1: unknown, reports, charged.
    let table: [(&str, i64, i64, u32, u32); 17] = [
        ("00", 0, 2, 1, 1),
        ("01", 0, 3, 1, 0),
        ("02", 0, 2, 1, 1),
        ("03", 0, 3, 1, 0),
        ("04", 0, 2, 0, 1),
        ("05", -1, 2, 0, 1),
        ("06", -1, -1, 0, 0),
        ("07", -1, 2, 0, 1),
        ("08", -1, 2, 0, 1),
        ("09", 11, -1, 0, 0),
        ("10", 0, 2, 1, 1),
        ("11", -1, -1, 0, 0),
        ("12", 0, 1, 0, 0),
        ("13", 0, 1, 0, 0),
        ("15", 0, 2, 3, 1),
        ("16", 0, 2, 1, 1),
        ("17", -1, 2, 0, 1),
    ];
    let one = async |(code, answer, end, pushed, charged): (&str, i64, i64, u32, u32)| {
        let reference = format!("r{code}");
        let items = [Item::new(&reference, format!("1990000{code}00"))];
        let sending = customer.batch(&reference, "P", Some(&url), &items);
        let said = match tokio::time::timeout(SILENCE, sending).await {
            Ok(answered) => answered.unwrap().status,
            Err(_) => -1,
        };
        assert_eq!(said, answer, "{code}");
        until(&format!("{code}: its reports and its end"), async || {
            let asked = customer.order(&reference).await.unwrap();
            let state = asked.data["status"].as_i64().unwrap_or(-1);
            let told = received.get(&reference).map_or(0, |r| r.reports);
            (state == end && told == pushed).then_some(())
        })
        .await;
        let entry = supplier.entry(&reference).await;
        assert_eq!(entry.map_or(0, |e| e.charged), charged, "{code}");
    };
    futures::future::join_all(table.map(one)).await;
    assert_eq!(received.summary().bad_signatures, 0);
    supplier.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_supplier_takes_a_batch_whole_or_not_at_all_and_answers_a_repeat_from_its_book() {
    let keys = RsaPair::generate().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let book = folder.path().join("book");
    let supplier = Running::open(&keys, Some(book.clone())).await;
    let (received, url) = reports(&keys).await;
    let ours = customer(&supplier);
    let items: Vec<Item> = ["19900000000", "19900000100", "19900000400"]
        .iter()
        .enumerate()
        .map(|(n, account)| Item::new(format!("r{n}"), *account))
        .collect();
    let first = ours.batch("b1", "P", Some(&url), &items).await.unwrap();
    assert_eq!(first.status, 0, "{first:?}");
    until("the reports of both items that send one", async || {
        (received.get("r0")?.status == 2 && received.get("r1")?.status == 3).then_some(())
    })
    .await;
    let mut rejected = items.clone();
    for (n, item) in rejected.iter_mut().enumerate() {
        item.biz_code = format!("q{n}");
    }
    rejected[2].account = "19900000900".into();
    assert_eq!(
        ours.batch("b2", "P", None, &rejected).await.unwrap().status,
        11
    );
    assert_eq!(
        ours.order("q0").await.unwrap().status,
        7,
        "nothing of a refused batch stays"
    );
    assert_eq!(
        ours.batch("b1", "Q", Some(&url), &items)
            .await
            .unwrap()
            .status,
        8
    );
    assert_eq!(
        ours.batch("b3", "P", Some(&url), &items[..1])
            .await
            .unwrap()
            .status,
        8
    );
    assert_eq!(
        ours.batch("b4", "P", None, &[]).await.unwrap().data,
        json!([])
    );
    supplier.end().await;

    let supplier = Running::open(&keys, Some(book)).await;
    let again = customer(&supplier)
        .batch("b1", "P", Some(&url), &items)
        .await
        .unwrap();
    assert_eq!(
        (again.status, &again.data),
        (0, &first.data),
        "a repeat after a restart"
    );
    assert_eq!(supplier.sums().await.orders, 3);
    supplier.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_supplier_checks_who_asks() {
    let keys = RsaPair::generate().unwrap();
    let supplier = Running::open(&keys, None).await;
    let ours = customer(&supplier);
    let body = json!({ "bizCode": "r1" }).to_string().into_bytes();
    let path = "/v1/openapi/order/info";
    let headers = ours.sign(&body);
    assert_eq!(
        ours.post_signed(path, &headers, &body)
            .await
            .unwrap()
            .status,
        7
    );
    assert_eq!(
        ours.post_signed(path, &headers, &body)
            .await
            .unwrap()
            .status,
        6
    );
    let old = ours.sign_with("n1", "1500000000000", &body);
    assert_eq!(ours.post_signed(path, &old, &body).await.unwrap().status, 5);
    let wrong = ours.sign(b"else");
    assert_eq!(
        ours.post_signed(path, &wrong, &body).await.unwrap().status,
        2
    );
    let stranger = MerchantClient::md5(&supplier.url, "m", "else", KEY).unwrap();
    assert_eq!(stranger.post(path, &body).await.unwrap().status, 2);
    for rubbish in [&b""[..], b"{", b"[]", b"\xff", b"{\"bizCode\":7}"] {
        assert_eq!(ours.post(path, rubbish).await.unwrap().status, 3);
    }
    supplier.end().await;
}
